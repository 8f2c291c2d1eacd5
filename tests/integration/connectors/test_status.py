"""``studio connectors status``: what is on record, told to people and to programs; no device is asked."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from cockpit.cli import connector_status
from cockpit.cli.main import main
from resources.connector import ConnectorError
from studio_assets.doors import live_devices, live_gateway

pytestmark = pytest.mark.integration


@pytest.fixture
def opened(settings):
    """Return nothing: the studio's gateway has opened it."""
    with live_gateway(settings) as gateway:
        gateway.open_studio()


@pytest.fixture
def ask(monkeypatch, settings, capsys):
    """Return a function that asks on the command line, for a home with this database."""
    home = settings.home
    home.mkdir(exist_ok=True)

    def ask(*arguments, ready=settings):
        @contextmanager
        def here(*_):
            yield ready

        monkeypatch.setattr(connector_status, "history_settings", here)
        monkeypatch.setattr(connector_status, "read_home", lambda path: path)
        capsys.readouterr()  # log lines of the reads
        code = main(["connectors", "status", "--home", str(home), *arguments])
        out = capsys.readouterr().out
        return code, json.loads(out)["connectors"] if "--json" in arguments else out

    return ask


def test_before_any_read(opened, ask, hub, robots):
    """Set up and not read yet is no fault; nobody is asked to find out."""
    code, told = ask("--json")
    assert code == 0
    assert [(one["id"], one["state"], one["lastGoodReadAt"]) for one in told] == [
        ("hubitat", "in_order", None),
        ("roborock", "in_order", None),
    ]
    _, words = ask()
    assert "Hubitat: set up, not read yet" in words
    assert (hub.requests, robots.broker_logins, list(robots.cloud_calls)) == (0, 0, [])


def test_without_settings(opened, ask, bare_settings):
    """A connector that nobody set up says so, and what to do."""
    code, told = ask("--json", ready=bare_settings)
    assert (code, [one["state"] for one in told]) == (0, ["not_configured", "not_configured"])
    _, words = ask(ready=bare_settings)
    assert "Hubitat: not set up" in words
    assert "connectors login roborock" in words
    assert max(map(len, words.splitlines())) <= 80


def test_a_pretend_studio_that_does_not_run(opened, ask, settings, bare_settings):
    """Its devices were there and are not now: that is no fault, and where they are is said."""
    with live_devices(settings) as devices:
        devices.read("hubitat")
    (settings.home / "world.json").write_text('{"sources": "twins"}')
    _, words = ask(ready=bare_settings)
    assert "Hubitat: not set up now, read before" in words
    assert "while ./studio up runs" in words
    assert max(map(len, words.splitlines())) <= 80


def test_in_order_and_degraded(opened, ask, settings, hub):
    """The numbers are those of the record; a degraded connector says since when, why, and what is next."""
    with live_devices(settings) as devices:
        devices.read("roborock")
        devices.read("hubitat")
        hub.fail("html502")
        for _ in range(3):
            with pytest.raises(ConnectorError):
                devices.read("hubitat")
    requests = hub.requests
    before = datetime.now(UTC) - timedelta(minutes=1)
    code, (hubitat, roborock) = ask("--json")
    assert code == 0
    assert (hubitat["state"], hubitat["circuit"], hubitat["configured"]) == ("degraded", "opened", True)
    assert hubitat["fault"] == "unavailable"
    assert hubitat["devices"] == len(hub.devices)
    assert (hubitat["calls24h"], hubitat["failures24h"], hubitat["refusals24h"]) == (4, 3, 1)
    since = datetime.fromisoformat(hubitat["degradedSince"])
    assert before < since < datetime.fromisoformat(hubitat["nextRetryAt"])
    assert (roborock["state"], roborock["calls24h"], roborock["devices"]) == ("in_order", 1, 1)
    assert roborock["degradedSince"] is roborock["fault"] is roborock["reason"] is None
    _, words = ask()
    assert "Hubitat: degraded since" in words
    assert "cannot be reached" in words
    assert "4 calls, 2 failed, 1 not tried" in words
    assert "Roborock: in order" in words
    assert max(map(len, words.splitlines())) <= 80
    assert hub.requests == requests


def test_a_last_call_that_failed_is_not_passed_over(opened, ask, settings, hub):
    """Until failures are enough for degraded mode nobody is told that all is well."""
    with live_devices(settings) as devices:
        devices.read("hubitat")
        hub.fail("html502")
        with pytest.raises(ConnectorError):
            devices.read("hubitat")
        _, (hubitat, _) = ask("--json")
        assert (hubitat["state"], hubitat["lastCallEnding"], hubitat["lastCallFault"]) == (
            "in_order",
            "failed",
            "unavailable",
        )
        _, words = ask()
        assert "Hubitat: in order so far, but the last call failed" in words
        assert "it cannot be reached" in words
        hub.clear()
        devices.read("hubitat")
    _, words = ask()
    assert "Hubitat: in order\n" in words


def test_a_refused_login_says_who_must_do_what(opened, ask, settings, hub):
    """What waiting does not mend names the remedy instead of a time."""
    hub.fail("401")
    with live_devices(settings) as devices, pytest.raises(ConnectorError):
        devices.read("hubitat")
    _, words = ask()
    assert "our login is refused" in words
    assert "check STUDIO_HUBITAT_TOKEN" in words
    assert max(map(len, words.splitlines())) <= 80


def test_only_the_last_day_counts(opened, ask, settings, app_engine):
    """Calls of the day before are kept, and not counted."""
    with live_devices(settings) as devices:
        devices.read("hubitat")
    now = datetime.now(UTC) + connector_status.COUNTED + timedelta(minutes=1)
    hubitat = connector_status.describe(settings, now)[0]
    assert (hubitat["calls24h"], hubitat["devices"] > 0) == (0, True)
    with app_engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM studio.connector_calls")) == 1


def test_without_a_home(tmp_path, capsys):
    """Where nothing was ever started there is nothing to say: told plainly, exit code 1."""
    assert main(["connectors", "status", "--home", str(tmp_path / "none"), "--json"]) == 1
    assert "no home yet" in json.loads(capsys.readouterr().out)["error"]
