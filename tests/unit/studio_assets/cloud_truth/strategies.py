"""Random documents: mostly as the contract expects, sometimes tolerable, sometimes plainly wrong."""

from datetime import UTC, datetime, timedelta

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
        st.sampled_from([*column.values, *(alias for alias, _ in column.aliases)]).flatmap(
            lambda value: st.sampled_from([value, value.upper(), value.lower(), value.title()])
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


def values(column):
    """Return a value that may stand in a column, or now and then one that may not."""
    likely = _LIKELY[column.kind](column)
    return st.integers(0, 24).flatmap(lambda die: JUNK if die == 0 else st.none() if die == 1 else likely)


@st.composite
def documents(draw, contract, *, leave_out=()):
    """Return the fields of one document; any field may be missing, a map may be something else."""
    fields = {}
    for column in contract.columns:
        if column.name in leave_out or draw(st.integers(0, 9)) == 0:
            continue
        head, _, leaf = column.path.partition(".")
        if not leaf:
            fields[head] = draw(values(column))
        elif isinstance(fields.setdefault(head, {}), dict):
            fields[head][leaf] = draw(values(column))
    if fields and draw(st.integers(0, 30)) == 0:
        fields[draw(st.sampled_from(sorted(fields)))] = draw(JUNK)
    return fields


def later(instant, seconds):
    return instant + timedelta(seconds=seconds)
