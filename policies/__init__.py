"""Rules: pure decisions, with no network, clock, environment or database."""
