"""Database URLs: one spelling inside the house, one for ``psql``, one that may be shown."""

from urllib.parse import quote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from resources.postgres.errors import DatabaseRefusedError

DRIVER = "postgresql+psycopg2"
_REMEDY = "Write postgresql://user@host/database."
_OTHER_SPELLINGS = frozenset({"postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"})


def parse(url: str) -> URL:
    """Return ``url`` parsed, with the one driver the house uses.

    Raises ``DatabaseRefusedError`` when it is no PostgreSQL URL; the message never repeats the URL, which
    may hold a password.
    """
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise DatabaseRefusedError(
            "The database URL cannot be read. Write postgresql://user@host/database."
        ) from None
    if parsed.drivername not in _OTHER_SPELLINGS:
        raise DatabaseRefusedError(
            f"The database URL names {parsed.drivername!r}; only PostgreSQL works. {_REMEDY}"
        )
    return parsed.set(drivername=DRIVER)


def normalise_url(url: str) -> str:
    """Return ``url`` as ``postgresql+psycopg2://``, password kept; SQLAlchemy and Dagster need that form."""
    return _spell(parse(url))


def with_database(url: str, database: str) -> str:
    """Return ``url`` pointing at another database of the same server."""
    return _spell(parse(url).set(database=database))


def redacted(url: str) -> str:
    """Return ``url`` with the password hidden, fit for a log line."""
    shown = parse(url)
    if "password" in shown.query:
        shown = shown.update_query_dict({"password": "***"})
    return _spell(shown, hide_password=True)


def psql_url(url: str) -> str:
    """Return ``url`` as ``psql`` and other programs on libpq read it."""
    return _spell(parse(url)).replace(f"{DRIVER}://", "postgresql://", 1)


def _spell(url: URL, *, hide_password: bool = False) -> str:
    # Spaces become %20, not +: libpq reads a plus in a socket path as a plus.
    text = url.set(query={}).render_as_string(hide_password=hide_password)
    pairs = [
        f"{quote(name, safe='')}={quote(value, safe='/')}"
        for name, given in url.query.items()
        for value in ((given,) if isinstance(given, str) else given)
    ]
    return text + ("?" + "&".join(pairs) if pairs else "")
