"""``studio connectors login``: a person logs in to an account, once; what comes of it is a secret file.

Nothing of it is shown: not the code, not the address, not what the vendor gave. With a pretend studio the
pretend account is used, and its code is known.
"""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import requests

from cockpit.cli.options import print_json, shared
from cockpit.cli.twins import CONTROL, control_of
from cockpit.environment import settings_here
from cockpit.errors import CANNOT_RUN, CockpitError
from cockpit.home import read_home
from cockpit.instance import running_instance
from cockpit.world import Wish, is_real
from resources.connector import ConnectorError, Fault
from resources.settings import Settings
from resources.settings_rules import is_loopback_url

ROBOROCK: Final = "roborock"
VARIABLE: Final = "STUDIO_ROBOROCK_SESSION"
LONGEST_ANSWER: Final = 200
ANSWER_SECONDS: Final = 10.0
_ELSEWHERE: Final = {
    "hubitat": (
        "A hub has no login: its Maker API instance has an access token.",
        "Set STUDIO_HUBITAT_URL, STUDIO_HUBITAT_APP_ID and STUDIO_HUBITAT_TOKEN; see .env.example.",
    )
}


@dataclass(frozen=True, slots=True)
class _Account:
    """Where to log in, and what is known of it already; null is asked for, or found by the vendor."""

    path: Path
    email: str | None = None
    code: str | None = None
    cloud: str | None = None

    @property
    def is_pretend(self) -> bool:
        return self.cloud is not None


@click.command(short_help="Log in to an account, and keep the login as a secret file.")
@click.argument("connector", metavar="CONNECTOR")
@click.option("--email", help="The account's address; asked for when left out.")
@click.option(
    "--session",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where the login is kept (default: ${VARIABLE}).",
)
@shared
def login(
    *, connector: str, email: str | None, session: Path | None, home: Path | None, is_json: bool
) -> int:
    """Have a code sent by mail, ask for it, and write the login to a file of mode 0600.

    Address and code are asked for here, or read from standard input, one line each. An older login is
    replaced only by one that works.
    """
    if connector != ROBOROCK:
        what, remedy = _ELSEWHERE.get(
            connector, (f"There is no connector {connector}.", f"There is one to log in to: {ROBOROCK}.")
        )
        raise CockpitError(what, remedy, exit_code=2)
    account = _account(home, session)
    _try_to_keep(account.path)
    email = email or account.email or _ask("Address of the account: ")
    if not email:
        raise CockpitError("No address was given; nothing was saved.", "Give one with --email.", exit_code=2)
    _log_in(account, email)
    if is_json:
        print_json(
            {
                "connector": ROBOROCK,
                "sessionFile": str(account.path),
                "setting": VARIABLE,
                "isPretend": account.is_pretend,
            }
        )
    else:
        print(
            f"Logged in{' to the pretend account' if account.is_pretend else ''}."
            f" The login is in {account.path}, for its owner alone."
        )
        if session is not None:
            print(f"Let Studio OS use it: {VARIABLE}={account.path}")
    return 0


def _log_in(account: _Account, email: str) -> None:
    from resources.roborock.login import log_in  # noqa: PLC0415 - the vendor's client takes a moment

    answers: list[str] = []

    def ask_code() -> str:
        answers.append(account.code or _ask("Code from the mail that is on its way: "))
        return answers[-1]

    try:
        log_in(email, ask_code, account.path, base_url=account.cloud)
    except ConnectorError as error:
        if answers == [""]:
            raise CockpitError("No code was given; nothing was saved.", _again()) from None
        exit_code = 1 if error.fault is Fault.AUTH else CANNOT_RUN
        raise CockpitError(str(error), _again(), exit_code=exit_code) from None


def _try_to_keep(path: Path) -> None:
    """Find out whether a login could be kept before a code is sent by mail for nothing."""
    from resources.roborock.session import try_private  # noqa: PLC0415 - as above

    try:
        try_private(path)
    except OSError as error:
        raise CockpitError(
            f"The login cannot be kept in {path} ({error.strerror}); nothing was asked.",
            f"Give another file with --session, or in {VARIABLE}.",
            exit_code=2,
        ) from None


def _again() -> str:
    return "Ask for a new code with the same command."


def _account(home: Path | None, session: Path | None) -> _Account:
    """Return which account is meant: a real one wherever anything real is configured."""
    settings = settings_here(home=home)
    if not is_real(settings, Wish()) or settings.is_twin:
        control = _control(home, settings)
        if control is not None:
            return _pretend(control, session)
    path = session.absolute() if session else settings.roborock_session
    if path is None:
        raise CockpitError(
            "It is not said where the login shall be kept; nothing was asked.",
            f"Set {VARIABLE} to a path that only you can read, or give one with --session.",
            exit_code=2,
        )
    return _Account(path)


def _control(home: Path | None, settings: Settings) -> str | None:
    """Return the control address of the pretend studio that runs here; null when none does."""
    if home is not None:
        return control_of(home)
    if given := os.environ.get(CONTROL):
        return given
    with suppress(CockpitError):
        instance = running_instance(read_home(settings.home)) if settings.home.exists() else None
        return instance.environment.get(CONTROL) if instance else None
    return None


def _pretend(control: str, session: Path | None) -> _Account:
    from twins.roborock.account import Account  # noqa: PLC0415 - only where one is pretended

    if not is_loopback_url(control):
        raise CockpitError(
            f"{CONTROL} does not lead to this machine; nothing was asked.", "Unset it, or start ./studio up."
        )
    said = _robots(control)
    path = session.absolute() if session else Path(said["sessionFile"])
    return _Account(path, said["email"], Account().code, said["cloudUrl"])


def _robots(control: str) -> dict[str, str]:
    """Return what the twins say of their pretend account."""
    with requests.Session() as http:
        http.trust_env = False  # A proxy is for the way out; this stays on the machine.
        try:
            said = http.get(f"{control.rstrip('/')}/status", timeout=ANSWER_SECONDS).json()[ROBOROCK]
            return {name: str(said[name]) for name in ("email", "cloudUrl", "sessionFile")}
        except (requests.RequestException, ValueError, KeyError, TypeError):
            raise CockpitError(
                "The pretend robots do not answer; nothing was saved.",
                "./studio status shows whether the pretend studio runs.",
            ) from None


def _ask(words: str) -> str:
    """Return one line a person types, or that comes in on standard input; empty when there is none."""
    sys.stderr.write(words)
    sys.stderr.flush()
    line = sys.stdin.readline(LONGEST_ANSWER)
    if not sys.stdin.isatty():
        sys.stderr.write("\n")
    return line.strip()
