"""Reading many collections at once, all pinned to one instant. Which instant, is decided here too.

One collection that cannot be read does not keep the others from being read; its failed read is a result like
any other. Dagster is told about the results in ``assets``.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, datetime

from resources.clock import day_end, day_start
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource
from resources.raw_store import RawStore
from resources.rows import Completeness, ReadMode, SourceRead
from resources.stripe.gateway import PaymentSource
from studio_assets.cloud_truth.incremental import read_changes
from studio_assets.cloud_truth.past_payments import PastPayments
from studio_assets.cloud_truth.read import read_collection
from studio_assets.cloud_truth.stripe_read import read_payment_objects
from studio_assets.contracts.model import Collection

OnDocuments = Callable[[str, int], None]
"""Called from reading threads with the collection and how many documents were seen so far."""

BaseRead = Callable[[Collection], SourceRead | None]

_LOG = logging.getLogger(__name__)


class DayNotBegunError(Exception):
    """The asked day lies in the source's future: there is nothing to read yet."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What all reads of one run have in common. ``is_past``: the day is over and ``read_at`` is its end."""

    documents: DocumentSource
    payments: PaymentSource
    raw: RawStore
    studio_id: str
    snapshot_date: date
    read_at: datetime
    mode: ReadMode
    is_past: bool
    base_of: BaseRead
    on_documents: OnDocuments


def instant_of_day(now: datetime, day: date, timezone: str) -> datetime:
    """Return the instant a snapshot of ``day`` shows: its end, or ``now`` while it has not ended.

    Raises:
        DayNotBegunError: when the day begins after ``now``.
    """
    if now < day_start(day, timezone):
        raise DayNotBegunError(
            f"The source's clock says {now.isoformat(timespec='seconds')}, so {day} has not begun in "
            f"{timezone}. Nothing was read; try again when it has."
        )
    return min(now, day_end(day, timezone))


def read_many(contracts: Sequence[Collection], reading: Reading, concurrency: int) -> Iterator[SourceRead]:
    """Yield one read per collection, in the order they finish; at most ``concurrency`` at once."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="read") as pool:
        waiting: list[Future[SourceRead]] = [pool.submit(_read, contract, reading) for contract in contracts]
        for done in as_completed(waiting):
            yield done.result()


def unread(contract: Collection, snapshot_date: date, read_at: datetime, reason: str) -> SourceRead:
    """Return the report of a read that never began."""
    return SourceRead(
        source=contract.source,
        name=contract.name,
        snapshot_date=snapshot_date,
        read_at=read_at,
        mode=ReadMode.FULL,
        completeness=Completeness.FAILED,
        documents=0,
        expected_documents=None,
        quarantined=(),
        warnings={},
        billed_reads=0,
        resumes=0,
        newest_source_at=None,
        content_hash=None,
        raw_url=None,
        seconds=0.0,
        reason=f"{reason} Nothing of this read was kept; the last full read stays current.",
    )


def _read(contract: Collection, reading: Reading) -> SourceRead:
    try:
        return _read_by_source(contract, reading)
    except SourceUnreadableError as error:
        return unread(contract, reading.snapshot_date, reading.read_at, str(error))
    except Exception as error:  # noqa: BLE001 - one collection's fault must not lose the reads of the others
        _LOG.exception("read:collection:crashed", extra={"collection": contract.name})
        fault = f"A fault in Studio OS ({type(error).__name__}) ended the read."
        return unread(contract, reading.snapshot_date, reading.read_at, fault)


def _read_by_source(contract: Collection, reading: Reading) -> SourceRead:
    def progress(seen: int) -> None:
        reading.on_documents(contract.name, seen)

    if contract.source == "stripe":
        return read_payment_objects(
            PastPayments(reading.payments) if reading.is_past else reading.payments,
            contract,
            reading.raw,
            studio_id=reading.studio_id,
            snapshot_date=reading.snapshot_date,
            read_at=reading.read_at,
            progress=progress,
        )
    if reading.mode is ReadMode.INCREMENTAL and contract.change_column is not None:
        return read_changes(
            reading.documents,
            contract,
            reading.raw,
            base=reading.base_of(contract),
            studio_id=reading.studio_id,
            snapshot_date=reading.snapshot_date,
            read_at=reading.read_at,
            progress=progress,
        )
    return read_collection(
        reading.documents,
        contract,
        reading.raw,
        studio_id=reading.studio_id,
        snapshot_date=reading.snapshot_date,
        read_at=reading.read_at,
        progress=progress,
    )
