"""Fixtures of the tests of history."""

import pytest

from tests.integration.postgres.samples import DAY, NOON, sha


@pytest.fixture
def take(history):
    """Return a function that keeps a snapshot of a day whose content is a word."""

    def append(day=DAY, content="a", *, counters=None, observed_at=NOON):
        return history.append_snapshot(
            day,
            sha(content),
            {"schemaVersion": "v3.1", "content": content},
            counters or {"counts.batchesActive": (len(content), "documents")},
            observed_at=observed_at,
            run_id="run-1",
            code_version="1",
        )

    return append
