"""Closes a member's batch, and can put it back exactly as it was (``firestore.batch.close``).

The dry run names the version of the batch it saw; execution changes that version or nothing. The previous
values lie in the action document, written in the same commit, so that undoing needs nothing of ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from policies.ports import AdapterError, Found, Lookup
from policies.proposals import Approval, Proposal
from resources.firestore import pilot
from resources.firestore.changes import Change, Creation, WriteDoor
from resources.firestore.gateway import DocumentLookup, FoundDocument

_SEEN_FIELDS: Final = ("state", "status", "isClosed", "closedAt", "updatedAt")
_TIMES: Final = ("closedAt", "updatedAt")
# As the portal writes them: a pickup into ``state``, anything else into ``status``.
_CLOSED: Final[Mapping[str, Mapping[str, Any]]] = {
    "picked_up": {"state": "CLOSED_PICKED_UP", "isClosed": True},
    "other": {"status": "CLOSED_OTHER", "isClosed": True},
}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one proposal asks for, under one key."""

    action_id: str
    batch_id: str
    reason: str
    note: str | None
    identity: Mapping[str, Any]

    @property
    def written(self) -> tuple[str, ...]:
        return (*_CLOSED[self.reason], *_TIMES)


class BatchCloseAdapter:
    """Carries out ``firestore.batch.close``.

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
        """Return what would change, the values before, and the version that was seen (``token``).

        Raises:
            AdapterError: ``NOT_FOUND``, ``OWNER_MISMATCH``, ``ALREADY_CLOSED``, ``INVALID``, ``UNREADABLE``.
        """
        wish = _wish(proposal, proposal.proposal_id)
        batch = self._closable(proposal, wish)
        action, change = self._writes_for(proposal, wish, batch)
        return {
            "summary": f"Closes batch {wish.batch_id} as "
            + ("picked up." if wish.reason == "picked_up" else "closed for another reason."),
            "writes": [
                {
                    "operation": "create",
                    "path": f"{pilot.ACTIONS}/{wish.action_id}",
                    "fields": {**_described(action), **pilot.UNKNOWN_APPROVAL},
                },
                {
                    "operation": "update",
                    "path": f"{pilot.BATCHES}/{wish.batch_id}",
                    "fields": _described(change),
                },
            ],
            "before": {
                name: pilot.shown(batch.record[name]) for name in _SEEN_FIELDS if name in batch.record
            },
            "warnings": [],
            "token": pilot.shown(batch.update_time),
        }

    def execute(self, proposal: Proposal, idempotency_key: str, at: datetime) -> Mapping[str, Any]:
        """Close the version of the batch that the dry run saw, once, and return where it is.

        Raises:
            AdapterError: ``PRECONDITION_FAILED`` when the batch has changed since the dry run,
                ``KEY_CONFLICT``, ``ROLLED_BACK``, ``INVALID``, or as the door says.
        """
        del at  # the server's own clock dates the documents
        if self._writes is None:
            raise pilot.no_write_door()
        wish = _wish(proposal, idempotency_key)
        before = self._replayed(wish, is_certain=True)
        if before is not None:
            return before
        seen = _seen_version(proposal)
        batch = self._closable(proposal, wish)
        if batch.update_time != seen:
            # A commit of ours may have come in between: it has changed the batch, too.
            before = self._replayed(wish, is_certain=True)
            if before is not None:
                return before
            raise _changed("the dry run")
        try:
            self._writes.commit(self._writes_for(proposal, wish, batch), batch_id=wish.batch_id)
        except AdapterError as error:
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
        action = pilot.find_action(self._reader, proposal.proposal_id, idempotency_key, is_certain=False)
        if action is None:
            return Lookup(Found.NOTHING)
        pilot.require_ours(action, wish.identity)
        found = Found.ROLLED_BACK if pilot.is_rolled_back(action) else Found.EFFECT
        return Lookup(found, _pointer(wish, is_replay=True))

    def rollback(
        self, proposal: Proposal, idempotency_key: str, reason: str, at: datetime
    ) -> Mapping[str, Any]:
        """Put the batch back exactly as it was; fields that were absent are absent again.

        Raises:
            AdapterError: ``PRECONDITION_FAILED`` when the batch has changed since we closed it,
                ``NOT_FOUND`` when we did not, ``KEY_CONFLICT``, or as the door says.
        """
        del at
        if self._writes is None:
            raise pilot.no_write_door()
        wish, marks = _wish(proposal, idempotency_key), pilot.rollback_marks(reason)
        is_replay = pilot.undone_once(
            self._reader, wish.identity, lambda action: self._put_back(wish, action, marks)
        )
        return _pointer(wish, is_replay=is_replay)

    def _put_back(self, wish: _Wish, action: FoundDocument, marks: Mapping[str, Any]) -> None:
        batch = pilot.find(self._reader, pilot.BATCHES, wish.batch_id, _SEEN_FIELDS, is_certain=True)
        # One commit gives all its documents one update time, so the batch still has that of the action
        # exactly if nobody has written to it since.
        if batch is None or batch.update_time != action.update_time:
            raise _changed("it was closed")
        previous = action.record.get("previous")
        if not isinstance(previous, Mapping) or action.record.get("written") != list(wish.written):
            raise pilot.invalid("the action does not say what the batch was like before")
        assert self._writes is not None  # noqa: S101 - the caller has looked
        self._writes.commit(
            [
                Change(pilot.ACTIONS, wish.action_id, action.update_time, marks, ("rolledBackAt",)),
                Change(
                    pilot.BATCHES,
                    wish.batch_id,
                    batch.update_time,
                    {name: previous[name] for name in wish.written if name in previous},
                    removed=tuple(name for name in wish.written if name not in previous),
                ),
            ],
            batch_id=wish.batch_id,
        )

    def _closable(self, proposal: Proposal, wish: _Wish) -> FoundDocument:
        fields = (*_SEEN_FIELDS, "ownerUid")
        batch = pilot.find(self._reader, pilot.BATCHES, wish.batch_id, fields, is_certain=True)
        return pilot.require_owned(batch, wish.batch_id, proposal.owner_id)

    def _replayed(self, wish: _Wish, *, is_certain: bool) -> Mapping[str, Any] | None:
        identity = wish.identity
        action = pilot.find_action(
            self._reader, identity["proposalId"], identity["idempotencyKey"], is_certain=is_certain
        )
        if action is None:
            return None
        pilot.require_ours(action, identity)
        if pilot.is_rolled_back(action):
            raise pilot.refuse_rolled_back()
        return _pointer(wish, is_replay=True)

    def _writes_for(self, proposal: Proposal, wish: _Wish, batch: FoundDocument) -> tuple[Creation, Change]:
        if batch.record.get("isClosed") is True:
            raise pilot.refused("ALREADY_CLOSED", f"batch {wish.batch_id} is closed already")
        approval = self._approval_of(proposal)
        action = {
            **wish.identity,
            "actionType": "batch_close",
            "approvedBy": approval.approver_id if approval else None,
            "approvedAt": pilot.shown(approval.at) if approval else None,
            "actorUid": proposal.requester_principal_id,
            "noteCollection": None,
            "note": wish.note,
            "previous": {name: batch.record[name] for name in wish.written if name in batch.record},
            "written": list(wish.written),
            "rollbackState": pilot.ACTIVE,
            "rollbackReason": None,
            "rolledBackAt": None,
        }
        return (
            Creation(pilot.ACTIONS, wish.action_id, action, ("createdAt",)),
            Change(pilot.BATCHES, wish.batch_id, batch.update_time, _CLOSED[wish.reason], _TIMES),
        )


def _wish(proposal: Proposal, key: str) -> _Wish:
    """Return what is asked for; raises ``AdapterError`` ``INVALID``, the same for dry run and execution."""
    given = proposal.input
    batch_id = pilot.batch_id(given.get("batchId"))
    reason, note = given.get("closeReason"), given.get("note")
    if reason not in _CLOSED:
        raise pilot.invalid(f"the close reason is none of {', '.join(_CLOSED)}")
    return _Wish(
        pilot.action_id(proposal.proposal_id, key),
        batch_id,
        str(reason),
        None if note is None else pilot.text_between(note, 5, 500, "note"),
        {
            "proposalId": proposal.proposal_id,
            "idempotencyKey": key,
            "ownerUid": pilot.owner_of(proposal),
            "resourceCollection": pilot.BATCHES,
            "resourceId": batch_id,
            "noteId": None,
            "closeReason": str(reason),
        },
    )


def _seen_version(proposal: Proposal) -> datetime:
    try:
        version = datetime.fromisoformat(str((proposal.dry_run or {}).get("token")))
    except ValueError:
        version = None
    if version is None or version.tzinfo is None:
        raise pilot.invalid("there is no dry run that says which version of the batch is meant")
    return version.astimezone(UTC)


def _changed(since: str) -> AdapterError:
    return AdapterError(
        f"The batch has been changed by somebody since {since}, so it was left as it is.",
        code="PRECONDITION_FAILED",
        is_certain=True,
    )


def _pointer(wish: _Wish, *, is_replay: bool) -> Mapping[str, Any]:
    return {
        "collection": pilot.BATCHES,
        "docId": wish.batch_id,
        "actionCollection": pilot.ACTIONS,
        "actionId": wish.action_id,
        "replayed": is_replay,
    }


def _described(write: Creation | Change) -> Mapping[str, Any]:
    return {
        **{name: pilot.shown(value) for name, value in write.fields.items()},
        **dict.fromkeys(write.server_times, pilot.SERVER_TIME),
    }
