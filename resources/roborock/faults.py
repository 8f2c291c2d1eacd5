"""What went wrong, told from what the vendor's library raised, without a word of its messages.

The library has one flat family of exceptions, and says a timeout only in the text of its base class. Its
texts hold addresses, payloads and answers, so none of them gets out.
"""

import json
from dataclasses import dataclass
from typing import Final

import aiohttp
from roborock.exceptions import (
    RoborockConnectionException,
    RoborockDeviceBusy,
    RoborockException,
    RoborockInvalidCredentials,
    RoborockInvalidStatus,
    RoborockNoResponseFromBaseURL,
    RoborockParsingException,
    RoborockRateLimit,
    RoborockTooFrequentCodeRequests,
    RoborockUnsupportedFeature,
)
from roborock.mqtt.session import MqttSessionException, MqttSessionUnauthorized

from resources.connector import ConnectorError, Fault

_BY_TYPE: Final[tuple[tuple[tuple[type[BaseException], ...], Fault], ...]] = (
    ((RoborockInvalidCredentials, MqttSessionUnauthorized), Fault.AUTH),
    ((RoborockRateLimit, RoborockTooFrequentCodeRequests), Fault.RATE_LIMITED),
    ((RoborockUnsupportedFeature, RoborockInvalidStatus), Fault.UNSUPPORTED),
    ((RoborockParsingException, aiohttp.ContentTypeError, json.JSONDecodeError), Fault.BAD_RESPONSE),
    ((aiohttp.ClientPayloadError,), Fault.BAD_RESPONSE),
    ((TimeoutError,), Fault.TIMEOUT),
    ((RoborockConnectionException, RoborockDeviceBusy, MqttSessionException), Fault.UNAVAILABLE),
    ((RoborockNoResponseFromBaseURL, aiohttp.ClientError, OSError), Fault.UNAVAILABLE),
    ((TypeError, ValueError, LookupError, AttributeError), Fault.BAD_RESPONSE),
)
_SILENCE: Final = ("timed out", "timeout")
_NO_WIRE: Final = (
    "not connected",
    "failed to publish",
    "no available connection",
    "network error",
    "mqtt session",
)

SENTENCES: Final = {
    Fault.AUTH: "The Roborock account's login is no longer accepted. Log in again.",
    Fault.TIMEOUT: "No answer in time.",
    Fault.UNAVAILABLE: "Could not be reached.",
    Fault.RATE_LIMITED: "Asked too often; it will be asked again later.",
    Fault.BAD_RESPONSE: "It answered with something that could not be understood.",
    Fault.READ_ONLY_VIOLATION: "A message that might change something was refused; nothing was sent.",
    Fault.UNSUPPORTED: "It does not know this question, or its kind is not known here.",
    Fault.UNKNOWN: "It failed in an unknown way.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, in the connector's words."""

    fault: Fault
    sentence: str
    retry_after_seconds: float | None = None

    @classmethod
    def of(cls, fault: Fault) -> "Failure":
        """Return a failure with the fault's own sentence."""
        return cls(fault, SENTENCES[fault])

    def error(self) -> ConnectorError:
        """Return the error to raise."""
        return ConnectorError(self.fault, self.sentence, retry_after_seconds=self.retry_after_seconds)


def failure_of(error: BaseException) -> Failure:
    """Return what an exception means; nothing of its text is kept unless it is one of ours."""
    if isinstance(error, ConnectorError):
        return Failure(error.fault, str(error), error.retry_after_seconds)
    text = str(error).lower()
    if isinstance(error, RoborockException) and any(word in text for word in _SILENCE):
        # Before the types: the library wraps a timeout of the cloud and of the broker in its other classes.
        return Failure.of(Fault.TIMEOUT)
    for types, fault in _BY_TYPE:
        if isinstance(error, types):
            return Failure.of(fault)
    if isinstance(error, RoborockException) and any(word in text for word in _NO_WIRE):
        return Failure.of(Fault.UNAVAILABLE)
    return Failure.of(Fault.BAD_RESPONSE if isinstance(error, RoborockException) else Fault.UNKNOWN)
