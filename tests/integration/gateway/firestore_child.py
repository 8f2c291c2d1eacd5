"""The execution run's gateway with the real ops note adapter, as a process of its own that kills itself.

Run as ``python -m tests.integration.gateway.firestore_child <JSON>``; the JSON has the fields of ``main``.
"""

import json
import os
import signal
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from resources.firestore.live import LiveDocumentSource
from resources.firestore.ops_note import OpsNoteAdapter
from resources.firestore.writes import FirestoreWrites
from tests.integration.gateway.shop import Shop


@contextmanager
def note_shop(url, studio, at, cloud):
    """Give the gateway over the real adapter. ``cloud``: host, project, and the path of the credentials."""
    host, project, credentials = cloud
    reader = LiveDocumentSource(project, emulator_host=host, deadline_seconds=10)
    writes = FirestoreWrites(project, credentials_path=Path(credentials), emulator_host=host)
    adapter = OpsNoteAdapter(reader, writes, approval_of=lambda it: shop.ledger.approvals(it.proposal_id)[0])
    shop = Shop(url, studio, None, at=at, target=adapter)
    try:
        yield shop
    finally:
        shop.close()
        reader.close()
        writes.close()


def main(*, url, studio, at, cloud, verb, proposal_id, point):
    """Run the verb and die at the point, as ``kill -9`` would have it."""

    def probe(name):
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    with note_shop(url, studio, datetime.fromisoformat(at), cloud) as shop:
        shop.probe = probe
        shop.do(verb, "executor", proposal_id, executor_id="run-1")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
