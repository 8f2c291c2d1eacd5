"""Dagster's web interface inside our own application: one address, one gate, one process less.

It is made in the background, because it takes seconds to load and needs the code server; until then its
address says so. The workspace classes are not among the names that Dagster promises to keep: its version is
pinned, and a smoke test guards this module.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cockpit.facts import instant
from cockpit.guard import App, Receive, Scope, Send
from resources.logs import logger

RETRY_SECONDS: Final = 1.0
SECONDS_UNTIL_SLOW_RETRY: Final = 120.0
STARTING: Final = (
    b"<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=3>"
    b"<title>Starting - Dagster</title><h1>Dagster is starting</h1>"
    b"<p>This page opens it as soon as it is there. <a href=/>Back to today</a></p></html>"
)


class LazyDagster:
    """Answers "starting" until the interface is there, then hands everything to it.

    Args:
        workspace: The workspace file; its code server is waited for.
        code_server: Path of the code server's socket.
        prefix: Where the interface is mounted.
        is_read_only: Whether people may start runs from it.
    """

    def __init__(self, workspace: Path, code_server: Path, *, prefix: str, is_read_only: bool) -> None:
        self._workspace, self._code_server = workspace, code_server
        self._prefix, self._is_read_only = prefix, is_read_only
        self._app: App | None = None
        self._instance: Any = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to make the interface, in a thread."""
        threading.Thread(target=self._make, name="dagster", daemon=True).start()

    def stop(self) -> None:
        """Stop trying."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1013})
        else:
            headers = [(b"content-type", b"text/html; charset=utf-8"), (b"retry-after", b"3")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": STARTING})

    def last_heartbeat(self) -> datetime | None:
        """Return the newest sign of life of Dagster's daemon; null when there is none; may raise."""
        if self._instance is None:
            return None
        signs = [sign.timestamp for sign in self._instance.get_daemon_heartbeats().values()]
        return instant(max(signs)) if signs else None

    def _make(self) -> None:
        started = time.monotonic()
        while not self._stopping.is_set():
            try:
                self._app = self._build()
            except Exception as error:  # noqa: BLE001 - the database or the code server may come later
                logger("web").info("dagster:interface:waiting", reason=type(error).__name__)
                is_slow = time.monotonic() - started > SECONDS_UNTIL_SLOW_RETRY
                self._stopping.wait(RETRY_SECONDS * (10 if is_slow else 1))
            else:
                logger("web").info("dagster:interface:ready", seconds=round(time.monotonic() - started, 1))
                return

    def _build(self) -> App:
        from dagster import DagsterInstance  # noqa: PLC0415 - takes seconds; the state page is served meanwhile

        if self._instance is None:
            self._instance = DagsterInstance.get()
        if not self._code_server.exists():
            raise FileNotFoundError(self._code_server)
        return _interface(self._instance, self._workspace, self._prefix, is_read_only=self._is_read_only)


def _interface(instance_: Any, workspace: Path, prefix: str, *, is_read_only: bool) -> App:
    from dagster._core.workspace.context import WorkspaceProcessContext  # noqa: PLC0415 - as above
    from dagster._core.workspace.load_target import WorkspaceFileTarget  # noqa: PLC0415 - as above
    from dagster_webserver.app import create_app_from_workspace_process_context  # noqa: PLC0415 - as above
    from dagster_webserver.version import __version__  # noqa: PLC0415 - as above

    context = WorkspaceProcessContext(
        instance_, WorkspaceFileTarget([str(workspace)]), version=__version__, read_only=is_read_only
    )
    make: Callable[..., App] = create_app_from_workspace_process_context
    return make(context, path_prefix=prefix)
