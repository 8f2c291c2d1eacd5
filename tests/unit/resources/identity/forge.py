"""Tokens made by hand, independently of the library that verifies them; and keys to make them with."""

import base64
import hashlib
import hmac
import json
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from resources.identity.gateway import IdentityError

PROJECT = "studio-under-test"
NOW = 1_790_000_000
KEY_ID = "key-1"


@cache
def private_key(number=1, bits=2048):
    """Return the same RSA key for the same number."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def encoded(value):
    """Return base64url of a JSON value or of bytes, without padding."""
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def header(**changes):
    """Return the header that Google writes, with changes; a value of None takes a field away."""
    return _changed({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}, changes)


def payload(**changes):
    """Return what a good ID token says, with changes; a value of None takes a claim away."""
    good = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "auth_time": NOW - 600,
        "user_id": "staff-ada",
        "sub": "staff-ada",
        "iat": NOW - 60,
        "exp": NOW + 3540,
        "email": "ada@studio.example",
        "name": "Ada Canary",
        "staff": True,
        "firebase": {"identities": {"email": ["ada@studio.example"]}, "sign_in_provider": "password"},
    }
    return _changed(good, changes)


def _changed(good, changes):
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signature(signing_input, key=None, algorithm=hashes.SHA256):
    return (key or private_key()).sign(signing_input.encode(), padding.PKCS1v15(), algorithm())


def token(head=None, body=None, key=None, algorithm=hashes.SHA256):
    """Return a token that is signed with a key, whatever it says."""
    signing_input = f"{encoded(head or header())}.{encoded(body or payload())}"
    return f"{signing_input}.{encoded(signature(signing_input, key, algorithm))}"


def token_signed_with_public_key(head):
    """Return a token whose HMAC secret is the public key, which everybody knows."""
    pem = private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{encoded(head)}.{encoded(payload())}"
    return f"{signing_input}.{encoded(hmac.new(pem, signing_input.encode(), hashlib.sha256).digest())}"


class KnownKeys:
    """Holds one good key; remembers what was looked for."""

    def __init__(self):
        self.asked = []

    def find(self, key_id):
        self.asked.append(key_id)
        if key_id != KEY_ID:
            raise IdentityError("TOKEN_KEY_UNKNOWN", "no such key")
        return private_key().public_key()
