"""``operations/*``: what of devices, work and numbers wants a person's attention, opened and resolved.

Only a current reading or today's whole snapshot opens or resolves a finding; a past day touches none.
"""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from resources.clock import Clock
from resources.findings import Applied, StoredFinding
from resources.postgres.device_readings import DeviceReadings
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.devices.assets import RETRY, is_today, spec_of
from studio_assets.devices.detect import (
    DEPARTMENT,
    detect,
    detect_silence,
    detector_of,
    detector_of_silence,
    is_of_devices,
    scope_of,
)
from studio_assets.devices.events import newest_connector_reads
from studio_assets.devices.section import ConnectorRead, ReadingStatus, limits_of
from studio_assets.keys import (
    ANOMALIES,
    CONNECTOR_HEALTH,
    DEVICE_FINDINGS,
    OPERATIONS,
    RECOMMENDATIONS,
    cloud_truth_key,
    operations_key,
    studio_state_key,
)
from studio_assets.operations.anomalies import ANOMALIES as COUNTER_BASELINES
from studio_assets.operations.anomalies import WATCHED, departures, find_anomalies
from studio_assets.operations.calendar import StudioCalendar
from studio_assets.operations.case import Case
from studio_assets.operations.rules import COLUMNS, RULES, find_all
from studio_assets.studio_state.predicates import Moment
from studio_assets.studio_state.snapshot import flat_counters, instant_text
from studio_assets.studio_state.today import NothingToRestOnError, todays_state

FINDINGS_VERSION: Final = "device-findings-1"
RECOMMENDATIONS_VERSION: Final = "recommendations-1"
ANOMALIES_VERSION: Final = "anomalies-1"
DAYS_LOOKED_AT: Final = 400
"""How many days of snapshots the baselines rest on: a year and its beginning."""


