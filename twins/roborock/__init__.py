"""Pretend Roborock robots, their broker and their cloud, on the real wires."""
