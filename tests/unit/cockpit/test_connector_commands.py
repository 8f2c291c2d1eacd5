"""``studio connectors verify`` says which promises were broken, and by whom."""

import json

import pytest

from cockpit.cli import connector_subjects
from cockpit.cli.main import main


def verdict(connector_id, failed=()):
    return {
        "id": connector_id,
        "passed": ["health"] * (14 - len(failed)),
        "failed": list(failed),
        "skipped": [],
    }


@pytest.fixture
def told(monkeypatch):
    """Let the suite find what the test says; remember whom it was asked about."""
    asked, answer = [], {"connectors": [verdict("hubitat"), verdict("roborock")]}

    def pretend(subjects):
        asked.extend(connector_subjects.connector_id_of(subject) for subject in subjects)
        return answer

    monkeypatch.setattr(connector_subjects, "verify_on_twins", pretend)
    return asked, answer


def test_all_promises_kept(told, capsys):
    """Every connector is asked, one JSON object, exit code 0."""
    assert main(["connectors", "verify", "--json"]) == 0
    assert told[0] == ["hubitat", "roborock"]
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["connectors"]] == [
        "hubitat",
        "roborock",
    ]


def test_a_broken_promise_is_named(told, capsys):
    """Exit code 1, and the words say which one."""
    told[1]["connectors"][1] = verdict("roborock", ["reads_only"])
    assert main(["connectors", "verify"]) == 1
    assert "roborock: keeps 13 promises, breaks reads_only." in capsys.readouterr().out


def test_one_connector_alone(told):
    """Only the named one is asked; an unknown name is refused before anything starts."""
    assert main(["connectors", "verify", "hubitat"]) == 0
    assert told[0] == ["hubitat"]
    assert main(["connectors", "verify", "toaster"]) == 2
    assert told[0] == ["hubitat"]
