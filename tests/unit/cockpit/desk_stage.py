"""A desk on the gateway's own stage: everything in memory, so that commands can be run in no time."""

from contextlib import contextmanager
from types import SimpleNamespace

from cockpit.desk import Desk
from policies.audit_entries import Entry, columns_of
from tests.unit.policies.stage import STUDIO, Stage


class MemoryAudit:
    """Shows the audit log of a ledger in memory."""

    def __init__(self, ledger):
        self._ledger = ledger

    @contextmanager
    def view(self):
        yield self

    def search(self, *, subject_kind, subject_id, limit):
        """Give the newest entries about a subject first, as the real one does."""
        found = [
            each for each in self._ledger.events
            if (each.draft.subject_kind, each.draft.subject_id) == (subject_kind, subject_id)
        ]  # fmt: skip
        return [entry_of(each) for each in found[::-1][:limit]]


def entry_of(event):
    hashes = bytes.fromhex(event.prev_hash), bytes.fromhex(event.hash)
    return Entry(event.seq, *hashes, event.payload, *columns_of(event.payload))


class DeskStage(Stage):
    """A stage whose desk commands open; ``actor`` is who their token speaks for."""

    def __init__(self, actor, **fields):
        super().__init__(**fields)
        self.actor = actor

    def desk(self, actor=None):
        settings = SimpleNamespace(studio_id=STUDIO, timezone="America/Phoenix", home=None)
        return Desk(self.gateway, self.ledger, MemoryAudit(self.ledger), settings, actor or self.actor)

    def put_under(self, monkeypatch, *modules):
        """Let commands of these modules work here, as ``actor``."""

        @contextmanager
        def opened(home, actor):
            yield self.desk(actor)

        for module in modules:
            monkeypatch.setattr(module, "open_desk", opened)
        monkeypatch.setattr("cockpit.cli.identity_option.actor_here", lambda *_: self.actor)
        monkeypatch.setattr("cockpit.cli.identity_option.settings_of", lambda _: None)
