"""What may be asked of the writing door: new documents, and changes of known versions of documents.

Only shapes: they can be named anywhere, while the door itself is in ``writes`` and belongs to the execution
run alone. There is no overwriting and no deleting: a change says which version of a document it is made to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Creation:
    """A document that must not exist yet.

    Attributes:
        collection: Top-level collection.
        document_id: Its id.
        fields: Plain Python values.
        server_times: Fields that get the instant of the commit, by the server's clock.
    """

    collection: str
    document_id: str
    fields: Mapping[str, Any]
    server_times: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of named fields of one version of a document; every other field stays as it is.

    Attributes:
        version: Update time of the version it is made to; the commit is refused if there is another.
        fields: Values to set.
        server_times: Fields that get the instant of the commit.
        removed: Fields that shall be absent.
    """

    collection: str
    document_id: str
    version: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)
    server_times: Sequence[str] = ()
    removed: Sequence[str] = ()


class WriteDoor(Protocol):
    """Commits a few writes to Firestore, all or none."""

    def commit(self, writes: Sequence[Creation | Change], *, batch_id: str | None = None) -> datetime:
        """Commit the writes and return the instant of the commit.

        Args:
            writes: What to write.
            batch_id: The one document of ``batches`` that these writes may touch; null for none.

        Raises:
            policies.ports.AdapterError: ``is_certain`` is false when the answer was lost on the way.
        """
