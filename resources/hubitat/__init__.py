"""The door to a Hubitat hub's Maker API: it only reads."""
