"""Keeps tokens out of what libraries log by themselves, such as httpx, which logs every whole URL."""

import logging
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

from policies.redaction import Redactor

# A filter acts on its own logger only, not on those below it: each is named. httpcore tells of headers, too.
TALKATIVE: Final = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "stamina",
)


class _CutSecrets(logging.Filter):
    """Cuts secrets out of message, arguments and traceback of a record, before any handler sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: frozenset[str] = frozenset()
        self._redactor = Redactor()

    def learn(self, secrets: Iterable[str]) -> None:
        self.secrets |= frozenset(secrets)
        self._redactor = Redactor.knowing(self.secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        # A structured line is a mapping until its handler writes it; as a text the handler could not.
        said: object = record.msg
        is_structured = isinstance(said, Mapping)
        record.msg = self._redactor.value(said) if is_structured else self._redactor.text(record.getMessage())
        record.args = ()
        if record.exc_info and record.exc_info[1] is not None:
            told = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_text, record.exc_info = self._redactor.text(told), None
        return True


def hide_in_library_logs(secrets: Iterable[str], loggers: Iterable[str] = TALKATIVE) -> None:
    """Cut these values, and all that looks like a secret, from the lines of these loggers; repeatable."""
    known = tuple(secrets)
    for name in loggers:
        found = [one for one in logging.getLogger(name).filters if isinstance(one, _CutSecrets)]
        cut = found[0] if found else _CutSecrets()
        cut.learn(known)
        if not found:
            logging.getLogger(name).addFilter(cut)
