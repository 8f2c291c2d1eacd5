"""The worked examples of ``docs/analysts.md`` run as an analyst and give the rows the text promises."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from resources.connector import DeviceFailure, Fault
from resources.findings import Severity
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.engine import analyst_url, owner_engine
from resources.postgres.findings import Findings
from resources.postgres.urls import normalise_url
from resources.rows import CounterChange, SnapshotDiff
from studio_assets.studio_state.counters import COUNTERS
from tests.integration.postgres.governance_desk import Desk
from tests.integration.postgres.samples import failed, make_device, make_finding, make_read, make_reading, sha

pytestmark = pytest.mark.integration

GUIDE = Path(__file__).parents[3] / "docs" / "analysts.md"
_EXAMPLE = re.compile(r"^### (\d)\. .*?```sql\n(.*?)```", re.DOTALL | re.MULTILINE)
EXAMPLES = dict(_EXAMPLE.findall(GUIDE.read_text(encoding="utf-8")))
SUNDAY = date(2026, 3, 1)
EVENING = datetime(2026, 3, 2, 2, tzinfo=UTC)  # seven in the evening of the first of March in Phoenix


@pytest.fixture
def ask(history, postgres_url):
    """Keep nine days of history, and return a function that runs one example as the studio's analyst."""
    _fill(history)
    engine = create_engine(normalise_url(analyst_url(postgres_url, history.studio_id)))

    def run(number):
        with engine.connect() as connection:
            connection.execute(text("SET TIME ZONE 'UTC'"))
            return [tuple(row) for row in connection.execute(text(EXAMPLES[number]))]

    yield run
    engine.dispose()


def _fill(history):
    taken = []
    for offset, (active, unsettled) in enumerate([(40, 900), (42, 1250), (41, 0), (44, 100)]):
        day = SUNDAY + timedelta(days=offset)
        taken.append(_take(history, day, active, unsettled, EVENING + timedelta(days=offset)))
    # The first of March once more, later that night: a late change.
    _take(history, SUNDAY, 43, 950, EVENING + timedelta(hours=3))
    changes = (
        CounterChange("counts.batchesActive", 41, 44),
        CounterChange("finance.unsettledCents", 0, 100),
        CounterChange("counts.loansOut", 9, 6),
    )
    newest, before = taken[-1], taken[-2]
    for diff in (
        SnapshotDiff(taken[1].snapshot_date, 1, EVENING, None, None, None, (), ()),
        SnapshotDiff(
            *(newest.snapshot_date, 1, EVENING + timedelta(days=3)),
            *(before.snapshot_date, 1, EVENING + timedelta(days=2), changes, ("batches",)),
        ),
    ):
        history.append_diff(diff, EVENING, "run-1", "1")
    history.record_read(make_read(), "run-1", "1")
    history.record_read(make_read(name="kilns", read_at=EVENING), "run-1", "1")
    history.record_read(failed(name="kilns", read_at=EVENING + timedelta(minutes=15)), "run-2", "1")
    history.record_read(failed(source="stripe", name="charges", read_at=EVENING), "run-2", "1")


def _take(history, day, active, unsettled, observed_at):
    counters = {
        "counts.batchesActive": (active, "documents"),
        "finance.unsettledCents": (unsettled, "cents"),
    }
    content = (day, sha((active, unsettled)), {}, counters)
    snapshot, _ = history.append_snapshot(*content, observed_at=observed_at, run_id="run-1", code_version="1")
    return snapshot


def test_there_are_nine_examples_and_no_sql_beside_them():
    assert sorted(EXAMPLES) == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert GUIDE.read_text(encoding="utf-8").count("```sql") == len(EXAMPLES)


def test_1_a_number_over_the_last_days(ask):
    """Newest first, the newest revision of each day, each change against the day before."""
    assert ask("1") == [
        (date(2026, 3, 4), 44, 3),
        (date(2026, 3, 3), 41, -1),
        (date(2026, 3, 2), 42, -1),
        (date(2026, 3, 1), 43, None),
    ]


def test_2_what_changed_in_the_newest_comparison(ask):
    """Biggest change first; an older comparison does not show."""
    times = (EVENING + timedelta(days=2), EVENING + timedelta(days=3))
    assert ask("2") == [
        ("finance.unsettledCents", 0, 100, 100, *times),
        ("counts.batchesActive", 41, 44, 3, *times),
        ("counts.loansOut", 9, 6, -3, *times),
    ]


def test_3_what_was_known_at_an_instant(ask):
    """The late change of that night is not known yet at eight."""
    assert ask("3") == [
        ("counts.batchesActive", 40, "documents", 1, EVENING),
        ("finance.unsettledCents", 900, "cents", 1, EVENING),
    ]


