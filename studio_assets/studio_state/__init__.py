"""StudioState: snapshot, diff and drift."""
