"""``studio triage``: what is suggested for reports, and what people make of it. No report is changed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from cockpit import words
from cockpit.cli.desk_words import visible
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.desk import Desk, open_desk
from cockpit.errors import CockpitError
from policies.actors import Actor
from policies.marks import TriageVerdict
from resources.postgres.triage import (
    Agreement,
    StoredDecision,
    StoredSuggestion,
    TriageSuggestions,
)
from studio_assets.doors import live_triage_suggestions
from studio_assets.trust_safety.reasons import ABSTENTIONS, CATEGORIES, REASONS, SEVERITIES

_REASON: Final = click.option("--reason", required=True, help="Why; kept with the decision.")
_REVISION: Final = click.option(
    "--revision", type=click.IntRange(1), help="The revision you saw (default: the newest)."
)
_LEAST_OF_AN_ID: Final = 4
_MEANINGS: Final[Mapping[str, str]] = {reason.code: reason.meaning for reason in REASONS} | dict(ABSTENTIONS)


@click.group(short_help="See what is suggested for reports; confirm or edit it.")
def triage() -> None:
    """Triage: what reports seem to be about. People confirm or edit it; reports stay in the portal."""


@triage.command("list", short_help="List suggestions, newest first, and how often people disagreed.")
@shared
@acting
@click.option("--category", type=click.Choice([str(each) for each in CATEGORIES]), help="Only these.")
@click.option("--undecided", is_flag=True, help="Only those nobody has decided on.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="How many, newest first.")
def list_(
    *, home: Path | None, is_json: bool, actor: Actor, category: str | None, undecided: bool, limit: int
) -> int:
    """List the newest suggestion for every report, and the share of decisions that changed one."""
    with _open(home, actor) as (desk, kept):
        decided = {one.report_id: one for one in kept.decisions()}
        found = [
            one
            for one in kept.newest()
            if category in {None, one.suggestion.category}
            if not (undecided and one.suggestion.report_id in decided)
        ]
        agreed, timezone = kept.agreement(), desk.settings.timezone
    if is_json:
        print_json(
            {
                "suggestions": [_told(one, decided.get(one.suggestion.report_id)) for one in found[:limit]],
                "agreement": _agreement_told(agreed),
            }
        )
        return 0
    for one in found[:limit]:
        print(_line(one, decided.get(one.suggestion.report_id), timezone))
    if len(found) > limit:
        print(f"{len(found) - limit} more; --limit shows them.")
    if not found:
        print("There are no suggestions.")
    print(_agreement_line(agreed))
    return 0


@triage.command(short_help="Show one: what, how sure, why, by which version, and what people said.")
@shared
@acting
@click.argument("report_id")
def show(*, home: Path | None, is_json: bool, actor: Actor, report_id: str) -> int:
    """Show what is suggested for one report (a plain part of its id is enough) and what people said."""
    with _open(home, actor) as (desk, kept):
        seen = _found(kept, report_id)
        _show(kept, seen, desk.settings.timezone, is_json=is_json)
    return 0


@triage.command(short_help="Agree with exactly what you saw.")
@shared
@acting
@click.argument("report_id")
@_REASON
@_REVISION
def confirm(
    *, home: Path | None, is_json: bool, actor: Actor, report_id: str, reason: str, revision: int | None
) -> int:
    """Say that a suggestion is right in category and severity. With --revision nothing newer can slip in."""
    with open_desk(home, actor) as desk, live_triage_suggestions(desk.settings) as kept:
        _refuse_others(desk, report_id, reason)
        seen = _seen(kept, report_id, revision)
        said = seen.suggestion
        if said.category is None or said.severity is None:
            raise CockpitError(
                f"Nothing is suggested for this report: {_why(said.reason_code)} Nothing was changed.",
                "Read it in the portal, then: ./studio triage edit REPORT --category ... --severity ...",
                exit_code=1,
            )
        desk.gateway.decide_triage(
            actor,
            said.report_id,
            category=said.category,
            severity=said.severity,
            verdict=TriageVerdict.CONFIRMED,
            reason=reason,
        )
        _show(kept, _found(kept, said.report_id), desk.settings.timezone, is_json=is_json)
    return 0


@triage.command(short_help="Say what a report is about instead, and how grave it is.")
@shared
@acting
@click.argument("report_id")
@click.option("--category", type=click.Choice([str(each) for each in CATEGORIES]), help="What it is about.")
@click.option("--severity", type=click.Choice([str(each) for each in SEVERITIES]), help="How grave it is.")
@_REASON
@_REVISION
def edit(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    report_id: str,
    category: str | None,
    severity: str | None,
    reason: str,
    revision: int | None,
) -> int:
    """Say what a report is about and how grave; what is left out stays as it was suggested."""
    with open_desk(home, actor) as desk, live_triage_suggestions(desk.settings) as kept:
        _refuse_others(desk, report_id, reason)
        seen = _seen(kept, report_id, revision)
        said = seen.suggestion
        wanted = (category or said.category, severity or said.severity)
        if wanted[0] is None or wanted[1] is None:
            raise CockpitError(
                "Nothing is suggested for this report, so both have to be said. Nothing was changed.",
                "Give --category and --severity.",
                exit_code=2,
            )
        if wanted == (said.category, said.severity):
            raise CockpitError(
                f"That is what is suggested: {said.category}, {said.severity}. Nothing was changed.",
                f"If it is right: ./studio triage confirm {said.report_id} --reason ...",
                exit_code=1,
            )
        desk.gateway.decide_triage(
            actor,
            said.report_id,
            category=wanted[0],
            severity=wanted[1],
            verdict=TriageVerdict.EDITED,
            reason=reason,
        )
        _show(kept, _found(kept, said.report_id), desk.settings.timezone, is_json=is_json)
    return 0


def _refuse_others(desk: Desk, report_id: str, reason: str) -> None:
    """Let the gateway refuse whoever is no staff, for the audit, before they learn what is suggested."""
    try:
        desk.require_staff()
    except CockpitError:
        other, low = CATEGORIES[-1].value, SEVERITIES[0].value
        desk.gateway.decide_triage(
            desk.actor, report_id, category=other, severity=low, verdict=TriageVerdict.EDITED, reason=reason
        )
        raise


@contextmanager
def _open(home: Path | None, actor: Actor) -> Iterator[tuple[Desk, TriageSuggestions]]:
    with open_desk(home, actor) as desk, live_triage_suggestions(desk.settings) as kept:
        desk.require_staff()
        yield desk, kept


def _seen(kept: TriageSuggestions, wanted: str, revision: int | None) -> StoredSuggestion:
    seen = _found(kept, wanted)
    if revision not in {None, seen.revision}:
        raise CockpitError(
            f"Revision {revision} is not the newest: that is {seen.revision}. Nothing was changed.",
            f"Look at it again: ./studio triage show {seen.suggestion.report_id}",
            exit_code=1,
        )
    return seen


def _found(kept: TriageSuggestions, wanted: str) -> StoredSuggestion:
    """Return the suggestion for a report's id, or for an unmistakable beginning or end of one."""
    newest = kept.newest()
    found = [one for one in newest if one.suggestion.report_id == wanted]
    if not found and len(wanted) >= _LEAST_OF_AN_ID:
        ids = ((one, one.suggestion.report_id) for one in newest)
        found = [one for one, id_ in ids if id_.startswith(wanted) or id_.endswith(wanted)]
    if len(found) != 1:
        what = (
            f"{len(found)} reports match that id." if found else "There is no suggestion for such a report."
        )
        raise CockpitError(what, "./studio triage list shows them.", exit_code=1)
    return found[0]


