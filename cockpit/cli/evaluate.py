"""``studio evaluate NAME``: how well a department's detectors do on simulated years whose truth is known.

Each NAME is a command of the same name in ``cockpit/cli/evaluation/NAME.py``, loaded when it is run. A
department that has no module yet is not listed.
"""

import importlib
import importlib.util

import click

PLACE = "cockpit.cli.evaluation"
EVALUATIONS = {
    "ops": "Operations: rules and baselines against labelled incidents.",
    "finance": "Finance: reconciliation against labelled errors of money.",
    "triage": "Trust and safety: suggestions for reports against what they were written to be.",
    "marketing": "Marketing: drafts against the facts they must rest on.",
    "series": "Any series: FILE.csv with columns timestamp, value.",
    "text": "Any texts: FILE.csv with a column text.",
}


class _Evaluations(click.Group):
    """Loads an evaluation's module when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click fixes the signature
        """Return the names of those there are, in the order of the table above."""
        return [name for name in EVALUATIONS if _is_there(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Return an evaluation; null when there is none of that name."""
        if cmd_name not in EVALUATIONS or not _is_there(cmd_name):
            return None
        command: click.Command = getattr(importlib.import_module(f"{PLACE}.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the evaluations without loading them."""
        rows = [(name, EVALUATIONS[name]) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Evaluations"):
                formatter.write_dl(rows)


@click.group(cls=_Evaluations, short_help="Measure the detectors on simulated years with known truth.")
def evaluate() -> None:
    """Measure the detectors on simulated years whose incidents are known, or on a file of your own."""


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(f"{PLACE}.{name}") is not None
