"""Random studios: the vectorised counters equal slow plain loops written independently."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from studio_assets.contracts import catalog
from studio_assets.contracts.model import Kind
from studio_assets.studio_state import predicates
from studio_assets.studio_state.counters import REQUIRED_SOURCES, count_state
from studio_assets.studio_state.model import TooMuchToKeepError
from studio_assets.studio_state.predicates import Moment
from tests.unit.studio_assets.studio_state.reference import count_naively
from tests.unit.studio_assets.studio_state.tables import studio as studio_of
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


AMOUNTS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from((2**63 - 1, -(2**63), 2**62, -(2**62), 1, 0))


@given(st.lists(AMOUNTS, max_size=6))
@example([2**63 - 1])
@example([2**63 - 1, 1])
@example([-(2**63)])
@example([-(2**63), -1])
@example([2**63 - 1, 2**63 - 1, -(2**63)])
@example([2**62] * 4)
@settings(max_examples=30, deadline=None)
def test_money_is_added_up_exactly_or_refused_by_name(amounts):
    """Whatever the ledger says: no sum goes round at the end of 64 bits; what fits them is kept as it is."""
    entries = [
        {
            "amount_cents": cents,
            "currency": "usd",
            "available_at": AS_OF + FAR[-1],
            "document_id": f"t{place}",
        }
        for place, cents in enumerate(amounts)
    ]
    charges = [{"status": "succeeded", "balance_transaction": row["document_id"]} for row in entries]
    tables = studio_of(charges=charges, balance_transactions=entries)
    together = sum(amounts)
    assert predicates.unsettled_cents(tables, Moment(AS_OF, PHOENIX)) == together
    if -(2**63) <= together < 2**63:
        assert count_state(tables, AS_OF, PHOENIX).finance["unsettledCents"] == together
    else:
        with pytest.raises(TooMuchToKeepError) as refused:
            count_state(tables, AS_OF, PHOENIX)
        (problem,) = refused.value.problems
        assert problem.startswith(f"finance.unsettledCents is {together:,} cents, more than can be kept.")
        assert "balance_transactions.amount_cents" in problem
        assert str(refused.value).startswith(f"No snapshot was made: {problem} ")
