"""What the rest of the house may ask of Firestore: reads at one instant, and the source's own counts.

The live implementation is in ``live.py``; nothing here knows the vendor's library. There is no write in
this interface, and the live channel refuses every RPC that is not a read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from resources.firestore.cells import Cells

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not-in"]


@dataclass(frozen=True, slots=True)
class Where:
    """One condition; conditions of a query are joined by AND. ``value`` is a plain Python value."""

    field_path: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """A projected scan of one top-level collection, in document-id order.

    ``field_paths`` are the only fields requested from the server (never empty).
    """

    collection: str
    field_paths: Sequence[str]
    where: Sequence[Where] = ()


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """Consecutive documents in id order. Values are plain Python; timestamps are aware UTC datetimes.

    A source may offer the same values column-wise too: ``columns`` then has an entry for every requested
    field path, and ``records`` are made only when somebody looks at them.
    """

    ids: Sequence[str]
    records: Sequence[Mapping[str, Any]]
    columns: Mapping[str, Cells] | None = None


@dataclass(slots=True)
class ScanStats:
    """What a scan cost; filled in while the scan runs."""

    documents: int = 0
    billed_reads: int = 0
    resumes: int = 0


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """One document looked up by its id: the requested fields it has, and when it was last written, UTC."""

    document_id: str
    record: Mapping[str, Any]
    update_time: datetime


class DocumentLookup(Protocol):
    """Looks single documents up by their ids; reads only."""

    def lookup(
        self,
        collection: str,
        ids: Sequence[str],
        field_paths: Sequence[str],
        *,
        read_time: datetime | None = None,
        deadline_seconds: float | None = None,
    ) -> Mapping[str, FoundDocument]:
        """Return the documents that exist, by id; as they are now unless ``read_time`` is given.

        Raises:
            SourceUnreadableError: when the source cannot be asked, or knows no such id.
        """


class DocumentSource(Protocol):
    """A read-only view of a document database."""

    def read_time(self) -> datetime:
        """Return an instant of the source's own clock at which everything can be read consistently."""

    def count(self, collection: str, *, read_time: datetime, where: Sequence[Where] = ()) -> int:
        """Return the source's own count of documents at ``read_time``."""

    def scan(
        self, query: CollectionQuery, *, read_time: datetime, stats: ScanStats
    ) -> Iterator[DocumentBatch]:
        """Yield every matching document at ``read_time`` exactly once, in id order.

        Raises:
            SourceUnreadableError: when the source cannot be read within the deadline (after retries).
        """
