"""Great Expectations decides of findings and drafts as the rules say, and names the one that breaks them."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from resources.findings import (
    Finding,
    FindingEvidence,
    FindingState,
    Severity,
    StoredFinding,
    restored_finding,
)
from resources.postgres.drafts import StoredDraft
from studio_assets.checks.findings import FINDINGS_IN_WORDS, judge_findings, unresolved
from studio_assets.checks.marketing import RULES_IN_WORDS, judge_drafts
from studio_assets.marketing.assets import new_draft
from studio_assets.marketing.drafts import write_drafts
from tests.unit.studio_assets.marketing.studio_rows import busy

NOON = datetime(2026, 3, 1, 19, tzinfo=UTC)
LINK = FindingEvidence("cloud_truth/batches", "2026-03-01.2", "batch-1")


def stored(subject="batch-1", finding_id=None, **changes):
    """Return a finding as it was kept; what was good once is not judged by today's rules."""
    made = Finding(
        department="operations",
        detector="stalled_batches",
        kind="stalled_batch",
        subject_kind="batch",
        subject_id=subject,
        severity=Severity.MEDIUM,
        confidence=0.9,
        expected="loaded within 7 open days",
        likely_cause="It was overlooked.",
        next_step="Look at the shelf.",
        evidence=(LINK,),
    )
    values = {name: getattr(made, name) for name in Finding.__dataclass_fields__} | changes
    return StoredFinding(
        *(restored_finding(**values), finding_id or made.finding_id, 1, 1, FindingState.OPEN, "a" * 64),
        *(NOON, "run-1", "1", NOON),
    )


GOOD = stored()


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (stored(finding_id="fnd_" + "0" * 26), "identities_are_stable"),
        (stored(finding_id="an id"), "identities_are_stable"),
        (stored("batch-2", detector="another"), "identities_are_stable"),
        (stored("batch-2", evidence=()), "evidence_resolves"),
        (stored("batch-2", evidence=(LINK,) * 51), "evidence_resolves"),
        (stored("batch-2", evidence=(replace(LINK, revision="2026-03-01.9"),)), "evidence_resolves"),
        (stored("zoe/miller"), "holds_no_personal_data"),
        (stored("batch-2", likely_cause="Call 555 1234567."), "holds_no_personal_data"),
        (stored("batch-2", observed="see https://a.b"), "holds_no_personal_data"),
        (stored("batch-2", next_step="It is at 10.0.0.1."), "holds_no_personal_data"),
        (stored("batch-2", confidence=1.01), "confidence_is_in_range"),
        (stored("batch-2", confidence=-0.01), "confidence_is_in_range"),
        (stored("batch-2", severity="dreadful"), "confidence_is_in_range"),
    ],
)
def test_one_wrong_finding_breaks_its_check_alone_and_is_named(wrong, check):
    broken = judge_findings([GOOD, wrong], {replace(LINK, revision="2026-03-01.9")})
    assert [name for name, found in broken.items() if found] == [check]
    (words,) = broken[check]
    assert words.startswith(wrong.finding_id)


def test_good_findings_and_none_break_nothing():
    held = {name: [] for name in FINDINGS_IN_WORDS}
    at_the_edge = [stored("batch-2", confidence=0), stored("batch-3", confidence=1), stored("batch-4")]
    assert judge_findings([GOOD, *at_the_edge]) == judge_findings([]) == held


def test_a_finding_that_is_open_twice_is_named():
    assert [name for name, found in judge_findings([GOOD, GOOD]).items() if found] == [
        "identities_are_stable"
    ]


class Snapshots:
    """A history with one full snapshot and one that is partial."""

    asked = 0

    def snapshot(self, day, revision):
        self.asked += 1
        told = {(date(2026, 3, 1), 2): "full", (date(2026, 3, 1), 3): "partial"}.get((day, revision))
        return told and type("Kept", (), {"payload": {"diagnostics": {"completeness": told}}})


@pytest.mark.parametrize(
    ("link", "is_there"),
    [
        (LINK, True),
        (replace(LINK, revision="2026-03-01.2.0123456789abcdef"), True),
        (replace(LINK, revision="2026-03-01.3"), False),  # it was partial
        (replace(LINK, revision="2026-03-01.4"), False),
        (replace(LINK, revision="7"), False),
        (FindingEvidence("marketing/drafts", "2", "drf_1"), True),
        (FindingEvidence("marketing/drafts", "3", "drf_1"), False),
        (FindingEvidence("marketing/drafts", "1", "drf_2"), False),
    ],
)
def test_evidence_leads_to_a_full_snapshot_or_to_a_revision(link, is_there):
    history = Snapshots()
    findings = [stored(evidence=(link, link)), stored("batch-2", evidence=(link,))]
    missing = unresolved(findings, history, {"marketing/drafts": {"drf_1": 2}})
    assert missing == (frozenset() if is_there else {link})
    assert history.asked <= 1


def drafts():
    """Return drafts as they were kept."""
    texts = [new_draft(one) for one in write_drafts(busy()).drafts]
    return [StoredDraft(one, 1, "draft", date(2026, 3, 4), 7, NOON, "run-1", "1") for one in texts]


DRAFTS = drafts()
FIRST = DRAFTS[0]


def changed(**changes):
    return replace(FIRST, draft=replace(FIRST.draft, **changes))


@pytest.mark.parametrize(
    ("wrong", "checks"),
    [
        (changed(draft_id="drf_" + "0" * 20), {"identities_are_stable"}),
        (replace(FIRST, status="published"), {"identities_are_stable"}),
        (changed(facts={}), {"identities_are_stable", "every_claim_is_traced"}),
        (changed(body=FIRST.draft.body + " Only 3 places left."), {"every_claim_is_traced"}),
        (
            changed(body=FIRST.draft.body + " Write to zoe@example.com."),
            {"every_claim_is_traced", "holds_no_personal_data"},
        ),
        (changed(body=FIRST.draft.body + " clay" * 600), {"every_claim_is_traced", "limits_are_kept"}),
    ],
)
def test_one_wrong_draft_breaks_its_checks_and_is_named(wrong, checks):
    broken = judge_drafts([*DRAFTS[1:], wrong])
    assert {name for name, found in broken.items() if found} == checks
    assert all(found[0].startswith(wrong.draft.draft_id) for found in broken.values() if found)


def test_good_drafts_break_nothing_and_one_of_a_partial_snapshot_does():
    assert judge_drafts(DRAFTS) == judge_drafts([]) == {name: [] for name in RULES_IN_WORDS}
    broken = judge_drafts(DRAFTS, [FIRST.draft.draft_id])
    assert [name for name, found in broken.items() if found] == ["facts_are_of_full_snapshots"]
