"""A studio with a database, a pretend hub and a pretend robot, and settings that name them."""

import itertools
import os

import pytest
from pydantic import SecretStr

from resources.settings import Settings
from twins.hubitat.server import APP_ID, HubitatTwin
from twins.roborock.account import Account
from twins.roborock.robots import FakeRobot
from twins.roborock.server import RoborockTwin

STUDIO = "monsoonfire"
HUB_CANARY = "canary-hub-51aa07"
ROBOT_CANARIES = Account(
    email="canary-mail-8@studio.example",
    token="canary-token-81",
    user="canary-user-82",
    password="canary-password-83",
    signing_key="canary-signing-84",
    sealing_key="canary-sealing-85",
)
ROBOT_KEY = "canary-robotkey8"
_NUMBERS = itertools.count(1)


@pytest.fixture
def hub():
    with HubitatTwin(token=HUB_CANARY) as twin:
        yield twin


@pytest.fixture
def robots():
    # The robots' port is built into the library, so that every robot needs an address of its own.
    ip = f"127.{128 + os.getpid() % 100}.240.{next(_NUMBERS) % 250 + 1}"
    with RoborockTwin([FakeRobot("robot-1", ROBOT_KEY, ip)], account=ROBOT_CANARIES) as twin:
        yield twin


@pytest.fixture
def bare_settings(postgres_url, tmp_path):
    """Return settings of a studio without devices."""
    return Settings(studio_id=STUDIO, home=tmp_path, database_url=SecretStr(postgres_url))


@pytest.fixture
def settings(bare_settings, hub, robots, tmp_path):
    """Return settings of a studio with a hub and a robot."""
    session = tmp_path / "session.json"
    robots.write_session(session)
    devices = {
        "hubitat_url": hub.url,
        "hubitat_app_id": APP_ID,
        "hubitat_token": SecretStr(HUB_CANARY),
        "roborock_session": session,
    }
    return bare_settings.model_copy(update=devices)
