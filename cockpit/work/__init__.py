"""Steps that the supervisor runs as processes of their own, so that heavy libraries leave with them."""
