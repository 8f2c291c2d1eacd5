"""The door to PostgreSQL: the embedded server, engines, migrations and history tables."""
