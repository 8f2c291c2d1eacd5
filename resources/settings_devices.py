"""What settings of devices may not be, looked at together: a hub's address, app and token; thresholds.

Pure functions of the variables as given, called by :mod:`resources.settings`. No sentence holds a value.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from resources.hubitat.gateway import HubitatAddress, HubitatAddressError
from resources.settings_rules import is_loopback

HUB: Final = ("STUDIO_HUBITAT_URL", "STUDIO_HUBITAT_APP_ID", "STUDIO_HUBITAT_TOKEN")
LOW, HIGH = "STUDIO_KILN_ROOM_LOW_CELSIUS", "STUDIO_KILN_ROOM_HIGH_CELSIUS"
# The rule of one value is asked with others that keep it, so that each sentence names its own variable.
_GOOD: Final = ("http://127.0.0.1", "1", "t")


def hub_problems(given: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the three values that name a hub, and where it may not be read."""
    there = [name for name in HUB if name in given]
    if not there:
        return []
    problems = []
    if missing := [name for name in HUB if name not in given]:
        problems.append(
            f"{' and '.join(there)} given, but not {' and '.join(missing)};"
            " a hub needs all three, or none of them when there is no hub."
        )
    for at, name in enumerate(HUB):
        try:
            if name in given:
                trial = [*_GOOD[:at], given[name], *_GOOD[at + 1 :]]
                HubitatAddress(trial[0], trial[1], trial[2])
        except HubitatAddressError as error:
            problems.append(f"{name} cannot be used: {error}")
    if not problems and "FIRESTORE_EMULATOR_HOST" in given and not _is_on_this_machine(given[HUB[0]]):
        problems.append(
            f"{HUB[0]} names a real hub, but FIRESTORE_EMULATOR_HOST a twin; a state mixed from a real and a"
            " pretend source would be false. Unset one of them."
        )
    return problems


def threshold_problems(given: Mapping[str, str], *, low: float, high: float) -> list[str]:
    """Return whether the range of the kiln room is none; ``low`` and ``high`` stand for what is not given."""
    try:
        is_range = float(given.get(LOW, low)) < float(given.get(HIGH, high))
    except ValueError:
        return []  # what is no number is told where numbers are checked
    return [] if is_range else [f"{LOW} must be lower than {HIGH}."]


def _is_on_this_machine(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")
