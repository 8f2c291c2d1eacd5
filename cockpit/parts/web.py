"""The part that serves the pages."""

import http.client

from cockpit.parts.python_part import Environment, PythonPart

_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class WebPart(PythonPart):
    """Ready once ``/healthz`` answers."""

    def __init__(self, environment: Environment, *, host: str, port: int) -> None:
        super().__init__("web", "Web pages", ["cockpit.web"], environment, start_limit_seconds=60.0)
        self._host, self._port = _LOCAL.get(host, host), port

    def probe(self) -> bool:
        """Ask whether it is alive."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()
