"""Documents as the studio's cloud holds them, for benchmarks: the contract's fields in realistic forms."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from studio_assets.contracts.model import Collection, Column, Kind

_START = datetime(2026, 1, 1, tzinfo=UTC)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHARE_PRESENT = 0.9  # legacy rows and optional fields: about one field in ten is missing


def sample_ids(count: int) -> list[str]:
    """Return ids in order, 20 letters like those the client libraries make."""
    return [f"{number:020d}" for number in range(count)]


def sample_fields(contract: Collection, dice: random.Random) -> dict[str, Any]:
    """Return the fields of one document, nested as the paths say."""
    fields: dict[str, Any] = {}
    for column in contract.columns:
        if dice.random() > _SHARE_PRESENT:
            continue
        *parents, leaf = column.path.split(".")
        target = fields
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = _value(column, dice)
    return fields


def _value(column: Column, dice: random.Random) -> Any:
    return _VALUES[column.kind](column, dice)


def _text(column: Column, dice: random.Random) -> str:
    # Member ids of Firebase have 28 letters, document ids 20.
    return "".join(dice.choices(_LETTERS, k=28 if column.name.endswith("uid") else 20))


def _instant(_: Column, dice: random.Random) -> datetime:
    return _START + timedelta(microseconds=dice.randrange(90 * 86_400 * 10**6))


_VALUES: dict[Kind, Callable[[Column, random.Random], Any]] = {
    Kind.TEXT: _text,
    Kind.ENUM: lambda column, dice: dice.choice(column.values),
    Kind.INTEGER: lambda _, dice: dice.randrange(100),
    Kind.CENTS: lambda _, dice: dice.randrange(100_000),
    Kind.DOLLARS: lambda _, dice: dice.randrange(10_000) / 100,
    Kind.NUMBER: lambda _, dice: dice.randrange(1, 9),
    Kind.BOOLEAN: lambda _, dice: dice.random() < 0.5,
    Kind.INSTANT: _instant,
    Kind.DATE: lambda column, dice: _instant(column, dice).date().isoformat(),
}
