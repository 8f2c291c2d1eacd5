"""Devices: what connectors read, judged: counts for StudioState, and findings for people."""
