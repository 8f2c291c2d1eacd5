"""Whose things a finding is about: looked up in the newest whole read, never carried by the finding."""

from collections.abc import Collection, Mapping
from typing import Protocol

import pyarrow.compute as pc

from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import Completeness


class Owners(Protocol):
    """Tells who owns the batches of some ids."""

    def of(self, document_ids: Collection[str]) -> Mapping[str, str] | None:
        """Return document id -> pseudonymous uid, those of nobody left out; null: it cannot be told now."""


class OwnersInReads:
    """Looks in the newest full read of the batches."""

    def __init__(self, history: History, raw: RawStore) -> None:
        self._history, self._raw = history, raw

    def of(self, document_ids: Collection[str]) -> Mapping[str, str] | None:
        """Return document id -> uid of its owner; null when there is no such read, or not any more.

        What was not read is not nobody's: then the swarm waits for the next read.
        """
        if not document_ids:
            return {}
        read = self._history.latest_read("firestore", "batches", completeness=Completeness.FULL)
        if read is None or read.raw_url is None:
            return None
        try:
            table = self._raw.open_table(read.raw_url, ["document_id", "owner_uid"])
        except FileNotFoundError:
            return None
        rows = table.filter(pc.field("document_id").isin(list(document_ids))).to_pylist()
        return {row["document_id"]: row["owner_uid"] for row in rows if row["owner_uid"]}
