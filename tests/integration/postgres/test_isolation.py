"""No row of one studio is visible or writable from another, whatever a client asks for."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from resources.postgres.comments import describe
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.engine import analyst_url, app_engine, owner_engine
from resources.postgres.errors import HistoryRefusedError
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.postgres.migrate import migrate
from resources.postgres.urls import normalise_url
from resources.rows import OperationalEvent
from tests.integration.postgres.samples import DAY, NOON, make_finding, make_read, make_reading, sha

pytestmark = pytest.mark.integration

STUDIOS = ("monsoonfire", "claycorner", "kiln_9")
_VIEWS = [f"{r.schema}.{r.name}" for r in describe() if r.kind == "view"]
_ANALYTICS = [name for name in _VIEWS if name.startswith("analytics.")]
_HIDDEN = [f"{r.schema}.{r.name}" for r in describe() if r.schema == "studio"]


@pytest.fixture
def studios(postgres_url):
    """Return one history per studio, all in one database."""
    migrate(owner_engine(postgres_url), *STUDIOS)
    engines = {name: app_engine(postgres_url, name) for name in STUDIOS}
    yield {name: History(engine, name) for name, engine in engines.items()}
    for engine in engines.values():
        engine.dispose()


@pytest.fixture
def analysts(studios, postgres_url):
    """Return one engine per studio, logged in as its analysts."""
    engines = {name: create_engine(normalise_url(analyst_url(postgres_url, name))) for name in STUDIOS}
    yield engines
    for engine in engines.values():
        engine.dispose()


def _fill(history, content):
    snapshot = {"snapshot_date": DAY, "content_hash": sha(content), "payload": {"of": history.studio_id}}
    history.record_read(make_read(), "run-1", "1")
    history.append_snapshot(
        **snapshot, counters={"counts.a": (1, "documents")}, observed_at=NOON, run_id="r", code_version="1"
    )
    history.record_event(OperationalEvent("a:b:c", NOON, {"of": history.studio_id}))
    engine, told = history._engine, {"run_id": "run-1", "code_version": "1"}
    readings, findings = DeviceReadings(engine, history.studio_id), Findings(engine, history.studio_id)
    for minutes in (0, 1):
        readings.keep("hubitat", make_reading(NOON + timedelta(minutes=minutes)), **told)
    findings.apply("operations", "devices", [make_finding()], at=NOON, **told)


def _studios_seen(engine, relations):
    with engine.connect() as connection:
        return {
            row
            for name in relations
            for row in connection.scalars(text(f"SELECT studio_id FROM {name}"))  # noqa: S608 - our names
        }


def _count(engine, name):
    with engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM {name}"))  # noqa: S608 - our names


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(
        st.tuples(st.sampled_from(STUDIOS), st.sampled_from(["event", "read", "snapshot"]), st.text("ab")),
        max_size=8,
    )
)
def test_each_studio_sees_what_it_wrote_and_nothing_else(studios, writes, postgres_url):
    """Whatever order studios write in, each one's view is its own writes."""
    before = {name: len(history.events(10_000)) for name, history in studios.items()}
    for number, (name, kind, content) in enumerate(writes):
        if kind == "event":
            event = OperationalEvent("a:b:c", NOON, {"of": name, "number": number})
            studios[name].record_event(event)
        elif kind == "read":
            studios[name].record_read(make_read(), "run-1", "1")
        else:
            studios[name].append_snapshot(
                DAY, sha(content), {"of": name}, {}, observed_at=NOON, run_id="r", code_version="1"
            )
    for name, history in studios.items():
        mine = sum(studio == name and kind == "event" for studio, kind, _ in writes)
        assert len(history.events(10_000)) == before[name] + mine
        assert all(event.payload["of"] == name for event in history.events(10_000))
        assert all(snapshot.payload["of"] == name for snapshot in history.revisions(DAY))
        assert _studios_seen(history._engine, _VIEWS) <= {name}


