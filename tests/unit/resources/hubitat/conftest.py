"""A pretend hub and the connector to it."""

import pytest

from resources.clock import SystemClock
from resources.hubitat.gateway import HubitatAddress
from resources.hubitat.live import HubitatConnector
from twins.hubitat.server import APP_ID, HubitatTwin

CANARY = "canary-0b7e4d1f9a"


@pytest.fixture
def hub():
    with HubitatTwin(token=CANARY) as twin:
        yield twin


@pytest.fixture
def address(hub):
    return HubitatAddress(hub.url, APP_ID, CANARY)


@pytest.fixture
def connector(address):
    return HubitatConnector(address, SystemClock())
