"""Planted secrets and the members' personal data, searched for in everything the product writes or says.

The secrets are canaries: values that exist nowhere else, put into every credential there is. The personal
data is what the pretend studio's documents really hold. Searched are the output of the commands, every file
of the home directory, every row of both databases, and the raw reads.
"""

import json
import os
import re
import subprocess
import sys
from unittest import mock

import psycopg2
import pyarrow.parquet as pq
import pytest
from google.cloud import firestore

from tests.acceptance.house import CHECKOUT, House
from twins.cli import main as twins_command
from twins.world.people import MARK

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

STRIPE_CANARY = "rk_test_canaryStripe7d41f09ab2"
DATABASE_CANARY = "canaryDatabase5e88c1"
# What opens the pretend hub and robots.
DEVICE_SECRETS = (
    "twin-hub-token", "pretend-token", "pretend-user", "pretend-password", "pretend-signing-key",
    "pretend-sealing-key", "throwing-room-k1", "kiln-room-key-02", "glaze-room-key-3",
)  # fmt: skip
SECRETS = (STRIPE_CANARY, DATABASE_CANARY, "canaryStripe", "canaryDatabase", *DEVICE_SECRETS)
DATABASES = ("leaks", "leaks_dagster")
READERS = (("state", "show"), ("doctor",), ("status",), ("connectors", "status"))
ONE_BY_ONE = """
import json, sys
from cockpit.cli.main import main
for words in json.loads(sys.argv[1]):
    main(words)
"""
PERSONAL_FIELDS = {
    "displayName", "ownerDisplayName", "ownerName", "email", "ownerEmail", "borrowerName", "borrowerEmail",
    "deliveryAddress", "deliveryInstructions", "note", "staffNote", "staffNotes", "body", "pickupNotes",
    "actorName", "phone", "subject", "summary", "arrivalToken",
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, postgres_server):
    """Run the product once on twins and a database of its own, and give all it said with the house."""
    folder = tmp_path_factory.mktemp("leaks")
    twins = subprocess.Popen(
        [sys.executable, "-m", "twins", "up", "--json", "--days", "3"],
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        environment = json.loads(_first_object(twins))
        _wait_for_the_world(twins)
        database = postgres_server.url("leaks").replace("postgres@", f"postgres:{DATABASE_CANARY}@")
        assert DATABASE_CANARY in database
        house = House(
            folder / "a home",
            **{name: value for name, value in environment.items() if name != "STUDIO_TWINS_CONTROL"}
            | {
                "STUDIO_STRIPE_KEY": STRIPE_CANARY,
                "STUDIO_DATABASE_URL": database,
                "STUDIO_DAGSTER_DATABASE_URL": database.replace("/leaks", "/leaks_dagster"),
                "STUDIO_LOG_LEVEL": "debug",
            },
        )
        said = [house.run("up", "--once", "--no-twins", "--port", str(house.port), "--json")]
        _strike(environment)
        said += [house.run("snapshot", "--json"), _all_said(house, *READERS)]
        wrong = House(folder / "another home", STUDIO_STRIPE_KEY="sk_live_canaryStripeFull", STUDIO_PORT="0")
        said.append(wrong.run("up", "--once", "--json"))
        yield house, said, _personal_data(environment), postgres_server
    finally:
        twins.terminate()
        twins.communicate(timeout=20)


def _all_said(house, *commands):
    """Run commands one after the other in one process, which loads everything once; return what it said."""
    words = [[*command, "--json", "--home", str(house.home)] for command in commands]
    return subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, json.dumps(words)],
        env=house.environment, cwd="/", capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def _strike(environment):
    """Let the hub refuse its token in a page that repeats it, and the robots' broker refuse the login."""
    control = environment["STUDIO_TWINS_CONTROL"]
    for fault in (("hubitat", "401"), ("roborock", "broker_refuses")):
        assert twins_command(["fault", *fault, "--control", control]) == 0


def _first_object(process):
    """Return the text of the one JSON object a starting process prints."""
    text = ""
    for line in process.stdout:
        text += line
        try:
            json.loads(text)
        except ValueError:
            continue
        return text
    raise AssertionError(process.stderr.read())


def _wait_for_the_world(process):
    for line in process.stderr:
        if "world:history:ready" in line:
            return
    raise AssertionError("the twins ended early")


