"""Puts a house together: from settings and wishes to the parts that the supervisor runs.

Nothing is started here. What parts tell each other (addresses, keys of the pretend studio) is collected in
``House.told``, from which the environment of every later part is made.
"""

import errno
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cockpit.environment import as_variables, part_environment
from cockpit.errors import CockpitError
from cockpit.home import Home
from cockpit.layout import DEFINITIONS, code_socket, embedded_server, prepare_dagster, workspace_file
from cockpit.parts.part import Part
from cockpit.parts.postgres import PostgresPart
from cockpit.parts.python_part import PythonPart
from cockpit.parts.twins import TwinsPart
from cockpit.parts.web import WebPart
from cockpit.world import Wish, World, settle, source_problems
from policies.redaction import Redactor
from resources.clock import SystemClock, local_date
from resources.logs import known_secrets
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import DAGSTER_DATABASE, runtime_url
from resources.postgres.urls import with_database
from resources.settings import Settings, SettingsError

SECONDS_TO_LET_GO = 1.0
CODE_IS_SERVING = "Started Dagster code server"
WRITER_FILE = "twin-writer.json"
SESSION_FILE = "twin-roborock.json"


@dataclass(frozen=True)
class House:
    """One home with everything that its parts need to know.

    Attributes:
        told: The settings of the parts as variables; grows as parts say what others need. Holds secrets.
        server: The embedded database server; null when another server is used.
        owner_url: The database with the rights to migrate it, for the one part that does. Where the server is
            ours, all others connect as the studio's runtime, which has no rights to go back to.
    """

    home: Home
    settings: Settings
    world: World
    server: EmbeddedPostgres | None
    told: dict[str, str] = field(repr=False)
    owner_url: str = field(repr=False)
    redactor: Redactor = field(repr=False)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def environment(self, part: str) -> Mapping[str, str]:
        """Return the whole environment of a part, as things stand."""
        given = self.told | ({"STUDIO_DATABASE_URL": self.owner_url} if part == "prepare" else {})
        return part_environment(self.home, given, part=part)

    @property
    def url(self) -> str:
        """Where the pages are served."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.settings.port}"


def open_house(home: Home, settings: Settings, wish: Wish) -> House:
    """Return the house of a home, ready to be started; the caller holds the instance lock.

    Raises:
        SettingsError: When the chosen sources cannot be used; all problems at once.
        CockpitError: When the home holds another studio's history.
    """
    problems = source_problems(settings, wish)
    if problems:
        raise SettingsError(problems)
    world = settle(home, settings, wish, local_date(SystemClock().now(), settings.timezone))
    told = as_variables(settings) | {"STUDIO_HOME": str(home.path), "STUDIO_HISTORY_START": world.first_day}
    if world.has_twins and "is_write_enabled" not in settings.model_fields_set:
        told["STUDIO_WRITES_ENABLED"] = "true"  # in a pretend studio nothing real is touched
    server = None
    if settings.database_url is None:
        server = embedded_server(home)
        owner_url = server.url("studio")
        told["STUDIO_DATABASE_URL"] = runtime_url(owner_url, settings.studio_id)
    else:
        owner_url = told["STUDIO_DATABASE_URL"]
    if settings.dagster_database_url is None:
        told["DAGSTER_PG_URL"] = with_database(owner_url, DAGSTER_DATABASE)
    prepare_dagster(home)
    return House(home, settings, world, server, told, owner_url, Redactor.knowing(known_secrets(settings)))


def store_parts(house: House) -> list[Part]:
    """Return the parts that keep and fill the history: database and sources."""
    parts: list[Part] = []
    if house.server is not None:
        parts.append(PostgresPart(house.server))
    parts.append(
        PythonPart(
            "prepare",
            "Migrations",
            ["cockpit.work.prepare_database"],
            house.environment,
            needs=["postgres"],
            is_service=False,
        )
    )
    if house.world.has_twins:
        parts.append(
            TwinsPart(
                house.world,
                house.environment,
                told=house.told,
                writer_file=house.home.run / WRITER_FILE,
                session_file=house.home.run / SESSION_FILE,
            )
        )
    return parts


def snapshot_part(house: House, arguments: Sequence[str] = (), *, needs: Sequence[str]) -> Part:
    """Return the step that makes a snapshot."""
    return PythonPart(
        "snapshot",
        "Today's snapshot",
        ["cockpit.work.take_snapshot", *arguments],
        house.environment,
        needs=needs,
        is_service=False,
        start_limit_seconds=900.0,
    )


def all_parts(house: House, *, is_once: bool) -> list[Part]:
    """Return everything that ``up`` runs, in the order in which it stops last."""
    code = [
        "dagster", "api", "grpc", "--socket", str(code_socket(house.home.path)), "--module-name", DEFINITIONS,
        "--working-directory", str(Path(__file__).resolve().parents[1]), "--location-name", "studio",
        "--use-python-environment-entry-point", "--log-format", "json",
    ]  # fmt: skip
    daemon = ["dagster._daemon", "run", "--workspace", str(workspace_file(house.home.path))]
    sources = ["prepare", "twins"]
    parts = [
        *store_parts(house),
        WebPart(house.environment, host=house.settings.host, port=house.settings.port),
        snapshot_part(house, needs=sources),
        PythonPart(
            "code",
            "Dagster definitions",
            code,
            house.environment,
            needs=["prepare"],
            ready_line=CODE_IS_SERVING,
        ),
        PythonPart(
            "daemon",
            "Dagster daemon",
            [*daemon, "--log-format", "json"],
            house.environment,
            needs=["code", *sources],
            after=["snapshot"],
        ),
    ]
    if is_once:
        step = ["cockpit.work.await_tick", house.started_at.isoformat()]
        last = PythonPart(
            "tick", "A sensor's tick", step, house.environment, needs=["daemon"], is_service=False
        )
    else:
        last = PythonPart(
            "history",
            "History",
            ["cockpit.work.fill_history"],
            house.environment,
            needs=sources,
            after=["snapshot"],
            is_service=False,
            start_limit_seconds=24 * 3600.0,
            # It keeps what is done day by day, so a failure after minutes of work is no repeated one.
            stable_seconds=600.0,
        )
    return [*parts, last]


def refuse_taken_port(host: str, port: int) -> None:
    """Raise ``CockpitError`` when somebody else listens where the pages should be."""
    try:
        _await_free_port(host, port)
    except PermissionError:
        raise CockpitError(
            f"Port {port} may not be used by this account.", "Choose one above 1023 with --port."
        ) from None
    except OSError as error:
        raise CockpitError(
            f"Port {port} on {host} is taken ({error.strerror}).", "Choose another one with --port."
        ) from None


def _await_free_port(host: str, port: int) -> None:
    """Bind for an instant; a process that is just ending gets a moment to let go."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + SECONDS_TO_LET_GO
    while True:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # As the server will do it: an address that only waits for its last packets is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
                return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
        time.sleep(0.1)
