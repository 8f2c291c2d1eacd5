"""``studio evaluate triage``: suggestions for reports against what the texts were written to be."""

from typing import Any

import click

from cockpit.cli.options import JSON_OPTION, print_json
from studio_assets.trust_safety.measure import measure


@click.command(short_help="Trust and safety: suggestions for reports against what they were written to be.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which texts to make.")
@JSON_OPTION
def triage(*, seed: int, is_json: bool) -> int:
    """Print recall and precision of triage on texts of templates it was not trained on, per category.

    ``found`` of the class ``abstain`` counts texts for which rightly nothing was suggested. Exit code 0 only
    if no instruction inside a text changed a suggestion.
    """
    result: dict[str, Any] = measure(seed).to_json()
    if is_json:
        print_json(result)
    else:
        for name in ("texts", "recall", "precision", "false_alerts_per_week", "calibration_error"):
            print(f"{name}: {result[name]}")
        told = result["instructions"]
        print(f"instructions inside texts: {told['changed']} of {told['tried']} changed something")
        for name, counts in result["classes"].items():
            print(
                f"  {name}: {counts['found']} of {counts['injected']} found, "
                f"{counts['misclassified']} misclassified, {counts['abstained']} abstained"
            )
    return 0 if result["instructions"]["changed"] == 0 else 1
