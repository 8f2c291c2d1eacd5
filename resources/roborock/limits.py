"""How a read's deadline is divided, and how the library is told: its limits are module constants."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from roborock.devices import device
from roborock.devices.rpc import a01_channel, b01_q7_channel, v1_channel
from roborock.devices.transport import local_channel

_GREETING, _CALL, _CONNECT, _CLOSE = 5.0, 10.0, 15.0, 3.0
_BROKER: Final = 10.0
_CLOUD: Final = 15.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for each part of a read; together they end before the deadline.

    Attributes:
        deadline: All of it.
        cloud: Asking the cloud for the home.
        connect: Connecting to all robots, which happens at once.
        greeting: One dialect's greeting on the local wire; two are tried.
        call: One call over one wire; the second wire is tried after the first.
        broker: Logging in at the broker.
        robot: One robot's answers, all wires together.
        close: Letting go of everything.
    """

    deadline: float
    cloud: float
    connect: float
    greeting: float
    call: float
    broker: float
    robot: float
    close: float

    @classmethod
    def of(cls, deadline: float) -> "Limits":
        """Divide a deadline; from a minute on, the parts are the library's own limits."""
        return cls(
            deadline=deadline,
            cloud=min(_CLOUD, deadline * 0.15),
            connect=min(_CONNECT, deadline * 0.25),
            greeting=min(_GREETING, deadline * 0.08),
            call=min(_CALL, deadline * 0.17),
            broker=min(_BROKER, deadline * 0.2),
            robot=deadline * 0.45,
            close=min(_CLOSE, deadline * 0.1),
        )

    def tell_library(self) -> None:
        """Set the library's constants; it reads them at every call, and takes them from nowhere else."""
        local_channel._TIMEOUT = self.greeting  # noqa: SLF001 - the library has no parameter for it
        v1_channel._TIMEOUT = self.call  # noqa: SLF001 - as above
        b01_q7_channel._TIMEOUT = self.call  # noqa: SLF001 - as above
        a01_channel._TIMEOUT = self.call  # noqa: SLF001 - as above
        device.START_ATTEMPT_TIMEOUT = timedelta(seconds=self.connect)
