"""``studio policy``: the registry, the rules, and why they say what they say."""

from pathlib import Path
from typing import Any, Final

import click

from cockpit.cli.desk_words import decision_told
from cockpit.cli.identity_option import acting
from cockpit.cli.options import JSON_OPTION, print_json, shared
from cockpit.desk import open_desk
from cockpit.errors import CockpitError
from policies.actors import ROLES, Actor, ActorKind, system_actor
from policies.cases import is_staff
from policies.checks_who import EXECUTOR_NAME
from policies.decide import checks_of
from policies.decisions import Decision, Operation
from policies.describe import facts_of
from policies.lint import lint_text
from policies.registry import (
    REGISTRY_FILE,
    Capability,
    default_registry,
    document_of,
    registry_version,
)

_CHECKOUT: Final = REGISTRY_FILE.parent.parent


@click.group(short_help="Show the capabilities and the rules, and explain a decision.")
def policy() -> None:
    """Read the rules. Nothing here changes anything."""


@policy.command(short_help="Show all capabilities, or one.")
@JSON_OPTION
@click.argument("capability_id", metavar="[CAPABILITY]", required=False)
def show(*, is_json: bool, capability_id: str | None) -> int:
    """Show all capabilities, or everything about one."""
    registry = default_registry()
    if capability_id is not None:
        capability = _capability(capability_id)
        if is_json:
            print_json(document_of(capability))
        else:
            print("\n".join(f"{what:<20} {value}" for what, value in facts_of(capability)))
        return 0
    if is_json:
        documents = [document_of(capability) for capability in registry.values()]
        print_json({"version": registry_version(registry), "capabilities": documents})
        return 0
    for one in registry.values():
        kind = "read" if one.is_read_only else "write"
        done = "" if one.adapter else f", {'by permit' if one.is_read_only else 'proposal-only'}"
        print(f"{one.capability_id:<30} {one.risk:<9} {kind:<6} {one.approvals_required} approvals{done}")
    print(f"\nRegistry {registry_version(registry)[:12]}. More: ./studio policy show CAPABILITY")
    return 0


@policy.command(short_help="Check the registry against the laws of the house.")
@JSON_OPTION
@click.option(
    "--file", "path", type=click.Path(path_type=Path), help="Another registry than the shipped one."
)
def lint(*, is_json: bool, path: Path | None) -> int:
    """List every violation; exit code 1 if there is one."""
    text = (path or REGISTRY_FILE).read_text(encoding="utf-8")
    # An installed copy comes without tests; a checkout is held to having them.
    has_tests = (_CHECKOUT / "tests").is_dir()
    found = lint_text(text, (lambda test: (_CHECKOUT / test).is_file()) if has_tests else None)
    if is_json:
        print_json(
            {
                "violations": [
                    {"subject": one.subject, "rule": one.rule, "message": one.message} for one in found
                ]
            }
        )
    else:
        for one in found:
            print(f"{one.subject}: {one.message} ({one.rule})")
        print(f"{len(found)} violations.")
    return 1 if found else 0


@policy.command(short_help="Say what the rules would decide now, and why.")
@shared
@acting
@click.option("--capability", "capability_id", metavar="CAPABILITY", help="Which capability.")
@click.option("--proposal", "proposal_id", metavar="ID", help="Which proposal.")
@click.option(
    "--operation",
    type=click.Choice([operation.value for operation in Operation]),
    help="What is wanted; of a proposal to execute it, of a capability alone to propose it.",
)
@click.option(
    "--actor",
    "about",
    metavar="KIND:ID[:ROLE,ROLE]",
    help="Explain for another actor than yourself (an agent: agent:CLIENT@OWNER); staff only.",
)
def explain(
    *,
    home: Path | None,
    is_json: bool,
    actor: Actor,
    capability_id: str | None,
    proposal_id: str | None,
    operation: str | None,
    about: str | None,
) -> int:
    """Say what an operation would get now, by which rule, and what it was asked; changes nothing.

    Whether something would be executed is asked for the execution run, since nobody else may.
    """
    wanted = Operation(operation or (Operation.PROPOSE if proposal_id is None else Operation.EXECUTE))
    subject = _asker(actor, wanted) if about is None else _actor(about, asked_by=actor)
    if capability_id is None and proposal_id is None:
        raise CockpitError("Explain what? Name a capability or a proposal.", _usage())
    with open_desk(home, actor) as desk:
        if proposal_id is not None:
            proposal = desk.proposal(proposal_id)
            proposal_id = proposal.proposal_id
            capability_id = capability_id or proposal.capability_id
        decision = desk.gateway.explain(subject, wanted, str(capability_id), proposal_id)
    told = _told(decision, wanted, subject, str(capability_id), proposal_id)
    if is_json:
        print_json(told)
    else:
        _print(told)
    return 0


