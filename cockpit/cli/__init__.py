"""The commands behind ./studio."""
