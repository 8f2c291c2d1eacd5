"""Cloud truth in Dagster: one asset per source collection, all read by one step.

The step reads the selected collections concurrently and yields one materialization each (docs/adr/0002). A
collection that could not be read whole is not materialized: its failed read is recorded, its
``read_is_complete`` check fails, and the step fails after the good ones were yielded.
"""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import chain
from typing import Any, Literal

import dagster as dg
import pyarrow as pa

from resources.clock import Clock, day_end
from resources.errors import SourceUnreadableError
from resources.firestore.gateway import DocumentSource
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import Completeness, OperationalEvent, ReadMode, SourceRead
from resources.settings import Settings
from resources.stripe.gateway import PaymentSource
from studio_assets.checks.judged import Targets, judged_result, targets_of
from studio_assets.checks.rules import SENTENCES, Check
from studio_assets.cloud_truth.reading import (
    DayNotBegunError,
    Reading,
    instant_of_day,
    read_many,
    unread,
)
from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_type, fingerprint
from studio_assets.contracts.model import Collection, PersonalData
from studio_assets.derived import derived_spec
from studio_assets.keys import CLOUD_TRUTH, cloud_truth_key
from studio_assets.run_book import CheckOutcome, RunBook

CODE_VERSION = "cloud-truth-1"
PREVIEW_ROWS = 5
PREVIEW_TEXT = 40
QUARANTINE_SAMPLE = 10
READ_POOL = "cloud_reads"
READ_FAILED = "cloud_truth:read:failed"

_Yielded = dg.MaterializeResult[Any] | dg.AssetCheckResult


class ReadConfig(dg.Config):
    """How a run reads: everything, or only what changed since the last full read where that is provable."""

    mode: Literal["full", "incremental"] = "full"


