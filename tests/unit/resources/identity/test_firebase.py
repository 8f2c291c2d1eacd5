"""Promises of the verifier: exactly the issuer's own, current tokens hold, and none is ever told on."""

import string
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resources.identity.gateway import IdentityError
from resources.identity.revocation import Account
from tests.unit.resources.identity import forge
from tests.unit.resources.identity.forge import NOW, PROJECT, encoded, header, payload, private_key, token

BASE64URL = string.ascii_letters + string.digits + "-_"


def refusal(verifier, text):
    """Return the refusal of a token, which has told nothing of it."""
    with pytest.raises(IdentityError) as caught:
        verifier.verify(text)
    error = caught.value
    assert error.__cause__ is None
    shown = f"{error} {error!r} {error.args} {error.code}"
    if isinstance(text, str) and len(text) > 20:
        for part in text.split("."):
            assert not part or len(part) < 8 or part not in shown
    assert "Canary" not in shown
    return error


def code_of(verifier, text):
    return refusal(verifier, text).code


def test_a_good_token_says_who_and_what_but_nothing_about_the_person(verifier):
    """Times, uid and authority claims are kept; name and address are not, and a repr shows no claim."""
    identity = verifier.verify(token())
    assert identity.uid == "staff-ada"
    assert identity.claims == {"staff": True}
    assert identity.issued_at == datetime.fromtimestamp(NOW - 60, UTC)
    assert identity.expires_at == datetime.fromtimestamp(NOW + 3540, UTC)
    assert identity.auth_time == datetime.fromtimestamp(NOW - 600, UTC)
    assert "Canary" not in repr(identity)
    assert "staff'" not in repr(identity)


def test_every_claim_about_authority_is_kept_as_it_was_said(verifier):
    """What the rules read comes through untouched, a tenant included."""
    said = {
        "staff": "yes",
        "admin": False,
        "role": "owner",
        "roles": ["approver"],
        "opsRoles": ["kiln_lead"],
        "opsCapabilities": ["approvals:manage"],
        "agent": True,
        "agentClientId": "client-1",
        "studioId": "other",
    }
    body = payload(**said, firebase={"tenant": "t-1"})
    assert verifier.verify(token(body=body)).claims == {**said, "tenant": "t-1"}


@pytest.mark.parametrize(
    "head",
    [
        header(alg="none"),
        header(alg="None"),
        header(alg="HS256"),
        header(alg="RS512"),
        header(alg="PS256"),
        header(alg="ES256"),
        header(alg=None),
        header(alg=["RS256"]),
        header(alg=""),
        header(typ="at+jwt"),
    ],
)
def test_only_one_algorithm_is_believed(verifier, head):
    """The header never chooses how a token is checked, even when the signature is right."""
    assert code_of(verifier, token(head)) == "TOKEN_ALGORITHM"


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_the_public_key_is_no_secret_to_sign_with(verifier, alg):
    """Everybody knows the public key; a code made with it proves nothing."""
    text = forge.token_signed_with_public_key(header(alg=alg))
    assert code_of(verifier, text) == {"HS256": "TOKEN_ALGORITHM", "RS256": "TOKEN_SIGNATURE"}[alg]


@pytest.mark.parametrize("alg", ["none", "RS256"])
@pytest.mark.parametrize("last", ["", "."])
def test_a_token_without_a_signature_is_none(verifier, alg, last):
    text = f"{encoded(header(alg=alg))}.{encoded(payload())}{last}"
    assert code_of(verifier, text) == "TOKEN_MALFORMED"


@pytest.mark.parametrize("algorithm", [hashes.SHA384, hashes.SHA512])
def test_the_right_key_with_another_hash_is_not_enough(verifier, algorithm):
    assert code_of(verifier, token(algorithm=algorithm)) == "TOKEN_SIGNATURE"


def test_a_signature_of_another_key_is_refused(verifier):
    assert code_of(verifier, token(key=private_key(2))) == "TOKEN_SIGNATURE"


