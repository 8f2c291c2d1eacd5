"""Adds a staff note about a batch to the cloud's operations notes (``firestore.ops_note.append``).

Two documents in one commit: the action, which proves it and keeps it from happening twice, and the note. The
batch is never changed, but it must be there and the owner's: it is read for the dry run and before the
commit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from policies.ports import AdapterError, Found, Lookup
from policies.proposals import Approval, Proposal
from resources.firestore import pilot
from resources.firestore.changes import Change, Creation, WriteDoor
from resources.firestore.gateway import DocumentLookup, FoundDocument

SHORTEST_NOTE, LONGEST_NOTE = 5, 500
_BATCH_FIELDS: Final = ("ownerUid", "isClosed", "state")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one proposal asks for, under one key."""

    action_id: str
    note_id: str
    note: str
    identity: Mapping[str, Any]


class OpsNoteAdapter:
    """Carries out ``firestore.ops_note.append``.

    Args:
        reader: Reads documents, with the reading credential.
        writes: Writes them; null where only dry runs and look-ups are made.
        approval_of: Returns the approval to name in the cloud's record; null where none is known.
    """

    deadline_seconds: float = pilot.ADAPTER_SECONDS

    def __init__(
        self,
        reader: DocumentLookup,
        writes: WriteDoor | None,
        *,
        approval_of: Callable[[Proposal], Approval | None] | None = None,
    ) -> None:
        self._reader = reader
        self._writes = writes
        self._approval_of = approval_of or pilot.no_approval

    def dry_run(self, proposal: Proposal) -> Mapping[str, Any]:
        """Return both documents as they would be written, and what is odd about the batch.

        ``warnings`` says when the batch does not exist or belongs to somebody else, which execution refuses,
        or is closed already.

        Raises:
            AdapterError: ``INVALID`` for what execution would refuse; ``UNREADABLE``.
        """
        wish = _wish(proposal, proposal.proposal_id)
        batch_id = wish.identity["resourceId"]
        batch = self._batch(wish)
        warnings = []
        if batch is None or not batch.record.get("ownerUid"):
            warnings.append(f"There is no batch {batch_id}.")
        else:
            if batch.record["ownerUid"] != proposal.owner_id:
                warnings.append(f"Batch {batch_id} belongs to another member than the proposal says.")
            if batch.record.get("isClosed") is True:
                warnings.append(f"Batch {batch_id} is closed.")
        action, note = self._documents(proposal, wish)
        return {
            "summary": " ".join([f"Adds a note about batch {batch_id} for the studio's staff.", *warnings]),
            "writes": [_described(action, pilot.UNKNOWN_APPROVAL), _described(note, {})],
            "before": None,
            "warnings": warnings,
            "token": None,
        }

    def execute(self, proposal: Proposal, idempotency_key: str, at: datetime) -> Mapping[str, Any]:
        """Write both documents once and return where the note is; ``replayed`` when it was there already.

        Raises:
            AdapterError: ``KEY_CONFLICT`` when something else is recorded under the key, ``ROLLED_BACK``,
                ``NOT_FOUND`` or ``OWNER_MISMATCH`` when the batch is not there or not the owner's any more,
                ``INVALID``, ``UNREADABLE``, or as the door says.
        """
        del at  # the server's own clock dates the documents
        if self._writes is None:
            raise pilot.no_write_door()
        wish = _wish(proposal, idempotency_key)
        before = self._replayed(wish, is_certain=True)
        if before is not None:
            return before
        pilot.require_owned(self._batch(wish), wish.identity["resourceId"], wish.identity["ownerUid"])
        try:
            self._writes.commit(self._documents(proposal, wish))
        except AdapterError as error:
            # Somebody with the same key may have been first, or our own commit was answered twice.
            before = self._replayed(wish, is_certain=False) if pilot.may_be_ours(error) else None
            if before is None:
                raise
            return before
        return _pointer(wish, is_replay=False)

    def look_up(self, proposal: Proposal, idempotency_key: str) -> Lookup:
        """Return what the cloud holds under the key.

        Raises:
            AdapterError: ``UNREADABLE``, or ``KEY_CONFLICT`` when it is not what was approved.
        """
        wish = _wish(proposal, idempotency_key)
        action = self._action(wish, is_certain=False)
        if action is None:
            return Lookup(Found.NOTHING)
        found = Found.ROLLED_BACK if pilot.is_rolled_back(action) else Found.EFFECT
        return Lookup(found, _pointer(wish, is_replay=True))

    def rollback(
        self, proposal: Proposal, idempotency_key: str, reason: str, at: datetime
    ) -> Mapping[str, Any]:
        """Mark both documents as rolled back; nothing is deleted, and again changes nothing more.

        Raises:
            AdapterError: ``NOT_FOUND`` when nothing was written, ``KEY_CONFLICT``, or as the door says.
        """
        del at
        if self._writes is None:
            raise pilot.no_write_door()
        wish, marks = _wish(proposal, idempotency_key), pilot.rollback_marks(reason)
        is_replay = pilot.undone_once(
            self._reader, wish.identity, lambda action: self._mark(wish, action, marks)
        )
        return _pointer(wish, is_replay=is_replay)

    def _mark(self, wish: _Wish, action: FoundDocument, marks: Mapping[str, Any]) -> None:
        changes = [Change(pilot.ACTIONS, wish.action_id, action.update_time, marks, ("rolledBackAt",))]
        note = pilot.find(self._reader, pilot.NOTES, wish.note_id, ("proposalId",), is_certain=True)
        if note is not None:  # a note somebody removed by hand needs no mark
            reason_only = {"rollbackReason": marks["rollbackReason"]}
            changes.append(
                Change(pilot.NOTES, wish.note_id, note.update_time, reason_only, ("rolledBackAt",))
            )
        assert self._writes is not None  # noqa: S101 - the caller has looked
        self._writes.commit(changes)

    def _batch(self, wish: _Wish) -> FoundDocument | None:
        batch_id = wish.identity["resourceId"]
        return pilot.find(self._reader, pilot.BATCHES, batch_id, _BATCH_FIELDS, is_certain=True)

    def _replayed(self, wish: _Wish, *, is_certain: bool) -> Mapping[str, Any] | None:
        action = self._action(wish, is_certain=is_certain)
        if action is None:
            return None
        if pilot.is_rolled_back(action):
            raise pilot.refuse_rolled_back()
        return _pointer(wish, is_replay=True)

    def _action(self, wish: _Wish, *, is_certain: bool) -> FoundDocument | None:
        """Return our action document, or null; raise if it or its note is not what was approved.

        An earlier version of the proposal may have had other words, and its commit may have landed late.
        """
        identity = wish.identity
        action = pilot.find_action(
            self._reader, identity["proposalId"], identity["idempotencyKey"], is_certain=is_certain
        )
        if action is None:
            return None
        pilot.require_ours(action, identity)
        note = pilot.find(self._reader, pilot.NOTES, wish.note_id, ("note",), is_certain=is_certain)
        if note is not None:
            pilot.require_ours(note, {"note": wish.note})
        return action

    def _documents(self, proposal: Proposal, wish: _Wish) -> tuple[Creation, Creation]:
        approval = self._approval_of(proposal)
        action = {
            "proposalId": wish.identity["proposalId"],
            "idempotencyKey": wish.identity["idempotencyKey"],
            "approvedBy": approval.approver_id if approval else None,
            "approvedAt": pilot.shown(approval.at) if approval else None,
            "actorUid": proposal.requester_principal_id,
            "ownerUid": wish.identity["ownerUid"],
            "resourceCollection": wish.identity["resourceCollection"],
            "resourceId": wish.identity["resourceId"],
            "noteCollection": pilot.NOTES,
            "noteId": wish.note_id,
            "rollbackState": pilot.ACTIVE,
            "rollbackReason": None,
            "rolledBackAt": None,
        }
        note = {
            "ownerUid": wish.identity["ownerUid"],
            "resourceCollection": wish.identity["resourceCollection"],
            "resourceId": wish.identity["resourceId"],
            "note": wish.note,
            "proposalId": wish.identity["proposalId"],
            "idempotencyKey": wish.identity["idempotencyKey"],
            "createdByUid": pilot.EXECUTOR_UID,
            "rolledBackAt": None,
            "rollbackReason": None,
        }
        return (
            Creation(pilot.ACTIONS, wish.action_id, action, ("createdAt",)),
            Creation(pilot.NOTES, wish.note_id, note, ("createdAt",)),
        )


