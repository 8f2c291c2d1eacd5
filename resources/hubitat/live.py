"""The connector to a real hub, or to its twin: plain HTTP, one device list per read, nothing kept between.

Every call opens one connection and closes it, so an idle hub has nothing of ours. No redirect is followed (it
could lead to a command), no proxy of the environment sees the token, and errors carry neither URL nor answer.
"""

import re
from datetime import datetime
from typing import Any, Final, NoReturn, Self

import httpcore
import httpx

from resources.clock import Clock
from resources.connector import Command, CommandPlan, ConnectorError, Fault, Health, Reading
from resources.connectors.redaction import hide_in_library_logs
from resources.hubitat import paths
from resources.hubitat.gateway import CONNECTOR_ID, VERSION, HubitatAddress
from resources.hubitat.parse import parse_devices, parse_json, parse_mode, parse_security
from resources.hubitat.transport import Deadline, ReadOnlyTransport

LARGEST_ANSWER: Final = 8 * 1024 * 1024
CONNECT_SECONDS: Final = 3.0
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
_DEVICE_ID: Final = re.compile(r"[0-9]{1,9}")
_COMMAND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,40}")
_TIMEOUTS: Final = (httpcore.TimeoutException, httpx.TimeoutException)


class HubitatConnector:
    """One hub. Implements ``resources.connector.Connector``; read-only; not for concurrent use."""

    connector_id = CONNECTOR_ID
    version = VERSION
    is_read_only = True

    def __init__(self, address: HubitatAddress, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._base = f"{address.url.rstrip('/')}/apps/api/{address.app_id}/"
        hide_in_library_logs([address.token])

    def health(self, deadline_seconds: float) -> Health:
        """Ask for the short device list; never raises for what the hub does."""
        fault, sentence = None, "The hub answers."
        try:
            with _Visit(self._address, deadline_seconds) as visit:
                count = len(_expect_list(visit.get(self._base + paths.SHORT_LIST)))
            sentence = f"The hub answers and shows {count} devices."
        except ConnectorError as error:
            fault, sentence = error.fault, str(error)
        return Health(is_healthy=fault is None, fault=fault, sentence=sentence, checked_at=self._clock.now())

    def read(self, deadline_seconds: float) -> Reading:
        """Return the devices shown to this Maker API instance, the mode and the safety monitor's state.

        The last two are left null when the instance does not show them. Raises ``ConnectorError`` when the
        device list could not be had.
        """
        with _Visit(self._address, deadline_seconds) as visit:
            body = visit.get(self._base + paths.DEVICES)
            read_at: datetime = self._clock.now()
            devices, failures = parse_devices(body, read_at, self._address.scale)
            mode, mode_fault = visit.get_optional(self._base + paths.MODES, parse_mode)
            security, security_fault = visit.get_optional(self._base + paths.SAFETY_MONITOR, parse_security)
        faults = tuple(dict.fromkeys(fault for fault in (mode_fault, security_fault) if fault))
        return Reading(devices, failures, read_at, mode, security, faults)

    def execute(self, command: Command, *, is_dry_run: bool, deadline_seconds: float) -> CommandPlan:  # noqa: ARG002 - nothing is ever sent
        """Return what a command would call; raise ``ConnectorError`` instead of carrying it out."""
        if not is_dry_run:
            raise ConnectorError(
                Fault.READ_ONLY_VIOLATION,
                "This hub is only read: the command was not sent, and nothing was changed.",
            )
        if not _DEVICE_ID.fullmatch(command.device_id) or not _COMMAND.fullmatch(command.name):
            raise ConnectorError(Fault.UNSUPPORTED, "No device of a hub understands such a command.")
        return CommandPlan(
            f"Device {command.device_id} would be told to {command.name}.",
            {"method": "GET", "path": f"devices/{command.device_id}/{command.name}", **command.arguments},
        )

    def close(self) -> None:
        """Do nothing: nothing is kept between calls."""


class _Visit:
    """One connection to the hub, for one call."""

    def __init__(self, address: HubitatAddress, seconds: float) -> None:
        deadline = Deadline()
        deadline.start(seconds)
        self._token = address.token
        self._client = httpx.Client(
            transport=ReadOnlyTransport(httpx.URL(address.url), deadline),
            timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str) -> Any:
        """Return the JSON at a path; raise ``ConnectorError``."""
        answer = self._fetch(url)
        # Raised out here: inside the handler the vendor's error, with the URL in it, would be its context.
        if isinstance(answer, ConnectorError):
            raise answer
        status, retry_after, body = answer
        if status != httpx.codes.OK:
            _refuse(status, retry_after)
        told = parse_json(body)
        if isinstance(told, dict) and told.get("error"):
            raise ConnectorError(Fault.UNAVAILABLE, "The hub answered that it had an error inside.")
        return told

    def get_optional(self, url: str, parse: Any) -> tuple[str | None, Fault | None]:
        """Return what is nice to have, or the fault that kept it; neither when it is not switched on."""
        try:
            return parse(self.get(url)), None
        except ConnectorError as error:
            if error.fault is Fault.READ_ONLY_VIOLATION:
                raise
            return None, None if error.fault is Fault.UNSUPPORTED else error.fault

    def _fetch(self, url: str) -> tuple[int, str | None, bytes] | ConnectorError:
        try:
            with self._client.stream("GET", url, params={"access_token": self._token}) as answer:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    return ConnectorError(
                        Fault.BAD_RESPONSE, "The hub's answer is packed; we asked for plain."
                    )
                body = bytearray()
                for chunk in answer.iter_raw():
                    body += chunk
                    if len(body) > LARGEST_ANSWER:
                        return ConnectorError(Fault.BAD_RESPONSE, "The hub's answer is far too long.")
                return answer.status_code, answer.headers.get("retry-after"), bytes(body)
        except _TIMEOUTS:
            return ConnectorError(Fault.TIMEOUT, "The hub did not answer in time.")
        except (httpcore.RemoteProtocolError, httpx.RemoteProtocolError):
            return ConnectorError(Fault.BAD_RESPONSE, "The hub's answer was cut, or is not HTTP.")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpx.TransportError):
            return ConnectorError(Fault.UNAVAILABLE, "The hub cannot be reached, or dropped the connection.")


def _refuse(status: int, retry_after: str | None) -> NoReturn:
    wait = _seconds(retry_after)
    if status in {401, 403}:
        raise ConnectorError(
            Fault.AUTH, f"The hub refused ({status}). Check the access token and that local access is on."
        )
    if status == 404:
        raise ConnectorError(
            Fault.UNSUPPORTED, "The hub has no such Maker API instance (404). Check the app id."
        )
    if status in {408, 429}:
        raise ConnectorError(
            Fault.RATE_LIMITED, f"The hub asks for patience ({status}).", retry_after_seconds=wait
        )
    if status >= 500:
        raise ConnectorError(
            Fault.UNAVAILABLE, f"The hub is busy or starts up ({status}).", retry_after_seconds=wait
        )
    if 300 <= status < 400:
        raise ConnectorError(
            Fault.BAD_RESPONSE, f"The hub wants to send us elsewhere ({status}); not followed."
        )
    raise ConnectorError(Fault.BAD_RESPONSE, f"The hub answered {status}, which says nothing to us.")


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(float(retry_after[:9]), LONGEST_RETRY_AFTER_SECONDS)


def _expect_list(told: Any) -> list[Any]:
    if not isinstance(told, list):
        raise ConnectorError(Fault.BAD_RESPONSE, "The hub's device list is not a list.")
    return told
