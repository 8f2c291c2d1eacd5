"""Planted secrets: a whole run on a database given by URL, then every output and every store is searched."""

import json

import psycopg2
import pytest
from psycopg2 import sql

from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.urls import psql_url

pytestmark = pytest.mark.acceptance
PASSWORD = "CanaryDatabasePassword0001"
TWIN_KEY = "rk_test_twin_reader_0001"


@pytest.fixture
def server(tmp_path):
    """Give a database server that is not ours; it trusts everybody, so the planted password is accepted."""
    made = EmbeddedPostgres(tmp_path / "theirs", tmp_path / "theirs-run", is_durable=False)
    made.start()
    yield made
    made.stop()


def everything_in(server):
    """Yield every row of every table of both databases, as text."""
    for database in ("studio", "dagster"):
        connection = psycopg2.connect(psql_url(server.url(database)))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_type = 'BASE TABLE'"
                " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            )
            for schema, table in cursor.fetchall():
                cursor.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, table)))
                for (row,) in cursor.fetchall():
                    yield f"{database}.{schema}.{table}", row
        connection.close()


def test_no_planted_secret_reaches_any_output_log_or_table(house, server):
    """A database by URL replaces the embedded one; neither its password nor the Stripe key gets anywhere."""
    planted = server.url("studio").replace("postgres@", f"postgres:{PASSWORD}@")
    assert PASSWORD in planted
    house.environment["STUDIO_DATABASE_URL"] = planted
    done = house.run("up", "--once", "--json", "--days", "1", "--port", str(house.port))
    assert done.returncode == 0, done.stderr
    assert not (house.home / "postgres").exists()
    outputs = {"output": done.stdout, "errors": done.stderr}
    for command in (["state", "show", "--json"], ["doctor", "--json"], ["status", "--json"]):
        said = house.run(*command)
        outputs[" ".join(command)] = said.stdout + said.stderr
    assert json.loads(outputs["state show --json"])["revision"] == 1
    for path in house.home.rglob("*"):
        if path.is_file():
            outputs[str(path)] = path.read_bytes().decode("utf-8", "replace")
    searched = dict(outputs)
    rows = 0
    for table, row in everything_in(server):
        rows += 1
        searched[f"{table} {rows}"] = row or ""
    assert rows > 100
    started = [text for text in searched.values() if "studio:instance:started" in text]
    assert any("read-only" in text for text in started), "the start-up event records the posture"
    for secret in (PASSWORD, TWIN_KEY):
        assert [where for where, text in searched.items() if secret in text] == []


def test_a_database_that_does_not_answer_is_told_without_its_password(house):
    url = f"postgresql://studio:{PASSWORD}@127.0.0.1:{house.port}/studio"
    house.environment["STUDIO_DATABASE_URL"] = url
    done = house.run("up", "--once", "--days", "1", "--port", str(house.port + 1))
    assert done.returncode == 1
    assert "Migrations ended" in done.stderr
    assert f"127.0.0.1:{house.port}" in done.stderr
    doctor = house.run("doctor")
    assert doctor.returncode == 1
    assert "WRONG database" in doctor.stdout
    for said in (done, doctor):
        assert PASSWORD not in said.stdout + said.stderr
