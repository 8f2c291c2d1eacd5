"""Promises of the access to Google's account look-up: one refresh while it is good, no secret told."""

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.exceptions import RefreshError
from google.oauth2.service_account import Credentials

from resources.identity.gateway import IdentityError
from resources.identity.google_access import SCOPE, GoogleBearer
from tests.unit.resources.identity.forge import private_key


@pytest.fixture
def key_file(tmp_path):
    """Return a service-account file whose key nobody trusts."""
    pem = private_key(4).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = tmp_path / "account.json"
    said = {
        "type": "service_account",
        "client_email": "canary@p.example",
        "private_key": pem,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(said))
    return path


def test_a_token_is_fetched_once_and_for_one_scope(key_file, monkeypatch):
    asked = []

    def refresh(self, request):
        asked.append(tuple(self.scopes))
        self.token = "access-1"

    monkeypatch.setattr(Credentials, "refresh", refresh)
    bearer = GoogleBearer(key_file)
    assert asked == []
    assert [bearer(), bearer()] == ["access-1", "access-1"]
    assert asked == [(SCOPE,)]


def test_credentials_that_cannot_be_used_fail_closed_and_tell_nothing(key_file, tmp_path, monkeypatch):
    """A refused refresh, a missing file, a file that is something else."""

    def refresh(self, request):
        raise RefreshError("invalid_grant for canary@p.example")

    monkeypatch.setattr(Credentials, "refresh", refresh)
    odd = tmp_path / "odd.json"
    odd.write_text("{}")
    for path in (key_file, tmp_path / "none.json", odd):
        with pytest.raises(IdentityError) as caught:
            GoogleBearer(path)()
        assert (caught.value.code, caught.value.is_transient) == ("REVOCATION_UNREADABLE", True)
        assert "canary" not in str(caught.value)
