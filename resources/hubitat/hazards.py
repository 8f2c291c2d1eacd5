"""Which capability classes of a hub's devices could do harm, and which attributes must not leave the hub."""

from collections.abc import Iterable
from typing import Final

# The class cannot tell what is plugged in: a switch may feed a kiln. Buttons and virtual presence trigger
# rules, unlocks among them.
HAZARDS: Final = frozenset(
    {
        *("Actuator", "Alarm", "AudioNotification", "Bulb", "Chime", "ColorControl", "DoorControl"),
        *("DoubleTapableButton", "FanControl", "GarageDoorControl", "HeaterCooler", "HoldableButton"),
        *("Light", "Lock", "LockCodes", "LockOnly", "Momentary", "MusicPlayer", "Outlet", "PushableButton"),
        *("RelaySwitch", "ReleasableButton", "SecurityKeypad", "SpeechSynthesis", "Switch", "SwitchLevel"),
        *("Thermostat", "ThermostatCoolingSetpoint", "ThermostatFanMode", "ThermostatHeatingSetpoint"),
        *("ThermostatMode", "ThermostatOperatingState", "ThermostatSetpoint", "Tone", "Valve"),
        *("VirtualPresence", "WindowBlind", "WindowShade"),
    }
)


def hazards(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Return the dangerous classes among these, in alphabetical order."""
    return tuple(sorted(HAZARDS.intersection(capabilities)))
