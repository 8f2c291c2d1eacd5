"""The state page's content: each state of affairs reads differently, and nothing false is claimed."""

import pytest

from cockpit import words
from cockpit.today import Mood, build, mood_of
from resources.rows import Completeness, DriftMetric, SnapshotDiff
from studio_assets.studio_state.counters import COUNTERS
from tests.unit.cockpit.facts_of import NAMES, NOW, facts_of, read_of, snapshot_of

FAILED = read_of("firestore", "batches", 0, completeness=Completeness.FAILED, reason="Permission was denied.")


@pytest.mark.parametrize(
    ("given", "mood"),
    [
        ({}, Mood.FRESH),
        ({"minutes_ago": 61}, Mood.STALE),
        ({"newest_reads": [FAILED]}, Mood.PARTIAL),
        ({"newest_reads": [FAILED], "minutes_ago": 61}, Mood.PARTIAL),
        ({"snapshot": None}, Mood.STARTING),
        ({"snapshot": snapshot_of(documents=0)}, Mood.EMPTY),
        ({"problem": "x"}, Mood.ERROR),
        ({"problem": "x", "snapshot": None, "parts": [{"phase": "starting"}]}, Mood.STARTING),
        ({"problem": "x", "snapshot": None, "parts": [{"phase": "restarting"}]}, Mood.ERROR),
    ],
)
def test_every_state_of_affairs_has_its_own_mood(given, mood):
    assert mood_of(facts_of(**given)) is mood


def test_the_moods_read_differently():
    """Empty, starting, partial, stale and error are told apart by words, not only by colour."""
    pages = [
        build(facts_of(**given))
        for given in (
            {},
            {"minutes_ago": 61},
            {"newest_reads": [FAILED]},
            {"snapshot": None},
            {"snapshot": snapshot_of(documents=0)},
            {"problem": "x"},
        )
    ]
    assert len({page.headline for page in pages}) == len({page.explanation for page in pages}) == len(pages)


def test_every_declared_counter_has_plain_words_and_no_other_has():
    shown = [path for _, group in words.GROUPS for path, _ in group]
    assert sorted(shown) == sorted(counter.path for counter in COUNTERS)
    assert set(shown) >= words.WANT_ATTENTION


def test_a_counter_without_words_is_shown_by_its_name_rather_than_dropped():
    snapshot = snapshot_of()
    snapshot.payload["ops"]["somethingNew"] = 4
    title, (tile,) = build(facts_of(snapshot=snapshot)).groups[-1]
    assert (title, tile.label, tile.value) == ("Other", "ops.somethingNew", "4")


def test_derived_values_carry_their_as_of_time_in_the_studios_zone():
    page = build(facts_of())
    assert page.as_of == "21 November 2026, 12:26"
    assert page.age == "4 minutes ago"


def test_a_source_that_was_not_read_whole_shows_no_number():
    """A source we failed to read is not an empty source."""
    (source,) = build(facts_of(newest_reads=[FAILED])).sources
    assert source.documents == "not known"
    assert source.reason == "Permission was denied."


def test_changes_are_signed_new_minus_old_with_both_values():
    page = build(facts_of())
    assert page.changes == [
        ("Work in progress", "12", "0", "-12"),
        ("Amount not settled", "$1.00", "$1,234.56", "+$1,233.56"),
    ]
    assert page.changes_since == "since 20 November 2026, 12:30"


def test_the_first_snapshot_is_compared_with_nothing():
    diff = SnapshotDiff(NOW.date(), 1, NOW, None, None, None, (), ())
    page = build(facts_of(diff=diff))
    assert page.changes == []
    assert "first snapshot" in page.changes_since


def test_drift_names_both_sides():
    metric = DriftMetric("counts.batchesActive", "firestore", 7, 9, is_drift=True, confidence=1.0)
    assert build(facts_of(drift=[metric])).drift == (
        "The source itself counts differently: Work in progress (9, the source says 7)."
    )


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({}, ""),
        ({"done": 12, "total": 60}, "12 of 60 past days are rebuilt; the rest follows, newest first."),
        ({"done": 60, "total": 60}, "60 past days are in the history."),
        ({"done": 3, "total": 60, "problem": "It stopped."}, "3 of 60 past days are rebuilt. It stopped."),
    ],
)
def test_the_progress_of_the_history_is_told(history, said):
    assert build(facts_of(history=history)).history == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (172800, "2 days ago"),
    ],
)
def test_ages_are_in_their_largest_whole_unit(seconds, said):
    assert words.ago(seconds) == said


@pytest.mark.parametrize(("cents", "said"), [(0, "$0.00"), (5, "$0.05"), (-123456, "-$1,234.56")])
def test_money_is_exact(cents, said):
    assert words.number("finance.unsettledCents", cents) == said


def test_only_names_known_to_the_page_are_used():
    assert len(build(facts_of()).sources) == len(NAMES)


def test_the_page_tells_the_kill_switch_and_what_waits():
    from cockpit import words

    said = words.governance({"pending_approval": 2, "approved": 1, "executed": 9}, is_halted=False)
    assert said == (
        "The kill switch is off. Proposals waiting for approval: 2; approved and not yet executed: 1."
    )
    assert "is on" in words.governance({}, is_halted=True)
