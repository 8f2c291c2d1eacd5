"""Redaction: no planted secret survives, ordinary text does, and applying it twice changes nothing more."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.redaction import REDACTED, Redactor, is_secret_name, url_secrets

NOTHING_KNOWN = Redactor()


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_51HxAbCdEf",
        "rk_test_51HxAbCdEf",
        "whsec_AbCdEf0123",
        "AIzaSyA1234567890abcdefghijk",
        "ya29.a0AbCdEf-123",
        "ghp_0123456789abcdefghijABCD",
        "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl",
        "somebody@example.com",
        "-----BEGIN PRIVATE KEY-----\nMIIE\nxyz\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE cut off here",
    ],
)
def test_what_looks_like_a_secret_is_cut_wherever_it_stands(secret):
    assert NOTHING_KNOWN.text(f"before ({secret}") == f"before ({REDACTED}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql+psycopg2://studio:hunter22@db/studio", "hunter22"),
        ("Authorization: Bearer abcdef012345", "abcdef012345"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"password": "hunter22"}', "hunter22"),
        ("client_secret=hunter22&x=1", "hunter22"),
        ("export STUDIO_HUBITAT_TOKEN=hunter22", "hunter22"),
        ("api-key: hunter22", "hunter22"),
    ],
)
def test_a_value_behind_a_secret_name_is_cut(text, secret):
    assert secret not in NOTHING_KNOWN.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 documents quarantined in batches",
        "pi_3Qabc charge ch_3Qabc",
        "2026-11-21T10:00:00Z",
        "a: b = c @ d",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    assert NOTHING_KNOWN.text(text) == text


def test_a_url_keeps_everything_but_its_password():
    """A person must still see which server is meant."""
    assert (
        NOTHING_KNOWN.text("at postgresql://me:pw12345@db:5432/x")
        == f"at postgresql://me:{REDACTED}@db:5432/x"
    )


secrets = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=6, max_size=40)


@given(secret=secrets, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_known_secret_is_cut_in_every_spelling(secret, before, after):
    """Plain, URL-quoted and JSON-escaped: the value is gone from the text around it."""
    redactor = Redactor.knowing([secret])
    for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        cut = redactor.text(before + form + after)
        assert form not in cut or form in REDACTED or form in (before + after)


def test_the_longer_of_two_overlapping_secrets_leaves_no_rest():
    redactor = Redactor.knowing(["secret", "secret-and-more"])
    assert redactor.text("x secret-and-more y") == f"x {REDACTED} y"


def test_a_secret_too_short_to_be_one_does_not_shred_text():
    assert Redactor.knowing(["a", ""]).text("a plain sentence") == "a plain sentence"


@given(text=st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text):
    once = NOTHING_KNOWN.text(text)
    assert NOTHING_KNOWN.text(once) == once


def test_values_are_walked_whole():
    """Keys, nested lists, tuples, sets and foreign objects are all searched; numbers and null stay."""

    class Foreign:
        def __repr__(self):
            return "<Foreign canary-0001>"

    redactor = Redactor.knowing(["canary-0001"])
    value = {
        "canary-0001": 1,
        "list": ["canary-0001", {"x": ("canary-0001",)}, {"canary-0001"}],
        "object": Foreign(),
        "password": "short",
        "token": {"nested": "anything"},
        "none": None,
        "number": 3,
    }
    cleaned = redactor.value(value)
    assert "canary-0001" not in repr(cleaned)
    assert (cleaned["password"], cleaned["token"], cleaned["none"], cleaned["number"]) == (
        REDACTED,
        REDACTED,
        None,
        3,
    )


def test_a_bottomless_value_ends_redacted():
    deep: list = []
    deep.append(deep)
    assert REDACTED in repr(NOTHING_KNOWN.value(deep))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("password", True),
        ("stripe_api_key", True),
        ("Authorization", True),
        ("clientSecret", False),
        ("client_secret", True),
        ("tokens", True),
        ("documents", False),
        ("passed", False),
        ("secretary", False),
    ],
)
def test_secret_names_are_recognised_by_whole_words(name, expected):
    assert is_secret_name(name) is expected


def test_a_url_without_a_password_is_no_secret():
    assert url_secrets("postgresql://postgres@/studio?host=/x") == ()
    assert url_secrets("postgresql://u:pw@h/d") == ("postgresql://u:pw@h/d", "pw")
