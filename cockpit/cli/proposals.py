"""``studio proposals``: ask for something, decide on it, see what became of it."""

from collections.abc import Callable
from pathlib import Path

import click

from cockpit.cli.desk_words import proposal_line, proposal_told
from cockpit.cli.identity_option import acting
from cockpit.cli.options import print_json, shared
from cockpit.cli.proposal_input import evidence_of, input_of
from cockpit.cli.proposal_outcome import await_outcome, show_proposal
from cockpit.desk import Desk, open_desk
from policies.actors import Actor
from policies.intake import OVERRIDE_REASONS
from policies.proposals import Proposal, ProposalState

WAIT_SECONDS = 120
_REASON = click.option("--reason", required=True, help="Why; kept with the decision.")


@click.group(short_help="Ask for something, decide on it, see what became of it.")
def proposals() -> None:
    """Proposals: what Studio OS may do outside, once people have said yes. Everything needs an identity."""


@proposals.command("list", short_help="List proposals, newest first.")
@shared
@acting
@click.option("--state", "states", multiple=True, type=click.Choice([str(each) for each in ProposalState]))
@click.option("--capability", help="Only of this capability.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many, newest first.")
def list_(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    states: tuple[str, ...],
    capability: str | None,
    limit: int,
) -> int:
    """List proposals, newest first."""
    with open_desk(home, actor) as desk:
        wanted = [ProposalState(each) for each in states]
        found = desk.proposals(states=wanted, capability_id=capability, limit=limit)
        timezone = desk.settings.timezone
    if is_json:
        print_json({"proposals": [proposal_told(each) for each in found]})
    else:
        print("\n".join(proposal_line(each, timezone) for each in found) or "There are no proposals to see.")
    return 0


@proposals.command(short_help="Show everything about one.")
@shared
@acting
@click.argument("proposal_id")
def show(*, home: Path | None, is_json: bool, actor: Actor, proposal_id: str) -> int:
    """Show one proposal (an unmistakable part of its id is enough) with approvals, executions and audit."""
    with open_desk(home, actor) as desk:
        show_proposal(desk, desk.proposal(proposal_id), is_json=is_json)
    return 0


@proposals.command(short_help="Ask for something.")
@shared
@acting
@click.argument("capability")
@click.option("--input", "inputs", multiple=True, metavar="FIELD=VALUE", help="A field of the input.")
@click.option("--input-file", type=click.Path(path_type=Path, dir_okay=False), help="The input as JSON.")
@click.option("--rationale", required=True, help="Why this should be done.")
@click.option("--owner", help="The member whose things it touches.")
@click.option("--dedupe-key", help="Two live proposals never share it.")
@click.option("--effect", "effects", multiple=True, help="What you expect to happen; may be repeated.")
@click.option(
    "--evidence", "links", multiple=True, metavar="ASSET@REVISION[#FINDING]", help="What it rests on."
)
@click.option("--draft", "is_draft", is_flag=True, help="Do not ask for approval yet.")
def create(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    capability: str,
    inputs: tuple[str, ...],
    input_file: Path | None,
    rationale: str,
    owner: str | None,
    dedupe_key: str | None,
    effects: tuple[str, ...],
    links: tuple[str, ...],
    is_draft: bool,
) -> int:
    """Propose that CAPABILITY be used; ./studio policy show lists capabilities and their inputs."""
    input_ = input_of(capability, inputs, input_file) or {}
    evidence = [evidence_of(link) for link in links]

    def act(desk: Desk) -> Proposal:
        return desk.gateway.propose(
            actor,
            capability,
            input_,
            rationale,
            owner_id=owner,
            dedupe_key=dedupe_key,
            evidence=evidence,
            predicted_effects=effects,
            is_draft=is_draft,
        )

    return _act(home, actor, act, is_json=is_json)


@proposals.command(short_help="Ask for approval of a draft.")
@shared
@acting
@click.argument("proposal_id")
def submit(*, home: Path | None, is_json: bool, actor: Actor, proposal_id: str) -> int:
    """Ask for approval of a draft."""
    return _act(
        home,
        actor,
        lambda desk: desk.gateway.submit(actor, desk.acted_on(proposal_id).proposal_id),
        is_json=is_json,
    )


@proposals.command(short_help="Make the next version; approvals of older ones bind nothing.")
@shared
@acting
@click.argument("proposal_id")
@click.option("--version", type=click.IntRange(1), help="The version you saw (default: the newest).")
@click.option("--input", "inputs", multiple=True, metavar="FIELD=VALUE", help="A field that changes.")
@click.option(
    "--input-file", type=click.Path(path_type=Path, dir_okay=False), help="The whole input as JSON."
)
@click.option("--rationale", help="Another rationale.")
def edit(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    proposal_id: str,
    version: int | None,
    inputs: tuple[str, ...],
    input_file: Path | None,
    rationale: str | None,
) -> int:
    """Make the next version of a proposal; approvals of older versions bind nothing any more."""

    def act(desk: Desk) -> Proposal:
        seen = desk.acted_on(proposal_id)
        given = input_of(seen.capability_id, inputs, input_file)
        input_ = given if given is None or input_file else {**seen.input, **given}
        return desk.gateway.edit(
            actor, seen.proposal_id, version=version or seen.version, input_=input_, rationale=rationale
        )

    return _act(home, actor, act, is_json=is_json)


