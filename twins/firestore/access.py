"""Who may write to the twin, where that is told apart: whoever brings a known token.

Reading needs nothing. The service tells readers and writers apart by their roles; a token stands in for the
role here, so that what must not be able to write can be shown not to be.
"""

import hmac
from collections.abc import Iterable, Mapping

from grpc import StatusCode

from twins.firestore.errors import RefusedError
from twins.firestore.messages import RequestMessage

WRITING_RPCS = frozenset({"Commit", "BatchWrite", "CreateDocument", "UpdateDocument", "DeleteDocument"})
ANYBODY = "anybody"


def is_writing(rpc: str, request: RequestMessage) -> bool:
    """Tell whether a call writes, or begins what only a writer needs."""
    if rpc == "BeginTransaction":
        return bool(request.options.WhichOneof("mode") != "read_only")
    return rpc in WRITING_RPCS


def bearer(token: str) -> tuple[str, str]:
    """Return the metadata entry by which a client shows its token."""
    return "authorization", f"Bearer {token}"


class Writers:
    """The writers of one twin.

    Args:
        tokens: Name of each writer -> its token; null lets anybody write, as Google's emulator does.
    """

    def __init__(self, tokens: Mapping[str, str] | None) -> None:
        self._tokens = tokens

    def name_of(self, metadata: Iterable[tuple[str, str | bytes]]) -> str:
        """Return which writer calls.

        Raises:
            RefusedError: PERMISSION_DENIED for a call without a known token.
        """
        if self._tokens is None:
            return ANYBODY
        shown = [value for name, value in metadata if name == "authorization"]
        for writer, token in self._tokens.items():
            if any(_is_same(value, bearer(token)[1]) for value in shown):
                return writer
        raise RefusedError(StatusCode.PERMISSION_DENIED, "Missing or insufficient permissions.")


def _is_same(shown: str | bytes, expected: str) -> bool:
    text = shown if isinstance(shown, bytes) else shown.encode()
    return hmac.compare_digest(text, expected.encode())
