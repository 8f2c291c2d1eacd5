"""Numbers of events reach the results that were written with them, and nothing else."""

from dataclasses import replace

from policies.gateway_landed import numbered, numbered_as
from policies.ports import SwitchChange
from tests.unit.policies.stage import ADMIN, REASON, START


def test_a_result_gets_the_number_it_was_written_with(stage):
    """The real one where the event's was provisional; a part that was only read keeps its own."""
    written, read = stage.propose(), stage.propose()
    rows = [(replace(written), -1), (written, -2)]
    assert numbered_as((written, read, "more"), rows, {-1: 7, -2: 8}) == (
        replace(written, audit_seq=8),
        read,
        "more",
    )
    assert numbered_as(written, rows).audit_seq == -2, "not told yet"
    assert numbered_as(written, [(written, 9)]).audit_seq == 9, "known at once"


def test_rows_are_numbered_where_they_have_a_place(stage):
    """A change of the switch has none."""
    proposal, change = stage.propose(), SwitchChange("halted", ADMIN.actor_id, REASON, START)
    assert numbered([(proposal, 5), (change, 5)]) == [replace(proposal, audit_seq=5), change]
