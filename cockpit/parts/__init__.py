"""The parts that the supervisor runs: one small module each, saying how to start it and when it is ready."""