@proposals.command("dry-run", short_help="Ask the target what would happen, exactly.")
@shared
@acting
@click.argument("proposal_id")
def dry_run(*, home: Path | None, is_json: bool, actor: Actor, proposal_id: str) -> int:
    """Ask the target what would happen, exactly; nothing is written there."""
    return _act(
        home,
        actor,
        lambda desk: desk.gateway.dry_run(actor, desk.acted_on(proposal_id).proposal_id),
        is_json=is_json,
    )


@proposals.command(short_help="Say yes to exactly what you saw.")
@shared
@acting
@click.argument("proposal_id")
@_REASON
@click.option("--input-hash", help="Hash of the input you saw, or its beginning (default: of the newest).")
@click.option("--version", type=click.IntRange(1), help="The version you saw (default: the newest).")
def approve(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    proposal_id: str,
    reason: str,
    input_hash: str | None,
    version: int | None,
) -> int:
    """Approve exactly one version. With --version or --input-hash nothing newer can slip in between."""

    def act(desk: Desk) -> Proposal:
        seen = desk.acted_on(proposal_id)
        is_part = input_hash is not None and len(input_hash) >= 12 and seen.input_hash.startswith(input_hash)
        bound = seen.input_hash if input_hash is None or is_part else input_hash
        return desk.gateway.approve(
            actor, seen.proposal_id, reason, input_hash=bound, version=version or seen.version
        )

    return _act(home, actor, act, is_json=is_json)


@proposals.command(short_help="Say no; possible until execution begins.")
@shared
@acting
@click.argument("proposal_id")
@_REASON
def reject(*, home: Path | None, is_json: bool, actor: Actor, proposal_id: str, reason: str) -> int:
    """Say no; also after approval, until execution begins."""
    return _act(
        home,
        actor,
        lambda desk: desk.gateway.reject(actor, desk.acted_on(proposal_id).proposal_id, reason),
        is_json=is_json,
    )


@proposals.command(short_help="Put a rejected, failed or expired one up again.")
@shared
@acting
@click.argument("proposal_id")
@_REASON
def reopen(*, home: Path | None, is_json: bool, actor: Actor, proposal_id: str, reason: str) -> int:
    """Make a new version of a rejected, failed or expired proposal, waiting for approval again."""
    return _act(
        home,
        actor,
        lambda desk: desk.gateway.reopen(actor, desk.acted_on(proposal_id).proposal_id, reason),
        is_json=is_json,
    )


@proposals.command("override-intake", short_help="Let a screened one go on.")
@shared
@acting
@click.argument("proposal_id")
@click.option("--code", required=True, type=click.Choice(sorted(OVERRIDE_REASONS)), help="Kind of reason.")
@_REASON
def override_intake(
    *, home: Path | None, is_json: bool, actor: Actor, proposal_id: str, code: str, reason: str
) -> int:
    """Let a proposal that screening stopped go on; your name stays with it."""
    return _act(
        home,
        actor,
        lambda desk: desk.gateway.override_intake(
            actor, desk.acted_on(proposal_id).proposal_id, code, reason
        ),
        is_json=is_json,
    )


@proposals.command(short_help="Wait until an approved one is carried out.")
@shared
@acting
@click.argument("proposal_id")
@click.option(
    "--wait", "seconds", type=click.IntRange(0, 3600), default=WAIT_SECONDS, help="Seconds at most."
)
def execute(*, home: Path | None, is_json: bool, actor: Actor, proposal_id: str, seconds: int) -> int:
    """See an approved proposal carried out. The instance starts one Dagster run for it; this waits for it.

    No command writes outside by itself: only an execution run has the credential. Exit code 0 only if the
    proposal is executed.
    """
    wanted = ProposalState.EXECUTED
    return await_outcome(home, actor, proposal_id, wanted=wanted, seconds=seconds, is_json=is_json)


@proposals.command(short_help="Undo an executed one.")
@shared
@acting
@click.argument("proposal_id")
@_REASON
@click.option(
    "--wait", "seconds", type=click.IntRange(0, 3600), default=WAIT_SECONDS, help="Seconds at most."
)
def rollback(
    *, home: Path | None, is_json: bool, actor: Actor, proposal_id: str, reason: str, seconds: int
) -> int:
    """Approve that an executed proposal be undone, and wait until the instance's run has undone it."""
    with open_desk(home, actor) as desk:
        desk.gateway.request_rollback(actor, desk.acted_on(proposal_id).proposal_id, reason)
    wanted = ProposalState.ROLLED_BACK
    return await_outcome(home, actor, proposal_id, wanted=wanted, seconds=seconds, is_json=is_json)


def _act(home: Path | None, actor: Actor, act: Callable[[Desk], Proposal], *, is_json: bool) -> int:
    with open_desk(home, actor) as desk:
        show_proposal(desk, act(desk), is_json=is_json)
    return 0
