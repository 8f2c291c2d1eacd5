"""What may be asked of a hub: the few paths that only read, matched on the bytes that go on the wire.

On Maker API a GET changes things, so the method proves nothing. Nothing is decoded before the match: no
percent sign, no dot segment, no second slash fits these patterns, and so none is ever sent.
"""

import re
from typing import Final

DEVICES: Final = "devices/all"
SHORT_LIST: Final = "devices"
MODES: Final = "modes"
SAFETY_MONITOR: Final = "hsm"

_APP_ID: Final = re.compile(r"[0-9]{1,9}")
# Lists of the whole hub, and its two states. A path that is not needed is not allowed.
_READS: Final = re.compile(rb"/apps/api/[0-9]{1,9}/(?:devices|devices/all|modes|hsm)")
_TOKEN: Final = re.compile(rb"access_token=[A-Za-z0-9._~%-]+")


def is_app_id(text: str) -> bool:
    """Say whether this is the number of a Maker API instance: ASCII digits only."""
    return _APP_ID.fullmatch(text) is not None


def is_read(method: bytes, target: bytes) -> bool:
    """Say whether a request line only reads. ``target`` is raw, with its query."""
    path, _, query = target.partition(b"?")
    return method == b"GET" and _READS.fullmatch(path) is not None and _TOKEN.fullmatch(query) is not None
