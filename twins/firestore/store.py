"""Every version of every document, in memory (MVCC): what was committed stays readable at its time.

One lock guards writes and the choice of a read time; reading itself takes no lock, because versions and the
sorted lists of ids are never changed once they can be seen. Document names are full names
(``projects/P/databases/D/documents/collection/id``), so one store holds any number of projects.
"""

import bisect
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from twins.firestore.clock import TwinClock
from twins.firestore.paths import OrderedId, check_document_name, order_id
from twins.firestore.records import Shapes, Version, deleted, pack_values, to_message
from twins.firestore.values import decode_fields


class Collection:
    """The documents of one collection that ever existed, by id, each with its versions oldest first."""

    __slots__ = ("_named", "_new", "_numbered", "_order", "chains")

    def __init__(self) -> None:
        self.chains: dict[str, list[Version]] = {}
        self._named: list[str] = []
        self._numbered: list[str] = []
        self._order: list[str] = []
        self._new: list[str] = []

    def append(self, document_id: str, version: Version) -> None:
        """Add the newest version of a document. The caller holds the store's lock."""
        chain = self.chains.get(document_id)
        if chain is None:
            self.chains[document_id] = [version]
            self._new.append(document_id)
        else:
            chain.append(version)

    def sorted_ids(self) -> list[str]:
        """Return all ids in order, in a list never changed afterwards. The caller holds the store's lock."""
        if self._new:
            named = [new for new in self._new if not new.startswith("__id")]
            numbered = [new for new in self._new if new.startswith("__id")]
            self._new = []
            # The old part is already in order, which the sort notices: this costs little more than a copy.
            self._named = sorted(self._named + named)
            self._numbered = sorted(self._numbered + numbered, key=order_id)
            self._order = (
                sorted(self._numbered + self._named, key=order_id) if self._numbered else self._named
            )
        return self._order


def visible(chain: list[Version], at: int | None) -> Version | None:
    """Return the version of a document that a read at ``at`` sees; None where it does not exist then."""
    version = chain[-1]
    if at is not None and version.committed > at:
        position = bisect.bisect_right(chain, at, key=lambda each: each.committed)
        if not position:
            return None
        version = chain[position - 1]
    return version if version.body else None


class Store:
    """All documents and their past."""

    def __init__(self, clock: TwinClock | None = None) -> None:
        self.clock = clock or TwinClock()
        self.lock = threading.RLock()
        self.shapes = Shapes()
        self._collections: dict[str, Collection] = {}
        self._paths_by_id: dict[str, list[str]] = {}

    # Writing

    def install(self, name: str, version: Version) -> None:
        """Add a version. The caller holds the lock and took the commit time under it."""
        path, _, document_id = name.rpartition("/")
        collection = self._collections.get(path)
        if collection is None:
            collection = self._collections[path] = Collection()
            self._paths_by_id.setdefault(path.rpartition("/")[2], []).append(path)
        collection.append(document_id, version)

    def put(self, name: str, fields: Mapping[str, Any]) -> int:
        """Write a whole document without an RPC and return its commit time in microseconds since 1970.

        Args:
            name: Full document name; see ``paths.document_name``.
            fields: Plain Python values, as ``wire.encode_value`` takes them.
        """
        return self.put_many([(name, fields)])

    def put_many(self, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """Write whole documents in one commit without an RPC; return its time in microseconds since 1970.

        Nothing is validated beyond the names: this is the way to seed a benchmark, not a way to test writes.
        """
        with self.lock:
            now = self.clock.commit()
            for name, fields in documents:
                check_document_name(name)
                before = self.latest(name)
                created = before.created if before else now
                self.install(name, pack_values(self.shapes, fields, committed=now, created=created))
            return now

    def delete(self, name: str) -> int:
        """Delete a document without an RPC and return the commit time in microseconds since 1970."""
        with self.lock:
            now = self.clock.commit()
            if self.latest(name):
                self.install(name, deleted(now))
            return now

    # Reading

    def get(self, name: str, *, at: int | None = None) -> dict[str, Any] | None:
        """Return a document as plain Python values (now, or at an instant), or None where there is none."""
        version = self.read(name, at)
        return None if version is None else decode_fields(to_message(name, version).fields)

    def read(self, name: str, at: int | None) -> Version | None:
        """Return the version a read at ``at`` sees (None: the latest), or None where there is none."""
        path, _, document_id = name.rpartition("/")
        collection = self._collections.get(path)
        chain = collection.chains.get(document_id) if collection else None
        return visible(chain, at) if chain else None

    def latest(self, name: str) -> Version | None:
        """Return the version of a document that is current, or None."""
        return self.read(name, None)

    def last_change(self, name: str) -> int | None:
        """Return when a document was last written or deleted; None if it never existed."""
        path, _, document_id = name.rpartition("/")
        collection = self._collections.get(path)
        chain = collection.chains.get(document_id) if collection else None
        return chain[-1].committed if chain else None

    def scan(
        self,
        path: str,
        at: int,
        *,
        lower: tuple[OrderedId, bool] | None = None,
        upper: tuple[OrderedId, bool] | None = None,
    ) -> Iterator[tuple[str, Version]]:
        """Yield (id, version) of a collection as of ``at``, in id order, from ``lower`` to ``upper``.

        A bound is (sort key of an id, whether that id itself is inside).
        """
        ids = self.ids(path)
        first, last = 0, len(ids)
        if lower is not None:
            first = (bisect.bisect_left if lower[1] else bisect.bisect_right)(ids, lower[0], key=order_id)
        if upper is not None:
            last = (bisect.bisect_right if upper[1] else bisect.bisect_left)(ids, upper[0], key=order_id)
        if first >= last:
            return
        chains = self._collections[path].chains
        for position in range(first, last):
            document_id = ids[position]
            chain = chains[document_id]
            version = chain[-1]
            if version.committed <= at:
                if version.body:
                    yield document_id, version
                continue
            earlier = visible(chain, at)
            if earlier is not None:
                yield document_id, earlier

    def ids(self, path: str) -> list[str]:
        """Return every id a collection ever had, in order; the list is never changed afterwards."""
        with self.lock:
            collection = self._collections.get(path)
            return collection.sorted_ids() if collection else []

    def collections_under(self, parent: str, collection_id: str = "") -> list[str]:
        """Return paths of collections at any depth below ``parent``: all, or those with the given id."""
        prefix = parent + "/"
        with self.lock:
            paths = self._paths_by_id.get(collection_id, []) if collection_id else list(self._collections)
            return sorted(path for path in paths if path.startswith(prefix))

    def has_documents(self, path: str, at: int) -> bool:
        """Tell whether a collection holds any document as of ``at``."""
        return next(self.scan(path, at), None) is not None

    def size(self) -> int:
        """Return how many documents ever existed, over all projects."""
        with self.lock:
            return sum(len(collection.chains) for collection in self._collections.values())
