"""What the rest of the house may ask of Stripe: lists of objects by creation time. Reads only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(slots=True)
class ListStats:
    """What a listing cost; filled in while it runs."""

    objects: int = 0
    requests: int = 0
    retries: int = 0


class PaymentSource(Protocol):
    """A read-only view of a payment provider."""

    def list_objects(
        self,
        object_type: str,
        *,
        created_before: datetime,
        created_from: datetime | None = None,
        stats: ListStats,
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield every object of a type created in [created_from, created_before), in pages, each object once.

        Objects are the provider's JSON as plain Python. Order is not promised.

        Raises:
            SourceUnreadableError: when the source cannot be read within the deadline.
        """
