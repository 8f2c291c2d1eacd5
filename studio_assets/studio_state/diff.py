"""What changed between two full snapshots: signed, key by key, with both as-of times."""

from resources.clock import parse_instant
from resources.rows import CounterChange, Snapshot, SnapshotDiff
from studio_assets.studio_state.snapshot import flat_counters


def compare(old: Snapshot | None, new: Snapshot) -> SnapshotDiff:
    """Return the counters and sources in which ``new`` differs from ``old``.

    ``delta`` is new minus old. Comparing a snapshot with itself changes nothing; swapping the two mirrors
    every change. A counter only one of them knows (an older schema) is not a change. Without an ``old`` (the
    first snapshot ever) there is nothing to compare, and nothing is called changed.
    """
    to_read_at = parse_instant(new.payload["asOf"])
    if old is None:
        return SnapshotDiff(new.snapshot_date, new.revision, to_read_at, None, None, None, (), ())
    before, after = flat_counters(old.payload), flat_counters(new.payload)
    changes = tuple(
        CounterChange(name, before[name], value)
        for name, value in after.items()
        if name in before and before[name] != value
    )
    return SnapshotDiff(
        to_date=new.snapshot_date,
        to_revision=new.revision,
        to_read_at=to_read_at,
        from_date=old.snapshot_date,
        from_revision=old.revision,
        from_read_at=parse_instant(old.payload["asOf"]),
        changes=changes,
        sources_changed=_sources_changed(old, new),
    )


def _sources_changed(old: Snapshot, new: Snapshot) -> tuple[str, ...]:
    before = {name: source["hash"] for name, source in old.payload["sources"].items()}
    after = {name: source["hash"] for name, source in new.payload["sources"].items()}
    return tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name]))
