"""What must hold of a stored reading of devices: pure rules, in words."""

from collections import Counter
from datetime import timedelta

from resources.connector import Reading

READ_IS_COMPLETE_SENTENCE = "The connector answered, and every device it knows could be read."
DEVICES_ARE_PLAUSIBLE = "devices_are_plausible"
DEVICES_ARE_PLAUSIBLE_SENTENCE = (
    "Every device is there once, batteries lie between 0 and 100 percent, nothing was said in the future, "
    "and what is healthy told no error."
)
CLOCKS_DIFFER = timedelta(minutes=5)


def implausible(reading: Reading) -> list[str]:
    """Return what breaks ``devices_are_plausible``, in words."""
    names = [device.device_id for device in reading.devices]
    names += [failure.device_id for failure in reading.failures]
    found = [f"{name} is there {times} times" for name, times in Counter(names).items() if times > 1]
    for device in reading.devices:
        if device.battery_pct is not None and not 0 <= device.battery_pct <= 100:
            found.append(f"{device.device_id} has a battery of {device.battery_pct} percent")
        if device.observed_at > reading.read_at + CLOCKS_DIFFER:
            found.append(f"{device.device_id} spoke after it was read")
        if device.is_healthy and device.error_name is None and device.error_code is not None:
            found.append(f"{device.device_id} is called healthy with the unknown code {device.error_code}")
    return found
