"""Swarms: sensors and schedules that start work and, later, propose."""
