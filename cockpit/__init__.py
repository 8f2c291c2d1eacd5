"""The front desk: web pages, health, the supervisor and the command line."""
