"""A state as plain text for a terminal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cockpit import words


def render_state(state: Mapping[str, Any], timezone: str) -> Iterator[str]:
    """Yield the lines that show a state: numbers by group, what changed, what was set aside, drift."""
    as_of = datetime.fromisoformat(state["asOf"])
    yield f"{state['snapshotDate']}, revision {state['revision']}, hash {str(state['contentHash'])[:12]}"
    yield f"Derived from cloud, as of {words.local_time(as_of, timezone)} ({timezone})"
    yield from (f"STALE: {reason}" for reason in state.get("staleReasons", ()))
    values = _values(state)
    for title, group in words.GROUPS:
        shown = [(text, path) for path, text in group if path in values]
        yield ""
        yield title
        for text, path in shown:
            mark = "  <- look" if path in words.WANT_ATTENTION and values[path] else ""
            yield f"  {text:<30} {words.number(path, values[path]):>12}{mark}"
    yield from _render_devices(state.get("devices", {}), timezone)
    yield ""
    yield from render_diff(state.get("diff"), timezone)
    yield from _render_drift(state.get("drift"))
    yield from _render_sources(state.get("sources", {}))
    yield from _render_checks(state.get("checks"))


def render_diff(diff: Mapping[str, Any] | None, timezone: str) -> Iterator[str]:
    """Yield the lines that show a comparison."""
    if diff is None or diff["fromReadAt"] is None:
        yield "Nothing to compare with yet."
        return
    since = words.local_time(datetime.fromisoformat(diff["fromReadAt"]), timezone)
    if not diff["changes"]:
        yield f"No number changed since {since} ({diff['fromDate']}, revision {diff['fromRevision']})."
        return
    yield f"Changed since {since} ({diff['fromDate']}, revision {diff['fromRevision']}):"
    for item in diff["changes"]:
        path = item["counter"]
        old, new = words.number(path, item["old"]), words.number(path, item["new"])
        yield f"  {words.label(path):<30} {old:>12} -> {new:<12} {words.change(path, item['delta'])}"


def _values(state: Mapping[str, Any]) -> dict[str, int]:
    return {
        f"{section}.{name}": int(value)
        for section in ("counts", "ops", "finance")
        for name, value in state.get(section, {}).items()
    }


def _render_devices(devices: Mapping[str, Mapping[str, Any]], timezone: str) -> Iterator[str]:
    if not devices:
        return
    yield ""
    yield "Devices"
    for connector, entry in devices.items():
        said = words.DEVICE_STATUS[entry["status"]]
        if entry["readAt"] is not None:
            read_at = words.local_time(datetime.fromisoformat(entry["readAt"]), timezone)
            said += f", read {read_at} ({words.ago(entry['ageSeconds'])})"
        yield f"  {words.connector_name(connector):<30} {said}. {words.fault(entry['fault'])}".rstrip()
        for name, label in words.DEVICE_COUNTS:
            if entry.get(name) is not None:
                mark = "  <- look" if name in words.DEVICES_WANT_ATTENTION and entry[name] else ""
                yield f"    {label:<28} {entry[name]:>12,}{mark}"


def _render_drift(drift: Mapping[str, Any] | None) -> Iterator[str]:
    if not drift or not drift["compared"]:
        return
    if not drift["drifting"]:
        yield f"Drift: none; the sources counted {drift['compared']} of these numbers themselves, and agree."
    for item in drift["drifting"]:
        name = words.label(item["metric"])
        yield f"Drift: {name} is {item['observed']}, the source says {item['expected']}."


def _render_sources(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    documents = sum(source["documents"] or 0 for source in sources.values())
    billed = sum(source["billedReads"] for source in sources.values())
    aside = sum(source.get("quarantined", 0) for source in sources.values())
    yield (
        f"Read: {documents:,} documents of {len(sources)} collections, {billed:,} billed; {aside} set aside."
    )
    for name, source in sources.items():
        if source["completeness"] != "full":
            yield f"  {words.source_name(name)}: {source['completeness']}. {source.get('reason') or ''}"


def _render_checks(checks: Mapping[str, Any] | None) -> Iterator[str]:
    if checks is None:
        return
    yield f"Checks: {checks['passed']} passed, {checks['failed']} failed."
    for item in checks["failures"]:
        yield f"  {item['asset']}: {item['check']} does not hold. {' '.join(item['notes'])}"