def test_a_signature_of_another_kind_of_key_is_refused(verifier):
    signing_input = f"{encoded(header())}.{encoded(payload())}"
    made = ec.generate_private_key(ec.SECP256R1()).sign(signing_input.encode(), ec.ECDSA(hashes.SHA256()))
    assert code_of(verifier, f"{signing_input}.{encoded(made)}") == "TOKEN_SIGNATURE"


@pytest.mark.parametrize(
    "kid",
    [
        None,
        "",
        "key-2",
        1,
        ["key-1"],
        {"kty": "RSA"},
        "../key-1",
        "key-1\x00",
        "k" * 129,
        "' OR 1=1",
        "key 1",
    ],
)
def test_a_key_that_is_not_known_is_refused_however_it_is_named(verifier, kid):
    assert code_of(verifier, token(header(kid=kid))) in {"TOKEN_KEY_UNKNOWN", "TOKEN_MALFORMED"}


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"x5c": ["MIIB"]},
        {"x5t": "abc"},
        {"x5t#S256": "abc"},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"epk": {}},
    ],
)
@pytest.mark.parametrize("signer", [1, 2])
def test_a_token_brings_no_key_along(verifier_of, extra, signer):
    """Headers that offer a key or change what is signed are refused before any key is looked for."""
    keys = forge.KnownKeys()
    text = token(header(**extra), key=private_key(signer))
    assert code_of(verifier_of(keys=keys), text) == "TOKEN_MALFORMED"
    assert keys.asked == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://securetoken.google.com/other"}, "TOKEN_ISSUER"),
        ({"iss": f"https://securetoken.google.com/{PROJECT}/"}, "TOKEN_ISSUER"),
        ({"iss": f"https://session.firebase.google.com/{PROJECT}"}, "TOKEN_ISSUER"),
        ({"iss": "https://accounts.google.com"}, "TOKEN_ISSUER"),
        ({"iss": [f"https://securetoken.google.com/{PROJECT}"]}, "TOKEN_ISSUER"),
        ({"iss": None}, "TOKEN_CLAIMS"),
        ({"aud": "other"}, "TOKEN_AUDIENCE"),
        ({"aud": PROJECT.upper()}, "TOKEN_AUDIENCE"),
        ({"aud": [PROJECT]}, "TOKEN_AUDIENCE"),
        ({"aud": [PROJECT, "other"]}, "TOKEN_AUDIENCE"),
        ({"aud": None}, "TOKEN_CLAIMS"),
        ({"sub": None}, "TOKEN_CLAIMS"),
        ({"sub": ""}, "TOKEN_SUBJECT"),
        ({"sub": "u" * 129}, "TOKEN_SUBJECT"),
        ({"sub": "system:executor"}, "TOKEN_SUBJECT"),
        ({"sub": "two words"}, "TOKEN_SUBJECT"),
        ({"sub": "line\n"}, "TOKEN_SUBJECT"),
        ({"sub": "nul\x00"}, "TOKEN_SUBJECT"),
        ({"sub": "\u202eada"}, "TOKEN_SUBJECT"),
        ({"sub": 7}, "TOKEN_CLAIMS"),
        ({"exp": None}, "TOKEN_CLAIMS"),
        ({"exp": NOW - 3600, "iat": NOW - 7200, "auth_time": NOW - 7200}, "TOKEN_EXPIRED"),
        ({"exp": str(NOW + 3000)}, "TOKEN_CLAIMS"),
        ({"exp": NOW + 3000.5}, "TOKEN_CLAIMS"),
        ({"exp": True}, "TOKEN_CLAIMS"),
        ({"exp": 10**400}, "TOKEN_CLAIMS"),
        ({"exp": -1}, "TOKEN_CLAIMS"),
        ({"exp": NOW + 3600 * 24}, "TOKEN_CLAIMS"),
        ({"exp": NOW - 60, "iat": NOW - 60}, "TOKEN_EXPIRED"),
        ({"iat": None}, "TOKEN_CLAIMS"),
        ({"iat": NOW + 100}, "TOKEN_NOT_YET_VALID"),
        ({"iat": NOW - 61}, "TOKEN_CLAIMS"),
        ({"auth_time": None}, "TOKEN_CLAIMS"),
        ({"auth_time": NOW + 100}, "TOKEN_NOT_YET_VALID"),
        ({"auth_time": "now"}, "TOKEN_CLAIMS"),
        ({"nbf": NOW + 100}, "TOKEN_NOT_YET_VALID"),
        ({"nbf": "soon"}, "TOKEN_CLAIMS"),
    ],
)
def test_every_claim_an_identity_needs_is_checked(verifier, changes, code):
    """A token with the issuer's own signature still says what it must, or is refused for the right reason."""
    assert code_of(verifier, token(body=payload(**changes))) == code


