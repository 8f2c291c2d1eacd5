"""Structured logs: one JSON object per line on standard error.

Every line has ``level``, ``time``, ``component`` and ``event``, and the correlation ids of what is going on
(``request_id``, ``run_id``, ``proposal_id``), including lines that libraries write through ``logging``.
Everything passes a redactor last, so a secret in a message, a field or a traceback does not get out.
"""

import logging
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from policies.redaction import Redactor, url_secrets
from resources.settings import Settings, secret_variables, variables

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(
    component: str, *, level: str = "info", secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Make this process log JSON lines; call once, at start-up.

    Args:
        component: Which part of the system speaks (``supervisor``, ``web``, ``cli``).
        level: ``debug``, ``info``, ``warning`` or ``error``; anything below it is dropped.
        secrets: Exact values that must never appear, on top of everything that looks like a secret.
        stream: Where lines go; standard error by default.
    """
    redactor = Redactor.knowing(secrets)

    def name_component(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("component", component)
        return event

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        cleaned: dict[str, Any] = redactor.value(dict(event))
        return cleaned

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_component,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level])
    # It tells of every plug-in it loads, in every process.
    logging.getLogger("alembic").setLevel(max(_LEVELS[level], logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; ``log.info("part:web:started", port=3000)`` writes one line."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


@contextmanager
def correlated(**ids: str) -> Iterator[None]:
    """Add correlation ids (``request_id``, ``run_id``, ``proposal_id``) to every line inside the block."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def known_secrets(settings: Settings) -> tuple[str, ...]:
    """Return every secret value of the settings, and the passwords inside its URLs, for redaction."""
    found: list[str] = []
    for name, field in variables().items():
        secret = getattr(settings, field)
        if name in secret_variables() and secret is not None:
            plain = secret.get_secret_value()
            # A URL without a password is no secret, and cutting it would hide where a server is.
            found += url_secrets(plain) if "://" in plain else [plain]
    return tuple(dict.fromkeys(found))
