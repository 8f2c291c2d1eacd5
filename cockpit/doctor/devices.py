"""Checks of what opens devices: which connectors are configured, and whether the login is a private file.

Nothing is asked of a device: ``studio connectors status`` tells how the connectors do.
"""

from typing import Final

from cockpit.doctor.finding import Finding
from resources.connector import ConnectorError
from resources.roborock.session import load_session
from resources.settings import Settings

NOT_CONFIGURED: Final = "not configured"


def check_connectors(settings: Settings) -> list[Finding]:
    """Return what was found of the connectors' settings; one that is not configured is fine."""
    return [_check_hub(settings), _check_robots(settings)]


def _check_hub(settings: Settings) -> Finding:
    # That its three values belong together was checked with the settings.
    is_there = settings.hubitat_url is not None
    return Finding("connector hubitat", detail="configured" if is_there else NOT_CONFIGURED)


def _check_robots(settings: Settings) -> Finding:
    name = "connector roborock"
    if settings.roborock_session is None:
        return Finding(name, detail=NOT_CONFIGURED)
    try:
        load_session(settings.roborock_session)
    except ConnectorError as error:
        # The house runs on without robots, so this is worth a note and no more.
        remedy = "Then ./studio connectors status shows whether it is used."
        return Finding(name, str(error), remedy, is_needed=False)
    return Finding(name, detail="configured, and the login is a private file")
