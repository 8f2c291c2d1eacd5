"""Promises of the look-up of accounts: only an answer to what was asked counts."""

import json
from datetime import UTC, datetime

import pytest
import requests

from resources.identity import revocation as module
from resources.identity.fetch import Answer
from resources.identity.gateway import IdentityError
from resources.identity.revocation import Account, AccountLookup


@pytest.fixture
def lookup(monkeypatch):
    """Return a function that looks an account up when the issuer answers in a certain way."""
    asked = []

    def find(answer, uid="u1"):
        def ask(method, url, **given):
            asked.append((method, url, given))
            if isinstance(answer, Exception):
                raise answer
            return Answer(answer if isinstance(answer, bytes) else json.dumps(answer).encode(), {})

        monkeypatch.setattr(module, "ask", ask)
        return AccountLookup("https://accounts.example/v1/", "a/b", bearer=lambda: "CanaryBearer").find(uid)

    find.asked = asked
    return find


def test_an_account_is_asked_for_by_its_project_and_id(lookup):
    user = {"localId": "u1", "validSince": "1790000000", "disabled": True, "email": "x@y.example"}
    assert lookup({"users": [user]}) == Account(
        is_disabled=True, valid_since=datetime.fromtimestamp(1_790_000_000, UTC)
    )
    ((method, url, given),) = lookup.asked
    assert (method, url) == ("POST", "https://accounts.example/v1/projects/a%2Fb/accounts:lookup")
    assert (given["json"], given["bearer"]) == ({"localId": ["u1"]}, "CanaryBearer")


def test_what_the_issuer_leaves_out_is_its_default(lookup):
    """An account that was never disabled or revoked says neither."""
    assert lookup({"users": [{"localId": "u1"}]}) == Account(is_disabled=False, valid_since=None)


@pytest.mark.parametrize("answer", [{}, {"users": []}, {"kind": "x"}])
def test_an_account_that_does_not_exist_is_null(lookup, answer):
    assert lookup(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        requests.ConnectionError("https://accounts.example?key=CanaryBearer"),
        requests.Timeout("slow"),
        b"not json",
        [],
        None,
        {"users": None},
        {"users": {}},
        {"users": [7]},
        {"users": [{"localId": "u2"}]},
        {"users": [{"localId": "u1"}, {"localId": "u1"}]},
        {"users": [{"localId": "u1", "disabled": "false"}]},
        {"users": [{"localId": "u1", "disabled": None}]},
        {"users": [{"localId": "u1", "validSince": 1790000000}]},
        {"users": [{"localId": "u1", "validSince": "soon"}]},
        {"users": [{"localId": "u1", "validSince": "-1"}]},
        {"users": [{"localId": "u1", "validSince": "9" * 13}]},
        b'{"users":' + b"[" * 100_000,
    ],
)
def test_anything_but_an_answer_fails_closed_and_tells_nothing(lookup, answer):
    """No answer, another account's, or a strange one: the identity cannot be checked now."""
    with pytest.raises(IdentityError) as caught:
        lookup(answer)
    assert (caught.value.code, caught.value.is_transient) == ("REVOCATION_UNREADABLE", True)
    assert "Canary" not in f"{caught.value!r} {caught.value.__cause__!r}"
