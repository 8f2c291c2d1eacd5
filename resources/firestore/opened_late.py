"""A door whose connection is made when it is first needed, and made again after it was closed.

How the connection is made, and with which credential, is each door's own.
"""

from abc import ABC, abstractmethod
from threading import Lock
from types import TracebackType
from typing import Any, Self


class OpenedLate(ABC):
    """What doors to Firestore have alike: idle until asked, opened once by whichever thread asks first."""

    def __init__(self) -> None:
        self._opening = Lock()
        self._channel: Any = None

    def close(self) -> None:
        """Close the connection; who asks later opens it again."""
        with self._opening:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Any:
        with self._opening:
            if self._channel is None:
                self._channel = self._new_channel()
            return self._channel

    @abstractmethod
    def _new_channel(self) -> Any:
        """Return a new connection; raise the door's own error where there is no usable credential."""
