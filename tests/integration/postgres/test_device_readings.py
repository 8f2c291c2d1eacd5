"""What connectors read: nothing is written twice, and the newest reading is exactly the last good one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from resources.connector import DeviceFailure, DeviceReading, Fault, Reading
from resources.connectors.records import Ending
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.engine import analyst_url, owner_engine
from resources.postgres.engine import app_engine as engine_for
from resources.postgres.errors import HistoryRefusedError, ServerUnreachableError
from resources.postgres.urls import normalise_url
from tests.integration.postgres.samples import NOON, make_call, make_device, make_reading, sha

pytestmark = pytest.mark.integration
STUDIO = "monsoonfire"
_TOLD = {"run_id": "run-1", "code_version": "1"}
_MINUTE = timedelta(minutes=1)


@pytest.fixture
def readings(app_engine):
    return DeviceReadings(app_engine, STUDIO)


@pytest.fixture
def keep(readings):
    """Return a function that keeps a reading of the hub."""
    return lambda reading: readings.keep("hubitat", reading, **_TOLD)


def _rows(engine, table):
    with engine.connect() as connection:
        return connection.scalar(text(f"SELECT count(*) FROM studio.{table}"))  # noqa: S608 - our names


def test_the_first_reading_is_kept_whole(readings, keep):
    """Every field comes back, in UTC and in order of device id."""
    phoenix = timezone(timedelta(hours=-7))
    vacuum = DeviceReading(
        device_id="r2",
        kind="vacuum",
        model=None,
        is_online=None,
        battery_pct=None,
        state="charging",
        error_code="5",
        error_name=None,
        is_healthy=None,
        observed_at=NOON.astimezone(phoenix),
        values={},
        consumables={"main_brush": 10.5},
        hazards=("lock", "valve"),
        last_clean_at=NOON - timedelta(days=1),
        place="kiln_room",
    )
    failure = DeviceFailure("r9", Fault.TIMEOUT, "It did not answer in time.")
    reading = Reading((vacuum, make_device("1")), (failure,), NOON, "Away", "armedAway", (Fault.AUTH,))
    kept = keep(reading)
    assert kept.is_new
    assert (kept.connector_id, kept.revision, kept.read_at, kept.first_read_at) == ("hubitat", 1, NOON, NOON)
    assert kept.reading == replace(reading, devices=(make_device("1"), vacuum))
    assert readings.newest("hubitat") == replace(kept, is_new=False)
    assert readings.newest("hubitat").read_at.tzinfo is UTC
    assert readings.newest("roborock") is None


def test_a_read_that_agrees_is_a_confirmation(readings, keep, app_engine):
    """Only the instants move: of the read, and of the devices that spoke again."""
    first = keep(make_reading(NOON, make_device("1"), make_device("2")))
    later = make_reading(
        NOON + _MINUTE, make_device("2", observed_at=NOON + timedelta(seconds=30)), make_device("1")
    )
    confirmed = keep(later)
    assert not confirmed.is_new
    assert (confirmed.revision, confirmed.content_hash) == (1, first.content_hash)
    assert (confirmed.first_read_at, confirmed.read_at) == (NOON, NOON + _MINUTE)
    assert confirmed.reading.devices == tuple(sorted(later.devices, key=lambda one: one.device_id))
    assert readings.newest("hubitat") == confirmed
    assert (_rows(app_engine, "connector_readings"), _rows(app_engine, "connector_confirmations")) == (1, 1)
    with app_engine.connect() as connection:
        observed = connection.scalar(text("SELECT observed FROM studio.connector_confirmations"))
    assert observed == {"2": "2026-03-01T19:00:30+00:00"}


@pytest.mark.parametrize(
    "changed",
    [
        make_reading(NOON, make_device(battery_pct=79)),
        make_reading(NOON, make_device(values={"temperature_celsius": 21.6})),
        make_reading(NOON, make_device(is_healthy=None)),
        make_reading(NOON, make_device(), make_device("2")),
        make_reading(NOON, make_device(), failures=(DeviceFailure("2", Fault.TIMEOUT, "No answer."),)),
        make_reading(NOON, mode="Away"),
        make_reading(NOON, security="armedAway"),
        make_reading(NOON, worked_around=(Fault.AUTH,)),
        Reading((), (), NOON),
    ],
)
def test_anything_that_is_said_differently_is_a_revision(keep, changed):
    keep(make_reading())
    kept = keep(replace(changed, read_at=NOON + _MINUTE))
    assert (kept.is_new, kept.revision) == (True, 2)
    back = keep(make_reading(NOON + 2 * _MINUTE))
    assert (back.is_new, back.revision) == (True, 3)


def test_the_order_of_devices_and_the_kind_of_a_number_mean_nothing(keep):
    one, two = make_device("1", values={"lux": 3, "temperature_celsius": 20.0}), make_device("2")
    keep(make_reading(NOON, one, two))
    same = replace(one, values={"temperature_celsius": 20, "lux": 3.0})
    assert not keep(make_reading(NOON + _MINUTE, two, same)).is_new


def test_a_number_that_is_none_is_left_out(readings, keep):
    keep(make_reading(NOON, make_device(values={"a": float("nan"), "b": float("inf"), "c": 1.0})))
    assert readings.newest("hubitat").reading.devices[0].values == {"c": 1.0}


def test_what_is_known_never_goes_back(readings, keep, app_engine):
    """A read that was overtaken is not kept, nor is the same read twice; the newest is returned."""
    keep(make_reading(NOON))
    keep(make_reading(NOON + 2 * _MINUTE))
    newest = readings.newest("hubitat")
    for late in (
        make_reading(NOON + _MINUTE),
        make_reading(NOON + _MINUTE, make_device(battery_pct=1)),
        make_reading(NOON + 2 * _MINUTE, make_device(battery_pct=1)),
        make_reading(NOON + 2 * _MINUTE),
        make_reading(NOON),
    ):
        assert keep(late) == newest
    assert (_rows(app_engine, "connector_readings"), _rows(app_engine, "connector_confirmations")) == (1, 1)


_DEVICES = st.lists(
    st.builds(
        make_device,
        st.sampled_from(["1", "2", "3"]),
        battery_pct=st.sampled_from([None, 1, 2]),
        observed_at=st.sampled_from([NOON, NOON + _MINUTE]),
    ),
    max_size=3,
    unique_by=lambda device: device.device_id,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(_DEVICES, st.integers(1, 3), st.booleans()), min_size=1, max_size=8),
    looked=st.integers(0, 24),
)
def test_history_says_what_was_read_last_before_any_instant(readings, app_engine, steps, looked):
    """A list of all reads, kept beside, gives the same answers; equal neighbours share a revision."""
    connector = f"hub_{_rows(app_engine, 'connector_readings')}"
    at, reads, revision = NOON, [], 0
    for devices, minutes, is_again in steps:
        at += minutes * _MINUTE
        reading = Reading(tuple(sorted(devices, key=lambda one: one.device_id)), (), at)
        said = [replace(one, observed_at=NOON) for one in reading.devices]
        is_new = not reads or said != [replace(one, observed_at=NOON) for one in reads[-1][0].devices]
        revision += is_new
        for is_first in (True, False) if is_again else (True,):
            kept = readings.keep(connector, reading, **_TOLD)
            assert (kept.reading, kept.read_at) == (reading, at)
            assert (kept.is_new, kept.revision) == (is_new and is_first, revision)
        reads.append((reading, revision))
    for before in (None, NOON + looked * _MINUTE):
        earlier = [one for one in reads if before is None or one[0].read_at < before]
        found = readings.newest(connector, before=before)
        assert (None if found is None else (found.reading, found.revision)) == (
            earlier[-1] if earlier else None
        )


def test_many_processes_that_read_at_once_agree(postgres_url, readings):
    """Each over its own connection: one revision per change, every instant kept once."""
    engines = [engine_for(postgres_url, STUDIO) for _ in range(8)]

    def run(number):
        store = DeviceReadings(engines[number], STUDIO)
        for step in range(10):
            reading = make_reading(NOON + step * _MINUTE, make_device(battery_pct=step // 5))
            store.keep("hubitat", reading, **_TOLD)

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, range(8)))
    finally:
        for engine in engines:
            engine.dispose()
    newest = readings.newest("hubitat")
    assert (newest.revision, newest.read_at) == (2, NOON + 9 * _MINUTE)


def test_studios_do_not_share_readings(readings, keep, postgres_url):
    keep(make_reading())
    engine = engine_for(postgres_url, "claycorner")
    theirs = DeviceReadings(engine, "claycorner")
    assert theirs.newest("hubitat") is None
    assert theirs.keep("hubitat", make_reading(), **_TOLD).revision == 1
    liar = DeviceReadings(engine, STUDIO)
    assert liar.newest("hubitat") is None
    with pytest.raises(HistoryRefusedError):
        liar.keep("hubitat", make_reading(NOON + _MINUTE), **_TOLD)
    assert readings.newest("hubitat").read_at == NOON
    engine.dispose()


_READING = (
    "INSERT INTO studio.connector_readings (studio_id, connector_id, revision, content_hash, read_at, "
    "devices, failures, worked_around, run_id, code_version) "
    "VALUES ('monsoonfire', 'hubitat', {}, '{}', '{}', '[]', '[]', '{{}}', 'r', '1')"
)
_CONFIRMATION = (
    "INSERT INTO studio.connector_confirmations (studio_id, connector_id, revision, read_at, observed, "
    "run_id, code_version) VALUES ('monsoonfire', 'hubitat', {}, '{}', '{{}}', 'r', '1')"
)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (_READING.format(4, sha("x"), NOON + 3 * _MINUTE), "no_gap"),
        (_READING.format(3, "x", NOON + 3 * _MINUTE), "content_hash_check"),
        (_READING.format(3, sha("x"), NOON + _MINUTE), "is older"),
        (_READING.format(3, sha("x"), NOON + 2 * _MINUTE), "is older"),
        (_CONFIRMATION.format(1, NOON + 3 * _MINUTE), "only the newest"),
        (_CONFIRMATION.format(2, NOON + _MINUTE), "only the newest"),
        (_CONFIRMATION.format(2, NOON + 2 * _MINUTE), "connector_confirmations_pkey"),
        (_CONFIRMATION.format(3, NOON + 3 * _MINUTE), "connector_confirmations_reading"),
    ],
)
def test_the_database_itself_refuses_what_breaks_a_rule(keep, app_engine, statement, words):
    """Two revisions, the second confirmed: nothing may be added that contradicts them."""
    keep(make_reading(NOON))
    keep(make_reading(NOON + _MINUTE, make_device(battery_pct=1)))
    keep(make_reading(NOON + 2 * _MINUTE, make_device(battery_pct=1)))
    with pytest.raises(DBAPIError, match=words), app_engine.begin() as connection:
        connection.execute(text(statement))


def test_the_same_content_twice_is_refused(keep, app_engine):
    content_hash = keep(make_reading(NOON)).content_hash
    statement = _READING.format(2, content_hash, NOON + _MINUTE)
    with pytest.raises(DBAPIError, match="says the same"), app_engine.begin() as connection:
        connection.execute(text(statement))


def test_an_instant_without_zone_is_refused(keep, app_engine):
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - that is the point
    with pytest.raises(HistoryRefusedError, match="time zone"):
        keep(make_reading(naive))
    with pytest.raises(ValueError, match="time zone"):
        keep(make_reading(NOON, make_device(observed_at=naive)))
    assert _rows(app_engine, "connector_readings") == 0


def test_a_database_that_does_not_answer_is_said_to():
    engine = engine_for("postgresql://ann:canary-9x@/studio?host=/nowhere", STUDIO)
    with pytest.raises(ServerUnreachableError, match="Nothing was changed") as refused:
        DeviceReadings(engine, STUDIO).newest("hubitat")
    assert "canary-9x" not in str(refused.value)


# What analysts see


@pytest.fixture
def now(owner_url):
    with owner_engine(owner_url).connect() as connection:
        return connection.scalar(text("SELECT now()")).astimezone(UTC)


@pytest.fixture
def analyst(postgres_url, readings):
    """Return a function that asks as the studio's analyst, and gives rows as mappings."""
    engine = create_engine(normalise_url(analyst_url(postgres_url, STUDIO)))

    def ask(query):
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]

    yield ask
    engine.dispose()


