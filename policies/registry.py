"""The capability registry: what Studio OS may ever do outside, as reviewed data (``capabilities.yaml``).

Nothing outside this list can be proposed. The same data is mirrored into PostgreSQL by the owner's
migration, so the runtime role cannot lower a quorum. Reading is strict: a missing, unknown or doubled key is
an error, and there are no defaults, so whoever reviews the file reviews everything.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import yaml


class Risk(StrEnum):
    """How much harm a mistake does."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Hazard(StrEnum):
    """Physical classes that are never exempt from approval."""

    NONE = "none"
    DOOR = "door"
    LOCK = "lock"
    POWER = "power"
    MOBILITY = "mobility"


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """At most ``limit`` executions in ``window_seconds``, counted per actor, owner or capability."""

    scope: Literal["actor", "owner", "capability"]
    limit: int
    window_seconds: int
    cooldown_seconds: int = 0


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of a capability's input: text (length bounds), integer (value bounds) or choice."""

    name: str
    kind: Literal["text", "integer", "choice"]
    is_required: bool = True
    least: int = 0
    most: int = 500
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    is_free_text: bool = False  # written by people: may hold personal data, never leaves the proposal


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing Studio OS may do.

    Attributes:
        adapter: Name of the adapter that carries it out; null makes it proposal-only.
        approvals_required: Different people who must say yes; 0 only for reads.
        approver_roles: Any one of these entitles to approve, together with the staff role where
            ``is_staff_required``.
        is_four_eyes: Whether the requester (and an agent's owner) may not approve. True wherever approvals
            are required.
        requester_kinds: Kinds of actor that may propose it.
        proposal_ttl_seconds: How long a proposal may wait for approval.
        approval_ttl_seconds: How long an approval stays good.
        snapshot_max_age_seconds: StudioState may not be older at execution; null where it does not matter.
        least_rationale: Characters a rationale must have.
        is_owner_required: Whether a proposal must name the member whose things it touches.
    """

    capability_id: str
    target: Literal["firestore", "stripe", "hubitat", "roborock", "website"]
    description: str
    is_read_only: bool
    risk: Risk
    hazard: Hazard
    adapter: str | None
    requester_kinds: frozenset[str]
    approvals_required: int
    approver_roles: frozenset[str]
    is_staff_required: bool
    is_four_eyes: bool
    is_exemptable: bool
    longest_exemption_seconds: int
    quotas: tuple[QuotaRule, ...]
    proposal_ttl_seconds: int
    approval_ttl_seconds: int
    snapshot_max_age_seconds: int | None
    least_rationale: int
    inputs: tuple[InputField, ...]
    owner: str
    failure_mode: str
    rollback: str
    escalation: str
    tests: tuple[str, ...]
    is_owner_required: bool = False


Registry = Mapping[str, Capability]
"""Capabilities by id."""

REGISTRY_FILE: Final = Path(__file__).with_name("capabilities.yaml")
_TARGETS: Final = ("firestore", "stripe", "hubitat", "roborock", "website")
_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_DURATIONS: Final = {
    "longest_exemption": "longest_exemption_seconds",
    "proposal_ttl": "proposal_ttl_seconds",
    "approval_ttl": "approval_ttl_seconds",
    "snapshot_max_age": "snapshot_max_age_seconds",
}
_TYPES: Final[Mapping[Any, str]] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    str | None: "text or null",
    int | None: "a whole number or null",
}


class RegistryError(Exception):
    """The registry file cannot be taken as it is. The message names the capability and the key."""


def load_registry(source: str | Path) -> Registry:
    """Return the registry in a file (``Path``) or in YAML text, in its order.

    Raises ``RegistryError``; ``OSError`` when the file cannot be read.
    """
    registry: dict[str, Capability] = {}
    for document in read_documents(source):
        capability = _capability(document)
        if capability.capability_id in registry:
            raise RegistryError(f"{capability.capability_id} is in the registry twice.")
        registry[capability.capability_id] = capability
    return MappingProxyType(registry)


def read_documents(source: str | Path) -> list[dict[str, Any]]:
    """Return the raw entries of a registry, unchecked but for being mappings. Raises ``RegistryError``."""
    text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
    try:
        whole = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that also refuses doubled keys
    except yaml.YAMLError as error:
        raise RegistryError(f"The registry is not YAML: {error}") from error
    entries = (
        whole.get("capabilities") if isinstance(whole, dict) and set(whole) == {"capabilities"} else None
    )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RegistryError("The registry is one list named capabilities, each entry a mapping.")
    return entries


@cache
def default_registry() -> Registry:
    """Return the registry this code was shipped with; read once."""
    return load_registry(REGISTRY_FILE)


def document_of(capability: Capability) -> dict[str, Any]:
    """Return a capability as plain JSON data, keys as the fields are named, sets as sorted lists."""
    document = {field.name: getattr(capability, field.name) for field in fields(capability)}
    for name in ("quotas", "inputs"):
        document[name] = [
            {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
            for part in document[name]
        ]
    return {name: _plain(value) for name, value in document.items()}


def registry_version(registry: Registry) -> str:
    """Return SHA-256 hex over all capabilities as canonical JSON, whatever their order."""
    whole = {name: document_of(capability) for name, capability in registry.items()}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the library's signature
        """Return the mapping. Raises ``RegistryError`` for a doubled key."""
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise RegistryError(f"The key {name} is given twice, line {node.start_mark.line + 1}.")
        return super().construct_mapping(node, deep=deep)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, StrEnum) else value


def _capability(document: Mapping[str, Any]) -> Capability:
    name = document.get("capability_id")
    if not isinstance(name, str) or re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", name) is None:
        raise RegistryError(f"A capability has no proper capability_id: {name!r}.")
    given = {_DURATIONS.get(key, key): value for key, value in document.items()}
    for key, field in _DURATIONS.items():
        if key in document:
            given[field] = _seconds(name, key, document[key])
    _require_keys(name, given, Capability)
    try:
        return Capability(
            **given
            | {
                "risk": Risk(given["risk"]),
                "hazard": Hazard(given["hazard"]),
                "requester_kinds": frozenset(_texts(name, "requester_kinds", given["requester_kinds"])),
                "approver_roles": frozenset(_texts(name, "approver_roles", given["approver_roles"])),
                "quotas": tuple(_quota(name, quota) for quota in _mappings(name, "quotas", given)),
                "inputs": tuple(_input(name, part) for part in _mappings(name, "inputs", given)),
                "tests": tuple(_texts(name, "tests", given["tests"])),
            }
        )
    except ValueError as error:
        raise RegistryError(f"{name}: {error}.") from error


def _quota(name: str, document: Mapping[str, Any]) -> QuotaRule:
    given = dict(document)
    for key in ("window", "cooldown"):
        if key in given:
            given[f"{key}_seconds"] = _seconds(name, key, given.pop(key)) or 0
    _require_keys(f"{name}, quotas", given, QuotaRule)
    if given["scope"] not in {"actor", "owner", "capability"}:
        raise RegistryError(f"{name}, quotas: the scope {given['scope']} is unknown.")
    if given["limit"] < 1 or given["window_seconds"] < 1:
        raise RegistryError(f"{name}, quotas: limit and window are at least 1.")
    return QuotaRule(**given)


def _input(name: str, document: Mapping[str, Any]) -> InputField:
    where = f"{name}, inputs"
    # Bounds belong to the kind of field, so only these have defaults.
    given = {"is_required": True, "least": 0, "most": 500, "pattern": None, "choices": (), **document}
    given.setdefault("is_free_text", False)
    _require_keys(where, given, InputField)
    if given["kind"] not in {"text", "integer", "choice"}:
        raise RegistryError(f"{where}: the kind {given['kind']} is unknown.")
    if given["pattern"] is not None:
        try:
            re.compile(given["pattern"])
        except re.error as error:
            raise RegistryError(f"{where}: the pattern of {given['name']} is no pattern: {error}.") from error
    return InputField(**given | {"choices": tuple(_texts(where, "choices", list(given["choices"])))})


def _require_keys(where: str, given: Mapping[str, Any], kind: type) -> None:
    """Raise unless exactly the fields of a dataclass are given, each of the type its annotation says."""
    wanted: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    problems = [f"{key} is missing" for key in wanted if key not in given]
    problems += [f"{key} is unknown" for key in given if key not in wanted]
    for key in wanted.keys() & given.keys():
        name, value = _TYPES.get(wanted[key]), given[key]
        if name is None:
            continue
        is_flag = isinstance(value, bool)
        if not isinstance(value, wanted[key]) or is_flag is not (wanted[key] is bool):
            problems.append(f"{key} is not {name}")
        elif isinstance(value, int) and value < 0 and kind is not InputField:
            problems.append(f"{key} is negative")  # only bounds of an input may be
    if kind is Capability and given.get("target") not in _TARGETS:
        problems.append(f"target is not one of {', '.join(_TARGETS)}")
    if problems:
        raise RegistryError(f"{where}: {'; '.join(sorted(problems))}.")


def _texts(where: str, key: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RegistryError(f"{where}: {key} is a list of text.")
    return value


def _mappings(where: str, key: str, given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    value = given[key]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RegistryError(f"{where}: {key} is a list of mappings.")
    return value


def _seconds(where: str, key: str, value: Any) -> int | None:
    """Return a duration such as ``26 hours`` in seconds; null stays null."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,6}) (second|minute|hour|day)s?", value) if isinstance(value, str) else None
    if found is None:
        raise RegistryError(f"{where}: {key} is a duration such as 26 hours, not {value!r}.")
    return int(found[1]) * _UNITS[found[2]]
