"""A seeded, deterministic studio whose life is written through the real clients."""
