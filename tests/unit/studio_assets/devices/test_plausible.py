"""What must hold of readings: each rule can fail, and a good day breaks none."""

from datetime import timedelta

import pytest

from resources.connector import DeviceFailure, Fault
from studio_assets.devices.plausible import implausible
from tests.unit.studio_assets.devices.strategies import READ_AT, device, reading, robot


def test_a_good_reading_breaks_nothing():
    assert implausible(reading(device("1"), robot("2", error_code="407", error_name="cleaning"))) == []


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (reading(device("1"), device("1")), "1 is there 2 times"),
        (reading(device("1"), failures=[DeviceFailure("1", Fault.TIMEOUT, "x")]), "1 is there 2 times"),
        (reading(device("1", battery_pct=101)), "1 has a battery of 101 percent"),
        (reading(device("1", observed_at=READ_AT + timedelta(minutes=6))), "1 spoke after it was read"),
        (reading(robot("1", error_code="999")), "1 is called healthy with the unknown code 999"),
    ],
)
def test_each_impossible_thing_is_said(spoiled, said):
    assert implausible(spoiled) == [said]
