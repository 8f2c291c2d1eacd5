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
