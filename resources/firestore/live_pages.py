"""A scan as runs of serialised documents: page after page, taken up again where a stream broke.

Every page is a query of its own that begins after the last document seen. The next page is asked for before
the last one is handed out, so the source works while the reader reads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from resources.errors import SourceUnreadableError
from resources.firestore.gateway import ScanStats
from resources.firestore.live_decode import RunQueryResponse
from resources.firestore.live_faults import Patience

Cursor = Sequence[Any]

RUN_BYTES = 4 << 20  # documents of a megabyte must not pile up by the thousand
_DOCUMENT_TAG = b"\n"  # field 1 of a response: the document
_OPEN = object()


def pages(
    ask: Callable[[Cursor], Any],
    cursor: Callable[[Any], Cursor],
    *,
    page_size: int,
    patience: Patience,
    stats: ScanStats,
) -> Iterator[list[bytes]]:
    """Yield runs of serialised responses, each of which holds a document; every document comes once.

    Args:
        ask: Starts the query for the page after a cursor and returns its stream.
        cursor: Returns the cursor after a parsed document.
        page_size: Documents the queries are limited to; a shorter page is the last one.
        patience: Decides how often and how long a broken stream is taken up.
        stats: Filled in as documents come.

    Raises:
        SourceUnreadableError: when patience ends, or an answer cannot be read.
    """
    after: Cursor = ()
    stream, sent = ask(after), 0
    try:
        while stream is not None:
            messages, end = _take(stream)
            if messages:
                sent += len(messages)
                stats.documents += len(messages)
                patience.progressed(len(messages))
                after = cursor(parse(messages[-1]).document)
            is_broken = isinstance(end, grpc.RpcError)
            if end is not _OPEN:
                stats.billed_reads += max(1, sent)
                is_last = is_broken or sent < page_size
                stream, sent = None if is_last else ask(after), 0
            if messages:
                yield messages
            del messages  # the reader may be done with them; the next run needs the room
            if is_broken:
                stats.resumes += 1
                patience.failed(end)
                stream = ask(after)
    finally:
        if stream is not None:
            stats.billed_reads += max(1, sent)
            stream.cancel()


def parse(message: bytes) -> Any:
    """Return a parsed response.

    Raises:
        SourceUnreadableError: when the bytes are no response.
    """
    try:
        return RunQueryResponse.FromString(message)
    except DecodeError:
        raise bad_response("a document") from None


def bad_response(subject: str) -> SourceUnreadableError:
    """Return the error for an answer that makes no sense; asking again may help."""
    return SourceUnreadableError(
        f"Firestore sent an answer that cannot be read ({subject}).", reason="bad-response", is_transient=True
    )


def _take(stream: Any) -> tuple[list[bytes], object]:
    """Return the next documents of a stream, and how it stands: open, over (``None``), or its error."""
    messages: list[bytes] = []
    size = 0
    try:
        for message in stream:
            if message.startswith(_DOCUMENT_TAG) or (message and parse(message).HasField("document")):
                messages.append(message)
                size += len(message)
                if size >= RUN_BYTES:
                    return messages, _OPEN
    except grpc.RpcError as error:
        return messages, error
    return messages, None
