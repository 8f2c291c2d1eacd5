"""A Firestore stand-in that costs next to nothing: it replays responses serialised beforehand.

A server in Python spends more on a document than the client it serves, and would hide what the client costs.
This one speaks just enough HTTP/2 and gRPC to answer RunQuery with a slice of one long run of bytes: it reads
the cursor and the limit from the request, cuts the run into frames, and obeys the client's flow control.
Several documents share a frame, as from a server that is faster than the wire.
"""

import bisect
import socket
import struct
import threading
from collections.abc import Sequence

from google.cloud.firestore_v1 import types

RunQueryRequest = types.RunQueryRequest.pb()

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_BYTES = 16_384  # the largest payload a client must accept
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_INITIAL_WINDOW_SETTING = 4
_DEFAULT_WINDOW = 65_535


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


_OPENING = b"\x88" + _literal(b"content-type", b"application/grpc")  # 0x88: ":status 200"
_CLOSING = _literal(b"grpc-status", b"0")


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class ReplayServer:
    """Answers every call as RunQuery over the given documents, which must be in id order."""

    def __init__(self, ids: Sequence[str], messages: Sequence[bytes]) -> None:
        self._ids = ids
        # Each message with gRPC's prefix: not compressed, and its length.
        prefixed = [b"\x00" + struct.pack(">I", len(message)) + message for message in messages]
        self._run = b"".join(prefixed)
        self._edges = [0]
        for message in prefixed:
            self._edges.append(self._edges[-1] + len(message))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_Connection(client, self).serve, daemon=True).start()

    def answer(self, body: bytes) -> memoryview:
        """Return the bytes that answer one request."""
        query = RunQueryRequest.FromString(body).structured_query
        first = 0
        if query.start_at.values:
            after = query.start_at.values[-1].reference_value.rpartition("/")[2]
            first = bisect.bisect_right(self._ids, after)
        last = len(self._ids)
        if query.limit.value:
            last = min(last, first + query.limit.value)
        return memoryview(self._run)[self._edges[first] : self._edges[max(first, last)]]


class _Connection:
    """One client: frames in, frames out, in one thread."""

    def __init__(self, client: socket.socket, server: ReplayServer) -> None:
        self._socket = client
        self._server = server
        self._input = b""
        self._bodies: dict[int, bytes] = {}
        self._ready: list[int] = []
        self._window = _DEFAULT_WINDOW
        self._windows: dict[int, int] = {}
        self._initial_window = _DEFAULT_WINDOW
        self._gone: set[int] = set()

    def serve(self) -> None:
        """Answer calls until the client hangs up."""
        try:
            self._need(len(_PREFACE))
            self._input = self._input[len(_PREFACE) :]
            self._socket.sendall(_frame(_SETTINGS, 0, 0))
            while True:
                while not self._ready:
                    self._take(block=True)
                self._answer(self._ready.pop(0))
        except (ConnectionError, OSError):
            self._socket.close()

    def _answer(self, stream: int) -> None:
        left = self._server.answer(self._bodies.pop(stream)[5:])
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, _OPENING))
        while left and stream not in self._gone:
            out = []
            while left and len(out) < 16:
                size = min(len(left), _FRAME_BYTES, self._window, self._windows[stream])
                if size <= 0:
                    break
                out += [_frame_head(size, stream), left[:size]]
                left = left[size:]
                self._window -= size
                self._windows[stream] -= size
            if out:
                self._socket.sendall(b"".join(out))
            self._take(block=not out)
        if stream not in self._gone:
            closing = _frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, _CLOSING)
            self._socket.sendall(closing)
        self._windows.pop(stream, None)

    def _need(self, count: int) -> None:
        while len(self._input) < count:
            more = self._socket.recv(1 << 16)
            if not more:
                raise ConnectionError
            self._input += more

    def _take(self, *, block: bool) -> None:
        """Take in what the client sent; wait for at least one frame when asked to."""
        if not block:
            self._socket.setblocking(False)
            try:
                more = self._socket.recv(1 << 16)
                if not more:
                    raise ConnectionError
                self._input += more
            except BlockingIOError:
                pass
            finally:
                self._socket.setblocking(True)
        else:
            self._need(9)
            self._need(9 + int.from_bytes(self._input[:3], "big"))
        while len(self._input) >= 9:
            size = int.from_bytes(self._input[:3], "big")
            if len(self._input) < 9 + size:
                return
            kind, flags = self._input[3], self._input[4]
            stream = int.from_bytes(self._input[5:9], "big") & 0x7FFFFFFF
            payload, self._input = self._input[9 : 9 + size], self._input[9 + size :]
            self._handle(kind, flags, stream, payload)

    def _handle(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._bodies[stream] = self._bodies.get(stream, b"") + payload
            if flags & _END_STREAM:
                self._ready.append(stream)
        elif kind == _HEADERS:
            self._windows.setdefault(stream, self._initial_window)
        elif kind == _WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload, "big") & 0x7FFFFFFF)
        elif kind == _RST:
            self._gone.add(stream)
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            self._settle(payload)

    def _widen(self, stream: int, more: int) -> None:
        if stream == 0:
            self._window += more
        elif stream in self._windows:
            self._windows[stream] += more

    def _settle(self, payload: bytes) -> None:
        for place in range(0, len(payload), 6):
            setting, value = struct.unpack(">HI", payload[place : place + 6])
            if setting == _INITIAL_WINDOW_SETTING:
                for known in self._windows:
                    self._windows[known] += value - self._initial_window
                self._initial_window = value
        self._socket.sendall(_frame(_SETTINGS, _ACK, 0))


def _frame_head(size: int, stream: int) -> bytes:
    return struct.pack(">I", size)[1:] + bytes([_DATA, 0]) + struct.pack(">I", stream)
