"""A disk that is full while the database is made."""

import subprocess
from pathlib import Path

import pytest

from resources.postgres import cluster
from resources.postgres.errors import ServerStartError


class _Root:
    """An account that runs a program as it is."""

    def command(self, program, die_with):
        return program


def test_a_full_disk_is_told_in_one_sentence_with_its_remedy(monkeypatch):
    """The database's own many lines are not what a person needs to free some space."""
    words = "initdb: error: could not write file: No space left on device\nremoving data directory\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", words))
    with pytest.raises(ServerStartError, match="is full") as caught:
        cluster._initdb(Path("/home/new"), Path("/programs"), _Root(), 18)
    assert "Free at least 1 GB" in str(caught.value)
    assert "initdb" not in str(caught.value)
