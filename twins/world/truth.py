"""What is true: every document at any instant, recounted from the plan in plain Python.

Shares nothing with the readers and nothing with the servers; tests hold what the real clients read against
it.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import datetime

from twins.world.operations import Document, StripeCall, apply_write
from twins.world.plan import Plan
from twins.world.settings import WorldSettings


class Truth:
    """The history of every document up to an instant, and every Stripe call made."""

    def __init__(self, settings: WorldSettings, until: datetime) -> None:
        self.until = until
        self.calls: list[StripeCall] = []
        self._versions: dict[str, list[tuple[datetime, Document | None]]] = defaultdict(list)
        present: dict[str, Document] = {}
        self.plan = Plan(settings)
        for step in self.plan.steps():
            if step.at > until:
                break
            self.calls.extend(step.calls)
            for write in step.writes:
                apply_write(present, write)
                self._versions[write.path].append((step.at, present.get(write.path)))

    def document(self, path: str, at: datetime) -> Document | None:
        """Return a document as it stood at an instant, or null."""
        versions = self._versions.get(path, [])
        place = bisect_right(versions, at, key=lambda version: version[0])
        return versions[place - 1][1] if place else None

    def documents(self, at: datetime) -> dict[str, Document]:
        """Return path -> document of everything there was at an instant."""
        found = ((path, self.document(path, at)) for path in self._versions)
        return {path: document for path, document in found if document is not None}

    def collection(self, name: str, at: datetime) -> dict[str, Document]:
        """Return id -> document of one top-level collection at an instant."""
        prefix = f"{name}/"
        return {
            path.removeprefix(prefix): document
            for path, document in self.documents(at).items()
            if path.startswith(prefix) and path.count("/") == 1
        }

    def counts(self, at: datetime) -> dict[str, int]:
        """Return documents per collection at an instant; sub-collections are named by their last part."""
        counts = Counter(path.split("/")[-2] for path in self.documents(at))
        return dict(sorted(counts.items()))

    def call_counts(self, before: datetime) -> dict[str, int]:
        """Return Stripe calls per act before an instant."""
        return dict(sorted(Counter(call.act for call in self.calls if call.at < before).items()))
