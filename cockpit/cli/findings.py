"""``studio findings``: what is not as it should be, and what people make of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from cockpit import words
from cockpit.cli.desk_words import visible
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.cli.proposal_outcome import show_proposal
from cockpit.desk import Desk, open_desk
from cockpit.errors import CockpitError
from policies.actors import Actor
from policies.marks import FindingMark, Verdict
from resources.findings import FindingState, StoredFinding
from resources.money import amount_text
from resources.postgres.findings import Findings
from resources.postgres.swarms import Swarms
from sensors.swarms.candidates import Why, candidate_of
from sensors.swarms.spec import SWARMS
from studio_assets.doors import live_findings, live_swarms

_LEAST_OF_AN_ID: Final = 8
_NOT_PROPOSED: Final = {
    Why.RESOLVED: "It is no longer so.",
    Why.NO_CAPABILITY: "Nothing that Studio OS could do would mend it.",
    Why.NOT_OF_SWARM: "What it asks for cannot be proposed from a finding.",
    Why.DOES_NOT_FIT: "What it asks for does not fit what it is about.",
}


@click.group(short_help="See what is not as it should be, and say what a finding was worth.")
def findings() -> None:
    """Findings: what the detectors of the departments found. Everything needs an identity."""


@findings.command("list", short_help="List what is open, the worst first.")
@shared
@acting
@click.option("--department", help="Only of this department.")
@click.option("--kind", help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many, the worst first.")
def list_(
    *, home: Path | None, is_json: bool, actor: Actor, department: str | None, kind: str | None, limit: int
) -> int:
    """List open findings, the worst first, then the oldest."""
    with _open(home, actor) as (desk, kept, _):
        found = [one for one in kept.open(department) if kind in {None, one.finding.kind}]
        timezone = desk.settings.timezone
    known = [spec.department for spec in SWARMS]
    if not found and department not in {None, *known}:
        raise CockpitError(f"There is no such department. There are: {', '.join(known)}.", "", exit_code=2)
    if is_json:
        print_json({"open": len(found), "findings": [finding_told(one) for one in found[:limit]]})
        return 0
    for one in found[:limit]:
        print(_line(one, timezone))
    if len(found) > limit:
        print(f"{len(found) - limit} more; --limit shows them.")
    if not found:
        is_all = department is None and kind is None
        print("Nothing is open." if is_all else "Nothing of that is open.")
    return 0


@findings.command(short_help="Show everything about one.")
@shared
@acting
@click.argument("finding_id")
def show(*, home: Path | None, is_json: bool, actor: Actor, finding_id: str) -> int:
    """Show one finding with its evidence, all its revisions, and what people made of it."""
    with _open(home, actor) as (desk, kept, swarms):
        seen = _found(kept, finding_id)
        revisions, marks = kept.revisions(seen.finding_id), swarms.marks(seen.finding_id)
        timezone = desk.settings.timezone
    if is_json:
        told = finding_told(seen)
        told |= {"revisions": [_revision_told(one) for one in revisions]}
        print_json(told | {"marks": [mark_told(mark) for mark in marks]})
        return 0
    print(_line(seen, timezone))
    finding = seen.finding
    print(f"  Expected: {_value(seen, 'expected')}. Observed: {_value(seen, 'observed')}.")
    print(f"  Likely cause: {visible(finding.likely_cause)}")
    print(f"  Next step: {visible(finding.next_step)}")
    print(f"  Confidence {finding.confidence:.2f}; could be proposed: {finding.capability_id or 'nothing'}")
    for link in finding.evidence:
        print(f"  Evidence: {link.asset} {visible(link.revision)} {visible(link.row or '')}".rstrip())
    for one in revisions:
        print(f"  Revision {one.revision}: {one.state}, {words.local_time(one.observed_at, timezone)}")
    for mark in marks:
        at = words.local_time(mark.at, timezone)
        print(
            f"  {mark.verdict} (revision {mark.revision}), {visible(mark.by)}, {at}: {visible(mark.reason)}"
        )
    return 0


@findings.command("mark", short_help="Say what a finding was worth: useful, noise or wrong.")
@shared
@acting
@click.argument("finding_id")
@click.argument("verdict", type=click.Choice([str(each) for each in Verdict]))
@click.option("--reason", required=True, help="Why; kept with the mark.")
@click.option("--revision", type=click.IntRange(1), help="The revision you saw (default: the newest).")
def mark_(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    finding_id: str,
    verdict: str,
    reason: str,
    revision: int | None,
) -> int:
    """Say what a finding was worth: useful, noise (true, not worth a look) or wrong (not true)."""
    with open_desk(home, actor) as desk, live_findings(desk.settings) as kept:
        _refuse_others(desk, finding_id, Verdict(verdict), reason)
        seen = _found(kept, finding_id)
        if revision is not None and revision > seen.revision:
            raise CockpitError(
                f"There is no revision {revision} yet; the newest is {seen.revision}. Nothing was changed.",
                f"Look at it again: ./studio findings show {seen.finding_id}",
                exit_code=1,
            )
        made = desk.gateway.mark_finding(
            actor, seen.finding_id, revision or seen.revision, Verdict(verdict), reason
        )
    if is_json:
        print_json(mark_told(made))
    else:
        print(f"{made.finding_id} revision {made.revision} is marked {made.verdict}.")
    return 0


@findings.command(short_help="Ask for what would mend one.")
@shared
@acting
@click.argument("finding_id")
@click.option("--rationale", help="Why this should be done (default: what was found and why).")
@click.option("--owner", help="The member whose things it touches, where the capability asks for one.")
@click.option("--draft", "is_draft", is_flag=True, help="Do not ask for approval yet.")
def propose(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    finding_id: str,
    rationale: str | None,
    owner: str | None,
    is_draft: bool,
) -> int:
    """Propose what would mend a finding, with its evidence. What was proposed about it already is shown."""
    with _open(home, actor) as (desk, kept, _):
        seen = _found(kept, finding_id)
        spec = next((each for each in SWARMS if each.department == seen.finding.department), None)
        wanted = Why.NOT_OF_SWARM if spec is None else candidate_of(spec, seen, by_person=True)
        if isinstance(wanted, Why):
            raise CockpitError(
                f"{_NOT_PROPOSED[wanted]} Nothing was proposed.",
                f"Do this instead: {visible(seen.finding.next_step)}",
                exit_code=1,
            )
        made = desk.gateway.propose(
            actor,
            wanted.capability_id,
            wanted.input,
            rationale or wanted.rationale,
            owner_id=owner,
            dedupe_key=wanted.dedupe_key,
            evidence=wanted.evidence,
            predicted_effects=wanted.predicted_effects,
            is_draft=is_draft,
        )
        show_proposal(desk, made, is_json=is_json)
    return 0


def finding_told(one: StoredFinding) -> dict[str, Any]:
    """Return a finding as JSON values."""
    finding = one.finding
    return {
        "id": one.finding_id,
        "revision": one.revision,
        "state": str(one.state),
        "department": finding.department,
        "detector": finding.detector,
        "kind": finding.kind,
        "subject": {"kind": finding.subject_kind, "id": finding.subject_id},
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "since": _iso(finding.since),
        "expected": finding.expected,
        "observed": finding.observed,
        "unit": finding.unit,
        "expectedCents": finding.expected_cents,
        "observedCents": finding.observed_cents,
        "currency": finding.currency,
        "likelyCause": finding.likely_cause,
        "nextStep": finding.next_step,
        "capabilityId": finding.capability_id,
        "evidence": [
            {"asset": link.asset, "revision": link.revision, "row": link.row} for link in finding.evidence
        ],
        "observedAt": _iso(one.observed_at),
        "contentHash": one.content_hash,
        "runId": one.run_id,
        "codeVersion": one.code_version,
    }


def mark_told(mark: FindingMark) -> dict[str, Any]:
    """Return a mark as JSON values."""
    return {
        "findingId": mark.finding_id,
        "revision": mark.revision,
        "verdict": str(mark.verdict),
        "by": mark.by,
        "reason": mark.reason,
        "at": _iso(mark.at),
    }


def _revision_told(one: StoredFinding) -> dict[str, Any]:
    return {
        "revision": one.revision,
        "state": str(one.state),
        "severity": str(one.finding.severity),
        "observedAt": _iso(one.observed_at),
        "contentHash": one.content_hash,
    }


def _refuse_others(desk: Desk, finding_id: str, verdict: Verdict, reason: str) -> None:
    """Let the gateway refuse whoever is no staff, for the audit, before they learn what was found."""
    try:
        desk.require_staff()
    except CockpitError:
        desk.gateway.mark_finding(desk.actor, finding_id, 1, verdict, reason)
        raise


@contextmanager
def _open(home: Path | None, actor: Actor) -> Iterator[tuple[Desk, Findings, Swarms]]:
    with open_desk(home, actor) as desk:
        desk.require_staff()
        with live_findings(desk.settings) as kept, live_swarms(desk.settings) as swarms:
            yield desk, kept, swarms


def _found(kept: Findings, wanted: str) -> StoredFinding:
    """Return the finding of an id, or of the beginning or end of an open one's that is unmistakable."""
    whole = kept.current(wanted) if wanted.isascii() and wanted.isprintable() else None
    if whole is not None:
        return whole
    among = kept.open() if len(wanted) >= _LEAST_OF_AN_ID else []
    found = [one for one in among if one.finding_id.startswith(wanted) or one.finding_id.endswith(wanted)]
    if len(found) != 1:
        what = f"{len(found)} findings match that id." if found else "There is no such finding here."
        raise CockpitError(what, "./studio findings list shows them.", exit_code=1)
    return found[0]


def _line(one: StoredFinding, timezone: str) -> str:
    finding = one.finding
    since = f"since {words.local_time(finding.since, timezone)}" if finding.since else ""
    state = "" if one.state is FindingState.OPEN else f"  {one.state}"
    return (
        f"{one.finding_id}  {finding.severity:<8}  {finding.department}  {finding.kind}  "
        f"{finding.subject_kind} {visible(finding.subject_id)}  {since}{state}"
    )


def _value(one: StoredFinding, name: str) -> str:
    finding = one.finding
    cents = getattr(finding, f"{name}_cents")
    if cents is not None:
        return amount_text(cents, finding.currency)
    value = getattr(finding, name)
    return "nothing said" if value is None else visible(f"{value} {finding.unit or ''}".strip())


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