def test_devices_are_shown_as_last_said(keep, analyst, now):
    """With the instants of the confirming read, and what could not be read beside what could."""
    failure = DeviceFailure("9", Fault.UNAVAILABLE, "It did not answer.")
    spoken = now - timedelta(seconds=130)
    keep(make_reading(now - 10 * _MINUTE, make_device("1"), make_device("2"), failures=(failure,)))
    keep(
        make_reading(
            now - 2 * _MINUTE, make_device("1", observed_at=spoken), make_device("2"), failures=(failure,)
        )
    )
    rows = {row["device_id"]: row for row in analyst("SELECT * FROM analytics.devices")}
    assert {name: row["fault"] for name, row in rows.items()} == {"1": None, "2": None, "9": "unavailable"}
    assert {name: row["is_current"] for name, row in rows.items()} == {"1": True, "2": True, "9": False}
    assert {name: row["observed_at"] for name, row in rows.items()} == {"1": spoken, "2": NOON, "9": None}
    one = rows["1"]
    assert (one["kind"], one["battery_pct"], one["is_healthy"]) == ("temperature_sensor", 80, True)
    assert one["values"] == {"temperature_celsius": 21.5}
    assert one["read_at"] == now - 2 * _MINUTE
    assert 120 <= one["age_seconds"] < 300
    (history,) = analyst("SELECT * FROM analytics.connector_readings")
    assert (history["first_read_at"], history["read_at"]) == (now - 10 * _MINUTE, now - 2 * _MINUTE)


