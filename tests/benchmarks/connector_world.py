"""What the benchmark of the connectors needs of the product: a database, connectors and their policies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from sqlalchemy import func, select, text
from sqlalchemy.pool import QueuePool

from resources.clock import Clock, SystemClock
from resources.connector import Connector
from resources.connectors.registry import rows_by_id
from resources.connectors.runner import CallPolicy
from resources.hubitat.gateway import HubitatAddress
from resources.hubitat.live import HubitatConnector
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import app_engine, ensure_databases, owner_engine
from resources.postgres.migrate import migrate
from resources.postgres.tables_connectors import CONNECTOR_CALLS
from resources.roborock.live import LiveRoborock
from tests.benchmarks.connector_twins import TwinsApart

STUDIO = "monsoonfire"
APP_ID, TOKEN = "27", "twin-hub-token-5d1c"


class Database:
    """A durable PostgreSQL with what the runner keeps there; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder / "postgres", folder / "run")

    def __enter__(self) -> Self:
        self._server.start()
        ensure_databases(self._server.url("postgres"), ["studio"])
        owner = owner_engine(self._server.url("studio"))
        migrate(owner, STUDIO)
        owner.dispose()
        self.engine = app_engine(self._server.url("studio"), STUDIO)
        self.breakers = PostgresBreakerStore(self.engine, STUDIO)
        self.calls = PostgresCallLog(self.engine, STUDIO)
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()
        self._server.stop()

    def pooled(self) -> int:
        """Return how many connections to the database are open; there is a limit to them."""
        pool = self.engine.pool
        return pool.checkedin() + pool.checkedout() if isinstance(pool, QueuePool) else 0

    def recorded(self, connector_id: str) -> int:
        """Return how many calls of a connector are on record."""
        count = select(func.count()).where(CONNECTOR_CALLS.c.connector_id == connector_id)
        with self.engine.begin() as connection:
            return connection.scalar(count) or 0

    def audited(self, connector_id: str) -> Mapping[str, int]:
        """Return how often the audit log names each event of a connector, by the last word of its name."""
        query = text(
            "SELECT split_part(name, ':', 3), count(*) FROM studio.audit_events "
            "WHERE subject_kind = 'connector' AND subject_id = :connector GROUP BY 1"
        )
        with self.engine.begin() as connection:
            rows = connection.execute(query, {"connector": connector_id}).all()
        return {str(event): int(count) for event, count in rows}


def hub_connector(twins: TwinsApart, clock: Clock | None = None) -> Connector:
    """Return a connector to the pretend hub."""
    return HubitatConnector(HubitatAddress(twins.hub_url, APP_ID, TOKEN), clock or SystemClock())


def robot_connector(folder: Path, clock: Clock | None = None) -> Connector:
    """Return a connector to the pretend robots; the twins wrote the login."""
    return LiveRoborock(folder / "session.json", folder / "cache.json", clock)


def product_policies() -> Mapping[str, CallPolicy]:
    """Return how patient the product is with each connector."""
    return {name: row.policy for name, row in rows_by_id().items()}
