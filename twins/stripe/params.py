"""Request parameters: Stripe's bracketed form encoding, and access that refuses what is wrong or unknown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from twins.stripe.errors import ApiError, invalid_integer, missing_parameter, unknown_parameter

_BRACKETS = re.compile(r"\[([^\]]*)\]")
_INTEGER = re.compile(r"\A-?[0-9]{1,18}\Z")
MOST_METADATA_KEYS = 50
LONGEST_METADATA_KEY = 40
LONGEST_METADATA_VALUE = 500


def decode_form(encoded: str) -> dict[str, Any]:
    """Return nested parameters: ``a[b]=1&c[0]=2`` becomes ``{"a": {"b": "1"}, "c": ["2"]}``."""
    nested: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head, _, _ = name.partition("[")
        steps = [head, *_BRACKETS.findall(name[len(head) :])]
        place = nested
        for step in steps[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ApiError(f"Invalid parameter: {name}", param=name)
            place = inner
        last = steps[-1]
        place[last or str(len(place))] = value
    return {name: _as_list(value) for name, value in nested.items()}


def _as_list(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _as_list(item) for name, item in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of one request, or of one section of it; ``where`` prefixes names in errors."""

    values: Mapping[str, Any]
    where: str = ""

    def _name(self, name: str) -> str:
        return f"{self.where}[{name}]" if self.where else name

    def refuse_unknown(self, *known: str) -> None:
        """Raise for any parameter that is not listed: a silently ignored parameter would be a lie."""
        for name in self.values:
            if name not in known and name != "expand":
                raise unknown_parameter(self._name(name))

    def text(self, name: str) -> str | None:
        """Return a text, or null when it is absent or empty."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise ApiError(f"Invalid string: {self._name(name)}", param=self._name(name))
        return value or None

    def required_text(self, name: str) -> str:
        """Return a text; raise when it is absent or empty."""
        value = self.text(name)
        if value is None:
            raise missing_parameter(self._name(name))
        return value

    def integer(self, name: str) -> int | None:
        """Return a whole number, or null when it is absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _INTEGER.match(value):
            raise invalid_integer(self._name(name), value)
        return int(value)

    def required_integer(self, name: str) -> int:
        """Return a whole number; raise when it is absent."""
        value = self.integer(name)
        if value is None:
            raise missing_parameter(self._name(name))
        return value

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Return a truth value, or ``default`` when it is absent."""
        value = self.values.get(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise ApiError(f"Invalid boolean: {value}", param=self._name(name))
        return bool(value == "true")

    def section(self, name: str) -> "Params":
        """Return a nested section, empty when it is absent."""
        value = self.values.get(name, {})
        if not isinstance(value, Mapping):
            raise ApiError("Invalid object", param=self._name(name))
        return Params(value, self._name(name))

    def sections(self, name: str) -> list["Params"]:
        """Return a list of nested sections, empty when it is absent."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise ApiError("Invalid array", param=self._name(name))
        return [Params(item, f"{self._name(name)}[{index}]") for index, item in enumerate(value)]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, empty when it is absent."""
        value = self.values.get(name, [])
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in values):
            raise ApiError("Invalid array", param=self._name(name))
        return list(values)

    def metadata(self) -> dict[str, str]:
        """Return the metadata, within Stripe's limits on number and length."""
        section = self.section("metadata")
        if len(section.values) > MOST_METADATA_KEYS:
            raise ApiError(
                f"Metadata can have up to {MOST_METADATA_KEYS} keys.", param=self._name("metadata")
            )
        for name, value in section.values.items():
            if not isinstance(value, str) or len(value) > LONGEST_METADATA_VALUE:
                raise ApiError(
                    f"Metadata values must be texts of up to {LONGEST_METADATA_VALUE} characters.",
                    param=f"{section.where}[{name}]",
                )
            if len(name) > LONGEST_METADATA_KEY:
                raise ApiError(
                    f"Metadata keys can have up to {LONGEST_METADATA_KEY} characters.",
                    param=self._name("metadata"),
                )
        return {name: value for name, value in section.values.items() if value != ""}