@pytest.mark.parametrize("age", [timedelta(minutes=59), timedelta(minutes=61)])
def test_what_is_over_an_hour_old_is_not_current(keep, analyst, now, age):
    keep(make_reading(now - age))
    (row,) = analyst("SELECT is_current FROM analytics.devices")
    assert row["is_current"] is (age < timedelta(hours=1))


def test_devices_of_a_degraded_connector_are_not_current(keep, analyst, now, app_engine):
    """However young: its newest word may already be untrue."""
    keep(make_reading(now - _MINUTE))
    PostgresBreakerStore(app_engine, STUDIO).note("hubitat", Fault.AUTH)
    (row,) = analyst("SELECT is_current FROM analytics.devices")
    assert row["is_current"] is False


def test_devices_of_a_connector_whose_newest_read_failed_are_not_current(keep, analyst, now, app_engine):
    """As in StudioState: one failure degrades nothing yet, and still nobody knows how the devices are."""
    calls = PostgresCallLog(app_engine, STUDIO)
    bad = {"ending": Ending.FAILED, "fault": Fault.TIMEOUT, "output_hash": None, "device_count": None}
    keep(make_reading(now - 3 * _MINUTE))
    told = [({}, True), ({**bad, "failed_device_count": None}, False), ({}, True)]
    for number, (more, is_current) in enumerate(told):
        started_at = now - (3 - number) * _MINUTE
        calls.append(make_call(request_id=sha(number)[:32], started_at=started_at, **more))
        (row,) = analyst("SELECT is_current FROM analytics.devices")
        assert row["is_current"] is is_current


