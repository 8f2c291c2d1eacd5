"""A simulated year is what the real reads of the twins would have held, day by day."""

import pytest

from cockpit.cli.evaluation.year import TIMEZONE, simulate
from resources.firestore.live import LiveDocumentSource
from resources.raw_store import RawStore
from resources.rows import Completeness
from resources.stripe.live import live_payment_source
from studio_assets.cloud_truth.read import read_collection
from studio_assets.cloud_truth.stripe_read import read_payment_objects
from studio_assets.contracts import catalog
from studio_assets.studio_state.counters import count_state
from tests.integration.twins.conftest import PROJECT
from twins.stripe.access import READER_KEY

pytestmark = pytest.mark.integration

SEED = 11
DAYS = 9


@pytest.fixture(scope="module")
def looks(stages):
    """Return what the real readers read at the end of some days, and the same days in memory."""
    year = simulate(SEED, DAYS)
    stage = stages(year.settings)
    documents = LiveDocumentSource(PROJECT, emulator_host=stage.firestore_twin.host)
    payments = live_payment_source(READER_KEY, api_base=stage.stripe_twin.base_url)
    raw = RawStore("memory://year")
    seen = []
    for number, day in enumerate(year):
        stage.world.apply_until(day.as_of)
        if number in {0, 3, DAYS - 1}:
            stage.clock.set(day.as_of)
            seen.append((day, _read(day, documents, payments, raw)))
    documents.close()
    return seen


def _read(day, documents, payments, raw):
    tables = {}
    when = {"studio_id": "s", "snapshot_date": day.day, "read_at": day.as_of}
    for contract in catalog.ALL:
        if contract.source == "stripe":
            read = read_payment_objects(payments, contract, raw, **when)
        else:
            read = read_collection(documents, contract, raw, **when)
        assert read.completeness is Completeness.FULL, read.reason
        tables[contract.name] = raw.open_table(read.raw_url)
    return tables


@pytest.mark.parametrize("name", [contract.name for contract in catalog.ALL])
def test_every_table_is_what_the_real_read_holds(looks, name):
    """Row for row and column for column, on the first, the fourth and the last of nine days."""
    for day, read in looks:
        assert day.tables[name].schema.equals(read[name].schema)
        assert day.tables[name].to_pylist() == read[name].to_pylist()


def test_the_days_are_worth_comparing(looks):
    """Every table has rows at its end, disputes and refunds among them, and money moved in it."""
    tables = looks[-1][0].tables
    assert all(rows.num_rows for rows in tables.values())
    assert {"available", "pending"} <= set(tables["balance_transactions"]["status"].to_pylist())


def test_counters_are_those_of_studio_state(looks):
    """The flat counters of a day are what StudioState counts in the real reads."""
    for day, read in looks:
        assert day.counters == count_state(read, day.as_of, TIMEZONE).flat()
