"""Dagster's own storage in PostgreSQL, with pooled connections.

Stock ``DagsterPostgresStorage`` opens a connection per call outside the web server: some 270 for one run of
ten assets. Pooling costs private attributes, pinned by a test; how events are written is in
``dagster_event_log``. This module is loaded by every Dagster process and imports no pandas.
Its ``dagster.yaml`` entry names the class; see there.
"""

from typing import Any

from dagster._serdes import ConfigurableClassData  # the signature ConfigurableClass demands
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy.engine import make_url

from resources.dagster_event_log import BatchedEventLog

STATEMENT_TIMEOUT_MS = 60_000
POOL_RECYCLE_SECONDS = 3600
MAX_OVERFLOW = 20


_RELAXED = "-csynchronous_commit=off"


def relaxed(postgres_url: str) -> str:
    """Return the URL with commits that do not wait for the disk.

    A run is hundreds of small commits. Should the server crash, the last moments of Dagster's log are lost,
    never torn; run monitoring ends runs that look alive. History has a connection, and waits, of its own.
    """
    url = make_url(postgres_url)
    given = url.query.get("options", "")
    options = given if isinstance(given, str) else " ".join(given)
    if "synchronous_commit" in options:
        return postgres_url
    relaxed_url = url.update_query_dict({"options": f"{options} {_RELAXED}".strip()})
    return relaxed_url.render_as_string(hide_password=False)


class PooledPostgresStorage(DagsterPostgresStorage):
    """Run, event and schedule storage that reuse their connections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The tables are there by now, so that this one only connects.
        self._event_log_storage = BatchedEventLog(self.postgres_url, should_autocreate_tables=False)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MS,
                pool_recycle=POOL_RECYCLE_SECONDS,
                max_overflow=MAX_OVERFLOW,
            )

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "PooledPostgresStorage":
        """Build the storage from its ``dagster.yaml`` entry, as Dagster asks every configurable class to."""
        return cls(
            inst_data=inst_data,
            postgres_url=relaxed(pg_url_from_config(config_value)),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
        )
