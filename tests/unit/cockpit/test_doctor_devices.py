"""The doctor on devices: not configured is fine, a login that others may read is named, nothing is shown."""

import json

from cockpit.doctor.devices import check_connectors
from resources.settings import load_settings

HUB = {
    "STUDIO_HUBITAT_URL": "http://10.0.0.7",
    "STUDIO_HUBITAT_APP_ID": "2",
    "STUDIO_HUBITAT_TOKEN": "canary-token",
}
SESSION = {
    "email": "canary@studio.example",
    "base_url": "https://cloud.example",
    "user_data": {
        "token": "canary",
        "rriot": {
            "u": "canary",
            "s": "canary",
            "h": "canary",
            "k": "canary",
            "r": {"a": "https://api.example", "m": "ssl://broker.example:8883"},
        },
    },
}


def found(environment):
    findings = check_connectors(load_settings(environment))
    assert "canary" not in str([finding.describe() for finding in findings]).replace("canary-path", "")
    return {finding.name: finding for finding in findings}


def test_connectors_that_are_not_configured_are_no_fault():
    findings = found({})
    assert all(finding.ok for finding in findings.values())
    assert {finding.detail for finding in findings.values()} == {"not configured"}


def test_what_is_configured_is_said(tmp_path):
    session = tmp_path / "session.json"
    session.write_text(json.dumps(SESSION))
    session.chmod(0o600)
    findings = found(HUB | {"STUDIO_ROBOROCK_SESSION": str(session)})
    assert all(finding.ok for finding in findings.values())
    assert findings["connector hubitat"].detail == "configured"
    assert "private file" in findings["connector roborock"].detail


def test_a_login_that_others_may_read_is_worth_a_note_with_the_remedy(tmp_path):
    """As is one that is not there, or is no login; the house runs without robots."""
    session = tmp_path / "session.json"
    given = {"STUDIO_ROBOROCK_SESSION": str(session)}
    assert "does not exist" in found(given)["connector roborock"].problem
    session.write_text(json.dumps(SESSION))
    session.chmod(0o644)
    finding = found(given)["connector roborock"]
    assert (finding.ok, finding.is_needed) == (False, False)
    assert "chmod 600" in finding.problem
    session.chmod(0o600)
    session.write_text("{}")
    assert "holds no usable login" in found(given)["connector roborock"].problem
