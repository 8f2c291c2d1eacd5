"""``studio drafts``: read what was drafted, and take it through review. Nothing here publishes anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from cockpit.cli.desk_words import visible
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.desk import Desk, open_desk
from cockpit.errors import CockpitError
from policies.actors import Actor
from policies.marks import DraftStatus
from resources.clock import SystemClock
from resources.postgres.drafts import Drafts, StoredDraft, StoredReview
from studio_assets.doors import live_drafts
from studio_assets.marketing.channels import Channel
from studio_assets.marketing.checker import problems
from studio_assets.marketing.drafts import checked_of, past_instants

_REASON: Final = click.option("--reason", required=True, help="Why; kept with the review.")
_REVISION: Final = click.option(
    "--revision", type=click.IntRange(1), help="The revision you saw (default: the newest)."
)
_LEAST_OF_AN_ID: Final = 4
_NO_HASH: Final = "0" * 64


@click.group(short_help="Read marketing drafts and take them through review.")
def drafts() -> None:
    """Drafts: texts made of facts, for people to review. A draft that is approved is still not published."""


@drafts.command("list", short_help="List drafts, newest first.")
@shared
@acting
@click.option("--status", type=click.Choice([str(each) for each in DraftStatus]), help="Only those.")
@click.option("--channel", type=click.Choice([str(each) for each in Channel]), help="Only for this channel.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many, newest first.")
def list_(
    *, home: Path | None, is_json: bool, actor: Actor, status: str | None, channel: str | None, limit: int
) -> int:
    """List drafts as they stand now, newest first."""
    with _open(home, actor) as (desk, kept):
        found = [one for one in kept.newest(status=status) if channel in {None, one.draft.channel}][:limit]
        timezone = desk.settings.timezone
    if is_json:
        print_json({"drafts": [_told(one) for one in found]})
    else:
        print("\n".join(_line(one, timezone) for one in found) or "There are no drafts.")
    return 0


@drafts.command(short_help="Show one with its facts and reviews.")
@shared
@acting
@click.argument("draft_id")
def show(*, home: Path | None, is_json: bool, actor: Actor, draft_id: str) -> int:
    """Show one draft (an unmistakable part of its id is enough), what it rests on, and its reviews."""
    with _open(home, actor) as (desk, kept):
        seen = _found(kept, draft_id)
        _show(seen, kept.reviews(seen.draft.draft_id), desk.settings.timezone, is_json=is_json)
    return 0


@drafts.command(short_help="Ask for a review.")
@shared
@acting
@click.argument("draft_id")
@_REASON
@_REVISION
def submit(
    *, home: Path | None, is_json: bool, actor: Actor, draft_id: str, reason: str, revision: int | None
) -> int:
    """Say that a draft is ready for review."""
    return _review(home, actor, draft_id, DraftStatus.NEEDS_REVIEW, reason, revision, is_json=is_json)


@drafts.command(short_help="Approve exactly what you saw.")
@shared
@acting
@click.argument("draft_id")
@_REASON
@_REVISION
def approve(
    *, home: Path | None, is_json: bool, actor: Actor, draft_id: str, reason: str, revision: int | None
) -> int:
    """Approve a draft for publishing by a person. With --revision nothing newer can slip in between."""
    return _review(home, actor, draft_id, DraftStatus.APPROVED, reason, revision, is_json=is_json)


@drafts.command(short_help="Say no; it is not drafted again.")
@shared
@acting
@click.argument("draft_id")
@_REASON
@_REVISION
def reject(
    *, home: Path | None, is_json: bool, actor: Actor, draft_id: str, reason: str, revision: int | None
) -> int:
    """Reject a draft."""
    return _review(home, actor, draft_id, DraftStatus.REJECTED, reason, revision, is_json=is_json)


@drafts.command(short_help="Give one another status: what submit, approve and reject do.")
@shared
@acting
@click.argument("draft_id")
@click.option(
    "--to",
    "to_status",
    type=click.Choice([str(each) for each in DraftStatus if each is not DraftStatus.DRAFT]),
    required=True,
    help="What it becomes. An approved or rejected one goes back to needs_review.",
)
@_REASON
@_REVISION
def review(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    draft_id: str,
    to_status: str,
    reason: str,
    revision: int | None,
) -> int:
    """Give a draft another status. Staff alone do; a text is a draft until somebody says otherwise."""
    return _review(home, actor, draft_id, DraftStatus(to_status), reason, revision, is_json=is_json)


@contextmanager
def _open(home: Path | None, actor: Actor) -> Iterator[tuple[Desk, Drafts]]:
    with open_desk(home, actor) as desk, live_drafts(desk.settings) as kept:
        desk.require_staff()
        yield desk, kept


def _review(  # noqa: PLR0917 - what one review is made of
    home: Path | None,
    actor: Actor,
    draft_id: str,
    to_status: DraftStatus,
    reason: str,
    revision: int | None,
    *,
    is_json: bool,
) -> int:
    """Give a draft another status; the gateway decides, and the database writes the next revision."""
    with open_desk(home, actor) as desk, live_drafts(desk.settings) as kept:
        _refuse_others(desk, draft_id, to_status, reason)
        seen = _found(kept, draft_id)
        if revision not in {None, seen.revision}:
            raise CockpitError(
                f"Revision {revision} is not the newest: that is {seen.revision}. Nothing was changed.",
                f"Look at it again: ./studio drafts show {seen.draft.draft_id}",
                exit_code=1,
            )
        _require_step(seen, to_status)
        if to_status is not DraftStatus.REJECTED:
            _require_true(seen, SystemClock().now())
        desk.gateway.review_draft(
            actor,
            seen.draft.draft_id,
            revision=seen.revision,
            from_status=DraftStatus(seen.status),
            to_status=to_status,
            before_hash=seen.draft.content_hash,
            reason=reason,
        )
        now = _found(kept, seen.draft.draft_id)
        _show(now, kept.reviews(now.draft.draft_id), desk.settings.timezone, is_json=is_json)
    return 0


def _refuse_others(desk: Desk, draft_id: str, to_status: DraftStatus, reason: str) -> None:
    """Let the gateway refuse whoever is no staff, for the audit, before they learn what drafts there are."""
    try:
        desk.require_staff()
    except CockpitError:
        desk.gateway.review_draft(
            desk.actor,
            draft_id,
            revision=1,
            from_status=DraftStatus.DRAFT,
            to_status=to_status,
            before_hash=_NO_HASH,
            reason=reason,
        )
        raise


def _require_step(seen: StoredDraft, to_status: DraftStatus) -> None:
    """Say what to do instead of a step that the database would refuse."""
    if seen.status == to_status:
        raise CockpitError(
            f"It is {to_status} already, since revision {seen.revision}. Nothing was changed.",
            f"./studio drafts show {seen.draft.draft_id} tells who said so.",
            exit_code=1,
        )
    if to_status is DraftStatus.APPROVED and seen.status != DraftStatus.NEEDS_REVIEW:
        raise CockpitError(
            f"It is {seen.status}: somebody has to ask for its review first. Nothing was changed.",
            f"./studio drafts submit {seen.draft.draft_id} --reason ...",
            exit_code=1,
        )


def _require_true(seen: StoredDraft, now: datetime) -> None:
    """Refuse what the fact check refuses, and what tells of something that has begun meanwhile."""
    wrong = _problems(seen, now)
    if wrong:
        raise CockpitError(
            f"This draft cannot be reviewed: {wrong[0]} Nothing was changed.",
            "Reject it, or wait for the next snapshot, which drafts it anew.",
            exit_code=1,
        )


def _problems(seen: StoredDraft, now: datetime) -> list[str]:
    draft = seen.draft
    try:
        text = checked_of(draft.channel, draft.subject or "", draft.body, draft.facts)
    except (KeyError, TypeError, ValueError):
        return ["What is kept beside the text does not say what it rests on."]
    return problems(text) + past_instants(text.facts.values(), now)


def _found(kept: Drafts, wanted: str) -> StoredDraft:
    """Return the draft of an id, or of an unmistakable beginning or end of one."""
    newest = kept.newest()
    found = [one for one in newest if one.draft.draft_id == wanted]
    if not found and len(wanted) >= _LEAST_OF_AN_ID:
        found = [
            one
            for one in newest
            if one.draft.draft_id.startswith(wanted) or one.draft.draft_id.endswith(wanted)
        ]
    if len(found) != 1:
        what = f"{len(found)} drafts match that id." if found else "There is no such draft here."
        raise CockpitError(what, "./studio drafts list shows them.", exit_code=1)
    return found[0]


def _told(one: StoredDraft) -> dict[str, Any]:
    draft = one.draft
    return {
        "id": draft.draft_id,
        "revision": one.revision,
        "status": one.status,
        "channel": draft.channel,
        "variant": draft.variant,
        "subject": draft.subject,
        "body": draft.body,
        "template": draft.template,
        "templateVersion": draft.template_version,
        "contentHash": draft.content_hash,
        "snapshotDate": one.snapshot_date.isoformat(),
        "snapshotRevision": one.snapshot_revision,
        "at": one.at.isoformat(),
    }


def _review_told(one: StoredReview) -> dict[str, Any]:
    return {
        "revision": one.revision,
        "fromStatus": one.from_status,
        "toStatus": one.to_status,
        "by": one.by,
        "reason": one.reason,
        "at": one.at.isoformat(),
        "beforeHash": one.before_hash,
        "afterHash": one.after_hash,
        "auditSeq": one.audit_seq,
    }


def _line(one: StoredDraft, timezone: str) -> str:
    draft = one.draft
    told = draft.subject or draft.body.partition("\n")[0]
    return (
        f"{draft.draft_id}  r{one.revision:<3} {one.status:<21} {draft.channel:<16} "
        f"{_when(one.at, timezone)}  {visible(told)}"
    )


def _show(one: StoredDraft, reviews: list[StoredReview], timezone: str, *, is_json: bool) -> None:
    wrong = _problems(one, SystemClock().now())
    if is_json:
        told = _told(one) | {"facts": one.draft.facts["facts"], "sentences": one.draft.facts["sentences"]}
        print_json(told | {"problems": wrong, "reviews": [_review_told(each) for each in reviews]})
        return
    print(_line(one, timezone))
    print(f"{one.draft.template} {one.draft.template_version}, snapshot {one.snapshot_date}", end="")
    print(f" r{one.snapshot_revision}, hash {one.draft.content_hash[:12]}\n")
    # The words hold what is called so in the cloud, and reasons what people typed.
    lines = [*([one.draft.subject, ""] if one.draft.subject else []), *one.draft.body.split("\n")]
    print(*map(visible, lines), sep="\n")
    print("\nRests on:")
    for fact in one.draft.facts["facts"]:
        rest = f"{fact['id']}  {fact['name']} = {fact['value']}  ({fact['asset']} {fact['row']})"
        print(f"  {visible(rest)}")
    for each in wrong:
        print(f"Not fit for review: {visible(each)}")
    for review in reviews:
        step = f"{visible(review.by)}: {review.from_status} -> {review.to_status}. {visible(review.reason)}"
        print(f"{_when(review.at, timezone)}  {step}")
    print("Nothing is published from here.")


def _when(instant: datetime, timezone: str) -> str:
    return f"{instant.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"
