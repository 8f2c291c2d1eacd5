"""Every connector of the product, one row each: its capability, its patience, and how it is made.

A new connector is one folder and one row here. Vendors' modules load inside ``make`` only: that takes a
second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from resources.clock import Clock
from resources.connector import Connector, ConnectorError
from resources.connectors.runner import CallPolicy
from resources.hubitat import gateway as hubitat
from resources.hubitat.parse import TemperatureScale
from resources.roborock import gateway as roborock
from resources.roborock.session import load_session
from resources.settings import Settings


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """One connector.

    Attributes:
        connector_id: Its id, also of its circuit and in the record of calls.
        capability_id: What the gateway is asked for before a read.
        version: Of its code.
        policy: How patient calls are, and when they stop.
        is_configured: Says whether the settings name somebody to ask.
        make: Makes a connector from such settings; connects to nobody.
        secrets: Returns secret values of such settings that are not in the settings themselves.
    """

    connector_id: str
    capability_id: str
    version: str
    policy: CallPolicy
    is_configured: Callable[[Settings], bool]
    make: Callable[[Settings, Clock], Connector]
    secrets: Callable[[Settings], Sequence[str]] = lambda _: ()


_SCALES: Final = {"F": TemperatureScale.FAHRENHEIT, "C": TemperatureScale.CELSIUS}


def _has_hub(settings: Settings) -> bool:
    return None not in (settings.hubitat_url, settings.hubitat_app_id, settings.hubitat_token)


def _hub(settings: Settings, clock: Clock) -> Connector:
    from resources.hubitat.live import HubitatConnector  # noqa: PLC0415 - see the module

    url, app_id, token = settings.hubitat_url, settings.hubitat_app_id, settings.hubitat_token
    if url is None or app_id is None or token is None:
        raise ValueError("No hub is configured.")
    scale = _SCALES[settings.hubitat_scale]
    return HubitatConnector(hubitat.HubitatAddress(url, app_id, token.get_secret_value(), scale), clock)


def _has_robots(settings: Settings) -> bool:
    return settings.roborock_session is not None


def _robots(settings: Settings, clock: Clock) -> Connector:
    from resources.roborock.live import LiveRoborock  # noqa: PLC0415 - see the module

    if settings.roborock_session is None:
        raise ValueError("No Roborock login is configured.")
    return LiveRoborock(settings.roborock_session, settings.home / roborock.CACHE_FILE, clock)


def _robots_secrets(settings: Settings) -> Sequence[str]:
    if settings.roborock_session is None:
        return ()
    try:
        return load_session(settings.roborock_session).secrets
    except ConnectorError:
        return ()  # there is no login that could get out


ROWS: Final = (
    ConnectorRow(hubitat.CONNECTOR_ID, "hubitat.devices.read", hubitat.VERSION, CallPolicy(), _has_hub, _hub),
    ConnectorRow(
        roborock.CONNECTOR_ID,
        "roborock.devices.read",
        roborock.VERSION,
        # Trying again within one read would cost ten seconds a robot; the next read is soon enough.
        CallPolicy(deadline_seconds=60.0, attempt_seconds=59.0, attempts=1),
        _has_robots,
        _robots,
        _robots_secrets,
    ),
)
"""The connectors, in the order people see them."""


def rows_by_id(rows: Sequence[ConnectorRow] = ROWS) -> Mapping[str, ConnectorRow]:
    """Return the rows by connector id."""
    return {row.connector_id: row for row in rows}
