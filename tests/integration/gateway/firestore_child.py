"""The execution run's gateway with the real ops note adapter, in processes of their own that kill themselves.

Run as ``python -m tests.integration.gateway.firestore_child <JSON>``: a list of objects with the fields of
``act``. Prints the list of how the processes ended, as ``waitpid`` has it. All is loaded once, and nothing is
connected before a process is on its own.
"""

import json
import os
import signal
import sys
import traceback
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


def act(*, url, studio, at, cloud, verb, proposal_id, point):
    """Run the verb and die at the point, as ``kill -9`` would have it."""

    def probe(name):
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    with note_shop(url, studio, datetime.fromisoformat(at), cloud) as shop:
        shop.probe = probe
        shop.do(verb, "executor", proposal_id, executor_id="run-1")


def main(jobs):
    """Do all of them at once, each in its own process; print how they ended."""
    children = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            try:
                act(**job)
            except BaseException:  # noqa: BLE001 - told below; nothing of the parent's may run here
                traceback.print_exc()
            os._exit(1)
        children.append(child)
    sys.stdout.write(json.dumps([os.waitpid(child, 0)[1] for child in children]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
