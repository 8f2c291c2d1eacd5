"""A pretend Hubitat hub: the Maker API over HTTP, with its devices, its traps and its bad days."""
