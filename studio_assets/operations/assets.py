"""``operations/*``: what of work and numbers wants a person's attention, opened and resolved.

Only today's whole snapshot opens or resolves a finding; a past day touches none. What of devices does is in
``devices.findings``.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from resources.clock import Clock
from resources.findings import Applied
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.calendar import StudioCalendar
from studio_assets.derived import RETRY, resting_on_today, spec_of
from studio_assets.findings.telling import findings_version, told_of_findings
from studio_assets.keys import (
    ANOMALIES,
    OPERATIONS,
    RECOMMENDATIONS,
    operations_key,
    studio_state_key,
)
from studio_assets.operations.anomalies import ANOMALIES as COUNTER_BASELINES
from studio_assets.operations.anomalies import WATCHED, departures, find_anomalies
from studio_assets.operations.case import DEPARTMENT, Case
from studio_assets.operations.rules import COLUMNS, RULES, find_all
from studio_assets.partitions import is_today
from studio_assets.studio_state.predicates import Moment
from studio_assets.studio_state.snapshot import flat_counters
from studio_assets.studio_state.today import todays_state

RECOMMENDATIONS_VERSION: Final = "recommendations-1"
ANOMALIES_VERSION: Final = "anomalies-1"
DAYS_LOOKED_AT: Final = 400
"""How many days of snapshots the baselines rest on: a year and its beginning."""


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
    with resting_on_today("No finding was opened or resolved."):
        today = todays_state(settings, history, clock, day, run_id)
        tables = today.tables(raw, columns)
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
        data_version=findings_version(kept),
        metadata={
            "origin": "Derived from cloud: today's snapshot" if applied else "A past day touches no finding",
            "as_of": dg.MetadataValue.timestamp(clock.now()),
            **told_of_findings(kept, applied.values()),
        },
    )
