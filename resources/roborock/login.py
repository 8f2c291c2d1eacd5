"""Logging in to a Roborock account, once, by a person: the code comes by mail. The only place that may.

The login is written as a secret file; nothing of it is shown.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import aiohttp
from roborock.exceptions import (
    RoborockAccountDoesNotExist,
    RoborockException,
    RoborockInvalidCode,
    RoborockInvalidEmail,
    RoborockInvalidUserAgreement,
    RoborockNoUserAgreement,
)
from roborock.web_api import RoborockApiClient

from resources.connector import ConnectorError, Fault
from resources.roborock.faults import Failure, failure_of
from resources.roborock.guard import cloud_middleware, install_guard, logging_in
from resources.roborock.loop import run_alone
from resources.roborock.session import RoborockSession, save_session

CALL_SECONDS: Final = 30.0
_NOTHING_SAVED: Final = "Nothing was saved."
_REFUSALS: Final[tuple[tuple[type[RoborockException], str], ...]] = (
    (RoborockInvalidCode, "The code is not right, or too old. Ask for a new one."),
    (RoborockInvalidEmail, "The address is not one of a Roborock account."),
    (RoborockAccountDoesNotExist, "There is no Roborock account with this address."),
    (RoborockNoUserAgreement, "Roborock wants its user agreement accepted in its app first."),
    (RoborockInvalidUserAgreement, "Roborock wants its new user agreement accepted in its app first."),
)


def log_in(
    email: str, ask_code: Callable[[], str], session_path: Path, *, base_url: str | None = None
) -> None:
    """Have a code sent to an address, ask for it, and write the login to ``session_path`` (mode 0600).

    Args:
        email: The account's address.
        ask_code: Returns the code the person received; called once the mail is on its way. It may take its
            time, and be interrupted like any other waiting for a person.
        session_path: Where the login is kept; an older one is replaced only by a working one.
        base_url: The cloud to use; the maker's own, found by the address, when null.

    Raises:
        ConnectorError: when the cloud refuses or cannot be reached; nothing is saved then.
    """
    install_guard()
    session = _kept_in_words(lambda: _log_in(email, ask_code, base_url))
    save_session(session_path, session)


async def _log_in(email: str, ask_code: Callable[[], str], base_url: str | None) -> RoborockSession:
    async with aiohttp.ClientSession(
        # A person takes minutes to find a code: no connection is kept for that long.
        connector=aiohttp.TCPConnector(force_close=True),
        middlewares=(cloud_middleware,),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    ) as http:
        with logging_in():
            client = RoborockApiClient(email, base_url=base_url, session=http)
            async with asyncio.timeout(CALL_SECONDS):
                await client.request_code_v4()
            # In this thread: one that waits for a person could not be ended by the interrupt key.
            code = ask_code().strip()
            async with asyncio.timeout(CALL_SECONDS):
                user = await client.code_login_v4(code)
                return RoborockSession(email, str(await client.base_url), user.as_dict())


def _kept_in_words(
    make: Callable[[], Coroutine[Any, Any, RoborockSession]],
) -> RoborockSession:
    try:
        return run_alone(make)
    except Exception as error:  # noqa: BLE001 - the library's own texts hold the address
        failure = failure_of(error)
        for kind, sentence in _REFUSALS:
            if isinstance(error, kind):
                failure = Failure(Fault.AUTH, sentence)
    # Raised outside the handler, so that the library's exception does not hang on to it.
    raise ConnectorError(
        failure.fault,
        f"{failure.sentence} {_NOTHING_SAVED}",
        retry_after_seconds=failure.retry_after_seconds,
    )
