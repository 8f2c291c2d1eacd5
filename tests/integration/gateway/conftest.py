"""Databases for playing the gateway: migrated, with quotas that are soon used up."""

import pytest

from tests.integration.gateway.world import prepare


@pytest.fixture
def gateway_url(postgres_url):
    """Return the URL of a database of this test's own that knows the test's registry."""
    prepare(postgres_url)
    return postgres_url
