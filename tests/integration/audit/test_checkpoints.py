"""Signing: only what was verified, at two places, and never a fork."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies.actors import system_actor
from policies.audit_verify import verify_log
from resources.audit_checkpoints import ForkRefusedError, sign_checkpoint, trusted_checkpoints
from resources.audit_destinations import DestinationError, Destinations
from resources.audit_signing import signing_key
from tests.integration.audit.conftest import STUDIO
from tests.unit.policies.ledgers import ledger

NOW = datetime(2026, 11, 21, 16, tzinfo=UTC)


def verdict(log, key, destinations):
    with log.view() as view:
        trusted = trusted_checkpoints(view, destinations.read(), key.public)
        report = verify_log(view, trusted.anchors, known_entries=view.known_entries())
    fault = report.fault
    return (
        (None if fault is None else (fault.seq, fault.kind.value)),
        len(trusted.problems),
        report.checkpoints,
    )


def test_signing_goes_on_from_what_was_signed(log, append, key, destinations):
    """Each checkpoint goes on from the last; nothing new makes none; an empty log is not signed."""
    assert sign_checkpoint(log, key, destinations, NOW) is None
    append(5)
    first = sign_checkpoint(log, key, destinations, NOW)
    again = sign_checkpoint(log, key, destinations, NOW)
    assert (first.checkpoint.size, first.is_new, again.is_new, first.failed) == (5, True, False, {})
    append(700)
    second = sign_checkpoint(log, key, destinations, NOW)
    assert second.checkpoint.size == 705
    assert verdict(log, key, destinations) == (None, 0, 2)
    with log.view() as view:
        assert [kept.tree_size for kept in view.checkpoints()] == [5, 705]
    assert [sorted(copy.notes) for copy in destinations.read()] == [[5, 705]] * 2
    assert [len(copy.leaves[705]) for copy in destinations.read()] == [700 * 32] * 2


def test_signing_is_an_event(log, append, key, destinations):
    """Signing is told in the log, with the checkpoint's row; that event alone makes no new checkpoint."""
    append(3)
    actor = system_actor("checkpoints", STUDIO)
    assert sign_checkpoint(log, key, destinations, NOW, actor).is_new
    with log.view() as view:
        event = view.tail(1)[0]
        assert (event.seq, event.name) == (4, f"audit:{STUDIO}:checkpoint_signed")
        assert (event.actor_id, event.subject_kind, event.subject_id) == (actor.actor_id, "audit", STUDIO)
    again = sign_checkpoint(log, key, destinations, NOW, actor)
    assert (again.checkpoint.size, again.is_new) == (3, False)
    append(1)
    assert sign_checkpoint(log, key, destinations, NOW, actor).checkpoint.size == 5
    assert verdict(log, key, destinations) == (None, 0, 2)


def test_a_fork_is_not_signed(log, append, put, key, destinations):
    """A history written anew is refused, named and located, and nothing more is signed."""
    append(10)
    sign_checkpoint(log, key, destinations, NOW)
    with log.view() as view:
        kept = list(view.entries(0, 10))
    put(ledger(12, "other"))
    with pytest.raises(ForkRefusedError, match="not the history that was signed") as refused:
        sign_checkpoint(log, key, destinations, NOW)
    assert (refused.value.fault.seq, refused.value.fault.kind) == (1, "fork")
    put(kept[:7])
    with pytest.raises(ForkRefusedError) as refused:
        sign_checkpoint(log, key, destinations, NOW)
    assert (refused.value.fault.seq, refused.value.fault.kind) == (8, "truncation")
    assert [sorted(copy.notes) for copy in destinations.read()] == [[10]] * 2


def test_tampering_with_checkpoints_is_a_problem(log, append, key, destinations, tmp_path):
    """A damaged or missing copy is named; the log is still held against the good ones."""
    append(4)
    sign_checkpoint(log, key, destinations, NOW)
    append(4)
    sign_checkpoint(log, key, destinations, NOW)
    one = tmp_path / "one" / STUDIO
    note = one / f"{4:016d}.checkpoint"
    said = note.read_text()
    note.write_text(said.replace("\n4\n", "\n3\n"))
    assert verdict(log, key, destinations) == (None, 1, 2)
    note.unlink()
    assert verdict(log, key, destinations) == (None, 1, 2)
    with pytest.raises(ForkRefusedError, match="missing"):
        sign_checkpoint(log, key, destinations, NOW)
    note.write_text(said)
    assert verdict(log, key, destinations) == (None, 0, 2)


def test_an_emptied_destination_is_told_and_filled_again(log, append, key, destinations, tmp_path):
    """Who removes all files of a place is seen; the next signing restores them, and goes on as before."""
    for _ in range(3):
        append(4)
        sign_checkpoint(log, key, destinations, NOW)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "one" / STUDIO).iterdir()}
    shutil.rmtree(tmp_path / "one" / STUDIO)
    with log.view() as view:
        trusted = trusted_checkpoints(view, destinations.read(), key.public)
    assert trusted.emptied == [destinations.urls[0]]
    sign_checkpoint(log, key, destinations, NOW)
    assert {path.name: path.read_bytes() for path in (tmp_path / "one" / STUDIO).iterdir()} == kept
    append(4)
    sign_checkpoint(log, key, destinations, NOW)
    assert [sorted(copy.notes) for copy in destinations.read()] == [[4, 8, 12, 16]] * 2
    assert verdict(log, key, destinations) == (None, 0, 4)


def test_checkpoints_outlive_the_database(log, append, tamper, key, destinations):
    """With log and checkpoints of the database gone or forged, the destinations still tell."""
    append(6)
    sign_checkpoint(log, key, destinations, NOW)
    tamper(
        "ALTER TABLE studio.audit_checkpoints DISABLE TRIGGER ALL",
        "DELETE FROM studio.audit_checkpoints",
        "DELETE FROM studio.audit_events WHERE seq > 2",
    )
    assert verdict(log, key, destinations)[0] == (3, "truncation")


def test_a_key_of_somebody_else_signs_nothing_here(log, append, key, destinations, tmp_path):
    """Whoever replaces the key cannot explain the checkpoints that are there."""
    append(6)
    sign_checkpoint(log, key, destinations, NOW)
    other = signing_key(tmp_path / "elsewhere", STUDIO)
    assert verdict(log, other, destinations)[1] >= 3
    with pytest.raises(ForkRefusedError):
        sign_checkpoint(log, other, destinations, NOW)


def test_one_destination_is_not_enough(log, append, key, tmp_path):
    """When only one place takes it the checkpoint does not count, and the next attempt mends that."""
    append(2)
    blocked = Path(tmp_path / "two")
    blocked.write_text("in the way")
    places = Destinations([str(tmp_path / "one"), str(blocked)], STUDIO)
    with pytest.raises(DestinationError):
        sign_checkpoint(log, key, places, NOW)
    with log.view() as view:
        assert view.checkpoints() == []
    blocked.unlink()
    assert sign_checkpoint(log, key, places, NOW).failed == {}
    assert verdict(log, key, places) == (None, 0, 1)
