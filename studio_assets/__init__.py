"""Facts: the Dagster asset graph that turns cloud reads into StudioState history."""
