"""Random documents: mostly as the contract expects, sometimes tolerable, sometimes plainly wrong."""

from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import strategies as st

from studio_assets.contracts.model import Kind

# Microsecond counts stay exact when the source keeps them as float seconds only up to about this many digits.
INSTANTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
SECONDS = st.integers(1_000_000_000, 4_000_000_000)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
MONEY = st.integers(0, 10**9)

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    WORDS,
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(WORDS, st.integers(), max_size=2),
    st.just("x" * 10_001),
    st.just("é" * 5_001),
    st.just(datetime(1999, 12, 31, tzinfo=UTC)),
    st.just(datetime(2100, 1, 1, tzinfo=UTC)),
    st.just(datetime(2026, 1, 1)),  # noqa: DTZ001 - a naive instant is one of the bad values
)

_LIKELY = {
    Kind.TEXT: lambda _: WORDS,
    Kind.ENUM: lambda column: st.one_of(
        st.sampled_from(
            [
                spelt
                for value in (*column.values, *(alias for alias, _ in column.aliases))
                for spelt in (value, value.upper(), value.lower(), value.title())
            ]
        ),
        WORDS,
    ),
    Kind.INTEGER: lambda _: st.one_of(st.integers(0, 50), st.integers(0, 50).map(float)),
    Kind.CENTS: lambda _: st.one_of(MONEY, MONEY.map(float)),
    Kind.DOLLARS: lambda _: st.one_of(
        st.integers(0, 1000),
        st.integers(0, 10**7).map(lambda cents: cents / 100),
        st.integers(0, 10**7).map(lambda mills: mills / 1000),
        st.floats(0, 1e15),
    ),
    Kind.NUMBER: lambda _: st.one_of(st.integers(0, 32), st.floats(-0.0, 100)),
    Kind.BOOLEAN: lambda _: st.booleans(),
    Kind.INSTANT: lambda _: st.one_of(
        INSTANTS,
        INSTANTS.map(datetime.isoformat),
        INSTANTS.map(lambda instant: instant.replace(tzinfo=None).isoformat()),
        SECONDS,
        SECONDS.map(lambda seconds: seconds * 1000),
        SECONDS.map(lambda seconds: {"seconds": seconds, "nanoseconds": 5_000_000}),
    ),
    Kind.DATE: lambda _: INSTANTS.map(lambda instant: instant.date().isoformat()),
}


_SELDOM = st.integers(0, 30)
_DIE = st.integers(0, 249)
"""One throw says whether a field is missing (1 in 10), and else whether it is junk or null (1 in 25 each)."""


@cache
def likely(column):
    """Return values that may stand in a column; made once, not for every document."""
    return _LIKELY[column.kind](column)


@st.composite
def documents(draw, contract, *, leave_out=()):
    """Return the fields of one document; any field may be missing, a map may be something else."""
    fields = {}
    for column in contract.columns:
        if column.name in leave_out or (die := draw(_DIE)) < 25:
            continue
        head, _, leaf = column.path.partition(".")
        if leaf and not isinstance(fields.setdefault(head, {}), dict):
            continue
        value = None if die % 25 == 1 else draw(JUNK if die % 25 == 0 else likely(column))
        if leaf:
            fields[head][leaf] = value
        else:
            fields[head] = value
    if fields and draw(_SELDOM) == 0:
        fields[draw(st.sampled_from(sorted(fields)))] = draw(JUNK)
    return fields


def later(instant, seconds):
    return instant + timedelta(seconds=seconds)
