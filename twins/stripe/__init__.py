"""A Stripe server in memory that the official SDK talks to."""