def test_4_sources_that_must_not_be_trusted(ask):
    """A failed read shows with its reason and the last full read; a healthy source does not show."""
    reason = "the source did not answer"
    assert ask("4") == [
        ("firestore", "kilns", "failed", reason, EVENING),
        ("stripe", "charges", "failed", reason, None),
    ]


def test_5_money_on_its_way_by_week(ask):
    """The week of 23 February ends on the first of March; six of its days are missing, not zero."""
    assert ask("5") == [
        (date(2026, 3, 2), Decimal("12.50"), Decimal("1.00"), 4),
        (date(2026, 2, 23), Decimal("9.50"), Decimal("9.50"), 6),
    ]


@pytest.fixture
def decided(app_engine, owner_url):
    """Keep one executed, one rejected and one waiting proposal; return the one that moved last."""
    desk = Desk(app_engine, owner_engine(owner_url))
    desk.open()
    desk.propose()
    desk.in_state("rejected")
    return desk.in_state("executed")


def test_6_how_long_proposals_wait(ask, decided):
    """Decided ones only; the approval came a minute after the proposal."""
    assert ask("6") == [("firestore.ops_note.append", 2, 1, timedelta(minutes=1))]


def test_7_the_life_of_a_proposal(ask, decided):
    """Every step of the newest proposal in order, with who took it."""
    steps = [tuple(row[2:]) for row in ask("7")]
    assert steps == [
        ("created", "staff", "ann", "pending_approval"),
        ("approval_given", "staff", "cleo", "pending_approval"),
        ("step", "staff", "cleo", "approved"),
        ("executing", "system", "system:executor", "executing"),
        ("result", "system", "system:executor", "executed"),
    ]


@pytest.fixture
def devices(app_engine, owner_url):
    """Keep one reading of the hub of an hour and a half ago, and return its instant."""
    with owner_engine(owner_url).connect() as connection:
        now = connection.scalar(text("SELECT now()"))
    read_at = now.astimezone(UTC) - timedelta(minutes=90)
    reading = make_reading(
        read_at,
        make_device("1"),
        make_device("2", battery_pct=11),
        make_device("3", error_code="77", is_healthy=None),
        make_device("4", kind="vacuum", error_code="5", error_name="wheel jammed", is_healthy=False),
        failures=(DeviceFailure("5", Fault.TIMEOUT, "It did not answer in time."),),
    )
    DeviceReadings(app_engine, "monsoonfire").keep("hubitat", reading, run_id="run-1", code_version="1")


def test_8_devices_that_want_attention(ask, devices):
    """The one that said nothing first, then the ill one; an hour-old reading is not current."""
    assert ask("8") == [
        ("hubitat", "5", None, "timeout", None, None, 90, False),
        ("hubitat", "4", "vacuum", None, "wheel jammed", 80, 90, False),
        ("hubitat", "2", "temperature_sensor", None, None, 11, 90, False),
        ("hubitat", "3", "temperature_sensor", None, None, 80, 90, False),
    ]


def test_9_what_is_open(ask, app_engine):
    """The worst first; what is resolved does not show."""
    findings = Findings(app_engine, "monsoonfire")
    told = {"run_id": "run-1", "code_version": "1"}
    jammed = make_finding(
        kind="vacuum_error", subject_id="4", severity=Severity.HIGH, expected=None, observed="wheel jammed"
    )
    gone = make_finding(subject_id="9")
    findings.apply("operations", "devices", [gone], at=EVENING, **told)
    later = EVENING + timedelta(hours=1)
    findings.apply("operations", "devices", [make_finding(since=EVENING), jammed], at=later, **told)
    assert ask("9") == [
        ("high", "vacuum_error", "4", later, None, "wheel jammed", "percent", "Change the battery."),
        ("low", "battery_low", "12", EVENING, "20.0", "11.0", "percent", "Change the battery."),
    ]


def test_the_guide_names_only_things_that_exist(postgres_url, history):
    """Every view of the guide exists; every counter is declared; no view of the schema is left out."""
    guide = GUIDE.read_text(encoding="utf-8")
    listed = set(re.findall(r"`([a-z_]+)`", guide.split("## What is where")[1].split("Five things")[0]))
    engine = create_engine(normalise_url(analyst_url(postgres_url, history.studio_id)))
    with engine.connect() as connection:
        names = text("SELECT viewname FROM pg_views WHERE schemaname = 'analytics'")
        assert listed == set(connection.scalars(names))
    engine.dispose()
    used = set(re.findall(r"'((?:counts|ops|finance)\.\w+)'", guide))
    assert used <= {counter.path for counter in COUNTERS}
