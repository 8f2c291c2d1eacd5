"""Random studios: the vectorised counters equal slow plain loops written independently."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_assets.contracts import catalog
from studio_assets.contracts.model import Kind
from studio_assets.studio_state.counters import REQUIRED_SOURCES, count_state
from tests.unit.studio_assets.studio_state.reference import count_naively
from tests.unit.studio_assets.studio_state.tables import table

AS_OF = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
PHOENIX = "America/Phoenix"
NEAR = [timedelta(microseconds=n) for n in (-1, 0, 1)]
FAR = [timedelta(hours=-24), timedelta(days=-29), timedelta(days=-31), timedelta(days=3)]
INSTANTS = [AS_OF + near + far for near in NEAR for far in (timedelta(), *FAR)]
IDS = [f"id{number}" for number in range(4)]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
STRANGE = ["", " ", "CLOSED", "whatever", "canceled", "Complete"]


def _value(column):
    match column.kind:
        case Kind.ENUM:
            words = [w for v in column.values for w in (v, v.swapcase())] + STRANGE
            value = st.sampled_from(words)
        case Kind.INSTANT:
            value = st.sampled_from(INSTANTS)
        case Kind.BOOLEAN:
            value = st.booleans()
        case Kind.CENTS:
            value = st.integers(0, 10**6)
        case Kind.TEXT:
            value = st.sampled_from(IDS)
        case _:
            return st.none()
    return value if column.is_required else st.none() | value


def _rows(name):
    contract = catalog.collection(name)
    row = st.fixed_dictionaries({column.name: _value(column) for column in contract.columns})
    return st.lists(row, max_size=4).map(
        lambda rows: [{"document_id": IDS[number], **row} for number, row in enumerate(rows)]
    )


@given(st.fixed_dictionaries({name: _rows(name) for name in REQUIRED_SOURCES}))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_counters_equal_a_naive_recount(studio):
    """Every counter of any studio, blanks, odd words, missing values and instants on the edge included."""
    tables = {name: table(name, rows) for name, rows in studio.items()}
    assert count_state(tables, AS_OF, PHOENIX).flat() == count_naively(studio, AS_OF, PHOENIX)
