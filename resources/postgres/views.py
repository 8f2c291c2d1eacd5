"""The views: ``studio.…_current`` for the house, ``analytics.…`` for analysts, each column described once.

Views are data: name, grain, SQL and columns. They are made again whenever this file changes; a test
proves that every column exists with the type and the comment given here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from resources.postgres import tables

ANALYTICS = "analytics"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view: PostgreSQL type and one sentence."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class View:
    """One view; ``meaning`` begins with its grain."""

    schema: str
    name: str
    meaning: str
    columns: Sequence[ViewColumn]
    sql: str


def column_type(table: Table, name: str) -> str:
    """Return the PostgreSQL type of a table's column, lower case, as ``format_type`` spells it."""
    return str(table.c[name].type.compile(dialect=_DIALECT)).lower()


def columns_from(table: Table, *names: str) -> list[ViewColumn]:
    """Return columns that a view takes over from a table, all of them without ``names``."""
    wanted = names or tuple(column.name for column in table.columns)
    return [ViewColumn(name, column_type(table, name), str(table.c[name].comment)) for name in wanted]


def select_from(columns: Sequence[ViewColumn], source: str, rest: str = "", distinct: str = "") -> str:
    """Return a SELECT of ``columns`` from ``source``, which is called t."""
    names = ", ".join(f"t.{column.name}" for column in columns)
    return f"SELECT {distinct} {names} FROM {source} AS t {rest}".strip()  # noqa: S608 - made of this file's names


def newest_of_each(
    table: Table, key: str, order: str, columns: Sequence[ViewColumn], names: str | None = None
) -> str:
    """Return a SELECT of the row with the highest ``order`` for each ``key`` of a studio.

    One walk along the index of studio, key and order, backwards, so that a key with many revisions costs no
    more than they are. To ask of every row whether none is newer may be joined in the square of them.

    Args:
        table: With that index.
        key: Columns whose values are told apart.
        order: Column that grows with every revision.
        columns: What is selected of the row, which is called t.
        names: The same in SQL, where some are not taken over as they are.
    """
    names = names or ", ".join(f"t.{column.name}" for column in columns)
    keys = [f"t.{name}" for name in ("studio_id", *key.split())]
    backwards = f"ORDER BY {' DESC, '.join([*keys, f't.{order}'])} DESC"
    return f"SELECT DISTINCT ON ({', '.join(keys)}) {names} FROM {table.fullname} AS t {backwards}"  # noqa: S608 - made of our own names


def all_of_newest(table: Table, key: str, columns: Sequence[ViewColumn]) -> str:
    """Return a SELECT of all rows of the highest revision for each ``key`` of a studio, in one walk, too."""
    keys = ", ".join(f"t.{name}" for name in ("studio_id", *key.split()))
    names = ", ".join(f"t.{column.name}" for column in columns)
    newest = f"t.revision = max(t.revision) OVER (PARTITION BY {keys}) AS is_newest"
    every = f"SELECT {names}, {newest} FROM {table.fullname} AS t"  # noqa: S608 - as above
    return select_from(columns, f"({every})", "WHERE t.is_newest")


def _without(table: Table, *names: str) -> list[ViewColumn]:
    return [column for column in columns_from(table) if column.name not in {"previous_revision", *names}]


def _plain(name: str, meaning: str, table: Table) -> View:
    """Return an analyst's view of a whole table."""
    columns = _without(table)
    return View(ANALYTICS, name, meaning, columns, select_from(columns, table.fullname))


def _current(name: str, table: Table, key: str, *, meaning: str, has_many: bool = False) -> View:
    """Return the view of a table's newest revisions per ``key``, of which each may have many rows."""
    columns = _without(table)
    many, one = all_of_newest(table, key, columns), newest_of_each(table, key, "revision", columns)
    return View(tables.SCHEMA, name, meaning, columns, many if has_many else one)


_READ_COLUMNS = _without(tables.SOURCE_READS)

# Jumps along the primary key: a dozen look-ups, however many reads there are.
_COLLECTIONS_SQL = """
WITH RECURSIVE found AS (
    (SELECT studio_id, source, name FROM studio.source_reads
     WHERE studio_id = studio.current_studio_id() ORDER BY source, name LIMIT 1)
    UNION ALL
    SELECT next.* FROM found, LATERAL (
        SELECT t.studio_id, t.source, t.name FROM studio.source_reads AS t
        WHERE t.studio_id = studio.current_studio_id() AND (t.source, t.name) > (found.source, found.name)
        ORDER BY t.source, t.name LIMIT 1) AS next
)
SELECT studio_id, source, name FROM found"""