def test_a_studio_cannot_write_into_another(studios):
    """A history made for one studio over a connection of another is refused by the database."""
    crossed = History(studios["claycorner"]._engine, "monsoonfire")
    with pytest.raises(HistoryRefusedError):
        crossed.record_event(OperationalEvent("a:b:c", NOON))
    with pytest.raises(HistoryRefusedError):
        crossed.record_read(make_read(), "run-1", "1")
    assert studios["monsoonfire"].events() == []
    assert crossed.events() == []


def test_a_rollback_and_a_returned_connection_keep_the_role_and_the_studio(studios):
    engine = studios["claycorner"]._engine
    for _ in range(3):
        with engine.connect() as connection:
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 1 / 0"))
            connection.rollback()
            row = connection.execute(text("SELECT current_user, studio.current_studio_id()")).one()
            assert tuple(row) == ("studio_app", "claycorner")


def test_analysts_see_their_studio_in_every_view_and_no_other(studios, analysts):
    for name, history in studios.items():
        _fill(history, name)
    for name, engine in analysts.items():
        assert _studios_seen(engine, _ANALYTICS) == {name}
        for view in ("snapshots", "devices", "connector_health", "connector_readings", "findings"):
            assert _count(engine, f"analytics.{view}") == 1


@pytest.mark.parametrize(
    "trick",
    [
        "SET studio.studio_id = 'monsoonfire'",
        "SELECT set_config('studio.studio_id', 'monsoonfire', false)",
        "SET ROLE studio_analyst",
    ],
)
def test_an_analyst_cannot_choose_another_studio(studios, analysts, trick):
    """The login decides, not a setting: pretending to be another studio shows nothing of it."""
    _fill(studios["monsoonfire"], "secret")
    with analysts["claycorner"].connect() as connection:
        connection.execute(text(trick))
        for view in _ANALYTICS:
            assert connection.scalar(text(f"SELECT count(*) FROM {view}")) == 0  # noqa: S608 - our names


@pytest.mark.parametrize("role", ["studio_app", "studio_owner", "studio_analyst_monsoonfire", "postgres"])
def test_an_analyst_cannot_take_another_role(analysts, role):
    with analysts["claycorner"].connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text(f"SET ROLE {role}"))


@pytest.mark.parametrize("name", _HIDDEN)
def test_an_analyst_reads_nothing_but_the_schema_analytics(analysts, name):
    with (
        analysts["monsoonfire"].connect() as connection,
        pytest.raises(DBAPIError, match="permission denied"),
    ):
        connection.execute(text(f"SELECT * FROM {name}"))  # noqa: S608 - our names


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM analytics.source_reads",
        "INSERT INTO analytics.operational_events (studio_id, name) VALUES ('monsoonfire', 'a:b:c')",
        "UPDATE analytics.snapshots SET content_hash = ''",
        "CREATE TABLE analytics.mine (n int)",
    ],
)
def test_an_analyst_writes_nothing_even_after_asking_to(studios, analysts, statement):
    _fill(studios["monsoonfire"], "a")
    with analysts["monsoonfire"].connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.commit()
        with pytest.raises(DBAPIError, match=r"permission denied|cannot (delete|update|insert)"):
            connection.execute(text(statement))


def test_a_login_without_the_setting_sees_nothing(studios, postgres_url):
    """The runtime's role without a chosen studio sees no studio at all, rather than all of them."""
    _fill(studios["monsoonfire"], "a")
    with owner_engine(postgres_url).connect() as connection:
        connection.execute(text("SET ROLE studio_app"))
        for name in _HIDDEN:
            assert connection.scalar(text(f"SELECT count(*) FROM {name}")) == 0  # noqa: S608 - our names


@pytest.mark.parametrize("studio_id", ["", "A", "x y", "a'; --", "a" * 42, "9kiln"])
def test_an_impossible_studio_id_is_refused_before_any_connection(studio_id):
    with pytest.raises(ValueError, match="is not a studio id"):
        app_engine("postgresql://postgres@/studio?host=/nowhere", studio_id)