def test_health_counts_the_calls_of_a_day(keep, analyst, now, app_engine):
    """Circuit, reason and the calls of the last 24 hours; a connector only ever read shows, too."""
    breakers, calls = PostgresBreakerStore(app_engine, STUDIO), PostgresCallLog(app_engine, STUDIO)
    bad = {"ending": Ending.FAILED, "fault": Fault.TIMEOUT, "output_hash": None, "device_count": None}
    bad["failed_device_count"] = None
    for number, (hours, more) in enumerate([(30, {}), (23, {}), (2, {}), (1, bad)]):
        started_at = now - timedelta(hours=hours)
        calls.append(make_call(request_id=sha(number)[:32], started_at=started_at, **more))
    breakers.add_failure("hubitat")
    breakers.open("hubitat", Fault.TIMEOUT, 600)
    DeviceReadings(app_engine, STUDIO).keep("roborock", make_reading(), **_TOLD)
    hub, robots = analyst("SELECT * FROM analytics.connector_health ORDER BY connector_id")
    assert (hub["circuit"], hub["is_degraded"], hub["fault"]) == ("opened", True, "timeout")
    assert (hub["failures_in_a_row"], hub["calls_24h"], hub["failures_24h"]) == (1, 3, 1)
    assert (hub["last_good_read_at"], hub["last_ending"]) == (now - timedelta(hours=2), "failed")
    assert hub["next_retry_at"] > now
    assert 7200 <= hub["good_read_age_seconds"] < 7400
    assert (robots["circuit"], robots["is_degraded"], robots["fault"]) == ("closed", False, None)
    assert (robots["calls_24h"], robots["last_good_read_at"], robots["last_ending"]) == (0, None, None)


def test_analysts_do_not_see_when_the_building_is_watched(keep, analyst):
    keep(make_reading(mode="canary-mode", security="canary-armed"))
    for view in ("devices", "connector_readings", "connector_health"):
        assert "canary" not in str(analyst(f"SELECT * FROM analytics.{view}"))  # noqa: S608 - our names