_FRESHNESS_SQL = """
SELECT c.studio_id, c.source, c.name,
    l.read_at AS last_read_at, l.completeness AS last_completeness, l.reason AS last_reason,
    f.read_at AS last_full_read_at,
    floor(extract(epoch FROM now() - f.read_at) / 60)::bigint AS full_read_age_minutes,
    f.documents, f.newest_source_at
FROM studio.collections AS c
CROSS JOIN LATERAL (
    SELECT t.* FROM studio.source_reads AS t
    WHERE t.studio_id = c.studio_id AND t.source = c.source AND t.name = c.name
    ORDER BY t.read_at DESC, t.revision DESC LIMIT 1) AS l
LEFT JOIN LATERAL (
    SELECT t.* FROM studio.source_reads AS t
    WHERE t.studio_id = c.studio_id AND t.source = c.source AND t.name = c.name
      AND t.completeness = 'full'
    ORDER BY t.read_at DESC, t.revision DESC LIMIT 1) AS f ON true"""

_INTERNAL = (
    View(
        tables.SCHEMA,
        "collections",
        "One row per collection that the connection's studio ever read.",
        columns_from(tables.SOURCE_READS, "studio_id", "source", "name"),
        _COLLECTIONS_SQL,
    ),
    View(
        tables.SCHEMA,
        "source_reads_current",
        "One row per collection and day: the newest read, whatever its completeness.",
        _READ_COLUMNS,
        select_from(
            _READ_COLUMNS,
            "studio.source_reads",
            "ORDER BY t.studio_id, t.source, t.name, t.snapshot_date, t.read_at DESC, t.revision DESC",
            "DISTINCT ON (t.studio_id, t.source, t.name, t.snapshot_date)",
        ),
    ),
    _current(
        "studio_state_snapshots_current",
        tables.SNAPSHOTS,
        "snapshot_date",
        meaning="One row per day: the newest revision of its StudioState.",
    ),
    _current(
        "studio_state_counters_current",
        tables.COUNTERS,
        "snapshot_date",
        meaning="One row per day and counter, from the day's newest revision.",
        has_many=True,
    ),
    _current(
        "studio_state_diffs_current",
        tables.DIFFS,
        "to_date to_revision",
        meaning="One row per snapshot revision: its newest comparison with the snapshot before it.",
    ),
    _current(
        "studio_state_drift_current",
        tables.DRIFT,
        "snapshot_date snapshot_revision",
        meaning="One row per snapshot revision and metric, from its newest check.",
        has_many=True,
    ),
)

_DAILY_COLUMNS = [
    *columns_from(tables.COUNTERS, "studio_id", "snapshot_date", "counter", "value", "unit"),
    ViewColumn(
        "previous_value", "bigint", "Value of the latest earlier day that has the counter; else null."
    ),
    ViewColumn("change", "bigint", "value minus previous_value; null on the counter's first day."),
    *columns_from(tables.COUNTERS, "revision"),
    *columns_from(tables.SNAPSHOTS, "observed_at"),
]
_HISTORY_COLUMNS = [
    *columns_from(tables.COUNTERS, "studio_id", "snapshot_date", "revision", "counter", "value", "unit"),
    *columns_from(tables.SNAPSHOTS, "observed_at", "content_hash", "run_id", "code_version"),
    ViewColumn("is_current", "boolean", "Whether this is the day's newest revision."),
]
_CHANGE_COLUMNS = [
    *columns_from(tables.DIFF_CHANGES, "studio_id", "to_date", "to_revision"),
    *columns_from(tables.DIFFS, "from_date", "from_revision", "from_read_at", "to_read_at"),
    *columns_from(tables.DIFF_CHANGES, "counter", "old_value", "new_value", "delta"),
]
_FRESHNESS_COLUMNS = [
    *columns_from(tables.SOURCE_READS, "studio_id", "source", "name"),
    ViewColumn("last_read_at", "timestamp with time zone", "Instant of the newest read, UTC."),
    ViewColumn("last_completeness", "text", "Completeness of the newest read."),
    ViewColumn("last_reason", "text", "Why the newest read is not full; null when it is."),
    ViewColumn("last_full_read_at", "timestamp with time zone", "Newest full read, UTC; null if none."),
    ViewColumn("full_read_age_minutes", "bigint", "Whole minutes since the last full read; null if none."),
    ViewColumn("documents", "bigint", "Documents of the last full read; null if none."),
    ViewColumn("newest_source_at", "timestamp with time zone", "Newest change that read saw; may be null."),
]