@pytest.mark.parametrize("leeway", [0, 10, 60])
def test_times_are_checked_to_the_second(verifier_of, leeway):
    """On, just under and just over: expiry and beginning, with the leeway there is."""
    text = token()
    iat, exp = NOW - 60, NOW + 3540
    for now, code in (
        (exp + leeway - 1, None),
        (exp + leeway, "TOKEN_EXPIRED"),
        (iat - leeway, None),
        (iat - leeway - 1, "TOKEN_NOT_YET_VALID"),
    ):
        verifier = verifier_of(now=now, leeway_seconds=leeway)
        if code is None:
            assert verifier.verify(text).uid == "staff-ada"
        else:
            assert code_of(verifier, text) == code


def test_a_leeway_over_a_minute_and_a_verifier_without_a_project_are_refused(verifier_of):
    for options in ({"leeway_seconds": 61}, {"leeway_seconds": -1}, {"project": ""}):
        with pytest.raises(ValueError, match=r"leeway|project"):
            verifier_of(**options)


@pytest.mark.parametrize("text", ["", "   ", None, 7, b"bytes"])
def test_no_token_is_said_to_be_missing(verifier, text):
    assert code_of(verifier, text) == "TOKEN_MISSING"


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        "mf_pat_v1.id.secret",
        "é.é.é",
        "e30.e30.e30",
        f"{encoded(b'[]')}.{encoded(payload())}.AAAA",
        f"{encoded(b'nul')}.{encoded(payload())}.AAAA",
        f"{encoded(b'[' * 3000)}.{encoded(payload())}.AAAA",
        f"{encoded(header())}.{encoded(payload())}.{'A' * 9000}",
    ],
)
def test_what_is_no_token_is_refused(verifier, text):
    """Garbage, other kinds of token, deep nesting, and more than a page of text."""
    assert code_of(verifier, text) in {"TOKEN_MALFORMED", "TOKEN_ALGORITHM"}


def test_a_token_that_is_too_long_is_not_even_looked_at(verifier_of):
    """A megabyte with a good signature is refused before anything is decoded or any key looked for."""
    keys = forge.KnownKeys()
    assert code_of(verifier_of(keys=keys), token(body=payload(padding="x" * 10**6))) == "TOKEN_MALFORMED"
    assert keys.asked == []


@pytest.mark.parametrize("around", ["{} ", " {}", "{}\n", "{}=", "{}==", "Bearer {}", "{}.", ".{}", "{}\x00"])
def test_only_the_very_text_of_a_token_holds(verifier, around):
    """One identity has one token: no padding, white space or prefix makes another of it."""
    assert code_of(verifier, around.format(token())) == "TOKEN_MALFORMED"


def test_a_payload_that_is_no_object_is_refused(verifier):
    for body in (b"[]", b"7", b"not json", b"\xff", b"[" * 3000):
        signing_input = f"{encoded(header())}.{encoded(body)}"
        text = f"{signing_input}.{encoded(forge.signature(signing_input))}"
        assert code_of(verifier, text) == "TOKEN_CLAIMS"


class Book:
    """Accounts as a test wants them."""

    def __init__(self, account):
        self.account, self.asked = account, []

    def find(self, uid):
        self.asked.append(uid)
        if isinstance(self.account, Exception):
            raise self.account
        return self.account


