"""Department swarms: sensors that turn findings into draft proposals, and nothing else."""
