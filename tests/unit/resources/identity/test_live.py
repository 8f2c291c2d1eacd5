"""Whom a deployment believes: Google for a real project, the twins' issuer for a pretend one, never both."""

import pytest

from resources.clock import SystemClock
from resources.identity.gateway import IdentityError
from resources.identity.live import live_verifier
from resources.settings import GOOGLE_KEYS_URL, load_settings

TWIN = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}


def test_a_real_project_believes_google():
    verifier = live_verifier(load_settings({"STUDIO_FIRESTORE_PROJECT": "p-1"}), SystemClock())
    assert verifier._keys._url == GOOGLE_KEYS_URL
    assert verifier._project == "p-1"
    assert verifier._accounts is None
    assert verifier._valid_since is None


def test_the_studios_cut_off_reaches_the_verifier():
    given = {"STUDIO_FIRESTORE_PROJECT": "p-1", "STUDIO_TOKENS_VALID_SINCE": "2026-11-21T15:00:00Z"}
    settings = load_settings(given)
    assert live_verifier(settings, SystemClock())._valid_since == settings.tokens_valid_since is not None


@pytest.mark.parametrize(
    ("url", "has_bearer"),
    [
        ("https://identitytoolkit.googleapis.com/v1", True),
        ("https://identitytoolkit.googleapis.com:444/v1", False),
        ("https://identitytoolkit.googleapis.com.evil.example/v1", False),
        ("https://other.example/v1", False),
    ],
)
def test_nobody_but_google_is_sent_an_access_token(url, has_bearer):
    """And nobody at all before the first look-up."""
    settings = load_settings({"STUDIO_FIRESTORE_PROJECT": "p-1", "STUDIO_IDENTITY_ACCOUNTS_URL": url})
    bearer = live_verifier(settings, SystemClock())._accounts._bearer
    assert (bearer is not None) == has_bearer


def test_a_pretend_studio_believes_its_own_issuer_only():
    """Without one it believes nobody; certainly not Google."""
    with pytest.raises(IdentityError) as caught:
        live_verifier(load_settings(TWIN), SystemClock())
    assert caught.value.code == "ISSUER_UNKNOWN"
    told = TWIN | {
        "STUDIO_IDENTITY_KEYS_URL": "http://127.0.0.1:2/keys",
        "STUDIO_IDENTITY_ACCOUNTS_URL": "http://127.0.0.1:2/v1",
    }
    verifier = live_verifier(load_settings(told), SystemClock())
    assert verifier._keys._url == "http://127.0.0.1:2/keys"
    assert verifier._accounts._url == "http://127.0.0.1:2/v1/projects/monsoonfire-portal/accounts:lookup"
