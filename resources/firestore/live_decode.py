"""Firestore's serialised values and documents as plain Python, with the vendor's own parser.

Exact and slow: used for single odd values, for batches whose bytes have an unexpected shape, and whenever
somebody looks at a batch's records. Bulk reading goes through ``wire_columns``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.types.document import Value

from resources.firestore.wire import Wire

RunQueryResponse = types.RunQueryResponse.pb()
_Value = Value.pb()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reference:
    """A pointer to another document; its own type, so that it is never mistaken for text."""

    path: str


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the map."""

    latitude: float
    longitude: float


def decode_value(serialised: bytes) -> Any:
    """Return a serialised ``Value`` as plain Python."""
    return plain(_Value.FromString(serialised))


def plain(value: Any) -> Any:
    """Return a parsed ``Value`` as plain Python; instants are aware UTC, to the microsecond."""
    kind = value.WhichOneof("value_type")
    if kind is None:
        return None
    inner, convert = getattr(value, kind), _CONVERSIONS.get(kind)
    return inner if convert is None else convert(inner)


def plain_fields(fields: Any) -> dict[str, Any]:
    """Return the fields of a parsed document or map as a plain dictionary."""
    return {name: plain(value) for name, value in fields.items()}


class SerialisedRecords(Sequence[Mapping[str, Any]]):
    """The records of some serialised responses, decoded when looked at."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __len__(self) -> int:
        return len(self._wire.starts)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        message = self._wire.data[self._wire.starts[index] : self._wire.ends[index]]
        return plain_fields(RunQueryResponse.FromString(message).document.fields)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[index] for index in range(len(self)))


def _instant(timestamp: Any) -> Any:
    """Return an aware instant; one that no calendar holds stays seconds, for a reader to refuse."""
    try:
        return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
    except OverflowError:
        return timestamp.seconds


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "null_value": lambda _: None,
    "timestamp_value": _instant,
    "map_value": lambda inner: plain_fields(inner.fields),
    "array_value": lambda inner: [plain(item) for item in inner.values],
    "reference_value": Reference,
    "geo_point_value": lambda inner: Place(inner.latitude, inner.longitude),
}