def build_cloud_truth(settings: Settings) -> dg.AssetsDefinition:
    """Return the assets of every collection of a studio, as one step that can be subset."""
    contracts = {cloud_truth_key(settings.studio_id, contract.name): contract for contract in catalog.ALL}

    @dg.multi_asset(
        name="read_cloud_truth",
        specs=[_spec(settings, key, contract) for key, contract in contracts.items()],
        check_specs=[
            dg.AssetCheckSpec(
                Check.READ_IS_COMPLETE.value,
                asset=key,
                description=SENTENCES[Check.READ_IS_COMPLETE],
                blocking=True,
            )
            for key in contracts
        ],
        can_subset=True,
        pool=READ_POOL,
    )
    def read_cloud_truth(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        config: ReadConfig,
        documents: dg.ResourceParam[DocumentSource],
        payments: dg.ResourceParam[PaymentSource],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[_Yielded]:
        day = date.fromisoformat(context.partition_key)
        selected = [c for key, c in contracts.items() if key in context.selected_asset_keys]
        checked = {key.asset_key for key in context.selected_asset_check_keys}
        run_id = context.op_execution_context.run_id

        def base_of(contract: Collection) -> SourceRead | None:
            return history.latest_read(contract.source, contract.name, completeness=Completeness.FULL)

        with run_book.timed("read"):
            read_at, lost = _begin(selected, documents, clock, day, settings.timezone)
        readable = [contract for contract in selected if contract.name not in lost]
        reading = Reading(
            documents=documents,
            payments=payments,
            raw=raw,
            studio_id=settings.studio_id,
            snapshot_date=day,
            read_at=read_at,
            mode=ReadMode(config.mode),
            is_past=read_at == day_end(day, settings.timezone),
            base_of=base_of,
            on_documents=lambda name, seen: run_book.tell("read", name, seen),
        )
        reads = []
        arriving = chain(lost.values(), read_many(readable, reading, settings.read_concurrency))
        try:
            for read in run_book.timed_each("read", arriving):
                history.record_read(read, run_id, fingerprint(catalog.collection(read.name)))
                run_book.tell("read", read.name, read.documents, read.expected_documents or read.documents)
                run_book.reads[read.name] = read
                run_book.checks.append(_noted(read))
                reads.append(read)
                yield from _materialization(settings, read, raw)
        except Exception:
            yield from _judged(settings, reads, checked, {})
            raise
        # Last, so that Dagster is asked once for all of them what it was that they judged.
        yield from _judged(settings, reads, checked, targets_of(context.instance, checked, day, run_id))
        failures = [read for read in reads if read.completeness is not Completeness.FULL]
        if failures:
            history.record_event(_failed_event(failures, clock.now(), run_id))
            raise _failure(failures, len(selected))

    return read_cloud_truth


def _begin(
    selected: list[Collection], documents: DocumentSource, clock: Clock, day: date, timezone: str
) -> tuple[datetime, dict[str, SourceRead]]:
    """Return the instant to read at, and the reads already lost because Firestore does not answer at all."""
    now, lost = clock.now(), {}
    if any(contract.source == "firestore" for contract in selected):
        try:
            now = documents.read_time()
        except SourceUnreadableError as error:
            lost = {c.name: str(error) for c in selected if c.source == "firestore"}
    try:
        read_at = instant_of_day(now, day, timezone)
    except DayNotBegunError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return read_at, {name: unread(catalog.collection(name), day, read_at, why) for name, why in lost.items()}


def _noted(read: SourceRead) -> CheckOutcome:
    is_full = read.completeness is Completeness.FULL
    notes = () if is_full else (read.reason or "",)
    return CheckOutcome(f"{CLOUD_TRUTH}/{read.name}", Check.READ_IS_COMPLETE.value, is_full, True, notes)


def _materialization(
    settings: Settings, read: SourceRead, raw: RawStore
) -> Iterator[dg.MaterializeResult[Any]]:
    """Yield what Dagster should know of a whole read; nothing of any other."""
    if read.completeness is Completeness.FULL and read.content_hash is not None:
        yield dg.MaterializeResult(
            asset_key=cloud_truth_key(settings.studio_id, read.name),
            metadata=_metadata(read, raw),
            data_version=dg.DataVersion(read.content_hash),
            tags={"studio/completeness": read.completeness.value, "studio/mode": read.mode.value},
        )


def _judged(
    settings: Settings, reads: list[SourceRead], checked: set[dg.AssetKey], targets: Targets
) -> Iterator[dg.AssetCheckResult]:
    """Yield whether each read is complete, by itself: as part of a materialization it is looked up twice."""
    for read in reads:
        key = cloud_truth_key(settings.studio_id, read.name)
        if key in checked:
            yield judged_result(
                targets,
                asset_key=key,
                check_name=Check.READ_IS_COMPLETE.value,
                passed=read.completeness is Completeness.FULL,
                severity=dg.AssetCheckSeverity.ERROR,
                description=read.reason or SENTENCES[Check.READ_IS_COMPLETE],
                metadata={
                    "completeness": read.completeness.value,
                    "documents": read.documents,
                    "quarantined": len(read.quarantined),
                    "expected_documents": "the source cannot count"
                    if read.expected_documents is None
                    else read.expected_documents,
                },
            )


def _failed_event(failures: list[SourceRead], at: datetime, run_id: str) -> OperationalEvent:
    reads = [
        {"source": r.source, "name": r.name, "completeness": r.completeness.value, "reason": r.reason}
        for r in failures
    ]
    return OperationalEvent(READ_FAILED, at, {"reads": reads}, run_id)


def _failure(failures: list[SourceRead], asked: int) -> dg.Failure:
    names = ", ".join(sorted(read.name for read in failures))
    return dg.Failure(
        f"{len(failures)} of {asked} collections could not be read whole: {names}. What was read whole is "
        "kept; no snapshot is made from this run and the last good one stays current. The next run reads "
        "again.",
        metadata={read.name: f"{read.completeness.value}: {read.reason}" for read in failures},
        allow_retries=False,
    )


def _spec(settings: Settings, key: dg.AssetKey, contract: Collection) -> dg.AssetSpec:
    return derived_spec(
        settings,
        key,
        description=_description(contract),
        group_name=CLOUD_TRUTH,
        skippable=True,
        code_version=f"{CODE_VERSION}-{fingerprint(contract)}",
        kinds={contract.source, "parquet"},
        tags={"studio/source": contract.source},
        metadata={
            "dagster/column_schema": _schema(contract),
            "dagster/table_name": "studio.analytics.source_reads",
            "sql": f"analytics.source_reads, rows with name = {contract.name}",
            "source_path": f"{contract.source}: {contract.path}",
        },
    )


def _description(contract: Collection) -> str:
    notes = "".join(f"\n- {note}" for note in contract.notes)
    source = f"\n\n[Described by its source]({contract.documentation})" if contract.documentation else ""
    return f"{contract.grain} Only the contract's columns of `{contract.path}` are read.{notes}{source}"


def _schema(contract: Collection) -> dg.TableSchema:
    columns = [
        dg.TableColumn(
            "document_id",
            "string",
            description="Id of the document in its source.",
            constraints=dg.TableColumnConstraints(nullable=False, unique=True),
        )
    ]
    for column in contract.columns:
        tags = {"personal_data": column.personal_data.value}
        if column.unit:
            tags["unit"] = column.unit
        columns.append(
            dg.TableColumn(
                column.name,
                str(arrow_type(column)),
                description=column.meaning,
                constraints=dg.TableColumnConstraints(nullable=not column.is_required),
                tags=tags,
            )
        )
    return dg.TableSchema(columns=columns)


def _metadata(read: SourceRead, raw: RawStore) -> dict[str, Any]:
    as_of = read.read_at.isoformat(timespec="seconds")
    found: dict[str, Any] = {
        "origin": f"Derived from cloud: {read.source} as of {as_of}",
        "as_of": dg.MetadataValue.timestamp(read.read_at),
        "dagster/row_count": read.documents,
        "dagster/uri": read.raw_url or "",
        "documents": read.documents,
        "billed_reads": read.billed_reads,
        "read_seconds": round(read.seconds, 3),
        "quarantined": len(read.quarantined),
        "tolerated_values": sum(read.warnings.values()),
        "resumes": read.resumes,
        "mode": read.mode.value,
        "completeness": read.completeness.value,
        "content_hash": read.content_hash or "",
        "snapshot_date": read.snapshot_date.isoformat(),
    }
    if read.newest_source_at is not None:
        found["newest_source_at"] = dg.MetadataValue.timestamp(read.newest_source_at)
    if read.warnings:
        lines = [f"- {what}: {times}" for what, times in sorted(read.warnings.items())]
        found["warnings"] = dg.MetadataValue.md("\n".join(lines))
    if read.quarantined:
        sample = read.quarantined[:QUARANTINE_SAMPLE]
        lines = [f"- `{aside.document_id}`: {aside.field_path} {aside.reason}" for aside in sample]
        found["quarantined_sample"] = dg.MetadataValue.md("\n".join(lines))
    preview = _preview(read, raw)
    if preview:
        found["preview"] = dg.MetadataValue.table(preview)
    return found


def _preview(read: SourceRead, raw: RawStore) -> list[dg.TableRecord]:
    """Return the first rows without pseudonyms: staff see the shape of the data, not who is in it."""
    if read.raw_url is None or not read.documents:
        return []
    contract = catalog.collection(read.name)
    hidden = {c.name for c in contract.columns if c.personal_data is not PersonalData.NONE}
    first: pa.RecordBatch = next(raw.iter_batches(read.raw_url, PREVIEW_ROWS))
    return [
        dg.TableRecord({name: _shown(value) for name, value in row.items() if name not in hidden})
        for row in first.to_pylist()
    ]


def _shown(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    return text if len(text) <= PREVIEW_TEXT else f"{text[: PREVIEW_TEXT - 1]}…"
