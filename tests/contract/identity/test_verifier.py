"""The verifier against an issuer on the real wire: rotation, revocation, an issuer that is away or slow."""

import contextlib
import http.server
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import requests

from resources.identity import fetch
from resources.identity.fetch import LARGEST_BODY_BYTES
from resources.identity.gateway import IdentityError


def code_of(verifier, token):
    with pytest.raises(IdentityError) as caught:
        verifier.verify(token)
    return caught.value.code


def test_a_token_of_the_issuer_holds_over_http(twin, verifier_of):
    """Signed there, verified here, with keys fetched once."""
    verifier = verifier_of()
    token = twin.issuer.sign("staff-ada", {"staff": True, "roles": ["approver"]}, name="Ada", tenant="t1")
    for _ in range(3):
        identity = verifier.verify(token)
    assert identity.uid == "staff-ada"
    assert identity.claims == {"staff": True, "roles": ["approver"], "tenant": "t1"}
    assert identity.expires_at - identity.issued_at == timedelta(hours=1)
    assert twin.key_questions == 1


def test_another_projects_verifier_refuses_it(twin, verifier_of):
    token = twin.issuer.sign("staff-ada")
    assert code_of(verifier_of(project="another"), token) in {"TOKEN_ISSUER", "TOKEN_AUDIENCE"}


def test_a_token_ends_when_it_says(twin, verifier_of):
    token = twin.issuer.sign("staff-ada", seconds=1)
    verifier_of().verify(token)
    assert code_of(verifier_of(now=time.time() + 30), token) == "TOKEN_EXPIRED"


def test_keys_rotate_without_anybody_noticing(twin, verifier_of):
    """Tokens of the old key and of the new one hold, until the old key is withdrawn."""
    moment = [0.0]
    verifier = verifier_of(monotonic=lambda: moment[0])
    old = twin.issuer.sign("staff-ada")
    verifier.verify(old)
    twin.issuer.rotate()
    new = twin.issuer.sign("staff-ada")
    moment[0] += 31
    verifier.verify(new)
    verifier.verify(old)
    twin.issuer.rotate(is_old_kept=False)
    moment[0] += 31
    verifier.verify(twin.issuer.sign("staff-ada"))
    assert code_of(verifier, old) == "TOKEN_KEY_UNKNOWN"
    assert code_of(verifier, new) == "TOKEN_KEY_UNKNOWN"


def test_a_revoked_session_is_over_at_once_and_a_new_one_holds(twin, verifier_of):
    """Nobody else's session ends."""
    verifier = verifier_of()
    old, other = twin.issuer.sign("staff-ada"), twin.issuer.sign("approver-ben")
    twin.issuer.revoke("staff-ada")
    assert code_of(verifier, old) == "TOKEN_REVOKED"
    assert verifier.verify(twin.issuer.sign("staff-ada")).uid == "staff-ada"
    assert verifier.verify(other).uid == "approver-ben"


def test_a_disabled_account_is_refused_until_it_is_enabled(twin, verifier_of):
    verifier = verifier_of()
    token = twin.issuer.sign("staff-ada")
    twin.issuer.disable("staff-ada")
    assert code_of(verifier, token) == "ACCOUNT_DISABLED"
    twin.issuer.disable("staff-ada", is_disabled=False)
    verifier.verify(token)


def test_the_studios_own_cut_off_ends_every_session(twin, verifier_of):
    token = twin.issuer.sign("staff-ada")
    assert (
        code_of(verifier_of(valid_since=datetime.now(UTC) + timedelta(seconds=5)), token) == "TOKEN_REVOKED"
    )
    verifier_of(valid_since=datetime.now(UTC) - timedelta(seconds=5)).verify(token)


@pytest.mark.parametrize("fault", ["is_unavailable", "is_garbled"])
def test_an_issuer_that_does_not_answer_is_no_reason_to_believe_anybody(twin, verifier_of, fault):
    """Fails closed, and says that it may be good later."""
    token = twin.issuer.sign("staff-ada")
    setattr(twin.faults, fault, True)
    with pytest.raises(IdentityError) as caught:
        verifier_of().verify(token)
    assert (caught.value.code, caught.value.is_transient) == ("KEYS_UNAVAILABLE", True)


def test_good_keys_outlive_an_issuer_that_is_away(twin, verifier_of):
    """The keys still count; whether the account does cannot be asked, so it does not."""
    moment = [0.0]
    verifier = verifier_of(monotonic=lambda: moment[0])
    token = twin.issuer.sign("staff-ada")
    verifier.verify(token)
    twin.faults.is_unavailable = True
    moment[0] += twin.max_age_seconds - 1
    assert code_of(verifier, token) == "REVOCATION_UNREADABLE"
    moment[0] += 1
    assert code_of(verifier, token) == "KEYS_UNAVAILABLE"


def test_a_silent_issuer_is_given_up_in_time(twin, verifier_of, monkeypatch):
    """It is silent for longer than any test may take: whoever hears of it has not waited for its end."""
    token, request, patience = twin.issuer.sign("staff-ada"), requests.Session.request, []

    def noted(session, *asked, timeout, **options):
        patience.append(timeout)
        return request(session, *asked, timeout=timeout, **options)

    monkeypatch.setattr(requests.Session, "request", noted)
    twin.faults.seconds = 3600.0
    assert code_of(verifier_of(deadline_seconds=0.5), token) == "KEYS_UNAVAILABLE"
    assert patience == [0.5]


def test_a_dribbling_issuer_is_given_up_in_time(twin, verifier_of, monkeypatch):
    """Bytes that come renew nobody's patience: by a clock on which each takes 50 ms, eleven are read."""
    token, looks = twin.issuer.sign("staff-ada"), []

    def monotonic():
        looks.append(len(looks) * 0.05)
        return looks[-1]

    twin.faults.is_dribbling = True
    monkeypatch.setattr(fetch, "time", SimpleNamespace(monotonic=monotonic))
    assert code_of(verifier_of(deadline_seconds=0.5), token) == "KEYS_UNAVAILABLE"
    assert looks[-2] <= 0.5 < looks[-1]


def test_nobody_listens(twin, verifier_of):
    token = twin.issuer.sign("staff-ada")
    assert code_of(verifier_of(url="http://127.0.0.1:9/keys"), token) == "KEYS_UNAVAILABLE"


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Sends everybody to another address, or answers without end."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/large":
            self.send_response(200)
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b" " * 65536)
            except ConnectionError:
                self.close_connection = True
            return
        if self.path == "/padded":
            body = json.dumps(self.server.keys).encode() + b" " * LARGEST_BODY_BYTES
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)
            self.close_connection = True
            return
        self.send_response(302)
        self.send_header("Location", self.server.target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def elsewhere(twin):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    server.daemon_threads = True
    server.target, server.keys = twin.keys_url, twin.issuer.certificates()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/moved", "/large", "/padded"])
def test_keys_come_from_the_one_address_and_are_of_a_reasonable_size(twin, verifier_of, elsewhere, path):
    """A redirect is not followed, an endless answer not read to its end."""
    token = twin.issuer.sign("staff-ada")
    assert code_of(verifier_of(url=f"{elsewhere}{path}"), token) == "KEYS_UNAVAILABLE"
    assert twin.key_questions == 0
