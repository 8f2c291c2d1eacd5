"""Devices and readings of every kind, for properties that must hold whatever a vendor says."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from resources.connector import DeviceFailure, DeviceReading, Fault, Reading

READ_AT = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
KINDS = ("vacuum", "washing_machine", "temperature_sensor", "motion_sensor", "outlet", "lock", "other")
IDS = [str(number) for number in range(10, 40)]


@st.composite
def devices(draw, device_id):
    """Return one device with this id."""
    return DeviceReading(
        device_id=device_id,
        kind=draw(st.sampled_from(KINDS)),
        model=draw(st.sampled_from((None, "m1"))),
        is_online=draw(st.sampled_from((True, False, None))),
        battery_pct=draw(st.none() | st.integers(0, 100)),
        state=draw(st.sampled_from((None, "idle", "charging", "code_250"))),
        error_code=(code := draw(st.sampled_from((None, "7", "999")))),
        error_name="stuck" if code == "7" else None,
        is_healthy=draw(st.sampled_from((True, False, None))),
        observed_at=READ_AT - timedelta(minutes=draw(st.integers(0, 600))),
        values=draw(st.sampled_from(({}, {"temperature_celsius": -3.0}, {"temperature_celsius": 80.0}))),
        place=draw(st.sampled_from((None, "kiln_room"))),
    )


@st.composite
def readings(draw):
    """Return a reading: some devices that answered, some that did not, no id twice."""
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=6))
    cut = draw(st.integers(0, len(ids)))
    failures = [DeviceFailure(one, draw(st.sampled_from(list(Fault))), "It failed.") for one in ids[cut:]]
    return Reading([draw(devices(one)) for one in ids[:cut]], failures, READ_AT)


def device(device_id="11", **changes):
    """Return a device that is well in every respect, changed as given."""
    well = {
        "device_id": device_id,
        "kind": "temperature_sensor",
        "model": None,
        "is_online": True,
        "battery_pct": 80,
        "state": None,
        "error_code": None,
        "error_name": None,
        "is_healthy": True,
        "observed_at": READ_AT - timedelta(minutes=2),
        "values": {"temperature_celsius": 21.0},
        "place": "kiln_room",
    }
    return DeviceReading(**(well | changes))


def robot(device_id="robot-1", **changes):
    """Return a vacuum that is well in every respect, changed as given."""
    given = {"kind": "vacuum", "state": "charging", "values": {}, "place": None, "observed_at": READ_AT}
    return device(device_id, **(given | changes))


def reading(*found, failures=()):
    """Return a reading of these devices."""
    return Reading(list(found), list(failures), READ_AT)
