"""What a Firestore value is: the order of all values across types, which are allowed, and how to read them.

The order is https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering with
vectors between arrays and maps.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from google.cloud.firestore_v1 import GeoPoint
from google.cloud.firestore_v1.vector import Vector

from twins.firestore.clock import to_datetime
from twins.firestore.errors import invalid
from twins.firestore.messages import FieldsMessage, ValueMessage, to_micros
from twins.firestore.paths import (
    LONGEST_NAME_BYTES,
    FieldPath,
    check_document_name,
    is_reserved,
    order_name,
)
from twins.firestore.wire import Reference

Key: TypeAlias = tuple[Any, ...]

NULL_RANK, BOOLEAN_RANK, NUMBER_RANK, TIMESTAMP_RANK, STRING_RANK, BYTES_RANK = range(6)
REFERENCE_RANK, GEO_POINT_RANK, ARRAY_RANK, VECTOR_RANK, MAP_RANK = range(6, 11)

NULL_KEY: Key = (NULL_RANK,)
NAN_KEY: Key = (NUMBER_RANK, 0, 0)  # not a number sorts before every number

DEEPEST_LEVEL = 20  # maps and arrays inside one field, the service's limit
LONGEST_STRING_BYTES = 1_048_487  # 1 MiB minus the service's overhead for one field
EARLIEST_SECOND, LATEST_SECOND = -62_135_596_800, 253_402_300_799  # years 1 to 9999
_SURELY_SHORT = LONGEST_NAME_BYTES // 4  # characters that fit the limits however many bytes each takes
VECTOR_TYPE, VECTOR_VALUES = "__type__", "value"


def order_key(value: ValueMessage) -> Key:
    """Return a tuple that sorts as Firestore sorts the value; equal tuples are values equal to Firestore.

    The first item is the rank of the type, so keys of different types compare without an error.

    Raises:
        RefusedError: INVALID_ARGUMENT for a value without a type.
    """
    kind = value.WhichOneof("value_type")
    key = _KEYS.get(kind)
    if key is None:
        raise invalid("Cannot convert firestore.v1.Value with type unset.")
    return key(value)


def reference_key(name: str) -> Key:
    """Return the order key of a reference to the document called ``name``."""
    return (REFERENCE_RANK, order_name(name))


def _number_key(value: ValueMessage) -> Key:
    number = value.double_value
    return NAN_KEY if math.isnan(number) else (NUMBER_RANK, 1, number)


def _timestamp_key(value: ValueMessage) -> Key:
    instant = value.timestamp_value
    return (TIMESTAMP_RANK, instant.seconds, instant.nanos)


def _map_key(value: ValueMessage) -> Key:
    fields = value.map_value.fields
    if is_vector(fields):
        items = fields[VECTOR_VALUES].array_value.values
        return (VECTOR_RANK, len(items), tuple(order_key(item) for item in items))
    return (MAP_RANK, tuple((name, order_key(fields[name])) for name in sorted(fields)))


_KEYS: dict[str | None, Callable[[ValueMessage], Key]] = {
    "null_value": lambda _: NULL_KEY,
    "boolean_value": lambda value: (BOOLEAN_RANK, value.boolean_value),
    "integer_value": lambda value: (NUMBER_RANK, 1, value.integer_value),
    "double_value": _number_key,
    "timestamp_value": _timestamp_key,
    "string_value": lambda value: (STRING_RANK, value.string_value),
    "bytes_value": lambda value: (BYTES_RANK, value.bytes_value),
    "reference_value": lambda value: reference_key(value.reference_value),
    "geo_point_value": lambda value: (
        GEO_POINT_RANK,
        value.geo_point_value.latitude,
        value.geo_point_value.longitude,
    ),
    "array_value": lambda value: (ARRAY_RANK, tuple(order_key(item) for item in value.array_value.values)),
    "map_value": _map_key,
}


def is_vector(fields: FieldsMessage) -> bool:
    """Tell whether the fields of a map value are how the API writes a vector."""
    return VECTOR_TYPE in fields and fields[VECTOR_TYPE].string_value == "__vector__"


def is_map(value: ValueMessage) -> bool:
    """Tell whether a value is a map (or a vector, which the API writes as one)."""
    return bool(value.WhichOneof("value_type") == "map_value")


def get_field(fields: FieldsMessage, path: FieldPath) -> ValueMessage | None:
    """Return the value at a path, or None where there is none."""
    for name in path[:-1]:
        if name not in fields or not is_map(fields[name]):
            return None
        fields = fields[name].map_value.fields
    return fields.get(path[-1])


def set_field(fields: FieldsMessage, path: FieldPath, value: ValueMessage) -> None:
    """Put a value at a path; what is not a map on the way there becomes one."""
    for name in path[:-1]:
        inner = fields[name]
        if not is_map(inner):
            inner.Clear()
            inner.map_value.SetInParent()
        fields = inner.map_value.fields
    fields[path[-1]].CopyFrom(value)


def delete_field(fields: FieldsMessage, path: FieldPath) -> None:
    """Take away the value at a path; nothing happens where there is none."""
    for name in path[:-1]:
        if name not in fields or not is_map(fields[name]):
            return
        fields = fields[name].map_value.fields
    fields.pop(path[-1], None)


def check_fields(fields: FieldsMessage, level: int = 0) -> None:
    """Refuse fields that the service would not store, and cut timestamps to microseconds as it does."""
    for name, value in fields.items():
        if not name or name[0] == "_" or len(name) > _SURELY_SHORT:
            _check_field_name(name)
        check_value(value, name, level)


def _check_field_name(name: str) -> None:
    if not name:
        raise invalid("The property.name is the empty string.")
    if is_reserved(name):
        raise invalid(f"field name {name} is reserved")
    if len(name.encode()) > LONGEST_NAME_BYTES:
        raise invalid(f"The property.name is longer than {LONGEST_NAME_BYTES} bytes.")


def check_value(value: ValueMessage, name: str, level: int = 0) -> None:
    """Refuse one value that the service would not store; ``name`` is the field it is for."""
    kind = value.WhichOneof("value_type")
    check = _CHECKS.get(kind)
    if check is not None:
        check(value, name, level)
    elif kind not in _KEYS:
        raise invalid("Cannot convert firestore.v1.Value with type unset.")


def _check_string(value: ValueMessage, name: str, _level: int) -> None:
    text = value.string_value
    if len(text) > _SURELY_SHORT and len(text.encode()) > LONGEST_STRING_BYTES:
        raise invalid(f'The value of property "{name}" is longer than {LONGEST_STRING_BYTES} bytes.')


def _check_bytes(value: ValueMessage, name: str, _level: int) -> None:
    if len(value.bytes_value) > LONGEST_STRING_BYTES:
        raise invalid(f'The value of property "{name}" is longer than {LONGEST_STRING_BYTES} bytes.')


def _check_timestamp(value: ValueMessage, _name: str, _level: int) -> None:
    instant = value.timestamp_value
    if not EARLIEST_SECOND <= instant.seconds <= LATEST_SECOND:
        raise invalid("Timestamp seconds exceeds limit for field.")
    if instant.nanos % 1000:
        instant.nanos -= instant.nanos % 1000


def _check_reference(value: ValueMessage, _name: str, _level: int) -> None:
    check_document_name(value.reference_value, "Resource name")


def _check_map(value: ValueMessage, name: str, level: int) -> None:
    _check_level(name, level)
    if not is_vector(value.map_value.fields):
        check_fields(value.map_value.fields, level + 1)


def _check_level(name: str, level: int) -> None:
    if level >= DEEPEST_LEVEL:
        raise invalid(f"Property {name} contains an invalid nested entity.")


def _check_array(value: ValueMessage, name: str, level: int) -> None:
    _check_level(name, level)
    for item in value.array_value.values:
        if item.WhichOneof("value_type") == "array_value":
            raise invalid("Cannot convert an array value in an array value.")
        check_value(item, name, level + 1)


def _check_geo_point(value: ValueMessage, _name: str, _level: int) -> None:
    point = value.geo_point_value
    for what, degrees, limit in (("latitude", point.latitude, 90.0), ("longitude", point.longitude, 180.0)):
        if not -limit <= degrees <= limit:
            raise invalid(f"Geo point {what} '{degrees}' outside permitted range -{limit} to {limit}.")


_CHECKS: dict[str | None, Callable[[ValueMessage, str, int], None]] = {
    "string_value": _check_string,
    "bytes_value": _check_bytes,
    "timestamp_value": _check_timestamp,
    "geo_point_value": _check_geo_point,
    "reference_value": _check_reference,
    "array_value": _check_array,
    "map_value": _check_map,
}


def decode_value(value: ValueMessage) -> Any:  # noqa: PLR0911 - one return for each type
    """Return a value as plain Python; the inverse of ``wire.encode_value``."""
    kind = value.WhichOneof("value_type")
    if kind == "null_value":
        return None
    if kind == "timestamp_value":
        return to_datetime(to_micros(value.timestamp_value))
    if kind == "reference_value":
        return Reference(value.reference_value)
    if kind == "geo_point_value":
        return GeoPoint(value.geo_point_value.latitude, value.geo_point_value.longitude)
    if kind == "array_value":
        return [decode_value(item) for item in value.array_value.values]
    if kind == "map_value":
        fields = value.map_value.fields
        if is_vector(fields):
            return Vector([item.double_value for item in fields[VECTOR_VALUES].array_value.values])
        return decode_fields(fields)
    return getattr(value, kind)


def decode_fields(fields: FieldsMessage) -> dict[str, Any]:
    """Return fields as a dict of plain Python values, in name order."""
    return {name: decode_value(fields[name]) for name in sorted(fields)}
