"""Devices on the page and in the terminal: a status in words, an age, and no number that is not known now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit import words
from cockpit.cli.render import render_state
from cockpit.today import build
from resources.connector import Fault
from studio_assets.devices.section import COUNTS, ConnectorRead, section
from tests.unit.cockpit.facts_of import NOW, facts_of
from tests.unit.cockpit.test_app import ask

GOOD = ConnectorRead(
    "hubitat",
    True,
    True,
    NOW - timedelta(minutes=4),
    3,
    dict.fromkeys(COUNTS, 0) | {"devices": 6, "lowBattery": 1},
)
DEAD = replace(GOOD, is_answered=False, fault=Fault.UNAVAILABLE, next_retry_at=NOW + timedelta(minutes=1))
NEVER = replace(DEAD, read_at=None, counts={}, fault=Fault.AUTH)
NOT_SET_UP = ConnectorRead("roborock", False, False, None, None, {})


def group_of(read):
    (group,) = build(facts_of(devices=[read])).devices
    return group


def page_of(*reads):
    return ask(facts=facts_of(devices=list(reads))).text


def test_devices_that_are_up_to_date_are_counted_with_their_as_of_time_and_age():
    group = group_of(GOOD)
    assert (group.name, group.status_words, group.notes) == ("Hubitat hub", "up to date", ())
    assert (group.read_at, group.age) == ("21 November 2026, 12:26", "4 minutes ago")
    assert {tile.label: tile.value for tile in group.counts}["Devices"] == "6"
    assert [tile.label for tile in group.counts if tile.wants_attention] == ["Low battery"]


@pytest.mark.parametrize("read", [DEAD, replace(GOOD, read_at=NOW - timedelta(minutes=61))])
def test_old_devices_are_called_old_and_show_no_number(read):
    """Also when nobody failed: a reading simply grows old while no run looks."""
    group = group_of(read)
    assert group.status_words == "old"
    assert group.counts == ()
    assert "not known now" in group.notes[0]
    assert group.read_at


def test_the_banner_says_which_devices_nobody_knows_now():
    """On a phone the devices are far below: whoever reads only the first lines is told, too."""
    assert "Hubitat hub" in build(facts_of(devices=[DEAD, NOT_SET_UP])).explanation
    assert "Hubitat hub" in build(facts_of(devices=[NEVER])).explanation
    assert build(facts_of(devices=[GOOD, NOT_SET_UP])).explanation == "Every source was read whole."


def test_the_statuses_read_differently_and_say_why_and_when_next():
    """No answer is told apart from not set up, by words, not only by colour."""
    groups = [group_of(read) for read in (GOOD, DEAD, NEVER, NOT_SET_UP)]
    assert len({group.status_words for group in groups}) == len({group.notes for group in groups}) == 4
    assert groups[1].notes[1:] == ("It does not answer.", "Asked again from 21 November 2026, 12:31.")
    assert "The login is refused." in groups[2].notes
    assert groups[3].notes == ("Nobody has set this up; nothing is asked. This is not an error.",)
    assert groups[3].read_at == groups[2].read_at == ""


def test_the_page_shows_the_devices_and_none_when_no_run_looked():
    shown = page_of(GOOD, NOT_SET_UP)
    assert '<h2 id="devices">Devices</h2>' in shown
    assert 'class="status current">up to date' in shown
    assert 'class="status not_configured">not set up' in shown
    assert "Low battery" in shown
    assert 'id="devices"' not in page_of()
    assert "Low battery" not in page_of(DEAD)


def test_every_count_has_words_and_so_has_every_fault():
    assert tuple(name for name, _ in words.DEVICE_COUNTS) == COUNTS
    assert words.label("devices.hubitat.lowBattery") == "Hubitat hub: low battery"
    assert words.label("devices.other.new") == "other: new"
    assert words.fault(None) == ""
    assert all(words.fault(fault.value) for fault in Fault)


def test_the_terminal_says_the_same():
    state = {
        "asOf": NOW.isoformat(),
        "snapshotDate": "2026-11-21",
        "revision": 1,
        "contentHash": "ab" * 32,
        "devices": section([GOOD, replace(DEAD, connector_id="roborock")], NOW, 60),
    }
    lines = list(render_state(state, "America/Phoenix"))
    at = lines.index("Devices")
    assert lines[at + 1].startswith("  Hubitat hub")
    assert "up to date, read 21 November 2026, 12:26 (4 minutes ago)." in lines[at + 1]
    assert any("Low battery" in line and line.endswith("<- look") for line in lines)
    (old,) = (line for line in lines if "Roborock robots" in line)
    assert "old, read" in old
    assert old.endswith("It does not answer.")
