"""A pretend issuer on a loopback port, and verifiers that ask it."""

from datetime import UTC, datetime

import pytest

from resources.clock import FixedClock, SystemClock
from resources.identity.firebase import FirebaseVerifier
from resources.identity.keys import PublicKeys
from resources.identity.revocation import AccountLookup
from twins.identity.server import IdentityTwin

PROJECT = "pretend-project"


@pytest.fixture
def twin():
    """Return a running issuer."""
    with IdentityTwin(PROJECT) as twin:
        yield twin


@pytest.fixture
def verifier_of(twin):
    """Return a function that makes a verifier of the twin's tokens; keywords go to it and its keys."""

    def make(*, now=None, project=PROJECT, valid_since=None, url=None, **options):
        keys = PublicKeys(url or twin.keys_url, **options)
        clock = FixedClock(datetime.fromtimestamp(now, UTC)) if now else SystemClock()
        accounts = AccountLookup(
            twin.accounts_url, project, deadline_seconds=options.get("deadline_seconds", 5.0)
        )
        return FirebaseVerifier(project, keys, clock, accounts=accounts, valid_since=valid_since)

    return make
