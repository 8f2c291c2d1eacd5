"""A snapshot that cannot be made is refused in words, once, and nothing is kept of it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg

from resources.clock import FixedClock
from resources.settings import load_settings
from studio_assets.run_book import RunBook
from studio_assets.studio_state import assets
from tests.dagster_memory import memory_instance
from tests.unit.studio_assets.studio_state.tables import studio

AS_OF = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


def test_money_beyond_what_can_be_kept_blocks_the_snapshot_and_says_where_to_look(monkeypatch):
    """Told as an event, to whoever asked and by the run; not tried again, as it would be no other."""
    ledger = [
        {"document_id": name, "amount_cents": 2**62, "currency": "usd", "available_at": AS_OF + timedelta(1)}
        for name in ("t1", "t2")
    ]
    charges = [{"status": "succeeded", "balance_transaction": row["document_id"]} for row in ledger]
    tables, told, book = studio(charges=charges, balance_transactions=ledger), [], RunBook()
    monkeypatch.setattr(assets, "newest_reads", lambda *_: [])
    monkeypatch.setattr(assets, "newest_connector_reads", lambda *_, **__: [object()])
    monkeypatch.setattr(assets, "usable_reads", lambda *_, **__: {})
    monkeypatch.setattr(assets, "as_of_reads", lambda _: AS_OF)
    monkeypatch.setattr(assets, "read_tables", lambda *_: tables)
    with memory_instance() as instance:
        result = dg.materialize(
            assets.build_studio_state(load_settings({"STUDIO_HISTORY_START": "2026-11-01"}))[:1],
            partition_key="2026-11-20",
            instance=instance,
            raise_on_error=False,
            resources={
                "history": SimpleNamespace(record_event=told.append),
                "raw": object(),
                "clock": FixedClock(AS_OF),
                "run_book": book,
            },
        )
        assert not result.success
        assert not result.asset_materializations_for_node("derive_snapshot")
        (step,) = result.get_step_failure_events()
        retried = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert retried == []
    (event,) = told
    (problem,) = event.payload["problems"]
    assert event.name == "studio_state:snapshot:blocked"
    assert problem == (
        "finance.unsettledCents is 9,223,372,036,854,775,808 cents, more than can be kept. Look in "
        "balance_transactions.amount_cents for amounts that cannot be."
    )
    assert book.problems == [problem]
    assert problem in step.event_specific_data.user_failure_data.description
