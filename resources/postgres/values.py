r"""How Python values become column values: aware instants only, text and JSON that PostgreSQL can hold.

PostgreSQL stores no NUL and no half of a surrogate pair; ids and messages from outside may hold either,
so both are spelled out (``\x00``) instead of failing a whole write.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """Return ``text`` with every character PostgreSQL cannot hold spelled out; other text is unchanged."""
    return _UNSTORABLE.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def dump_json(value: Any) -> str:
    """Return ``value`` as JSON that ``jsonb`` accepts; raise ``TypeError`` for what JSON cannot say."""
    try:
        spelled = orjson.dumps(value, default=_plain)
    except TypeError:
        return orjson.dumps(_storable(value)).decode()
    return orjson.dumps(_storable(value)).decode() if b"\\u0000" in spelled else spelled.decode()


def load_json(text: str) -> Any:
    """Return what JSON text says."""
    return orjson.loads(text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, Mapping):
        return {storable_text(str(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


class Instant(TypeDecorator[datetime]):
    """An aware instant; a naive one is refused, because the server would guess its zone. Read as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - fixed by SQLAlchemy
        """Return the instant as it is; raise ``ValueError`` when it has no time zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """Return the instant in UTC, whatever the session's zone."""
        return None if value is None else value.astimezone(UTC)


class ForeignText(TypeDecorator[str]):
    """Text that came from outside and may hold characters PostgreSQL cannot."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Return the text with unstorable characters spelled out."""
        return None if value is None else storable_text(value)