def _told(
    decision: Decision, operation: Operation, actor: Actor, capability_id: str, proposal_id: str | None
) -> dict[str, Any]:
    """Return a decision as JSON data: the answer, its rule, and all questions in their order."""
    return {
        "operation": operation.value,
        "capabilityId": capability_id,
        "proposalId": proposal_id,
        "actor": {"id": actor.actor_id, "kind": actor.kind.value, "roles": sorted(actor.roles)},
        **decision_told(decision),
        "asked": [(check.__doc__ or "").strip().splitlines()[0] for check in checks_of(operation, actor)],
    }


def _print(told: dict[str, Any]) -> None:
    actor = told["actor"]
    roles = f" ({', '.join(actor['roles'])})" if actor["roles"] else ""
    print(f"{'Yes' if told['isAllowed'] else 'No'}: {told['sentence']}")
    print(f"{told['code']}, rule {told['rule']}")
    print(f"{told['operation']} {told['proposalId'] or told['capabilityId']} by {actor['id']}{roles}")
    if told["retryAfterSeconds"] is not None:
        print(f"Trying again may help in {told['retryAfterSeconds']} seconds.")
    if told["exemptionId"] is not None:
        print(f"Exemption {told['exemptionId']} stands in for approvals.")
    print("\nAsked in this order:")
    for question in told["asked"]:
        print(f"  {question}")


def _capability(capability_id: str) -> Capability:
    capability = default_registry().get(capability_id)
    if capability is None:
        raise CockpitError(
            "There is no such capability; nothing outside the registry can be done.",
            "./studio policy show lists all.",
            exit_code=1,
        )
    return capability


def _asker(actor: Actor, operation: Operation) -> Actor:
    return system_actor(EXECUTOR_NAME, actor.studio_id) if operation is Operation.EXECUTE else actor


def _actor(given: str, *, asked_by: Actor) -> Actor:
    """Return the actor that is asked about. It is only thought of: explaining changes nothing."""
    if not is_staff(asked_by):
        raise CockpitError("Only staff may ask about somebody else.", "Leave --actor out.", exit_code=1)
    kind, _, rest = given.partition(":")
    # A system's id has a colon of its own.
    actor_id, _, roles = (rest, "", "") if kind == ActorKind.SYSTEM else rest.partition(":")
    actor_id, _, owner = actor_id.partition("@") if kind == ActorKind.AGENT else (actor_id, "", "")
    named = frozenset(roles.split(",")) - {""}
    if kind not in {one.value for one in ActorKind} or not actor_id or not named <= ROLES:
        raise CockpitError(
            "--actor is KIND:ID[:ROLE,ROLE], such as staff:u_1:staff,approver or agent:CLIENT@OWNER.",
            f"Kinds: {', '.join(ActorKind)}. Roles: {', '.join(sorted(ROLES))}.",
        )
    if kind == ActorKind.STAFF:
        named |= {"staff"}
    return Actor(ActorKind(kind), actor_id, asked_by.studio_id, named, owner or None)


def _usage() -> str:
    return (
        "./studio policy explain --capability ID, or --proposal ID; ./studio policy show lists capabilities."
    )
