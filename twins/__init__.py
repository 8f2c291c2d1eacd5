"""A pretend studio on the real wire protocols."""
