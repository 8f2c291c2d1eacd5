"""URLs: one spelling inside, one for psql, and never a password where it could be read."""

import pytest

from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.urls import normalise_url, psql_url, redacted, with_database


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_spelling_becomes_the_one_the_libraries_need(scheme):
    """SQLAlchemy 2.1 and Dagster disagree about every other spelling."""
    assert normalise_url(f"{scheme}://ann:pw@db:5433/studio") == "postgresql+psycopg2://ann:pw@db:5433/studio"


def test_a_socket_path_with_a_space_survives_libpq():
    """A plus sign would reach libpq as a plus sign, so a space is written as %20."""
    url = normalise_url("postgresql://postgres@/studio?host=/a%20b/run")
    assert url == "postgresql+psycopg2://postgres@/studio?host=/a%20b/run"
    assert psql_url(url) == "postgresql://postgres@/studio?host=/a%20b/run"


def test_the_database_is_replaced_and_the_rest_kept():
    assert with_database("postgres://ann:p%40w@db/one?sslmode=require", "two") == (
        "postgresql+psycopg2://ann:p%40w@db/two?sslmode=require"
    )


@pytest.mark.parametrize(
    "url", ["postgresql://ann:canary-9x@db/studio", "postgresql://ann@db/studio?password=canary-9x"]
)
def test_a_shown_url_never_holds_the_password(url):
    assert "canary-9x" not in redacted(url)


@pytest.mark.parametrize(
    "url", ["mysql://ann:canary-9x@db/x", "canary-9x", "", "postgresql://h:notaport/canary-9x"]
)
def test_what_is_no_postgres_url_is_refused_without_repeating_it(url):
    """The refused text may hold a password."""
    with pytest.raises(DatabaseRefusedError, match="Write postgresql://") as refused:
        normalise_url(url)
    assert "canary-9x" not in str(refused.value)
