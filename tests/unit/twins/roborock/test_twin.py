"""The twin's own parts: faults by name, and the days its robots live."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from twins.roborock.faults import ALIASES, KINDS, Faults
from twins.roborock.fleet import STUCK_AT_PCT, free_address, live, studio_robots
from twins.roborock.robots import FakeRobot, answer_datapoints, is_question
from twins.roborock.server import RoborockTwin

NOON = datetime(2026, 11, 21, 19, tzinfo=UTC)


def test_faults_strike_whom_and_how_often_they_are_told():
    """A fault has a robot, a count and an end; an unknown name is refused with the known ones."""
    faults = Faults()
    faults.add("mute", robot="a", count=2)
    assert faults.take("mute", robot="b") is None
    assert faults.take("mute", robot="a")
    assert faults.has("mute", robot="a")
    assert faults.take("mute", robot="a")
    assert not faults.armed()
    faults.add("slow", for_seconds=0.0)
    assert not faults.armed()
    with pytest.raises(ValueError, match="mute"):
        faults.add("nonsense")


@pytest.mark.parametrize("word", sorted(ALIASES))
def test_common_words_for_faults(word):
    """The connectors' words name a fault here."""
    faults = Faults()
    faults.add(word)
    assert faults.armed() == [ALIASES[word]]
    assert ALIASES[word] in KINDS


@pytest.mark.parametrize("number", range(3))
def test_robots_live(number):
    """Over weeks a robot cleans, runs down and charges; the same instant is always the same."""
    robot, twin_of_it = studio_robots("127.9.9.9")[number], studio_robots("127.9.9.9")[number]
    seen, batteries = set(), set()
    for hours in range(24 * 60):
        live(robot, NOON + timedelta(minutes=30 * hours))
        seen.add(robot.state)
        batteries.add(robot.battery)
        # No charge is low: a finding would be a false one.
        assert 40 < robot.battery <= 100
        assert robot.error_code == 0
    assert seen == [{5, 8, 100}, {5, 4}, {1, 3, 2}][number]
    assert len(batteries) > 10
    live(twin_of_it, NOON + timedelta(minutes=30 * (24 * 60 - 1)))
    assert twin_of_it == robot
    assert robot.records == sorted(robot.records)


def test_a_robot_that_is_told_its_trouble_has_it():
    """Trouble comes from outside, so that every one of it is labelled."""
    robot = studio_robots("127.9.9.9")[0]
    live(robot, NOON, 8)
    assert (robot.state, robot.error_code, robot.battery) == (12, 8, STUCK_AT_PCT)


def test_addresses_are_loopback_ones_that_nobody_has():
    """Robots live on addresses of this machine, and not on its first; a taken one is passed over."""
    address = free_address()
    assert ip_address(address).is_loopback
    assert not address.startswith("127.0.")
    with RoborockTwin(address=address):
        assert free_address() not in {address, ""}


def test_addresses_of_two_processes_differ():
    """Every process id begins elsewhere, so that two twins that start at once do not meet."""
    assert len({free_address(seed) for seed in range(40_000, 40_200)}) == 200


def test_what_acts_is_recorded_and_not_answered():
    """A datapoint that sets something gets no answer and is in the record."""
    robot = FakeRobot("q10", "0123456789abcdef", pv="B01", model="roborock.vacuum.ss07")
    assert answer_datapoints(robot, {"201": 1}, Faults()) is None
    assert answer_datapoints(robot, {"102": {}}, Faults()) == {"121": 8, "90": 0, "122": 90}
    assert robot.writes == ["datapoint 201"]
    assert not is_question("get_map")


def test_it_starts_stops_and_frees_its_ports():
    """Stopping is safe to repeat, and a second twin may take the same address at once."""
    address = free_address()
    for _ in range(2):
        twin = RoborockTwin(address=address)
        with twin:
            assert twin.status()["writes"] == 0
            assert twin.cloud_url.startswith("http://127.0.0.1:")
        twin.stop()


def test_a_taken_address_is_told_at_start():
    """Two twins cannot have the same robot; the second leaves nothing behind."""
    address = free_address()
    with RoborockTwin(address=address), pytest.raises(OSError, match="address already in use"):
        RoborockTwin(address=address).start()


def test_a_robot_without_an_address_of_its_own_is_behind_the_broker():
    """Where the system does not have the address, the twin starts all the same."""
    with RoborockTwin([FakeRobot("far", "0123456789abcdef", "192.0.2.77")]) as twin:
        assert twin.robots["far"].ip == ""
