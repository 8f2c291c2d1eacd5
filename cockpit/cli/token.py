"""``studio token``: a signed identity of the pretend studio, for demonstrations and tests.

The pretend issuer signs, in the twins' process; its key never leaves it. Nothing real believes these tokens,
and none is made while a real project is configured.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import requests

from cockpit.cli.options import print_json, shared
from cockpit.cli.twins import CONTROL, control_of
from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import read_home
from cockpit.instance import running_instance
from cockpit.world import Wish, is_real
from policies.claims import AGENT_CLAIM, MANAGES_APPROVALS
from policies.delegation import ANY_CAPABILITY_SCOPE
from resources.settings_rules import is_loopback_url

ANSWER_SECONDS: Final = 30.0
LONGEST_SECONDS: Final = 3600
OK: Final = 200


@dataclass(frozen=True, slots=True)
class DemoRole:
    """What the token of a role says, and for whom unless somebody is named."""

    uid: str
    name: str
    claims: Mapping[str, Any]


ROLES: Final[Mapping[str, DemoRole]] = {
    "staff": DemoRole("staff-ada", "Ada, staff", {"staff": True, "roles": ["staff"]}),
    "approver": DemoRole(
        "approver-ben",
        "Ben, approver",
        {"staff": True, "roles": ["staff"], "opsCapabilities": [MANAGES_APPROVALS]},
    ),
    "admin": DemoRole(
        "admin-dana", "Dana, admin", {"staff": True, "admin": True, "roles": ["staff", "admin"]}
    ),
    # An agent's token is its owner's: the uid is the owner, and a claim names the client that acts.
    "agent": DemoRole("member-eve", "Eve, through an agent", {"agent": True}),
    "member": DemoRole("member-eve", "Eve, a member", {}),
}


@click.command(short_help="Sign in to the pretend studio: print a signed token.")
@shared
@click.option("--role", type=click.Choice(list(ROLES)), required=True, help="What the person is.")
@click.option("--uid", help="Whom it speaks for (default: staff-ada, approver-ben, admin-dana ...).")
@click.option("--name", help="What the person is called.")
@click.option("--owner", help="For an agent: the member it acts for (default: member-eve).")
@click.option("--scope", "scopes", multiple=True, help=f"For an agent (default: {ANY_CAPABILITY_SCOPE}).")
@click.option(
    "--seconds", type=click.IntRange(1, LONGEST_SECONDS), default=LONGEST_SECONDS, help="How long it counts."
)
def token(
    *,
    home: Path | None,
    is_json: bool,
    role: str,
    uid: str | None,
    name: str | None,
    owner: str | None,
    scopes: tuple[str, ...],
    seconds: int,
) -> int:
    """Print a signed token of the pretend studio: export STUDIO_AS=$(./studio token --role staff).

    For an agent, a client and a delegation are made in the pretend cloud that last as long as the token.
    """
    if role != "agent" and (owner or scopes):
        raise click.UsageError("--owner and --scope are for --role agent only.")
    if role == "agent" and uid:
        raise click.UsageError("An agent's token speaks for its owner: say --owner UID instead of --uid.")
    control = _control(home)
    demo = ROLES[role]
    uid = uid or owner or demo.uid
    claims, made = dict(demo.claims), {}
    if role == "agent":
        made = _ask(
            control,
            "/agents",
            {
                "ownerUid": uid,
                "scopes": list(scopes) or [ANY_CAPABILITY_SCOPE],
                "seconds": seconds,
            },
        )
        claims[AGENT_CLAIM] = made["agentClientId"]
    wish = {"uid": uid, "claims": claims, "seconds": seconds, "name": name or demo.name}
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    signed = _ask(control, "/tokens", wish)["token"]
    if is_json:
        agent = {field: made[field] for field in ("agentClientId", "delegationId", "ownerUid") if made}
        print_json(
            {
                "role": role,
                "uid": wish["uid"],
                **agent,
                "expiresAt": expires_at.isoformat(timespec="seconds"),
                "token": signed,
            }
        )
    else:
        print(signed)
    return 0


def _control(home: Path | None) -> str:
    """Return the address of the pretend studio's issuer.

    Raises:
        CockpitError: When a real project is configured, or no pretend studio runs.
    """
    settings = settings_here(home=home)
    if is_real(settings, Wish()) and not settings.is_twin:
        raise CockpitError(
            "A real project is configured, so no pretended identity is made.",
            "Sign in at the portal and give that token with --as; or unset STUDIO_FIRESTORE_PROJECT and"
            " STUDIO_STRIPE_KEY to use the pretend studio.",
        )
    given = os.environ.get(CONTROL)
    if home is not None or not given:
        if home is None and _nothing_runs(settings.home):
            raise CockpitError(
                "No pretend studio is running, so nobody can sign a token.",
                "Start it with ./studio up, or name its home with --home DIR.",
            )
        given = control_of(home or settings.home)
    if not is_loopback_url(given):
        raise CockpitError(
            f"{CONTROL} does not lead to this machine; nothing was asked.", "Unset it, or start ./studio up."
        )
    return given.rstrip("/")


def _nothing_runs(home: Path) -> bool:
    return not home.exists() or running_instance(read_home(home)) is None


def _ask(control: str, path: str, wish: Mapping[str, Any]) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False  # A proxy is for the way out; this stays on the machine.
        try:
            answer = session.post(f"{control}{path}", json=wish, timeout=ANSWER_SECONDS)
            said = answer.json()
        except (requests.RequestException, ValueError):
            raise CockpitError(
                f"The pretend studio does not answer at {control}.", "./studio status shows whether it runs."
            ) from None
    if answer.status_code != OK or not isinstance(said, dict):
        reason = said.get("error", "") if isinstance(said, dict) else ""
        raise CockpitError(
            f"The pretend issuer refused: {reason or f'status {answer.status_code}'}.",
            "./studio token --help lists what is possible.",
            exit_code=2,
        )
    return said