def build_operations(settings: Settings) -> dg.AssetsDefinition:
    """Return the asset of what was found of a studio's devices."""
    spec = spec_of(
        settings,
        operations_key(settings.studio_id, DEVICE_FINDINGS),
        deps=[cloud_truth_key(settings.studio_id, CONNECTOR_HEALTH)],
        description="One row per thing about a device that wants a person's attention, as it is now. Only a "
        "current reading opens or resolves one; a code nobody knows is a finding, never health.",
        view="analytics.findings",
        group_name=OPERATIONS,
        code_version=FINDINGS_VERSION,
        kinds={"postgres"},
        automation_condition=on_new_content(),
    )

    @dg.multi_asset(name="detect_devices", specs=[spec], retry_policy=RETRY)
    def detect_devices(
        context: dg.AssetExecutionContext,
        device_readings: dg.ResourceParam[DeviceReadings],
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[Any]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        looked_at, applied = [], []
        if is_today(day, clock, settings):
            for read in newest_connector_reads(history, day, run_id=run_id):
                done = _detect_one(settings, read, device_readings, findings, clock, run_id)
                looked_at += [read.connector_id] if len(done) > 1 else []
                applied += done
        kept = [one for one in findings.open(DEPARTMENT) if is_of_devices(one.finding)]
        return dg.MaterializeResult(
            data_version=_version(kept),
            metadata={
                "origin": f"Derived from cloud: current readings of {', '.join(looked_at) or 'no connector'}",
                "as_of": dg.MetadataValue.timestamp(clock.now()),
                "dagster/row_count": len(kept),
                "opened": sum(one.opened for one in applied),
                "changed": sum(one.changed for one in applied),
                "resolved": sum(one.resolved for one in applied),
                **({"findings": dg.MetadataValue.table([_record(one) for one in kept])} if kept else {}),
            },
        )

    return detect_devices


def _detect_one(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings,
    read: ConnectorRead,
    readings: DeviceReadings,
    findings: Findings,
    clock: Clock,
    run_id: str,
) -> list[Applied]:
    """Bring the findings of one connector up to date; its devices' only where its reading is current."""
    name, now, limits = read.connector_id, clock.now(), limits_of(settings)
    about: dict[str, Any] = {"run_id": run_id, "code_version": FINDINGS_VERSION}
    silence = detect_silence(read, now, limits)
    done = [findings.apply(DEPARTMENT, detector_of_silence(name), silence, at=now, **about)]
    stored = readings.newest(name)
    if stored is None or read.status(now, limits.stale_minutes) is not ReadingStatus.CURRENT:
        return done
    detector = detector_of(name)
    opened = [one.finding for one in findings.open(DEPARTMENT) if one.finding.detector == detector]
    done.append(
        findings.apply(
            DEPARTMENT,
            detector,
            detect(name, stored.reading, stored.revision, limits),
            at=stored.read_at,
            scope=scope_of(name, stored.reading, opened),
            **about,
        )
    )
    return done


def build_recommendations(settings: Settings) -> list[dg.AssetsDefinition]:
    """Return the assets of what rules and baselines find in a studio's snapshot of today."""
    return [_build_rules(settings), _build_anomalies(settings)]


def _build_rules(settings: Settings) -> dg.AssetsDefinition:
    spec = _finding_spec(
        settings,
        RECOMMENDATIONS,
        RECOMMENDATIONS_VERSION,
        "One row per thing in the studio's work that wants a person's attention, by rule: work that stands "
        "still, pick-ups and fees, idle kilns, queues, requests, unpaid seats.",
    )

    @dg.multi_asset(name="apply_rules", specs=[spec], retry_policy=RETRY)
    def apply_rules(
        context: dg.AssetExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[Any]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        applied: dict[str, Applied] = {}
        if is_today(day, clock, settings):
            state = _todays(settings, history, raw, clock, day, run_id, COLUMNS)
            case = Case(
                state.tables, state.moment, state.revision, calendar=StudioCalendar(settings.timezone)
            )
            for detector, found in find_all(case).items():
                applied[detector] = findings.apply(
                    *(DEPARTMENT, detector, found),
                    at=state.moment.as_of,
                    run_id=run_id,
                    code_version=RECOMMENDATIONS_VERSION,
                )
        return _told(findings, RULES, applied, clock)

    return apply_rules


def _build_anomalies(settings: Settings) -> dg.AssetsDefinition:
    spec = _finding_spec(
        settings,
        ANOMALIES,
        ANOMALIES_VERSION,
        "One row per number of StudioState that is out of line with its own past; none while that is short.",
    )

    @dg.multi_asset(name="judge_counters", specs=[spec], retry_policy=RETRY)
    def judge_counters(
        context: dg.AssetExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[Any]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        applied: dict[str, Applied] = {}
        if is_today(day, clock, settings):
            columns = {watched.source: ("created_at",) for watched in WATCHED.values()}
            state = _todays(settings, history, raw, clock, day, run_id, columns)
            numbers: dict[str, list[tuple[date, int]]] = {name: [] for name in WATCHED}
            for snapshot in history.snapshots(limit=DAYS_LOOKED_AT):
                if snapshot.snapshot_date <= day:
                    counters = flat_counters(snapshot.payload)
                    for name in WATCHED.keys() & counters.keys():
                        numbers[name].append((snapshot.snapshot_date, counters[name]))
            found = find_anomalies(
                departures(numbers, StudioCalendar(settings.timezone)),
                *(state.moment, state.tables, state.revision),
            )
            applied[COUNTER_BASELINES] = findings.apply(
                *(DEPARTMENT, COUNTER_BASELINES, found),
                at=state.moment.as_of,
                run_id=run_id,
                code_version=ANOMALIES_VERSION,
            )
        return _told(findings, {COUNTER_BASELINES}, applied, clock)

    return judge_counters


@dataclass(frozen=True, slots=True)
class _State:
    """Today's snapshot as detectors need it: rows, the instant they show, and where the evidence lies."""

    tables: dict[str, pa.Table]
    moment: Moment
    revision: str


def _todays(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings,
    history: History,
    raw: RawStore,
    clock: Clock,
    day: date,
    run_id: str,
    columns: Mapping[str, Sequence[str]],
) -> _State:
    """Return today's state, when every source was read whole and lately and a snapshot rests on it."""
    try:
        today = todays_state(settings, history, clock, day, run_id)
        tables = today.tables(raw, columns)
    except NothingToRestOnError as error:
        raise dg.Failure(f"{error} No finding was opened or resolved.", allow_retries=False) from error
    return _State(tables, Moment(today.as_of, settings.timezone), today.revision)


def _finding_spec(settings: Settings, name: str, version: str, description: str) -> dg.AssetSpec:
    return spec_of(
        settings,
        operations_key(settings.studio_id, name),
        deps=[studio_state_key(settings.studio_id, "snapshot")],
        description=f"{description} Opened and resolved by today's whole snapshot alone.",
        view="analytics.findings",
        group_name=OPERATIONS,
        code_version=version,
        kinds={"postgres"},
        automation_condition=on_new_content(),
    )


def _told(
    findings: Findings, detectors: Container[str], applied: Mapping[str, Applied], clock: Clock
) -> dg.MaterializeResult[Any]:
    kept = [one for one in findings.open(DEPARTMENT) if one.finding.detector in detectors]
    return dg.MaterializeResult(
        data_version=_version(kept),
        metadata={
            "origin": "Derived from cloud: today's snapshot" if applied else "A past day touches no finding",
            "as_of": dg.MetadataValue.timestamp(clock.now()),
            "dagster/row_count": len(kept),
            "opened": sum(one.opened for one in applied.values()),
            "changed": sum(one.changed for one in applied.values()),
            "resolved": sum(one.resolved for one in applied.values()),
            **({"findings": dg.MetadataValue.table([_record(one) for one in kept])} if kept else {}),
        },
    )


def _record(one: StoredFinding) -> dg.TableRecord:
    finding = one.finding
    return dg.TableRecord(
        {
            "subject": finding.subject_id,
            "kind": finding.kind,
            "severity": finding.severity.value,
            "since": instant_text(finding.since) if finding.since else "",
            "observed": str(finding.observed),
            "next step": finding.next_step,
        }
    )


def _version(kept: list[StoredFinding]) -> dg.DataVersion:
    said = repr([(one.finding_id, one.content_hash) for one in kept])
    return dg.DataVersion(hashlib.sha256(said.encode()).hexdigest())
