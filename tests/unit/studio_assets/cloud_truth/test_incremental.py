"""A change read is taken only when it provably gives the whole; every reason to read whole is tried here."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resources.rows import Completeness, ReadMode
from studio_assets.cloud_truth.incremental import LONGEST_CHAIN, read_changes
from studio_assets.cloud_truth.read import read_collection
from studio_assets.contracts.catalog import collection
from tests.unit.studio_assets.cloud_truth.documents import START, InMemoryDocuments

ORDERS = collection("materials_orders")
REQUEST = {"studio_id": "s", "snapshot_date": START.date()}


@pytest.fixture
def shop():
    """Forty orders, one every hour."""
    source = InMemoryDocuments(batch_size=7)
    for number in range(40):
        source.tick(hours=1)
        put(source, f"order{number:02}", number)
    return source


def put(source, document_id, cents, **fields):
    stamp = source.now + timedelta(seconds=1)
    source.put(
        ORDERS.path, document_id, {"totalCents": cents, "status": "paid", "updatedAt": stamp, **fields}
    )


def read_whole(source, raw):
    return read_collection(source, ORDERS, raw, read_at=source.tick(), **REQUEST)


def bring_up(source, raw, base, contract=ORDERS, **options):
    return read_changes(source, contract, raw, base=base, read_at=source.tick(), **REQUEST, **options)


def why_whole(report):
    assert report.mode is ReadMode.FULL
    assert report.completeness is Completeness.FULL
    (reason,) = (warning for warning in report.warnings if warning.startswith("read whole: "))
    return reason.removeprefix("read whole: ")


def test_unchanged_collection_costs_almost_nothing(shop, raw):
    """Three counts and the one document at the watermark, instead of forty."""
    base = read_whole(shop, raw)
    again = bring_up(shop, raw, base)
    assert again.mode is ReadMode.INCREMENTAL
    assert again.content_hash == base.content_hash
    assert again.billed_reads == 3 + 1
    assert (again.documents, again.expected_documents) == (40, 40)
    assert raw.open_table(again.raw_url).equals(raw.open_table(base.raw_url))


def test_changed_and_new_documents_are_laid_over(shop, raw):
    base = read_whole(shop, raw)
    put(shop, "order00", 777)
    put(shop, "order05a", 888)
    put(shop, "zzz", 999)
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL
    table = raw.open_table(report.raw_url, columns=["document_id", "total_cents"])
    rows = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert (rows["order00"], rows["order05a"], rows["zzz"], len(rows)) == (777, 888, 999, 42)
    assert list(rows) == sorted(rows)
    assert report.content_hash == read_whole(shop, raw).content_hash


def test_change_reads_follow_one_another(shop, raw):
    """The base may itself be a change read."""
    base = read_whole(shop, raw)
    for cents in (1, 2, 3):
        put(shop, "order11", cents)
        base = bring_up(shop, raw, base)
        assert base.mode is ReadMode.INCREMENTAL
    assert base.content_hash == read_whole(shop, raw).content_hash


def test_deletion_shows_in_the_count(shop, raw):
    """A deleted document leaves no change time behind; the count gives it away."""
    base = read_whole(shop, raw)
    shop.delete(ORDERS.path, "order20")
    report = bring_up(shop, raw, base)
    assert "deleted" in why_whole(report)
    assert report.documents == 39
    assert (
        report.billed_reads == 3 + 1 + 1 + 39
    )  # three counts and one change, in vain; then a count and the whole


def test_deletion_beside_a_creation_shows_too(shop, raw):
    """As many made as deleted leaves the count alone, but the made ones are known."""
    base = read_whole(shop, raw)
    shop.delete(ORDERS.path, "order20")
    put(shop, "order40", 5)
    report = bring_up(shop, raw, base)
    assert "deleted" in why_whole(report)
    assert report.content_hash == read_whole(shop, raw).content_hash


def test_document_deleted_and_made_again_is_a_change(shop, raw):
    base = read_whole(shop, raw)
    shop.delete(ORDERS.path, "order20")
    put(shop, "order20", 5)
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL
    assert report.content_hash == read_whole(shop, raw).content_hash


def test_late_writer_is_caught_by_the_overlap(shop, raw):
    """A change stamped before the watermark but committed after the read is still seen."""
    base = read_whole(shop, raw)
    put(shop, "order01", 12, updatedAt=base.watermark_at - timedelta(minutes=9))
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL
    assert report.content_hash == read_whole(shop, raw).content_hash


def test_set_aside_documents_stay_set_aside(shop, raw):
    """A bad document nobody touched is neither forgotten nor counted as deleted."""
    put(shop, "bad", -1)
    shop.tick(hours=1)
    put(shop, "last", 1)
    base = read_whole(shop, raw)
    put(shop, "order03", 3)
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL
    assert [one.document_id for one in report.quarantined] == ["bad"]
    assert report.documents + 1 == report.expected_documents


def test_documents_become_bad_and_good_again(shop, raw):
    put(shop, "bad", -1)
    base = read_whole(shop, raw)
    put(shop, "bad", 1)
    put(shop, "order10", -1)
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL
    assert [one.document_id for one in report.quarantined] == ["order10"]
    assert report.content_hash == read_whole(shop, raw).content_hash


def test_documents_without_a_change_time_need_the_whole(shop, raw):
    """A document that no change query can see might change unseen."""
    shop.put(ORDERS.path, "legacy", {"totalCents": 1})
    base = read_whole(shop, raw)
    assert why_whole(bring_up(shop, raw, base)) == "some documents carry no usable change time"


def test_contract_without_a_change_column_is_read_whole(raw):
    report = bring_up(InMemoryDocuments(), raw, None, contract=collection("kilns"))
    assert why_whole(report) == "no field of this collection tells every change"


def test_first_read_is_whole(shop, raw):
    assert why_whole(bring_up(shop, raw, None)) == "there is no earlier full read"


def test_failed_base_is_no_base(shop, raw):
    base = replace(read_whole(shop, raw), completeness=Completeness.FAILED)
    assert why_whole(bring_up(shop, raw, base)) == "there is no earlier full read"


def test_earlier_instant_is_read_whole(shop, raw):
    """Going back in time is a rebuild, not a change read."""
    base = read_whole(shop, raw)
    report = read_changes(shop, ORDERS, raw, base=base, read_at=START + timedelta(hours=5), **REQUEST)
    assert why_whole(report) == "the earlier read shows a later instant"
    assert report.documents == 4


def test_missing_file_is_read_whole(shop, raw):
    base = replace(read_whole(shop, raw), raw_url=f"{raw.root_url}/gone.parquet")
    assert "gone or damaged" in why_whole(bring_up(shop, raw, base))


def test_damaged_file_is_read_whole(shop, raw):
    """Rows that no longer have the hash of their read are not built upon."""
    base = read_whole(shop, raw)
    with raw._files.open(base.raw_url, "wb") as file:
        file.write(b"PAR1 but not really")
    assert "gone or damaged" in why_whole(bring_up(shop, raw, base))


def test_exchanged_file_is_read_whole(shop, raw):
    """A sound file with other rows is noticed by its hash."""
    base = read_whole(shop, raw)
    shop.tick(hours=1)
    put(shop, "order00", 123)
    other = read_whole(shop, raw)
    raw._files.copy(other.raw_url, base.raw_url)
    assert "gone or damaged" in why_whole(bring_up(shop, raw, base))


def test_changed_contract_is_read_whole(shop, raw):
    base = read_whole(shop, raw)
    columns = (replace(ORDERS.columns[0], is_required=True), *ORDERS.columns[1:])
    report = bring_up(shop, raw, base, contract=replace(ORDERS, columns=columns))
    assert why_whole(report) == "the contract has changed since the earlier read"


def test_long_chain_ends_in_a_whole_read(shop, raw):
    """A writer that leaves the change time alone is caught up with after a day."""
    base = read_whole(shop, raw)
    shop.put(ORDERS.path, "order07", {"totalCents": 70_000, "updatedAt": START})
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL  # the silent change is not in it yet
    shop.tick(hours=LONGEST_CHAIN.total_seconds() / 3600)
    report = bring_up(shop, raw, report)
    assert why_whole(report) == "the last whole read is too long ago"
    assert report.content_hash == read_whole(shop, raw).content_hash


def test_source_fault_is_no_reason_to_read_more(shop, raw):
    """An unreachable source gives a failed change read; reading whole would only fail longer."""
    base = read_whole(shop, raw)
    put(shop, "order03", 3)
    shop.fail_after = 0
    report = bring_up(shop, raw, base)
    assert report.mode is ReadMode.INCREMENTAL
    assert report.completeness is Completeness.FAILED
    assert report.raw_url is None
    assert "stays current" in report.reason


def test_short_change_scan_is_noticed(shop, raw):
    """Changes are proven by count just as whole reads are."""
    base = read_whole(shop, raw)
    put(shop, "order03", 3)
    shop.hide = {"order03"}
    report = bring_up(shop, raw, base)
    assert report.completeness is not Completeness.FULL
    assert "but" in report.reason


def test_another_collections_read_is_a_mistake(shop, raw):
    base = replace(read_whole(shop, raw), name="batches")
    with pytest.raises(ValueError, match="cannot be brought up to date"):
        bring_up(shop, raw, base)


def test_nothing_unproven_stays_behind(shop, raw):
    """An abandoned change read leaves no file; the whole read's file is the only new one."""
    base = read_whole(shop, raw)
    shop.delete(ORDERS.path, "order20")
    report = bring_up(shop, raw, base)
    kept = {path.rpartition("/")[2] for path in raw._files.find(raw.root_url)}
    assert kept == {url.rpartition("/")[2] for url in (base.raw_url, report.raw_url)}
