"""``studio evaluate ops``: work and devices together and apart, and what the seeds' figures spread over."""

import json
from datetime import date

from click.testing import CliRunner

from cockpit.cli.evaluation.devices import EXPECTED as OF_DEVICES
from cockpit.cli.evaluation.devices import evaluate_devices
from cockpit.cli.evaluation.ops import EXPECTED, SOURCES, ops, spread
from studio_assets.operations.rules import COLUMNS
from twins.world.device_troubles import KINDS
from twins.world.incident_kinds import FOLLOW_UPS, KIND_BY_NAME, OPERATIONS


def test_every_incident_of_operations_is_scored():
    """No kind of trouble the world labels for operations is left out of the figures."""
    kinds = {name for name, kind in KIND_BY_NAME.items() if kind.department == OPERATIONS}
    kinds |= {name for name, (department, _) in FOLLOW_UPS.items() if department == OPERATIONS}
    assert EXPECTED.keys() == kinds
    assert OF_DEVICES.keys() == {kind.name for kind in KINDS}
    assert set(COLUMNS) <= SOURCES


def test_troubles_of_devices_are_found_and_calm_devices_say_nothing():
    busy = evaluate_devices(3, 28, first_day=date(2026, 3, 1), has_incidents=True)
    assert all(each.injected >= 2 for each in busy.classes.values())
    assert busy.to_json()["recall"] == busy.to_json()["precision"] == 1.0
    calm = evaluate_devices(3, 7, first_day=date(2026, 3, 1), has_incidents=False)
    assert calm.to_json()["alerts"] == {"right": 0, "false": 0, "excused": 0}


def test_one_object_holds_the_whole_its_parts_and_every_seed():
    result = CliRunner().invoke(ops, ["--seed", "3", "--days", "4", "--json"], standalone_mode=False)
    assert (result.exception, result.return_value) == (None, 0)
    said = json.loads(result.output)
    assert said.keys() >= {"seed", "recall", "precision", "false_alerts_per_week", "classes", "by_seed"}
    assert said["classes"].keys() == EXPECTED.keys() | OF_DEVICES.keys()
    assert said["parts"].keys() == {"work", "devices"}
    assert [one["seed"] for one in said["by_seed"]] == [3]


def test_the_spread_leaves_out_figures_of_nothing():
    seeds = [
        {"parts": {"work": {"recall": recall, "precision": None, "false_alerts_per_week": 0.0}}}
        for recall in (1.0, None, 0.9, 0.8)
    ]
    assert spread(seeds) == {
        "work": {
            "recall": {"min": 0.8, "median": 0.9, "max": 1.0},
            "false_alerts_per_week": {"min": 0.0, "median": 0.0, "max": 0.0},
        }
    }
    assert spread([]) == {}
