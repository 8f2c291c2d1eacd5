"""Promises of the control server about the pretend issuer: tokens on request, acts, faults, no browsers."""

import pytest
import requests

from twins.control import IDENTITY_KINDS, Control
from twins.firestore.server import FirestoreTwin
from twins.identity.server import IdentityTwin
from twins.stripe.server import StripeTwin


@pytest.fixture
def desk():
    """Return the running issuer and a function that asks the control server."""
    firestore, stripe = FirestoreTwin(), StripeTwin()
    with (
        IdentityTwin("pretend") as identity,
        stripe,
        Control(firestore, stripe, lambda: None, identity=identity) as control,
    ):

        def ask(method, path, wish=None, **headers):
            answer = requests.request(method, f"{control.url}{path}", json=wish, headers=headers, timeout=10)
            return answer.status_code, answer.json()

        yield identity, ask
    firestore.stop()


def test_a_token_is_signed_on_request(desk):
    identity, ask = desk
    status, said = ask("POST", "/tokens", {"uid": "u1", "claims": {"staff": True}, "seconds": 5})
    assert (status, said["uid"], said["seconds"], said["token"].count(".")) == (200, "u1", 5, 2)
    assert identity.issuer.account("u1") is not None


@pytest.mark.parametrize(("path", "wish"), [("/tokens", {"uid": 7}), ("/identity", {"act": "dance"})])
def test_what_means_nothing_is_refused_with_a_sentence(desk, path, wish):
    status, said = desk[1]("POST", path, wish)
    assert (status, said["ok"]) == (400, False)
    assert said["error"]


def test_rotation_and_revocation_are_acts_of_the_control_server(desk):
    identity, ask = desk
    before = set(identity.issuer.certificates())
    assert ask("POST", "/identity", {"act": "rotate"})[1]["keyId"] not in before
    assert ask("POST", "/identity", {"act": "revoke", "uid": "u1"}) == (200, {"ok": True})
    assert identity.issuer.account("u1").valid_since > 0


@pytest.mark.parametrize("path", ["/tokens", "/identity", "/faults"])
def test_a_page_in_a_browser_can_do_nothing(desk, path):
    """A page from anywhere may send a request to this machine; it is known by its origin."""
    identity, ask = desk
    status, said = ask("POST", path, {"uid": "u1"}, Origin="http://evil.example")
    assert (status, "token" in said) == (403, False)
    assert identity.issuer.account("u1") is None


@pytest.mark.parametrize("kind", IDENTITY_KINDS)
def test_every_fault_of_the_issuer_strikes_and_is_taken_back(desk, kind):
    identity, ask = desk
    assert ask("POST", "/faults", {"target": "identity", "kind": kind, "seconds": 0.2})[0] == 200
    answer = requests.get(identity.keys_url, timeout=10)
    assert {
        "unavailable": answer.status_code == 503,
        "garbled": answer.text == '["garbled"]',
        "latency": answer.elapsed.total_seconds() >= 0.2,
    }[kind]
    assert ask("DELETE", "/faults")[0] == 200
    answer = requests.get(identity.keys_url, timeout=10)
    assert answer.json() == identity.issuer.certificates()
    assert answer.headers["Cache-Control"].startswith("public, max-age=600")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/projects/other/accounts:lookup", b'{"localId": ["u1"]}', 404),
        ("/v1/projects/pretend/accounts:delete", b'{"localId": ["u1"]}', 404),
        ("/v1/projects/pretend/accounts:lookup", b"not json", 400),
        ("/v1/projects/pretend/accounts:lookup", b"[]", 400),
        ("/v1/projects/pretend/accounts:lookup", b'{"localId": 7}', 400),
        ("/v1/projects/pretend/accounts:lookup", b" " * 20_000, 400),
        ("/v1/projects/pretend/accounts:lookup", b'{"localId": ["nobody"]}', 200),
    ],
)
def test_accounts_are_looked_up_as_at_google(desk, path, body, status):
    """Another project, another act, or garbage is refused; an account there is not leaves ``users`` out."""
    answer = requests.post(f"{desk[0].url}{path}", data=body, timeout=10)
    assert answer.status_code == status
    assert "users" not in answer.json()
