"""``--as``: who acts. A command that changes something takes a signed token and gets a verified actor.

The token is given itself, or as the path of a file that holds it, or in STUDIO_AS the same way. It is never
shown again, and never part of an error.
"""

import functools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import read_home
from cockpit.instance import running_instance
from cockpit.world import Wish, is_real
from policies.actors import Actor
from resources.clock import SystemClock
from resources.identity.actors import actor_of
from resources.identity.gateway import IdentityError
from resources.identity.live import live_verifier
from resources.settings import Settings, load_settings

VARIABLE: Final = "STUDIO_AS"
_START: Final = "Start it with ./studio up, or name its home with --home DIR."
LARGEST_FILE_BYTES: Final = 16 * 1024

AS_OPTION: Final = click.option(
    "--as",
    "given_token",
    metavar="TOKEN_OR_FILE",
    help=f"Who you are: a signed token, or a file that holds one (default: ${VARIABLE}).",
)


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--as`` to a command, which then gets ``actor`` by keyword.

    The command also takes ``home`` (from ``shared``): the instance that runs there says whose tokens count.
    """

    @functools.wraps(command)
    def verified(*args: Any, given_token: str | None, **given: Any) -> Any:
        settings = settings_of(given.get("home"))
        return command(*args, actor=actor_here(settings, given_token), **given)

    return AS_OPTION(verified)


def settings_of(home: Path | None) -> Settings:
    """Return the settings of the instance that runs on a home; those of this process when none does."""
    settings = settings_here(home=home)
    with suppress(CockpitError):
        instance = running_instance(read_home(settings.home)) if settings.home.exists() else None
        if instance is not None:
            return load_settings(instance.environment)
    return settings


def actor_here(settings: Settings, given: str | None, owner_id: str | None = None) -> Actor:
    """Return the actor that a token speaks for.

    Args:
        settings: Say whose tokens count here, and which studio this is.
        given: What ``--as`` said; null to look at the environment.
        owner_id: For an agent, whom it wants to act for; null for whom its token names.

    Raises:
        CockpitError: When there is no token, or it does not hold; with how to get one.
    """
    token = _token_in(given if given is not None else os.environ.get(VARIABLE, ""))
    if not token:
        raise CockpitError("Who are you? This needs an identity, and none was given.", _how(settings))
    if not settings.is_twin and not is_real(settings, Wish()):
        # Otherwise Google would be asked about a token that it cannot have signed.
        raise CockpitError("No studio is running, so nobody can say whose token this is.", _START)
    try:
        identity = live_verifier(settings, SystemClock()).verify(token)
        return actor_of(identity, settings.studio_id, owner_id)
    except IdentityError as error:
        remedy = "Nothing was done." if error.is_transient else _how(settings)
        raise CockpitError(f"{error} ({error.code})", remedy) from None


def _token_in(given: str) -> str:
    """Return the token itself, or the one in the file that is named instead."""
    given = given.strip()
    # A token has two dots and only letters around them; whatever else there is can only be a file.
    if not given or (given.startswith("eyJ") and given.count(".") == 2 and "/" not in given):
        return given
    try:
        with Path(given).expanduser().open("rb") as file:
            return file.read(LARGEST_FILE_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        # The path is not shown: it could be a token that was mistyped.
        raise CockpitError(
            "What --as (or STUDIO_AS) names is neither a signed token nor a readable file with one.",
            "Give the token as it was printed, or the path of a file that holds nothing else.",
        ) from None


def _how(settings: Settings) -> str:
    if settings.is_twin or "firestore_project" not in settings.model_fields_set:
        return f"With the pretend studio running: export {VARIABLE}=$(./studio token --role staff)"
    return f"Sign in at the portal, keep the ID token in a file, and give it with --as FILE (or {VARIABLE})."
