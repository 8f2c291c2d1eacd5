"""The runtime behind a pooler that resets sessions: it never acts with more rights, nor for no studio."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import app_engine as engine_for
from resources.postgres.engine import owner_engine
from resources.postgres.errors import ServerUnreachableError
from resources.postgres.findings import Findings
from tests.integration.postgres.samples import NOON, make_finding

pytestmark = pytest.mark.integration
STUDIO = "monsoonfire"
_ACTING = text(
    "SELECT current_user, current_setting('studio.studio_id', true), current_setting('TimeZone'),"
    " has_table_privilege('studio.findings', 'DELETE')"
)
_AS_THE_RUNTIME = ("studio_app", STUDIO, "UTC", False)


def forget(connection):
    """Do to a session what a pooler does with ``DISCARD ALL`` between two transactions."""
    connection.rollback()
    connection.autocommit = True
    connection.cursor().execute("DISCARD ALL")
    connection.autocommit = False


@pytest.fixture
def engine(app_engine, postgres_url):
    """Return an engine like the runtime's, over a login that may do everything."""
    made = engine_for(postgres_url, STUDIO)
    yield made
    made.dispose()


def test_every_transaction_has_the_runtimes_role_and_studio(engine):
    """The first after a reset as well as any other: also of one connection, begun by hand or by itself."""
    with engine.connect() as connection:
        for way in ("fresh", "reset", "reset again"):
            if way != "fresh":
                forget(connection.connection.driver_connection)
            assert tuple(connection.execute(_ACTING).one()) == _AS_THE_RUNTIME, way
            connection.commit()
            with connection.begin():
                assert tuple(connection.execute(_ACTING).one()) == _AS_THE_RUNTIME, way


def test_a_connection_cut_as_a_transaction_begins_is_said_to_be(engine, owner_url):
    """As one that is cut later: in our own words, and the next look has a new connection."""
    findings = Findings(engine, STUDIO)
    assert findings.open() == []
    cut = []

    def end(connection, *_):
        if not cut:
            cut.append(connection.info.backend_pid)
            with owner_engine(owner_url).begin() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": cut[0]})

    event.listen(engine, "checkout", end)
    with pytest.raises(ServerUnreachableError, match="cannot be used now"):
        findings.open()
    assert findings.open() == []


def test_what_is_kept_behind_such_a_pooler_is_kept_and_seen(engine):
    """Findings and the audit log, whose view chooses how isolated it is after the transaction began."""
    event.listen(engine, "checkout", lambda connection, *_: forget(connection))
    findings = Findings(engine, STUDIO)
    for minute in range(2):
        at = NOON + timedelta(minutes=minute)
        findings.apply("operations", "devices", [make_finding()], at=at, run_id="r", code_version="1")
    assert len(findings.open()) == 1
    with AuditLog(engine, STUDIO).view() as view:
        assert view.count() == 0
    with engine.begin() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY"))
        assert connection.scalar(text("SELECT count(*) FROM studio.findings")) == 1
