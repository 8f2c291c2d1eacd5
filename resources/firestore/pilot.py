"""The records our writes leave in the cloud: one action document for every idempotency key.

The action document is created with the effect in one commit, and only if it does not exist. So it is at once
the proof that the effect happened and what keeps it from happening twice.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from policies.gateway_text import ROLLBACK_REASON_UNITS
from policies.ports import AdapterError
from policies.proposals import Proposal
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentLookup, FoundDocument

ACTIONS: Final = "studioBrainPilotActions"
NOTES: Final = "studioBrainPilotOpsNotes"
BATCHES: Final = "batches"
EXECUTOR_UID: Final = "system:executor"
SERVER_TIME: Final = "<time of the commit>"
UNKNOWN_APPROVAL: Final[Mapping[str, str]] = {
    "approvedBy": "<who approves it>",
    "approvedAt": "<when it is approved>",
}
ACTIVE, ROLLED_BACK = "active", "rolled_back"

READ_SECONDS: Final = 8.0
# The longest way: look at the action and the batch, commit (20 s), look twice again.
ADAPTER_SECONDS: Final = 60.0

_LEGAL_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,80}")
_LONGEST_NOTE_ID_DIGITS: Final = 20
# Refusals that our own earlier commit may have caused: look before believing them.
_PERHAPS_OURS: Final = frozenset({"ALREADY_EXISTS", "PRECONDITION_FAILED", "NOT_FOUND", "CONTENTION"})

ACTION_FIELDS: Final = (
    "proposalId",
    "idempotencyKey",
    "ownerUid",
    "resourceCollection",
    "resourceId",
    "noteId",
    "closeReason",
    "rollbackState",
    "previous",
    "written",
)


def action_id(proposal_id: str, key: str) -> str:
    """Return the id of the action document.

    The cloud strips characters from keys and cuts them; keys that would be changed by that are refused here,
    so two keys never meet in one document.

    Raises:
        AdapterError: ``INVALID``, certain.
    """
    if not _LEGAL_KEY.fullmatch(proposal_id) or not _LEGAL_KEY.fullmatch(key):
        raise invalid("proposal ids and idempotency keys are 8 to 80 letters, digits, _ and -")
    return f"{proposal_id}__{key}"


def note_id(proposal_id: str, key: str) -> str:
    """Return the id of the note: always the same for a key, in the form of the cloud's own ids."""
    digest = hashlib.sha256(f"opsnote:{proposal_id}:{key}".encode()).hexdigest()
    return f"opsnote-{digest[:_LONGEST_NOTE_ID_DIGITS]}"


def find(
    reader: DocumentLookup, collection: str, document_id: str, fields: Sequence[str], *, is_certain: bool
) -> FoundDocument | None:
    """Return a document as it is now, or null.

    Args:
        reader: The door that reads.
        collection: Top-level collection.
        document_id: Its id.
        fields: The only fields that are read.
        is_certain: Whether it is certain, if the cloud cannot be asked, that nothing was written.

    Raises:
        AdapterError: ``UNREADABLE`` when the cloud cannot be asked.
    """
    try:
        return reader.lookup(collection, [document_id], fields, deadline_seconds=READ_SECONDS).get(
            document_id
        )
    except SourceUnreadableError as error:
        raise AdapterError(str(error), code="UNREADABLE", is_certain=is_certain) from None


def find_action(
    reader: DocumentLookup, proposal_id: str, key: str, *, is_certain: bool
) -> FoundDocument | None:
    """Return the action document of a key, or null. Raises ``AdapterError`` ``UNREADABLE``."""
    return find(reader, ACTIONS, action_id(proposal_id, key), ACTION_FIELDS, is_certain=is_certain)


def require_ours(found: FoundDocument, expected: Mapping[str, Any]) -> None:
    """Raise unless a document under our key says the same as we would have written.

    Raises:
        AdapterError: ``KEY_CONFLICT``, not certain: something is recorded under our key that nobody approved,
            and a person has to look.
    """
    differing = [name for name, value in expected.items() if found.record.get(name) != value]
    if differing:
        raise AdapterError(
            f"The cloud holds something else under this key (differs in {', '.join(differing)})."
            f" Nothing was written now. Look at document {found.document_id}.",
            code="KEY_CONFLICT",
            is_certain=False,
        )


