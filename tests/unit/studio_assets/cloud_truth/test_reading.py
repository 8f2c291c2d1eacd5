"""Which instant is read, and that one collection's fault never loses the others."""

from datetime import UTC, date, datetime, timedelta

import pytest

from resources.errors import SourceUnreadableError
from resources.raw_store import RawStore
from resources.rows import Completeness, ReadMode
from studio_assets.cloud_truth.reading import DayNotBegunError, Reading, instant_of_day, read_many
from studio_assets.contracts import catalog

DAY = date(2026, 11, 20)
PHOENIX = "America/Phoenix"
BEGIN, END = datetime(2026, 11, 20, 7, tzinfo=UTC), datetime(2026, 11, 21, 7, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [(BEGIN, BEGIN), (BEGIN + TICK, BEGIN + TICK), (END - TICK, END - TICK), (END, END), (END + TICK, END)],
)
def test_a_running_day_is_read_now_and_a_past_day_at_its_end(now, expected):
    assert instant_of_day(now, DAY, PHOENIX) == expected


def test_a_day_in_the_future_is_refused():
    with pytest.raises(DayNotBegunError, match="2026-11-20 has not begun in America/Phoenix"):
        instant_of_day(BEGIN - TICK, DAY, PHOENIX)


class Documents:
    """One broken collection, one that crashes us, and empty ones."""

    def count(self, collection, *, read_time, where=()):
        if collection == "kilns":
            raise SourceUnreadableError("Firestore is away.", reason="unavailable", is_transient=True)
        if collection == "batches":
            raise ZeroDivisionError("secret of a member")
        return 0

    def scan(self, query, *, read_time, stats):
        return iter(())


class Payments:
    def list_objects(self, object_type, *, created_before, created_from=None, stats):
        if object_type == "charges":
            raise SourceUnreadableError("Stripe is away.", reason="unavailable", is_transient=True)
        return iter(())


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_collection_gets_a_read_whatever_happens_to_the_others(tmp_path, concurrency):
    """Lost ones are failed reads with a reason and no value of theirs in it; the others are full."""
    seen = []
    reading = Reading(
        documents=Documents(),
        payments=Payments(),
        raw=RawStore(str(tmp_path)),
        studio_id="studio",
        snapshot_date=DAY,
        read_at=END,
        mode=ReadMode.FULL,
        is_past=True,
        base_of=lambda _: None,
        on_documents=lambda name, count: seen.append((name, count)),
    )
    reads = {read.name: read for read in read_many(catalog.ALL, reading, concurrency)}
    assert set(reads) == {contract.name for contract in catalog.ALL}
    lost = {name for name, read in reads.items() if read.completeness is not Completeness.FULL}
    assert lost == {"kilns", "batches", "charges"}
    assert reads["kilns"].reason.startswith("Firestore is away.")
    assert "ZeroDivisionError" in reads["batches"].reason
    assert "member" not in reads["batches"].reason
