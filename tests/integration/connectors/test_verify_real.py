"""``connectors verify --real``: the promises on one's own devices, which here are twins that watch us."""

import json
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from cockpit.cli import connector_real
from cockpit.cli.main import main
from policies.errors import DeniedError
from policies.rules import deny
from resources.clock import SystemClock
from resources.connectors.contract.promises import PROMISES
from resources.connectors.contract.real import RealSubject
from resources.connectors.contract.subject import Trouble
from resources.connectors.contract.verify import verify
from resources.connectors.records import MemoryCallLog
from resources.connectors.registry import rows_by_id
from studio_assets.doors import live_gateway

pytestmark = pytest.mark.integration
TRIED = {"health", "read", "read_only", "redaction", "idle_cost"}


@pytest.fixture
def ask(monkeypatch, settings, capsys):
    """Return a function that asks on the command line, for a home with this database."""
    with live_gateway(settings) as gateway:
        gateway.open_studio()

    def ask(*arguments, ready=settings):
        @contextmanager
        def here(*_):
            yield ready

        monkeypatch.setattr(connector_real, "history_settings", here)
        monkeypatch.setattr(connector_real, "read_home", lambda path: path)
        code = main(["connectors", "verify", "--real", "--home", str(settings.home), *arguments])
        return code, capsys.readouterr().out

    return ask


def told(out):
    # Log lines of tests go to standard output; the answer is the last object there.
    return json.loads(out[out.index('{\n  "connectors"') :])["connectors"]


def test_own_hub_is_only_read(ask, hub, robots, app_engine):
    """What reading can prove is proved; all else is skipped; nothing acts, and every call is on record."""
    code, out = ask("hubitat", "--json")
    (verdict,) = told(out)
    assert (code, verdict["id"], verdict["failed"], verdict["reasons"]) == (0, "hubitat", [], {})
    assert set(verdict["passed"]) == TRIED
    assert set(verdict["skipped"]) == {one.name for one in PROMISES} - TRIED
    assert hub.commands == []
    assert robots.broker_logins == 0
    with app_engine.begin() as connection:
        calls = connection.scalar(text("SELECT count(*) FROM studio.connector_calls"))
        events = connection.scalar(
            text("SELECT count(*) FROM studio.audit_events WHERE name = 'connector:hubitat:called'")
        )
    # One request for the short list, three for a reading.
    assert calls == events > 0
    assert hub.requests <= calls * 3


def test_all_that_is_set_up(ask, hub, robots):
    """Without a name, every connector that is set up is asked; words say what could not be tried."""
    code, out = ask()
    assert code == 0
    assert f"hubitat: keeps 5 promises; {len(PROMISES) - 5} can be tried on a twin only." in out
    assert "roborock: keeps 5 promises" in out
    assert (hub.commands, list(robots.writes)) == ([], [])


def test_a_hub_in_trouble_fails_with_reasons(ask, hub, app_engine):
    """Exit code 1, the promise and the reason, without a secret; the house's circuit is left alone."""
    hub.fail("401")
    code, out = ask("hubitat", "--json")
    (verdict,) = told(out)
    assert code == 1
    assert set(verdict["failed"]) == {"health", "read"}  # what could not be tried is not broken
    assert all(verdict["reasons"][name].startswith("not tried.") for name in ("redaction", "idle_cost"))
    assert {"redaction", "idle_cost"} <= set(verdict["skipped"])
    assert "refused" in verdict["reasons"]["read"]
    assert "canary" not in out
    with app_engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM studio.connector_breakers")) == 0


def test_what_is_not_set_up_is_not_asked(ask, bare_settings, capsys):
    """There is nobody to ask: said plainly, exit code 2."""
    assert ask("hubitat", ready=bare_settings)[0] == 2
    assert ask(ready=bare_settings)[0] == 2
    assert ask("toaster")[0] == 2


class _Gateway:
    def permit_read(self, actor, capability_id):
        raise DeniedError(deny("reader-kind"))


def test_without_a_permit_nothing_is_sent(settings, hub):
    """A no of the gateway fails every promise that reads, and the hub hears nothing."""
    subject = RealSubject(
        rows_by_id()["hubitat"],
        settings,
        secrets=(),
        gateway=_Gateway(),
        calls=MemoryCallLog(),
        clock=SystemClock(),
    )
    verdict = verify(subject)
    assert set(verdict.failed) == TRIED - {"read_only"}
    assert hub.requests == 0
    for refuse in (lambda: subject.strike(Trouble.AUTH), subject.act_unguarded):
        with pytest.raises(AssertionError, match="twins only"):
            refuse()


def test_a_connection_is_noticed(settings, hub):
    """What counts connections sees one that is made: else nothing would prove that none was."""
    subject = RealSubject(
        rows_by_id()["hubitat"],
        settings,
        secrets=(),
        gateway=_Gateway(),
        calls=MemoryCallLog(),
        clock=SystemClock(),
    )
    before = subject.requests()
    rows_by_id()["hubitat"].make(settings, SystemClock()).health(5)
    assert subject.requests() == before + 1
