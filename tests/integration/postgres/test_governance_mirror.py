"""The database's copy of the capability registry: made by the owner, equal to the reviewed file."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from policies.registry import QuotaRule, default_registry, document_of
from resources.postgres import capability_mirror
from resources.postgres.capability_mirror import mirror_registry
from resources.postgres.engine import owner_engine
from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.migrate import fingerprint, migrate
from resources.postgres.tables_governance import CAPABILITIES, CAPABILITY_QUOTAS
from tests.integration.postgres.governance_desk import CLOSE, NOTE

pytestmark = pytest.mark.integration


@pytest.fixture
def as_owner(owner_url):
    """Return a transaction with the owner's rights."""
    with owner_engine(owner_url).begin() as connection:
        connection.execute(text("SET LOCAL ROLE studio_owner"))
        yield connection


def test_the_copy_is_the_reviewed_file(app_engine):
    """Every capability and quota, nothing else; the runtime reads it."""
    registry = default_registry()
    with app_engine.connect() as connection:
        rows = {row.capability_id: row for row in connection.execute(select(CAPABILITIES))}
        quotas = {tuple(row) for row in connection.execute(select(CAPABILITY_QUOTAS))}
    assert {name: row.document for name, row in rows.items()} == {
        name: document_of(capability) for name, capability in registry.items()
    }
    for name, capability in registry.items():
        assert set(rows[name].approver_roles) == capability.approver_roles
        assert set(rows[name].requester_kinds) == capability.requester_kinds
        for column in ("approvals_required", "adapter", "approval_ttl_seconds", "is_exemptable"):
            assert getattr(rows[name], column) == getattr(capability, column)
    assert quotas == {
        (name, quota.scope, quota.limit, quota.window_seconds, quota.cooldown_seconds)
        for name, capability in registry.items()
        for quota in capability.quotas
    }


def test_a_changed_file_is_copied_again(owner_url, monkeypatch, tmp_path):
    """The file is part of what the database is compared with at every start."""
    before = fingerprint()
    with owner_engine(owner_url).begin() as connection:
        connection.execute(text("DELETE FROM studio.capability_quotas"))
    migrate(owner_engine(owner_url))  # the file is the same: nothing is looked at
    changed = tmp_path / "capabilities.yaml"
    changed.write_bytes(capability_mirror.REGISTRY_FILE.read_bytes() + b"# reviewed again\n")
    monkeypatch.setattr(capability_mirror, "REGISTRY_FILE", changed)
    assert fingerprint() != before
    migrate(owner_engine(owner_url))
    with owner_engine(owner_url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM studio.capability_quotas")) > 0


def test_what_left_the_registry_leaves_the_copy(as_owner):
    registry = {NOTE: default_registry()[NOTE]}
    mirror_registry(as_owner, registry)
    assert list(as_owner.scalars(select(CAPABILITIES.c.capability_id))) == [NOTE]
    assert set(as_owner.scalars(select(CAPABILITY_QUOTAS.c.capability_id))) == {NOTE}


def test_two_quotas_of_one_scope_are_refused(as_owner):
    """The database's rules know one quota per scope; a second would silently not hold."""
    note = default_registry()[NOTE]
    doubled = replace(note, quotas=(*note.quotas, QuotaRule(note.quotas[0].scope, 1, 60)))
    with pytest.raises(DatabaseRefusedError, match="two quotas of one scope"):
        mirror_registry(as_owner, {NOTE: doubled})


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"approvals_required": 0}, "capabilities_write_needs_approval"),
        ({"is_four_eyes": False}, "capabilities_approvals_need_other_eyes"),
        ({"hazard": "door", "is_exemptable": True}, "capabilities_never_exempt"),
        ({"risk": "critical", "is_exemptable": True}, "capabilities_never_exempt"),
    ],
)
def test_not_even_the_owner_copies_a_lawless_capability(as_owner, changes, constraint):
    """The laws that protect people hold for the registry, too."""
    with pytest.raises(DBAPIError, match=constraint):
        mirror_registry(as_owner, {CLOSE: replace(default_registry()[CLOSE], **changes)})
