"""Promises of the key store: as long as the issuer allows, one question at a time, and never a guess."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from resources.identity import keys as module
from resources.identity.fetch import Answer
from resources.identity.gateway import IdentityError
from resources.identity.keys import PublicKeys
from tests.unit.resources.identity.forge import private_key

URL = "https://keys.example/x509"


def certificate(key):
    """Return a certificate (PEM) of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


ONE, TWO = certificate(private_key(1)), certificate(private_key(2))


class Issuer:
    """Answers as a test wants, and counts; ``now`` is the time."""

    def __init__(self):
        self.now, self.asked = 1000.0, 0
        self.answer = {"one": ONE}
        self.headers = {"Cache-Control": "public, max-age=1000, must-revalidate"}

    def ask(self, method, url, *, deadline_seconds):
        assert (method, url) == ("GET", URL)
        assert 0 < deadline_seconds <= 5
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return Answer(body, requests.structures.CaseInsensitiveDict(self.headers))


@pytest.fixture
def issuer(monkeypatch):
    issuer = Issuer()
    monkeypatch.setattr(module, "ask", issuer.ask)
    return issuer


@pytest.fixture
def keys(issuer):
    return PublicKeys(URL, monotonic=lambda: issuer.now)


def code_of(keys, key_id):
    with pytest.raises(IdentityError) as caught:
        keys.find(key_id)
    assert caught.value.is_transient == (caught.value.code == "KEYS_UNAVAILABLE")
    return caught.value.code


def test_nobody_is_asked_before_a_key_is_wanted_and_then_once(issuer, keys):
    assert issuer.asked == 0
    for _ in range(5):
        assert keys.find("one").public_numbers() == private_key(1).public_key().public_numbers()
    assert issuer.asked == 1


def test_keys_are_renewed_before_their_end(issuer, keys):
    """At four fifths of their age they are fetched again, not before."""
    keys.find("one")
    issuer.now += 799
    keys.find("one")
    assert issuer.asked == 1
    issuer.now += 1
    keys.find("one")
    assert issuer.asked == 2


def test_good_keys_outlive_an_issuer_that_is_away_until_their_end_and_no_longer(issuer, keys):
    """Just under the end they count; at the end nothing is believed; when the issuer is back, all is well."""
    keys.find("one")
    issuer.answer = requests.ConnectionError("away")
    issuer.now += 999.9
    keys.find("one")
    issuer.now += 0.1
    assert code_of(keys, "one") == "KEYS_UNAVAILABLE"
    issuer.answer = {"one": ONE}
    issuer.now += 31
    keys.find("one")


def test_no_key_at_all_means_no_identity(issuer, keys):
    issuer.answer = requests.Timeout("slow")
    assert code_of(keys, "one") == "KEYS_UNAVAILABLE"


def test_a_new_key_is_fetched_when_a_token_names_it(issuer, keys):
    keys.find("one")
    issuer.answer = {"one": ONE, "two": TWO}
    issuer.now += 30
    assert keys.find("two").public_numbers() == private_key(2).public_key().public_numbers()


def test_a_key_that_the_issuer_withdrew_is_not_believed_any_more(issuer, keys):
    keys.find("one")
    issuer.answer = {"two": TWO}
    issuer.now += 800
    assert code_of(keys, "one") == "TOKEN_KEY_UNKNOWN"


def test_a_thousand_unknown_keys_cause_one_question_in_half_a_minute(issuer, keys):
    """Whoever sends forged tokens cannot make us flood the issuer."""
    keys.find("one")
    issuer.now += 30
    for number in range(1000):
        assert code_of(keys, f"forged-{number}") == "TOKEN_KEY_UNKNOWN"
    assert issuer.asked == 2


def test_a_failing_issuer_is_not_flooded_either(issuer, keys):
    issuer.answer = requests.ConnectionError("away")
    for _ in range(100):
        code_of(keys, "one")
    assert issuer.asked == 1


def test_an_unknown_key_while_the_issuer_is_away_may_be_good_later(issuer, keys):
    """It is refused, but not called a forgery; keys that are known go on counting."""
    keys.find("one")
    issuer.answer = requests.ConnectionError("away")
    issuer.now += 30
    assert code_of(keys, "two") == "KEYS_UNAVAILABLE"
    assert code_of(keys, "two") == "KEYS_UNAVAILABLE"
    keys.find("one")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not json",
        b"[" * 100_000,
        [],
        {},
        ["one"],
        {"one": 1},
        {"one": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        {"one": ONE.replace("CERTIFICATE", "PUBLIC KEY")},
        {"one": certificate(private_key(3, 1024))},
        {"one": certificate(ec.generate_private_key(ec.SECP256R1()))},
        {"../one": ONE},
        {f"k{number}": ONE for number in range(33)},
    ],
)
def test_an_answer_without_a_strong_key_is_no_answer(issuer, keys, answer):
    """Garbage, weak keys, other kinds of key, too many: the good keys stay, and nothing is added."""
    keys.find("one")
    issuer.answer = answer
    issuer.now += 900
    keys.find("one")
    issuer.now += 100
    assert code_of(keys, "one") == "KEYS_UNAVAILABLE"


def test_one_odd_key_does_not_spoil_the_others(issuer, keys):
    issuer.answer = {"one": ONE, "weak": certificate(private_key(3, 1024)), "odd": None}
    keys.find("one")
    assert code_of(keys, "weak") == "TOKEN_KEY_UNKNOWN"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=1000"}, 1000),
        ({"cache-control": 'Max-Age = "1000"'}, 1000),
        ({"Cache-Control": "public, max-age=1000", "Age": "400"}, 600),
        ({"Cache-Control": "max-age=1000", "Age": "x"}, 1000),
        ({"Cache-Control": "max-age=1000", "Age": "5000"}, 60),
        ({"Cache-Control": "s-max-age=9"}, 300),
        ({"Cache-Control": "max-age=-5"}, 300),
        ({"Cache-Control": "max-age=999999999"}, 86400),
        ({"Cache-Control": "max-age=5"}, 60),
        ({"Cache-Control": "no-store, max-age=1000"}, 60),
        ({}, 300),
    ],
)
def test_keys_are_kept_as_long_as_the_issuer_says_within_reason(issuer, keys, headers, seconds):
    issuer.headers = headers
    keys.find("one")
    issuer.answer = requests.ConnectionError("away")
    issuer.now += seconds - 0.5
    keys.find("one")
    issuer.now += 0.5
    assert code_of(keys, "one") == "KEYS_UNAVAILABLE"


def test_many_threads_cause_one_question(issuer, keys):
    """Whoever comes while keys are fetched waits for them."""
    begin = threading.Barrier(8)
    found = []

    def find():
        begin.wait()
        found.append(keys.find("one"))

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), issuer.asked) == (8, 1)
