"""What the tests of identities share: a verifier with one known key at a fixed time."""

from datetime import UTC, datetime

import pytest

from resources.clock import FixedClock
from resources.identity.firebase import FirebaseVerifier
from tests.unit.resources.identity import forge


@pytest.fixture(scope="session")
def verifier_of():
    """Return a function that makes a verifier with one known key at a fixed time."""

    def make(*, project=forge.PROJECT, now=forge.NOW, keys=None, **options):
        clock = FixedClock(datetime.fromtimestamp(now, UTC))
        return FirebaseVerifier(project, keys or forge.KnownKeys(), clock, **options)

    return make


@pytest.fixture(scope="session")
def verifier(verifier_of):
    """Return a verifier with the default leeway."""
    return verifier_of()
