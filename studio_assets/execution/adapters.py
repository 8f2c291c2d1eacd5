"""The adapters of the capabilities that have one, with and without the door that writes.

Only here, and only for an execution run, is the writing door opened. Everyone else gets adapters that can
make a dry run and look up, and refuse to write.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from policies.ports import Adapter
from policies.proposals import Approval, Proposal
from resources.firestore.batch_close import BatchCloseAdapter
from resources.firestore.changes import WriteDoor
from resources.firestore.gateway import DocumentLookup
from resources.firestore.ops_note import OpsNoteAdapter
from resources.settings import Settings

ApprovalOf = Callable[[Proposal], Approval | None]


def adapters(reader: DocumentLookup, writes: WriteDoor | None, approval_of: ApprovalOf) -> dict[str, Adapter]:
    """Return the adapters by the names that the registry uses.

    Args:
        reader: Reads documents with the reading credential.
        writes: The door that writes; null for dry runs and look-ups only.
        approval_of: Returns the approval that the cloud's record names.
    """
    return {
        "ops_note": OpsNoteAdapter(reader, writes, approval_of=approval_of),
        "batch_close": BatchCloseAdapter(reader, writes, approval_of=approval_of),
    }


@contextmanager
def writing_adapters(
    settings: Settings, reader: DocumentLookup, approval_of: ApprovalOf
) -> Iterator[Mapping[str, Adapter]]:
    """Give adapters that may write, with the credential that is theirs alone; closed at the end."""
    from resources.firestore.writes import FirestoreWrites  # noqa: PLC0415 - only an execution run loads it

    with FirestoreWrites(
        settings.firestore_project,
        settings.firestore_database,
        credentials_path=settings.write_credentials,
        emulator_host=settings.firestore_emulator_host,
    ) as writes:
        yield adapters(reader, writes, approval_of)
