"""Writing many new documents at once: the client library's lower layer, with our own encoding.

For the archive only. ``WriteBatch`` spends most of its time building wrapped messages; a million documents
would take half an hour. What reaches the server is the same ``Commit``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import grpc
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from twins.firestore.access import bearer
from twins.world.operations import DocumentWrite

_CommitRequest = types.CommitRequest.pb()


class BulkWriter:
    """Sets whole documents of one database, as many in one commit as it is given.

    ``token`` is the world's own where the twin tells writers apart; null where it does not.
    """

    def __init__(self, host: str, project: str, token: str | None = None) -> None:
        channel = grpc.insecure_channel(host, options=[("grpc.max_send_message_length", -1)])
        self._client = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))
        self._database = f"projects/{project}/databases/(default)"
        self._metadata = [bearer(token)] if token else []

    def close(self) -> None:
        """Close the connection."""
        self._client.transport.close()  # type: ignore[no-untyped-call]  # - the library leaves it untyped

    def commit(self, writes: Iterable[DocumentWrite]) -> None:
        """Set every document in one commit."""
        request = _CommitRequest(database=self._database)
        for write in writes:
            document = request.writes.add().update
            document.name = f"{self._database}/documents/{write.path}"
            for name, value in write.data.items():
                _encode(document.fields[name], value)
        self._client.commit(request=types.CommitRequest.wrap(request), metadata=self._metadata)


def _encode(target: Any, value: Any) -> None:
    """Put a plain value into an empty Firestore value message."""
    if value is None:
        target.null_value = 0
    elif isinstance(value, bool):  # before int, of which it is a kind
        target.boolean_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, int):
        target.integer_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, datetime):
        target.timestamp_value.FromDatetime(value)
    elif isinstance(value, Mapping):
        target.map_value.SetInParent()
        for name, inner in value.items():
            _encode(target.map_value.fields[name], inner)
    elif isinstance(value, list | tuple):
        target.array_value.SetInParent()
        for inner in value:
            _encode(target.array_value.values.add(), inner)
    else:
        raise TypeError(f"a document holds a {type(value).__name__}, which Firestore does not know")
