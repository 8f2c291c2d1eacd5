"""The server of the read benchmark, in a process of its own: prints its address, serves until stdin ends.

``python -m tests.benchmarks.read_server replay|twin CONTRACT COUNT``
"""

import random
import sys
from datetime import timedelta

from google.cloud.firestore_v1 import types

from resources.firestore.live_query import set_value
from studio_assets.contracts.catalog import collection
from studio_assets.contracts.model import Collection
from tests.benchmarks.read_client import PROJECT, READ_AT
from tests.benchmarks.replay_server import ReplayServer
from tests.benchmarks.sample_documents import sample_fields, sample_ids
from twins.firestore.server import FirestoreTwin

RunQueryResponse = types.RunQueryResponse.pb()
_SEED = 7


def prefix(contract: Collection) -> str:
    """Return what the names of a collection's documents begin with."""
    return f"projects/{PROJECT}/databases/(default)/documents/{contract.path}/"


def replay(contract: Collection, count: int) -> str:
    """Serialise the answers beforehand and replay them."""
    dice, ids, messages = random.Random(_SEED), sample_ids(count), []
    for document_id in ids:
        response = RunQueryResponse()
        response.document.name = prefix(contract) + document_id
        for name, value in sample_fields(contract, dice).items():
            set_value(response.document.fields[name], value)
        for instant in (response.document.create_time, response.document.update_time, response.read_time):
            instant.seconds, instant.nanos = 1_770_000_000, 123_456_000
        messages.append(response.SerializeToString())
    return ReplayServer(ids, messages).host


def twin(contract: Collection, count: int) -> str:
    """Put the documents into the twin."""
    server = FirestoreTwin().start()
    dice = random.Random(_SEED)
    server.clock.set(READ_AT - timedelta(days=1))  # the clients read at READ_AT, whatever today is
    server.store.put_many(
        (prefix(contract) + document_id, sample_fields(contract, dice)) for document_id in sample_ids(count)
    )
    server.clock.release()
    return server.host


def main() -> None:
    """Serve until the process that started this one closes its end."""
    kind, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    host = {"replay": replay, "twin": twin}[kind](collection(name), count)
    sys.stdout.write(host + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