def require_owned(batch: FoundDocument | None, batch_id: str, owner_id: str | None) -> FoundDocument:
    """Return a batch if it is there and belongs to the member that the proposal names.

    Raises:
        AdapterError: ``NOT_FOUND`` or ``OWNER_MISMATCH``, certain.
    """
    if batch is None or not batch.record.get("ownerUid"):
        # A phantom: a document that a bad id brought into being, and no work of anybody.
        raise refused("NOT_FOUND", f"there is no batch {batch_id} that belongs to anybody")
    if batch.record["ownerUid"] != owner_id:
        raise refused("OWNER_MISMATCH", f"batch {batch_id} belongs to another member than the proposal says")
    return batch


def is_rolled_back(action: FoundDocument) -> bool:
    """Return whether the effect was undone. What is not said to be active counts as undone."""
    return action.record.get("rollbackState") != ACTIVE


def refuse_rolled_back() -> AdapterError:
    """Return the error for executing under a key whose effect was undone."""
    return AdapterError(
        "What was done under this key has been rolled back; it is not done again.",
        code="ROLLED_BACK",
        is_certain=True,
    )


def may_be_ours(error: AdapterError) -> bool:
    """Return whether a refused commit may have been refused because an earlier one of ours went through."""
    return error.is_certain and error.code in _PERHAPS_OURS


def owner_of(proposal: Proposal) -> str:
    """Return the member whose things are touched; raises ``AdapterError`` ``INVALID`` when nobody's are."""
    if not proposal.owner_id:
        raise invalid("the proposal names no owner")
    return proposal.owner_id


def text_between(text: Any, least: int, most: int, name: str) -> str:
    """Return a text if it is one of the right length, counted as the cloud counts it (UTF-16 units).

    Raises:
        AdapterError: ``INVALID``, certain.
    """
    try:
        length = len(text.encode("utf-16-le")) // 2
    except (AttributeError, UnicodeEncodeError):
        raise invalid(f"the {name} is no text") from None
    if not least <= length <= most:
        raise invalid(f"the {name} has {length} characters; it must have {least} to {most}")
    return str(text)


def rollback_marks(reason: str) -> Mapping[str, Any]:
    """Return what an action document says after a rollback. Raises ``AdapterError`` ``INVALID``."""
    return {
        "rollbackState": ROLLED_BACK,
        "rollbackReason": text_between(reason, *ROLLBACK_REASON_UNITS, "reason"),
        "rolledBackByUid": EXECUTOR_UID,
    }


def undone_once(
    reader: DocumentLookup,
    identity: Mapping[str, Any],
    undo: Callable[[FoundDocument], None],
) -> bool:
    """Undo what was done under a key, once; return whether it had been undone already.

    Args:
        reader: The door that reads.
        identity: What the action document must say, proposal and key among it.
        undo: Undoes it, given the action document as it is, and marks that in the same commit.

    Raises:
        AdapterError: ``NOT_FOUND`` when nothing was done, ``KEY_CONFLICT``, ``UNREADABLE``, or as ``undo``.
    """
    proposal_id, key = identity["proposalId"], identity["idempotencyKey"]
    action = find_action(reader, proposal_id, key, is_certain=True)
    if action is None:
        raise nothing_to_roll_back()
    require_ours(action, identity)
    if is_rolled_back(action):
        return True
    try:
        undo(action)
    except AdapterError as error:
        # Somebody with the same key may have been first, or our own commit was answered twice.
        again = find_action(reader, proposal_id, key, is_certain=False) if may_be_ours(error) else None
        if again is None or not is_rolled_back(again):
            raise
        return True
    return False


def batch_id(given: Any) -> str:
    """Return the id of a batch as a proposal names it. Raises ``AdapterError`` ``INVALID``."""
    named = text_between(given, 1, 128, "batch id")
    if "/" in named:
        raise invalid("the batch id has a slash in it")
    return named


def no_approval(_proposal: Proposal) -> None:
    """Return null: no approval is known."""


def nothing_to_roll_back() -> AdapterError:
    """Return the error for undoing what was never done."""
    return AdapterError("There is nothing under this key to roll back.", code="NOT_FOUND", is_certain=True)


def no_write_door() -> AdapterError:
    """Return the error for acting without the writing credential."""
    return AdapterError(
        "This process may not write; only the execution run may. Nothing was sent.",
        code="READ_ONLY",
        is_certain=True,
    )


def refused(code: str, why: str) -> AdapterError:
    """Return the error for a batch that is not as it must be; certain."""
    return AdapterError(f"Nothing was written: {why}.", code=code, is_certain=True)


def invalid(why: str) -> AdapterError:
    """Return the error for an input that cannot be carried out."""
    return AdapterError(f"This cannot be done: {why}. Nothing was written.", code="INVALID", is_certain=True)


def shown(value: Any) -> Any:
    """Return a value of a document as plain JSON data, for people to read."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return str(value)