def _why(reason_code: str) -> str:
    return _MEANINGS.get(reason_code, "The version that suggested it is not known here.")


def _told(one: StoredSuggestion, decision: StoredDecision | None) -> dict[str, Any]:
    said = one.suggestion
    return {
        "reportId": said.report_id,
        "revision": one.revision,
        "category": said.category,
        "severity": said.severity,
        "reasonCode": said.reason_code,
        "why": _why(said.reason_code),
        "confidence": said.confidence,
        "abstained": said.is_abstained,
        "classifier": said.classifier,
        "textHash": said.text_hash,
        "at": one.at.isoformat(),
        "decision": None if decision is None else _decision_told(decision),
    }


def _decision_told(one: StoredDecision) -> dict[str, Any]:
    return {
        "revision": one.revision,
        "category": one.category,
        "severity": one.severity,
        "verdict": one.verdict,
        "by": one.by,
        "reason": one.reason,
        "at": one.at.isoformat(),
        "auditSeq": one.audit_seq,
    }


def _agreement_told(agreed: Sequence[Agreement]) -> dict[str, Any]:
    """Return how people decided; the rate is of what was suggested: where nothing was, nobody disagrees."""
    suggested = [one for one in agreed if one.category is not None]
    confirmed, edited = sum(one.confirmed for one in suggested), sum(one.edited for one in suggested)
    by_category = {
        str(one.category): {
            "confirmed": one.confirmed,
            "edited": one.edited,
            "mismatchRate": round(one.mismatch_rate, 4),
        }
        for one in suggested
    }
    return {
        "confirmed": confirmed,
        "edited": edited,
        "mismatchRate": round(edited / (confirmed + edited), 4) if suggested else None,
        "unsuggested": sum(one.confirmed + one.edited for one in agreed if one.category is None),
        "byCategory": by_category,
    }


