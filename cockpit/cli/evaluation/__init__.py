"""Evaluations: the detectors, run over simulated years whose incidents are known."""
