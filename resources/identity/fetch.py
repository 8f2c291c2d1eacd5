"""One question to an issuer over HTTP: no redirects, only given credentials, bounded in time and size."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from resources.settings_rules import is_loopback

LARGEST_BODY_BYTES: Final = 256 * 1024
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer; header names are case-insensitive."""

    body: bytes
    headers: Mapping[str, str]


def ask(
    method: str,
    url: str,
    *,
    deadline_seconds: float,
    json: Any = None,
    bearer: str | None = None,
) -> Answer:
    """Ask once.

    Raises:
        requests.RequestException: when no whole answer with status 200 came in time.
    """
    ends_at = time.monotonic() + deadline_seconds
    with requests.Session() as session:
        # A proxy is for the way out; what is on this machine is reached directly.
        session.trust_env = not is_loopback(urlsplit(url).hostname or "")
        # Otherwise the library would look for a password in ~/.netrc and send it.
        session.auth = _Bearer(bearer)
        with session.request(
            method, url, json=json, timeout=deadline_seconds, stream=True, allow_redirects=False
        ) as response:
            if response.status_code != _OK:
                raise requests.HTTPError(f"status {response.status_code}")
            return Answer(_read_whole(response, ends_at), response.headers)


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _read_whole(response: requests.Response, ends_at: float) -> bytes:
    body = bytearray()
    # Byte by byte: a larger read would wait until it is full, past the deadline. Answers are a few kB.
    for chunk in response.iter_content(1):
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too large")
        if time.monotonic() > ends_at:
            raise requests.Timeout("the answer took too long")
    return bytes(body)
