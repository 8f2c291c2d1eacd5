"""The tokens of those who may write to the Firestore twin: the world, and the execution run.

The world's token stays in this process. The execution run's is given out in a file that only the user who
started the twins may read, never as a value in anybody's environment.
"""

import json
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.cloud import firestore

from twins.firestore.access import bearer

WORLD, EXECUTION = "world", "execution"


@dataclass(frozen=True, slots=True)
class WriterTokens:
    """Two tokens, made anew for every start; neither shows itself."""

    world: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    execution: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def by_writer(self) -> dict[str, str]:
        """Return name of each writer -> its token."""
        return {WORLD: self.world, EXECUTION: self.execution}


class CredentialsFile:
    """The file with the execution run's token: 0600, there while the twins run.

    Args:
        path: Where; null makes a file of its own in the system's directory for temporary files.
    """

    def __init__(self, path: Path | None, token: str) -> None:
        self._is_temporary = path is None
        content = json.dumps({"twin_token": token})
        if path is None:
            number, name = tempfile.mkstemp(prefix="studio-twin-writer-", suffix=".json")  # made 0600
            self.path = Path(name)
        else:
            self.path = path.absolute()
            self.path.unlink(missing_ok=True)  # never written through somebody's link, nor left readable
            number = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(content)

    def remove(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)


def world_client(host: str, project: str, token: str) -> Any:
    """Return the client library's client of the twin at ``host`` that shows the world's token."""
    # The client takes the address of an emulator from the environment and from nowhere else.
    os.environ["FIRESTORE_EMULATOR_HOST"] = host
    client = firestore.Client(project=project)
    shown = [entry for entry in client._rpc_metadata if entry[0] != "authorization"]  # noqa: SLF001 - no public way
    client._rpc_metadata_internal = [*shown, bearer(token)]  # noqa: SLF001 - there is no public way to say it
    return client