_ANALYTICS = (
    View(
        ANALYTICS,
        "snapshots",
        "One row per day: the newest StudioState, derived from cloud.",
        _without(tables.SNAPSHOTS),
        select_from(_without(tables.SNAPSHOTS), "studio.studio_state_snapshots_current"),
    ),
    _plain(
        "snapshot_history",
        "One row per revision of StudioState of one day: what was known when.",
        tables.SNAPSHOTS,
    ),
    View(
        ANALYTICS,
        "counters_daily",
        "One row per day and counter, from the day's newest revision, with the change since the day before.",
        _DAILY_COLUMNS,
        "SELECT c.studio_id, c.snapshot_date, c.counter, c.value, c.unit, "
        "lag(c.value) OVER series AS previous_value, c.value - lag(c.value) OVER series AS change, "
        "c.revision, s.observed_at "
        "FROM studio.studio_state_counters AS c "
        "JOIN studio.studio_state_snapshots_current AS s USING (studio_id, snapshot_date, revision) "
        "WINDOW series AS (PARTITION BY c.studio_id, c.counter ORDER BY c.snapshot_date)",
    ),
    View(
        ANALYTICS,
        "counter_history",
        "One row per counter of every snapshot revision: how a day's numbers became what they are.",
        _HISTORY_COLUMNS,
        "SELECT c.studio_id, c.snapshot_date, c.revision, c.counter, c.value, c.unit, "
        "s.observed_at, s.content_hash, s.run_id, s.code_version, "
        "NOT EXISTS (SELECT FROM studio.studio_state_snapshots AS newer "
        "WHERE newer.studio_id = s.studio_id AND newer.snapshot_date = s.snapshot_date "
        "AND newer.revision > s.revision) AS is_current "
        "FROM studio.studio_state_counters AS c "
        "JOIN studio.studio_state_snapshots AS s USING (studio_id, snapshot_date, revision)",
    ),
    _plain(
        "source_reads",
        "One row per read of one collection, failed and partial reads included.",
        tables.SOURCE_READS,
    ),
    _plain(
        "quarantined_documents",
        "One row per contract violation found by a read.",
        tables.QUARANTINED_DOCUMENTS,
    ),
    View(
        ANALYTICS,
        "diffs",
        "One row per snapshot revision: its newest comparison with the snapshot before it.",
        _without(tables.DIFFS),
        select_from(_without(tables.DIFFS), "studio.studio_state_diffs_current"),
    ),
    View(
        ANALYTICS,
        "diff_changes",
        "One row per counter that differs in the newest comparison of a snapshot revision.",
        _CHANGE_COLUMNS,
        "SELECT d.studio_id, d.to_date, d.to_revision, d.from_date, d.from_revision, d.from_read_at, "
        "d.to_read_at, c.counter, c.old_value, c.new_value, c.delta "
        "FROM studio.studio_state_diffs_current AS d "
        "JOIN studio.studio_state_diff_changes AS c USING (studio_id, to_date, to_revision, revision)",
    ),
    View(
        ANALYTICS,
        "drift",
        "One row per snapshot revision and metric, from its newest check against the source's own counts.",
        _without(tables.DRIFT),
        select_from(_without(tables.DRIFT), "studio.studio_state_drift_current"),
    ),
    _plain(
        "operational_events",
        "One row per thing that happened to the system itself.",
        tables.OPERATIONAL_EVENTS,
    ),
    View(
        ANALYTICS,
        "freshness",
        "One row per collection: its newest read, and how old its last full read is now.",
        _FRESHNESS_COLUMNS,
        _FRESHNESS_SQL,
    ),
)

VIEWS: Sequence[View] = (*_INTERNAL, *_ANALYTICS)  # in the order they can be made: the second uses the first