def _personal_data(environment):
    """Return every personal value the pretend studio's documents hold, read with the plain client."""
    with mock.patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=environment["FIRESTORE_EMULATOR_HOST"]):
        client = firestore.Client(project=environment["STUDIO_FIRESTORE_PROJECT"])
    documents = [document.to_dict() for each in client.collections() for document in each.stream()]
    client.close()
    return sorted({value for document in documents for value in _personal_values(document)})


def _personal_values(value, name=""):
    """Yield the personal texts in a document, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _personal_values(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _personal_values(inner, name)
    elif (
        isinstance(value, str)
        and name in PERSONAL_FIELDS
        and len(value) >= 8
        and (" " in value or "@" in value)
    ):
        yield value


def test_the_product_did_run(outcome):
    """The search below means something: a snapshot was made, and there was something to leak."""
    house, said, personal, _ = outcome
    assert said[0].returncode == 0, said[0].stderr[-2000:]
    assert not (house.home / "postgres").exists(), "a database by URL replaces the embedded one"
    assert json.loads(said[0].stdout)["contentHash"]
    assert said[-1].returncode != 0
    assert "restricted key" in said[-1].stdout + said[-1].stderr
    assert said[2].returncode == 0, said[2].stderr[-2000:]
    assert '"auth"' in said[2].stdout, "the hub refused its token in the second snapshot"
    assert len(personal) > 20


def test_nothing_that_is_said_holds_a_secret_or_personal_data(outcome):
    """Standard output and standard error of every command, at the most talkative log level."""
    _, said, personal, _ = outcome
    for done in said:
        assert _found_in(done.stdout + done.stderr, personal) == [], done.args


def test_no_file_of_the_home_holds_a_secret_or_personal_data(outcome):
    """Logs, status files, Dagster's files and raw reads; the file that hands secrets on is private."""
    house, _, personal, _ = outcome
    files = [path for path in house.home.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".parquet"]
    for path in files:
        text = _text_of(path)
        assert _found_in(text, personal) == [], path


def test_no_row_of_either_database_holds_a_secret_or_personal_data(outcome):
    """Every row of every table, our own and Dagster's: metadata, tags, events, run configuration."""
    _, _, personal, server = outcome
    rows, starts, tables = 0, [], set()
    for table, row in _rows(server):
        rows += 1
        tables.add(table)
        assert _found_in(row, personal) == [], table
        if "studio:instance:started" in row:
            starts.append(row)
    assert rows > 500
    assert tables > {"studio.connector_calls", "studio.connector_readings", "studio.audit_events"}
    assert any("read-only" in start for start in starts), "the start-up event records the posture"


def test_what_is_planted_is_found(outcome):
    """The control: every secret in a file of the home, and one in a row of each database, is found."""
    house, _, personal, server = outcome
    planted = house.home / "logs" / "planted.log"
    planted.parent.mkdir(exist_ok=True)
    for secret in SECRETS:
        planted.write_text(f"asked with {secret}\n")
        assert secret in _found_in(_text_of(planted), personal)
    planted.unlink()
    for database in DATABASES:
        with _connected(server, database) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE planted AS SELECT %s AS word", (DEVICE_SECRETS[0],))
    found = [table for table, row in _rows(server) if _found_in(row, personal)]
    for database in DATABASES:
        with _connected(server, database) as connection:
            connection.cursor().execute("DROP TABLE planted")
    assert found == ["public.planted", "public.planted"]


def _connected(server, database):
    return psycopg2.connect(server.url(database).replace("postgresql+psycopg2", "postgresql"))


def _rows(server):
    """Yield table and text of every row of both databases."""
    for database in DATABASES:
        with _connected(server, database) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            for (table,) in cursor.fetchall():
                cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608 - the name comes from the catalogue
                yield from ((table, row) for (row,) in cursor.fetchall())


def _text_of(path):
    if path.suffix == ".parquet":
        return json.dumps(pq.read_table(path).to_pylist(), default=str)
    return path.read_bytes().decode("utf-8", errors="replace")


def _found_in(text, personal):
    found = [planted for planted in (*SECRETS, MARK) if planted in text]
    return found + [value for value in personal if value in text and not re.fullmatch(r"[\d\s.:-]+", value)]