@pytest.mark.parametrize(
    ("since", "is_refused"), [(NOW - 601, False), (NOW - 600, False), (NOW - 599, True), (NOW, True)]
)
def test_sessions_that_began_before_a_cut_off_are_over(verifier_of, since, is_refused):
    """On, just under, just over; for one account and for the whole studio alike."""
    cut = datetime.fromtimestamp(since, UTC)
    for options in ({"valid_since": cut}, {"accounts": Book(Account(is_disabled=False, valid_since=cut))}):
        verifier = verifier_of(**options)
        if is_refused:
            assert code_of(verifier, token()) == "TOKEN_REVOKED"
        else:
            assert verifier.verify(token()).uid == "staff-ada"


def test_a_token_made_before_a_cut_off_is_over_whenever_its_person_says_to_have_signed_in(verifier_of):
    """Both times count: the earlier of them decides."""
    verifier = verifier_of(valid_since=datetime.fromtimestamp(NOW - 30, UTC))
    assert code_of(verifier, token(body=payload(auth_time=NOW))) == "TOKEN_REVOKED"


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (None, "ACCOUNT_UNKNOWN"),
        (Account(is_disabled=True, valid_since=None), "ACCOUNT_DISABLED"),
        (IdentityError("REVOCATION_UNREADABLE", "no answer", is_transient=True), "REVOCATION_UNREADABLE"),
    ],
)
def test_an_account_that_is_not_good_or_not_known_is_refused(verifier_of, account, code):
    assert code_of(verifier_of(accounts=Book(account)), token()) == code


def test_accounts_are_asked_only_about_tokens_that_hold(verifier_of):
    """A forged token asks nobody anything."""
    book = Book(Account(is_disabled=False, valid_since=None))
    verifier = verifier_of(accounts=book)
    refusal(verifier, token(key=private_key(2)))
    assert book.asked == []
    verifier.verify(token())
    assert book.asked == ["staff-ada"]


GOOD = token()


@given(position=st.integers(0, len(GOOD) - 1), letter=st.sampled_from(BASE64URL + ".=+/ \n"))
def test_no_token_with_one_letter_changed_holds(verifier, position, letter):
    """Wherever it is and whatever it becomes."""
    changed = GOOD[:position] + letter + GOOD[position + 1 :]
    assume(changed != GOOD)
    refusal(verifier, changed)


@given(cut=st.integers(0, len(GOOD) - 1), insert=st.text(BASE64URL + ".", max_size=8))
def test_no_token_that_is_cut_or_stretched_holds(verifier, cut, insert):
    for changed in (GOOD[:cut], GOOD[cut:], GOOD[:cut] + insert + GOOD[cut:]):
        assume(changed != GOOD)
        refusal(verifier, changed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(["alg", "kid", "typ", "jwk", "crit", "b64", "iss", "aud", "sub", "exp", "iat"])


@given(
    changes=st.dictionaries(names | st.text(max_size=8), json_values, min_size=1, max_size=4),
    in_header=st.booleans(),
)
@settings(max_examples=200)
def test_what_was_signed_cannot_be_exchanged(verifier, changes, in_header):
    """Another header or payload under the good signature never holds."""
    head, body = (header() | changes, payload()) if in_header else (header(), payload() | changes)
    assume((head, body) != (header(), payload()) or str((head, body)) != str((header(), payload())))
    text = f"{encoded(head)}.{encoded(body)}.{GOOD.rpartition('.')[2]}"
    assume(text != GOOD)
    refusal(verifier, text)


@given(changes=st.dictionaries(names | st.just("auth_time"), json_values, min_size=1, max_size=3))
@settings(max_examples=200)
def test_whatever_the_issuer_signs_is_refused_plainly_or_means_what_it_says(verifier, changes):
    """Never another error than a plain refusal; and what holds is of this project, now, for its subject."""
    body = payload() | changes
    try:
        identity = verifier.verify(token(body=body))
    except IdentityError as error:
        assert error.code.startswith("TOKEN_")  # noqa: PT017 - both ways are allowed
    else:
        assert (body["aud"], body["iss"]) == (PROJECT, f"https://securetoken.google.com/{PROJECT}")
        assert identity.uid == body["sub"]
        assert body["exp"] > NOW - 10
        assert body["iat"] <= NOW + 10
        assert body["auth_time"] <= NOW + 10
