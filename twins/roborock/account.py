"""The pretend account: what its login and its home look like, as the cloud tells them."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twins.roborock.robots import FakeRobot

HOME_ID: Final = 5150
_FIELD: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Account:
    """One account; every value but the address is a secret on the real side.

    Attributes:
        code: What the mail says at login.
    """

    email: str = "robots@studio.example"
    token: str = field(default="pretend-token", repr=False)
    user: str = field(default="pretend-user", repr=False)
    password: str = field(default="pretend-password", repr=False)
    signing_key: str = field(default="pretend-signing-key", repr=False)
    sealing_key: str = field(default="pretend-sealing-key", repr=False)
    code: str = field(default="246810", repr=False)

    def user_data(self, cloud_url: str, broker_url: str) -> dict[str, Any]:
        """Return what a login gives."""
        return {
            "uid": 7,
            "tokentype": "",
            "token": self.token,
            "rruid": "pretend",
            "region": "us",
            "countrycode": "1",
            "country": "US",
            "nickname": "Studio",
            "rriot": {
                "u": self.user,
                "s": self.password,
                "h": self.signing_key,
                "k": self.sealing_key,
                "r": {"r": "US", "a": cloud_url, "m": broker_url, "l": cloud_url},
            },
        }

    def broker_login(self) -> tuple[str, str]:
        """Return the name and password that the broker expects."""
        name, password = (
            hashlib.md5(f"{part}:{self.sealing_key}".encode()).hexdigest()  # noqa: S324 - the maker's own way
            for part in (self.user, self.password)
        )
        return name[2:10], password[16:]

    def is_signed(self, path: str, authorization: str) -> bool:
        """Return whether a call of the cloud carries this account's signature."""
        given = dict(_FIELD.findall(authorization))
        digest = hashlib.md5(path.encode()).hexdigest()  # noqa: S324 - the maker's own way
        told = ":".join(
            [self.user, self.password, given.get("nonce", ""), given.get("ts", ""), digest, "", ""]
        )
        mac = hmac.new(self.signing_key.encode(), told.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(base64.b64encode(mac).decode(), given.get("mac", ""))


def home(robots: Sequence[FakeRobot]) -> dict[str, Any]:
    """Return the home as the cloud tells it."""
    return {
        "id": HOME_ID,
        "name": "Pretend studio",
        "rooms": [{"id": 1, "name": "Glaze room"}, {"id": 2, "name": "Throwing room"}],
        "receivedDevices": [],
        "devices": [
            {
                "duid": robot.duid,
                "name": robot.name,
                "localKey": robot.local_key,
                "productId": f"product-{robot.duid}",
                "pv": robot.pv,
                "fv": "02.16.12",
                "online": robot.is_online,
                "sn": robot.serial,
                "deviceStatus": {"121": robot.state, "122": robot.battery, "120": robot.error_code},
            }
            for robot in robots
        ],
        "products": [
            {
                "id": f"product-{robot.duid}",
                "name": robot.model,
                "model": robot.model,
                "category": robot.category,
                "capability": 0,
                "schema": [],
            }
            for robot in robots
        ],
    }
