"""How a hub is reached: its address, what is asked of such an address, and the connector's name."""

import ipaddress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from resources.hubitat.parse import TemperatureScale
from resources.hubitat.paths import is_app_id

CONNECTOR_ID: Final = "hubitat"
VERSION: Final = "1"  # raise with every change of what is asked or how answers are understood
_HOME_DOMAINS: Final = (".local", ".lan", ".home", ".internal", ".home.arpa")


class HubitatAddressError(ValueError):
    """The address of a hub cannot be used; the sentence says what to set instead, and no token."""


@dataclass(frozen=True, slots=True)
class HubitatAddress:
    """Where a hub's Maker API is.

    Attributes:
        url: Scheme, host and port, such as ``http://192.168.1.20``.
        app_id: Number of the Maker API instance; use one with sensors only.
        token: Its access token; a secret.
        scale: The hub's temperature scale.

    Raises:
        HubitatAddressError: for what cannot be a hub, or would carry the token in the open.
    """

    url: str
    app_id: str
    token: str = field(repr=False)
    scale: TemperatureScale = TemperatureScale.FAHRENHEIT

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is sent."""
        _check_url(self.url)
        if not is_app_id(self.app_id):
            raise HubitatAddressError("The Maker API's app id is a number, such as 12.")
        if not self.token or not self.token.isascii() or not self.token.isprintable():
            raise HubitatAddressError("The Maker API's access token is missing, or is not plain text.")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        raise HubitatAddressError("The hub's address begins with http:// and names a host.")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in {"", "/"}:
        raise HubitatAddressError("The hub's address is only http://host; app id and token are set apart.")
    if parts.scheme == "http" and not _is_at_home(host):
        raise HubitatAddressError(
            "A hub outside the own network needs https://, or its token would travel in the open."
        )


def _is_at_home(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_HOME_DOMAINS)
    return (address.is_private or address.is_loopback or address.is_link_local) and not address.is_unspecified
