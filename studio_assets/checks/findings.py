"""What must hold of every finding, whatever department it is of: one row of facts each, judged by rules.

Great Expectations decides. What it cannot see in one column is worked out before: whether an id follows from
what the finding is about, and how many of its links lead nowhere or to what was not a full snapshot.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import pyarrow as pa

from resources.findings import MOST_EVIDENCE, Finding, FindingEvidence, Severity, StoredFinding, finding_id
from resources.postgres.history import History
from resources.rows import Completeness
from studio_assets.checks.expectations import judge_facts
from studio_assets.checks.rules import Rule
from studio_assets.findings.making import is_plain_id

FINDINGS_IN_WORDS: Final[Mapping[str, str]] = {
    "identities_are_stable": "Every finding has the id that follows from what it is about, and is open once.",
    "evidence_resolves": "Every finding points at rows of a full snapshot, or at a revision, that exists.",
    "holds_no_personal_data": "Findings name things by id, and no words hold an address or a contact.",
    "confidence_is_in_range": "Every confidence lies between 0 and 1, and every severity is a known one.",
}
"""Check -> what it says. Names are those of Dagster's asset checks."""
CONTACT: Final = r"@|\d{1,3}(?:\.\d{1,3}){3}|://|\d{7,}"
_REVISION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d+)(?:\.[0-9a-f]{16})?")


def column_rule(check: str, expectation: str, column: str, **arguments: object) -> Rule:
    """Return the rule that the values of a column ``expectation`` (``be_between``)."""
    return Rule(check, f"expect_column_values_to_{expectation}", {"column": column, **arguments})


RULES: Final = (
    column_rule("identities_are_stable", "match_regex", "name", regex="^fnd_[0-9a-hjkmnp-tv-z]{26}$"),
    column_rule("identities_are_stable", "be_unique", "name"),
    column_rule("identities_are_stable", "be_in_set", "follows_from_subject", value_set=[True]),
    column_rule("evidence_resolves", "be_between", "links", max_value=MOST_EVIDENCE),
    column_rule("evidence_resolves", "be_in_set", "shows_what_it_rests_on", value_set=[True]),
    column_rule("evidence_resolves", "be_between", "unresolved_links", max_value=0),
    column_rule("holds_no_personal_data", "be_between", "odd_ids", max_value=0),
    column_rule("holds_no_personal_data", "not_match_regex", "words", regex=CONTACT),
    column_rule("confidence_is_in_range", "be_between", "confidence", min_value=0, max_value=1),
    column_rule(
        "confidence_is_in_range", "be_in_set", "severity", value_set=[str(each) for each in Severity]
    ),
)
"""What must hold of the columns of ``finding_facts``."""


def judge_findings(
    kept: Iterable[StoredFinding],
    missing: Collection[FindingEvidence] = (),
    rowless: Collection[str] = (),
) -> dict[str, list[str]]:
    """Return check -> what breaks it, in words that repeat nothing of a finding.

    Args:
        kept: Open findings; without any, every check holds.
        missing: Links that lead nowhere (see ``unresolved``).
        rowless: Ids of findings that nothing was ever read: there is no row that could show it.
    """
    return broken_rules(finding_facts(kept, missing, rowless), RULES, FINDINGS_IN_WORDS)


def broken_rules(facts: pa.Table, rules: Sequence[Rule], checks: Iterable[str]) -> dict[str, list[str]]:
    """Return check -> what breaks it, in words that repeat no fact but a thing's ``name``.

    Args:
        facts: One row per thing; without any, every check holds.
        rules: What must hold of its columns.
        checks: All that the rules belong to.
    """
    broken: dict[str, list[str]] = {check: [] for check in checks}
    if facts.num_rows:
        for name, outcomes in judge_facts(facts, rules).items():
            for check, outcome in outcomes.items():
                if not outcome.holds:
                    broken[check].append(f"{name}: {', '.join(dict.fromkeys(outcome.broken))}")
    return broken


def finding_facts(
    kept: Iterable[StoredFinding], missing: Collection[FindingEvidence], rowless: Collection[str] = ()
) -> pa.Table:
    """Return one row per finding: ``name`` (its id), and what the rules look at."""
    return pa.Table.from_pylist([_facts(one, missing, rowless) for one in kept])


def _facts(
    one: StoredFinding, missing: Collection[FindingEvidence], rowless: Collection[str]
) -> dict[str, object]:
    finding = one.finding
    about = (finding.department, finding.detector, finding.kind, finding.subject_kind, finding.subject_id)
    words = (finding.likely_cause, finding.next_step, finding.expected, finding.observed)
    return {
        "name": one.finding_id,
        "follows_from_subject": one.finding_id == finding_id(*about),
        "links": len(finding.evidence),
        "unresolved_links": sum(link in missing for link in finding.evidence),
        "shows_what_it_rests_on": bool(finding.evidence) or one.finding_id in rowless,
        "odd_ids": sum(not is_plain_id(each) for each in _ids(finding)),
        "words": "\n".join(text for text in words if isinstance(text, str)),
        "confidence": float(finding.confidence),
        "severity": str(finding.severity),
    }


def _ids(finding: Finding) -> Iterator[str]:
    # A device is named by its connector and its own id there.
    yield from finding.subject_id.split("/", 1) if finding.subject_kind == "device" else [finding.subject_id]
    yield from (link.row for link in finding.evidence if link.row is not None)


def unresolved(
    kept: Iterable[StoredFinding],
    history: History,
    revisions: Mapping[str, Mapping[str, int] | int] | None = None,
) -> frozenset[FindingEvidence]:
    """Return the links of findings that lead to nothing, or to a snapshot that was not full.

    Args:
        kept: Findings.
        history: Where snapshots are kept.
        revisions: Asset key without the studio -> newest revision, of each row or of all rows together, of
            assets that count their own revisions; links into any other lead to a snapshot, as
            ``2026-03-01.2``.
    """
    links = {link for one in kept for link in one.finding.evidence}
    newest, known, missing = revisions or {}, dict[str, bool](), set[FindingEvidence]()
    for link in links:
        counted = newest.get(link.asset)
        if counted is not None:
            last = counted if isinstance(counted, int) else counted.get(str(link.row), 0)
            is_there = link.revision.isdecimal() and 1 <= int(link.revision) <= last
        else:
            match = _REVISION.fullmatch(link.revision)
            is_there = match is not None
            if match is not None:
                snapshot = f"{match[1]}.{match[2]}"
                if snapshot not in known:
                    known[snapshot] = is_full_snapshot(history, date.fromisoformat(match[1]), int(match[2]))
                is_there = known[snapshot]
        if not is_there:
            missing.add(link)
    return frozenset(missing)


def is_full_snapshot(history: History, day: date, revision: int) -> bool:
    """Say whether a revision of a snapshot exists and rests on full reads."""
    snapshot = history.snapshot(day, revision)
    if snapshot is None:
        return False
    return bool(snapshot.payload["diagnostics"]["completeness"] == Completeness.FULL.value)
