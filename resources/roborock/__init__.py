"""The door to Roborock robots: read only, over their own wires and their maker's cloud."""
