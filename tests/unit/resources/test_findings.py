"""A finding is recognised by what it is about, and holds only words that may be shown to anybody."""

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.findings import (
    LONGEST_ID,
    LONGEST_WORDS,
    MOST_EVIDENCE,
    Finding,
    FindingEvidence,
    FindingState,
    Severity,
    finding_hash,
    finding_id,
    restored_finding,
)

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)
_IDENTITY = ("operations", "devices", "battery_low", "device", "hubitat/12")
_OPEN = FindingState.OPEN


def make(**changes):
    names = ("department", "detector", "kind", "subject_kind", "subject_id")
    values = dict(zip(names, _IDENTITY, strict=True)) | {
        "severity": Severity.LOW,
        "confidence": 1.0,
        "likely_cause": "The battery is nearly empty.",
        "next_step": "Change the battery.",
    }
    return Finding(**(values | changes))


_parts = st.tuples(*[st.text(string.ascii_lowercase + "_", max_size=4)] * 5)


def test_the_id_of_a_thing_never_changes():
    """Stored findings are recognised by it, also by later versions of the code."""
    assert finding_id(*_IDENTITY) == "fnd_cbv0qqrv51atp6e5wakfn09ajk"
    assert make().finding_id == finding_id(*_IDENTITY)


@given(first=_parts, second=_parts)
def test_two_things_share_an_id_only_when_they_are_one(first, second):
    """Also when their parts, written one after another, would read the same."""
    assert (finding_id(*first) == finding_id(*second)) == (first == second)


@given(parts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=20)] * 5))
def test_every_id_is_spelled_alike(parts):
    found = finding_id(*parts)
    assert found[:4] == "fnd_"
    assert len(found) == 30
    assert set(found[4:]) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_what_is_said_decides_the_hash_and_evidence_does_not():
    first = finding_hash(make(observed=11), _OPEN, NOON)
    same = make(observed=11.0, evidence=(FindingEvidence("a/b", "9"),), since=NOON)
    assert finding_hash(same, _OPEN, NOON.astimezone(timezone(timedelta(hours=-7)))) == first
    others = [
        finding_hash(make(observed=12), _OPEN, NOON),
        finding_hash(make(observed="11"), _OPEN, NOON),
        finding_hash(make(observed=11, severity=Severity.HIGH), _OPEN, NOON),
        finding_hash(make(observed=11, next_step="Wait."), _OPEN, NOON),
        finding_hash(make(observed=11), FindingState.RESOLVED, NOON),
        finding_hash(make(observed=11), _OPEN, NOON + timedelta(seconds=1)),
    ]
    assert len({first, *others}) == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, bad)
            for name in ("department", "detector", "kind", "subject_kind")
            for bad in ("", "A", "a b")
        ),
        ("kind", "ü"),
        ("kind", "1a"),
        ("kind", "a" * 64),
        *(
            ("subject_id", bad)
            for bad in ("", "a b", "a\nb", "ann@example.org", "a\x00", "a\u202eb", "x" * 201)
        ),
        *(
            (name, bad)
            for name in ("likely_cause", "next_step")
            for bad in ("", " ", "a\nb", "a\x1b[2J", "x" * 501)
        ),
        ("likely_cause", "Ask ann@example.org."),
        ("next_step", "Use sk_live_abcdef123456."),
        ("likely_cause", "A half \ud800 pair."),
        ("observed", float("nan")),
        ("observed", float("inf")),
        ("observed", True),
        ("observed", "a\tb"),
        ("expected", ["a"]),
        ("unit", "per cent"),
        ("capability_id", ""),
        ("confidence", 1.01),
        ("confidence", float("nan")),
        ("severity", "dire"),
        ("since", NOON.replace(tzinfo=None)),
        ("evidence", (FindingEvidence("a", "1"),) * (MOST_EVIDENCE + 1)),
    ],
)
def test_what_may_not_be_shown_or_kept_is_refused(field, value):
    with pytest.raises(ValueError, match=r"cannot be kept|not a valid Severity") as refused:
        make(**{field: value})
    if isinstance(value, str) and len(value.strip()) > 4:
        assert value not in str(refused.value) or field == "severity"


@pytest.mark.parametrize(
    "link",
    [
        ("", "1"),
        ("a b", "1"),
        ("a", ""),
        ("a", "x" * 201),
        ("a", "1", ""),
        ("a", "1", "ann@example.org"),
        ("a", None),
    ],
)
def test_evidence_holds_ids_only(link):
    with pytest.raises(ValueError, match="evidence's"):
        FindingEvidence(*link)


def test_the_longest_words_fit():
    make(subject_id="x" * LONGEST_ID, likely_cause="x" * LONGEST_WORDS, next_step="Ü" * LONGEST_WORDS)
    FindingEvidence("x" * LONGEST_ID, "x" * LONGEST_ID, "x" * LONGEST_ID)


def test_a_severity_may_be_given_as_a_word():
    assert make(severity="high").severity is Severity.HIGH


def test_what_was_kept_once_is_not_judged_again():
    """An old row that today's rules would refuse can still be read."""
    good = make(evidence=(FindingEvidence("a", "1"),))
    values = {name: getattr(good, name) for name in Finding.__dataclass_fields__}
    assert restored_finding(**values) == good
    assert restored_finding(**(values | {"next_step": "a\nb"})).next_step == "a\nb"
    with pytest.raises(ValueError, match="cannot be kept"):
        replace(good, next_step="a\nb")


@pytest.mark.parametrize(
    "changes",
    [
        {"expected_cents": 1.5, "currency": "usd"},
        {"expected_cents": True, "currency": "usd"},
        {"expected_cents": 2**63, "currency": "usd"},
        {"observed_cents": 100},
        {"currency": "usd"},
        {"expected_cents": 100, "currency": "USD"},
        {"expected_cents": 100, "currency": "dollars"},
        {"expected_cents": 100, "currency": "usd", "expected": 1.0},
    ],
)
def test_money_is_whole_cents_of_a_currency_and_stands_nowhere_else(changes):
    with pytest.raises(ValueError, match="cannot be kept"):
        make(**changes)


def test_money_is_part_of_what_a_finding_says_and_its_absence_is_not():
    """A finding without money has the hash it had before findings had any."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    money = {"expected_cents": 0, "observed_cents": -250, "currency": "usd"}
    without, with_money = make(), make(**money)
    assert finding_hash(without, FindingState.OPEN, at) != finding_hash(with_money, FindingState.OPEN, at)
    known = "3c2d8a6e52c66423f130d48e7196c4518ffd2b5d429a32fde5a076c8ab17a072"
    assert finding_hash(without, FindingState.OPEN, at) == known
