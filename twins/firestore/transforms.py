"""Field transforms: what the server computes while it writes (server time, increment, arrays, extremes)."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from twins.firestore.errors import invalid
from twins.firestore.messages import FieldsMessage, TransformMessage, Value, ValueMessage, to_timestamp
from twins.firestore.paths import parse_field_path, write_field_path
from twins.firestore.values import check_value, get_field, order_key, set_field

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_MILLISECOND_MICROS = 1000  # the server's time is written with milliseconds, however fine commits are
_NUMBERS = {"integer_value", "double_value"}


def check_transforms(transforms: Sequence[TransformMessage]) -> None:
    """Refuse transforms that cannot be right whatever is stored.

    Raises:
        RefusedError: INVALID_ARGUMENT for a transform without a type, a number transform with no number, an
            item that cannot be stored, or transforms of a field and of something inside it.
    """
    for transform in transforms:
        kind = transform.WhichOneof("transform_type")
        if kind in _NUMERIC and not _is_number(getattr(transform, kind)):
            raise invalid("Input must be int64 or double.")
        if kind in _ARRAYS:
            for item in getattr(transform, kind).values:
                check_value(item, transform.field_path)
        elif kind not in _NUMERIC and kind != "set_to_server_value":
            raise invalid("Operation type must be specified for field transformation.")
    paths = sorted({parse_field_path(transform.field_path) for transform in transforms})
    for outer, inner in itertools.pairwise(paths):
        if inner[: len(outer)] == outer:
            raise invalid(
                f"Cannot transform property {write_field_path(outer)} and its nested property "
                "at the same time."
            )


def apply_transform(fields: FieldsMessage, transform: TransformMessage, commit_micros: int) -> ValueMessage:
    """Change one field in place by a transform that was checked.

    Returns:
        What the client is told: the new value, or null for a change of an array.
    """
    path = parse_field_path(transform.field_path)
    kind = transform.WhichOneof("transform_type")
    current = get_field(fields, path)
    if kind == "set_to_server_value":
        millis = commit_micros // _MILLISECOND_MICROS
        new = told = Value(timestamp_value=to_timestamp(millis * _MILLISECOND_MICROS))
    elif kind in _NUMERIC:
        operand = getattr(transform, kind)
        new = told = _NUMERIC[kind](current, operand) if _is_number(current) else operand
    else:
        items = list(getattr(transform, kind).values)
        new, told = Value(), Value(null_value=0)
        new.array_value.SetInParent()
        new.array_value.values.extend(_ARRAYS[kind](_items(current), items))
    # A copy, because the new value may be a part of the very field that is replaced.
    set_field(fields, path, Value.FromString(new.SerializeToString()))
    return told


def _is_number(value: ValueMessage | None) -> bool:
    return value is not None and value.WhichOneof("value_type") in _NUMBERS


def _number(value: ValueMessage) -> int | float:
    number: int | float = getattr(value, value.WhichOneof("value_type"))
    return number


def _increment(current: ValueMessage, operand: ValueMessage) -> ValueMessage:
    total = _number(current) + _number(operand)
    if isinstance(total, float):
        return Value(double_value=total)
    return Value(integer_value=max(_SMALLEST, min(_LARGEST, total)))


def _extreme(choose: Callable[..., Any]) -> Callable[[ValueMessage, ValueMessage], ValueMessage]:
    def of(current: ValueMessage, operand: ValueMessage) -> ValueMessage:
        if any(math.isnan(_number(value)) for value in (current, operand)):
            return Value(double_value=math.nan)
        return choose(current, operand, key=order_key)  # of two equal numbers the current one stays

    return of


def _items(value: ValueMessage | None) -> list[ValueMessage]:
    if value is None or value.WhichOneof("value_type") != "array_value":
        return []
    return list(value.array_value.values)


def _union(old: list[ValueMessage], new: list[ValueMessage]) -> list[ValueMessage]:
    seen = {order_key(item) for item in old}
    out = list(old)
    for item in new:
        key = order_key(item)
        if key not in seen:
            seen.add(key)
            out.append(item)
    return out


def _remove(old: list[ValueMessage], gone: list[ValueMessage]) -> list[ValueMessage]:
    keys = {order_key(item) for item in gone}
    return [item for item in old if order_key(item) not in keys]


_NUMERIC: dict[str | None, Callable[[ValueMessage, ValueMessage], ValueMessage]] = {
    "increment": _increment,
    "maximum": _extreme(max),
    "minimum": _extreme(min),
}
_ARRAYS: dict[str | None, Callable[[list[ValueMessage], list[ValueMessage]], list[ValueMessage]]] = {
    "append_missing_elements": _union,
    "remove_all_from_array": _remove,
}
