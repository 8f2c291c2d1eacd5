"""The command line's entry: finds the command, and turns every error into plain lines and an exit code.

Exit codes: 0 what was asked for holds; 1 it does not; 2 the command was misspelt; 3 it could not run at all;
130 it was interrupted before what was asked for was there. ``up`` runs until it is asked to stop, so then it
ends with 0, and with 3 when the house could not go on. A command's module is loaded only when that command is
run.
"""

import errno
import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import click

from cockpit.errors import CANNOT_RUN, CockpitError
from cockpit.refusals import decision_of, of_gateway
from policies.redaction import Redactor
from resources.postgres.errors import PostgresError
from resources.settings import SettingsError, secret_variables

COMMANDS = {
    "up": ("cockpit.cli.up", "Start everything, show the studio's state, and keep it up to date."),
    "status": ("cockpit.cli.status", "Say which parts run and whether the house is ready."),
    "down": ("cockpit.cli.down", "Stop what `up` started."),
    "doctor": ("cockpit.cli.doctor", "Check everything the house depends on, and say how to mend it."),
    "snapshot": ("cockpit.cli.snapshot", "Read the cloud once and show the state that follows."),
    "state": ("cockpit.cli.state", "Show the state, its history, or the difference of two."),
    "proposals": ("cockpit.cli.proposals", "Ask for something, decide on it, see what became of it."),
    "findings": ("cockpit.cli.findings", "See what is not as it should be, and say what it was worth."),
    "swarms": ("cockpit.cli.swarms", "See and pause what turns findings into draft proposals."),
    "drafts": ("cockpit.cli.drafts", "Read marketing drafts and take them through review."),
    "triage": ("cockpit.cli.triage", "See what is suggested for reports; confirm or edit it."),
    "kill-switch": ("cockpit.cli.policies", "Stop all writing outside; resuming takes two people."),
    "exemptions": ("cockpit.cli.policies", "Written permissions to act without approval, for a while."),
    "quotas": ("cockpit.cli.policies", "How often capabilities may be used, and were."),
    "policy": ("cockpit.cli.policy", "Show the capabilities and rules, and explain a decision."),
    "audit": ("cockpit.cli.audit", "Read the audit log, verify it, sign and export it."),
    "connectors": (
        "cockpit.cli.connectors",
        "Show how the connectors to devices do, and hold them to their promises.",
    ),
    "token": ("cockpit.cli.token", "Sign in to the pretend studio: print a signed token."),
    "twins": ("cockpit.cli.twins", "Run the pretend studio alone, in the foreground."),
    "world": ("cockpit.cli.world", "Print the incidents of the pretend studio."),
    "evaluate": ("cockpit.cli.evaluate", "Measure the detectors on simulated years with known truth."),
    "bench": (
        "cockpit.cli.bench",
        "Measure: read, snapshot, startup, gateway, audit, sensors, gateway-model.",
    ),
    "test": ("cockpit.cli.development", "Run the tests (--fast: only the quick ones)."),
    "check": ("cockpit.cli.development", "Format, lint, types, import law and the quick tests."),
}
INTERRUPTED = 130


class _Commands(click.Group):
    """Loads a command's module when the command is run, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click fixes the signature
        """Return the names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Return a command; null when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_")
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Studio OS: the state of a working studio, derived from its cloud. Begin with: ./studio up",
)
def studio() -> None:
    """Run one command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = studio.main(given or ["--help"], prog_name="./studio", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _refuse(given, "Interrupted; what was finished is kept.", "", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, never a traceback
        return _refuse(given, *(of_gateway(error) or _told(error)), decision=decision_of(error))
    return result if isinstance(result, int) else 0


def _told(error: Exception) -> tuple[str, str, int]:
    """Return what happened, what to do, and the exit code."""
    if isinstance(error, CockpitError):
        return error.what, error.remedy, error.exit_code
    if isinstance(error, SettingsError | PostgresError):
        return str(error), "", CANNOT_RUN
    if isinstance(error, click.ClickException):
        return error.format_message(), "./studio COMMAND --help lists what is possible.", error.exit_code
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full; what was there is kept.", "Free at least 1 GB and try again.", CANNOT_RUN
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        what = f"{error.filename} cannot be used: {error.strerror}."
        return (
            what,
            "Check the path, its owner and its permissions, or choose another --home.",
            CANNOT_RUN,
        )
    if os.environ.get("STUDIO_LOG_LEVEL") == "debug":
        sys.stderr.write(_redactor().text("".join(traceback.format_exception(error))))
    what = f"This should not have happened: {type(error).__name__}: {error}"
    return what, "STUDIO_LOG_LEVEL=debug shows where; ./studio doctor checks the rest.", 1


def _refuse(
    given: Sequence[str],
    what: str,
    remedy: str,
    exit_code: int,
    *,
    decision: Mapping[str, Any] | None = None,
) -> int:
    what = _redactor().text(what)
    if "--json" in given:
        told: dict[str, Any] = {"error": what, "remedy": remedy}
        print(json.dumps(told | ({"decision": decision} if decision else {})))
    sys.stderr.write(f"studio: {what}\n" + (f"        {remedy}\n" if remedy else ""))
    return exit_code


def _redactor() -> Redactor:
    return Redactor.knowing(os.environ[name] for name in secret_variables() if os.environ.get(name))
