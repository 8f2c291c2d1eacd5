"""Doors: everything outside the process is reached through one of these."""
