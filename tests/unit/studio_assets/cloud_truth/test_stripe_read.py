"""A read of Stripe objects is whole and the same every time, or failed with its reason and without a file."""

import random
from datetime import UTC, date, datetime

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.errors import SourceUnreadableError
from resources.raw_store import RawStore
from resources.rows import Completeness, ReadMode
from studio_assets.cloud_truth.stripe_read import read_payment_objects
from studio_assets.contracts.stripe import BALANCE_TRANSACTIONS, CHARGES, REFUNDS, STRIPE_TYPES

DAY = date(2026, 3, 2)
READ_AT = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
CREATED = int(datetime(2026, 3, 2, 17, 0, tzinfo=UTC).timestamp())


class FakePaymentSource:
    """Gives the pages it was made with, then fails if it was made with an error."""

    def __init__(self, pages, error=None):
        self.pages = pages
        self.error = error
        self.asked = []

    def list_objects(self, object_type, *, created_before, created_from=None, stats):
        self.asked.append((object_type, created_before, created_from))
        for page in self.pages:
            stats.requests += 1
            stats.objects += len(page)
            yield page
        if self.error:
            stats.retries += 5
            raise self.error


def _refund(number, **changes):
    return {
        "id": f"re_{number:05d}",
        "object": "refund",
        "amount": 1000 + number,
        "currency": "usd",
        "status": "succeeded",
        "charge": f"ch_{number}",
        "payment_intent": f"pi_{number}",
        "balance_transaction": f"txn_{number}",
        "created": CREATED + number,
        "receipt_number": "CANARY-free-text",
        "metadata": {"note": "CANARY-free-text"},
        **changes,
    }


def _read(source, root, contract=REFUNDS, **options):
    return read_payment_objects(
        source,
        contract,
        RawStore(str(root)),
        studio_id="studio",
        snapshot_date=DAY,
        read_at=READ_AT,
        **options,
    )


def _files(root):
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_whole_read_is_kept_in_id_order(tmp_path):
    """Kept columns only, typed, sorted by id; cost, newest instant and hash are reported."""
    source = FakePaymentSource([[_refund(2), _refund(3)], [_refund(1)]])
    seen = []
    read = _read(source, tmp_path, progress=seen.append)
    assert (read.completeness, read.documents, read.expected_documents) == (Completeness.FULL, 3, None)
    assert (read.source, read.name, read.mode, read.reason) == ("stripe", "refunds", ReadMode.FULL, None)
    assert (read.billed_reads, read.resumes) == (2, 0)
    assert read.newest_source_at == datetime.fromtimestamp(CREATED + 3, UTC)
    assert read.watermark_at is None
    assert seen == [2, 3]
    rows = RawStore(str(tmp_path)).open_table(read.raw_url).to_pylist()
    assert [row["document_id"] for row in rows] == ["re_00001", "re_00002", "re_00003"]
    assert rows[0] == {
        "document_id": "re_00001",
        "amount_cents": 1001,
        "currency": "USD",
        "status": "succeeded",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "balance_transaction": "txn_1",
        "created_at": datetime.fromtimestamp(CREATED + 1, UTC),
    }


def test_exactly_the_objects_before_the_instant_are_asked_for(tmp_path):
    """The contract's list, everything created before ``read_at``, from the beginning."""
    source = FakePaymentSource([])
    _read(source, tmp_path)
    assert source.asked == [("refunds", READ_AT, None)]


def test_an_empty_list_that_was_read_is_full(tmp_path):
    """Zero rows, a hash and a file: an answer, unlike a failure."""
    read = _read(FakePaymentSource([]), tmp_path)
    assert (read.completeness, read.documents, read.newest_source_at) == (Completeness.FULL, 0, None)
    assert read.content_hash
    assert RawStore(str(tmp_path)).open_table(read.raw_url).num_rows == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.sets(st.integers(0, 400), max_size=60),
    size=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_the_order_of_pages_changes_nothing(tmp_path, numbers, size, seed):
    """Any order, any page size: the same hash and the same file content; other content: another hash."""
    objects = [_refund(number) for number in numbers]
    shuffled = random.Random(seed).sample(objects, len(objects))
    reads = [
        _read(FakePaymentSource([given[i : i + size] for i in range(0, len(given), size)]), tmp_path / name)
        for name, given in (("a", objects), ("b", shuffled))
    ]
    assert reads[0].content_hash == reads[1].content_hash
    tables = [
        RawStore(str(tmp_path / name)).open_table(r.raw_url) for name, r in zip("ab", reads, strict=True)
    ]
    assert tables[0].equals(tables[1])
    if objects:
        changed = [*objects[:-1], {**objects[-1], "status": "failed"}]
        assert _read(FakePaymentSource([changed]), tmp_path / "c").content_hash != reads[0].content_hash


