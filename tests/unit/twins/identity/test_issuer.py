"""Promises of the pretend issuer: tokens like Firebase's, nothing to bend, keys that stay inside."""

import time

import jwt
import pytest
from cryptography import x509

from twins.identity.issuer import RESERVED, Issuer, IssueRefusedError
from twins.identity.requests import ACTS, act, issue


@pytest.fixture(scope="module")
def issuer():
    return Issuer("pretend")


def said_by(issuer, token):
    header = jwt.get_unverified_header(token)
    key = x509.load_pem_x509_certificate(issuer.certificates()[header["kid"]].encode()).public_key()
    return header, jwt.decode(token, key, algorithms=["RS256"], audience="pretend", leeway=2)


def test_a_token_is_shaped_like_firebases(issuer):
    """Header, issuer, audience, times and subject; custom claims beside them."""
    begun_at = int(time.time())
    header, said = said_by(issuer, issuer.sign("u1", {"staff": True}, seconds=60, name="Ada", tenant="t"))
    assert set(header) == {"alg", "kid", "typ"}
    assert said["iss"] == "https://securetoken.google.com/pretend"
    assert (said["aud"], said["sub"], said["user_id"], said["staff"]) == ("pretend", "u1", "u1", True)
    assert said["exp"] - said["iat"] == 60
    assert said["auth_time"] == said["iat"]
    assert begun_at <= said["iat"] <= time.time()
    assert (said["name"], said["firebase"]["tenant"]) == ("Ada", "t")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_claim_of_the_issuers_own_can_be_wished_for(issuer, name):
    with pytest.raises(IssueRefusedError, match=name):
        issuer.sign("u1", {name: "x"})


@pytest.mark.parametrize(
    "wish",
    [
        {"uid": ""},
        {"uid": "u" * 129},
        {"uid": "ü"},
        {"uid": "a\nb"},
        {"uid": 7},
        {},
        {"uid": "u", "seconds": 0},
        {"uid": "u", "seconds": 3601},
        {"uid": "u", "seconds": True},
        {"uid": "u", "seconds": 1.5},
        {"uid": "u", "claims": []},
        {"uid": "u", "claims": {"x": "y" * 1000}},
        {"uid": "u", "name": 7},
        {"uid": "u", "key": "mine"},
    ],
)
def test_a_wish_that_means_nothing_is_refused(issuer, wish):
    with pytest.raises(IssueRefusedError):
        issue(issuer, wish)


@pytest.mark.parametrize(
    "wish",
    [{}, {"act": "dance"}, {"act": "revoke"}, {"act": "disable", "uid": ""}, {"act": "rotate", "x": 1}],
)
def test_an_act_that_means_nothing_is_refused(issuer, wish):
    with pytest.raises(IssueRefusedError):
        act(issuer, wish)


def test_every_act_does_what_it_says():
    """Rotation publishes two keys or one; revocation moves the cut-off; a disabled account gets nothing."""
    issuer = Issuer("pretend")
    first = issue(issuer, {"uid": "u1"})["token"]
    assert set(ACTS) == {"rotate", "revoke", "disable", "enable"}
    assert act(issuer, {"act": "rotate"})["keyId"] in issuer.certificates()
    assert len(issuer.certificates()) == 2
    said_by(issuer, first)
    act(issuer, {"act": "rotate", "dropOld": True})
    assert len(issuer.certificates()) == 1
    begun_at = int(time.time())
    act(issuer, {"act": "revoke", "uid": "u1"})
    assert issuer.account("u1").valid_since >= begun_at
    assert said_by(issuer, issuer.sign("u1"))[1]["auth_time"] >= issuer.account("u1").valid_since
    act(issuer, {"act": "disable", "uid": "u1"})
    with pytest.raises(IssueRefusedError, match="disabled"):
        issuer.sign("u1")
    act(issuer, {"act": "enable", "uid": "u1"})
    issuer.sign("u1")


def test_the_private_key_is_not_published(issuer):
    issuer.sign("u1")
    assert all("PRIVATE" not in pem for pem in issuer.certificates().values())
    assert "PRIVATE" not in repr(vars(issuer))


def test_an_issuer_that_signs_nothing_makes_no_key():
    """The twins start as fast as before."""
    assert Issuer("pretend")._keys == []