def _agreement_line(agreed: Sequence[Agreement]) -> str:
    told = _agreement_told(agreed)
    if told["mismatchRate"] is None:
        return "Nobody has decided on a suggestion yet."
    number = told["confirmed"] + told["edited"]
    each = ", ".join(
        f"{name} {one['edited']} of {one['confirmed'] + one['edited']}"
        for name, one in told["byCategory"].items()
    )
    return f"People decided otherwise on {told['edited']} of {number} ({told['mismatchRate']:.0%}): {each}."


def _line(one: StoredSuggestion, decision: StoredDecision | None, timezone: str) -> str:
    said = one.suggestion
    what = "a person reads it" if said.is_abstained else f"{said.category}, {said.severity}"
    judged = "" if decision is None else f"  {decision.verdict}: {decision.category}, {decision.severity}"
    return (
        f"{visible(said.report_id)}  r{one.revision}  {what}  {said.reason_code}  "
        f"{said.confidence:.2f}  {words.local_time(one.at, timezone)}{judged}"
    )


def _show(kept: TriageSuggestions, one: StoredSuggestion, timezone: str, *, is_json: bool) -> None:
    said, agreed = one.suggestion, kept.agreement()
    revisions, decisions = kept.revisions(said.report_id), kept.decisions(said.report_id)
    if is_json:
        told = _told(one, decisions[-1] if decisions else None)
        told |= {"revisions": [_told(each, None) for each in revisions]}
        told |= {"decisions": [_decision_told(each) for each in decisions]}
        print_json(told | {"agreement": _agreement_told(agreed)})
        return
    print(_line(one, decisions[-1] if decisions else None, timezone))
    print(f"  Why: {_why(said.reason_code)} Confidence {said.confidence:.2f}.")
    print(f"  By {said.classifier}, of the text {said.text_hash[:12]}; the words stay in the portal.")
    for each in revisions[:-1]:
        said_then = each.suggestion
        print(f"  Revision {each.revision}: {said_then.category or 'nothing'}, {said_then.reason_code}")
    for decision in decisions:
        at = words.local_time(decision.at, timezone)
        print(
            f"  {decision.verdict} (revision {decision.revision}): {decision.category}, {decision.severity}, "
            f"{visible(decision.by)}, {at}: {visible(decision.reason)}"
        )
    print(f"  {_agreement_line(agreed)}")
