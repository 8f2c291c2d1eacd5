"""The one job that acts: it carries out what people approved, through the gateway, and nothing else."""