def _wish(proposal: Proposal, key: str) -> _Wish:
    """Return what is asked for; raises ``AdapterError`` ``INVALID``, the same for dry run and execution."""
    given = proposal.input
    if given.get("resourceCollection", pilot.BATCHES) != pilot.BATCHES:
        raise pilot.invalid("notes are about batches only")
    batch_id = pilot.batch_id(given.get("resourceId"))
    note_id = pilot.note_id(proposal.proposal_id, key)
    return _Wish(
        pilot.action_id(proposal.proposal_id, key),
        note_id,
        pilot.text_between(given.get("note"), SHORTEST_NOTE, LONGEST_NOTE, "note"),
        {
            "proposalId": proposal.proposal_id,
            "idempotencyKey": key,
            "ownerUid": pilot.owner_of(proposal),
            "resourceCollection": pilot.BATCHES,
            "resourceId": batch_id,
            "noteId": note_id,
        },
    )


def _pointer(wish: _Wish, *, is_replay: bool) -> Mapping[str, Any]:
    return {
        "collection": pilot.NOTES,
        "docId": wish.note_id,
        "actionCollection": pilot.ACTIONS,
        "actionId": wish.action_id,
        "replayed": is_replay,
    }


def _described(creation: Creation, unknown: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "operation": "create",
        "path": f"{creation.collection}/{creation.document_id}",
        "fields": {
            **creation.fields,
            **dict.fromkeys(creation.server_times, pilot.SERVER_TIME),
            **unknown,
        },
    }