@pytest.mark.parametrize("pages", [[], [[_refund(1)], [_refund(2)]]])
def test_a_failed_read_keeps_nothing(tmp_path, pages):
    """Whether or not pages came before the failure: failed, the reason in words, no rows, no file."""
    error = SourceUnreadableError(
        "Stripe's refunds could not be read: it hung.", reason="timeout", is_transient=True
    )
    read = _read(FakePaymentSource(pages, error), tmp_path)
    assert read.completeness is Completeness.FAILED
    assert (read.documents, read.content_hash, read.raw_url, list(read.quarantined)) == (0, None, None, [])
    assert read.reason.startswith("Stripe's refunds could not be read: it hung.")
    assert "last full read stays current" in read.reason
    assert (read.billed_reads, read.resumes) == (len(pages), 5)
    assert _files(tmp_path) == []


@pytest.mark.parametrize("changes", [{}, {"amount": 5, "created": CREATED + 50}])
def test_an_object_that_comes_twice_fails_the_read(tmp_path, changes):
    """On pages far apart, the same or changed: the list cannot be trusted."""
    read = _read(FakePaymentSource([[_refund(1)], [_refund(2)], [_refund(1, **changes)]]), tmp_path)
    assert (read.completeness, read.raw_url) == (Completeness.FAILED, None)
    assert "twice" in read.reason
    assert _files(tmp_path) == []


def test_an_object_that_breaks_its_contract_is_set_aside(tmp_path):
    """Counted, named by id and rule, never fatal; the rest is read."""
    broken = [_refund(2, amount=-5), _refund(1, amount="CANARY"), _refund(4, created=None)]
    read = _read(FakePaymentSource([[_refund(3)], broken]), tmp_path)
    assert (read.completeness, read.documents) == (Completeness.FULL, 1)
    assert [document.document_id for document in read.quarantined] == ["re_00001", "re_00002", "re_00004"]
    assert "CANARY" not in str(read.quarantined)


def test_an_unknown_status_is_kept_and_counted(tmp_path):
    """Stripe may add a status any day."""
    read = _read(FakePaymentSource([[_refund(1, status="paused"), _refund(2)]]), tmp_path)
    assert (read.completeness, read.documents) == (Completeness.FULL, 2)
    assert sum(count for what, count in read.warnings.items() if what.startswith("status")) == 1


def test_what_the_contract_does_not_list_is_not_kept(tmp_path):
    """No free text and no contact reaches the file."""
    read = _read(FakePaymentSource([[_refund(1)]]), tmp_path)
    assert b"CANARY" not in _files(tmp_path)[0].read_bytes()
    assert "receipt_number" not in RawStore(str(tmp_path)).open_table(read.raw_url).column_names


def test_a_store_that_cannot_be_written_fails_the_read(tmp_path):
    """A full or forbidden disk is a failed read with its reason, not a crash."""
    (tmp_path / "studio").write_text("a file where a folder should be")
    read = _read(FakePaymentSource([[_refund(1)]]), tmp_path)
    assert (read.completeness, read.raw_url) == (Completeness.FAILED, None)
    assert "raw store" in read.reason


@pytest.mark.parametrize("contract", STRIPE_TYPES, ids=lambda contract: contract.name)
def test_every_contract_reads_what_the_twin_serves(tmp_path, contract):
    """The twin's real objects, of every type, pass their contract without a warning."""
    from twins.stripe.kinds import KINDS
    from twins.stripe.ledger import Ledger
    from twins.stripe.seed import Shares, seed_payments

    ledger = Ledger()
    seed_payments(ledger, 400, spacing_seconds=3600, shares=Shares(0.2, 0.05, 0.1))
    now = int(READ_AT.timestamp())
    objects = [ledger.shown(entry, now) for entry in ledger.entries(KINDS[contract.path])]
    read = _read(FakePaymentSource([objects]), tmp_path, contract)
    assert (read.completeness, read.documents) == (Completeness.FULL, len(objects))
    assert objects
    assert (dict(read.warnings), list(read.quarantined)) == ({}, [])


def test_money_survives_the_journey(tmp_path):
    """Sums of the kept columns equal sums of the source: integer cents, no float anywhere."""
    from twins.stripe.kinds import KINDS
    from twins.stripe.ledger import Ledger
    from twins.stripe.seed import seed_payments

    ledger = Ledger()
    seed_payments(ledger, 500, spacing_seconds=3600)
    for contract, column, name in (
        (BALANCE_TRANSACTIONS, "net_cents", "net"),
        (CHARGES, "amount_cents", "amount"),
    ):
        objects = [dict(entry.data) for entry in ledger.entries(KINDS[contract.path])]
        read = _read(FakePaymentSource([objects]), tmp_path, contract)
        kept = pq.read_table(read.raw_url).column(column).to_pylist()
        assert sum(kept) == sum(data[name] for data in objects)
        assert {type(value) for value in kept} == {int}
