"""``operations/*``: what of work and numbers wants a person's attention, opened and resolved.

Only today's whole snapshot opens or resolves a finding; a past day touches none. What of devices does is in
``devices.findings``.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from resources.clock import Clock
from resources.findings import Applied, Finding
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.rows import SourceRead
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.calendar import StudioCalendar
from studio_assets.derived import RETRY, resting_on_today, spec_of
from studio_assets.findings.aside import (
    ASIDE_DETECTOR,
    EVERY_ROW_IS_COUNTED,
    Documents,
    check_of,
    findings_about,
    ids_about,
)
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
from studio_assets.operations.aside import (
    SUBJECT_OF,
    TELLING,
    Numbers,
    Sayable,
    aside_of,
    find_unusual,
    recommend,
)
from studio_assets.operations.case import DEPARTMENT, Case
from studio_assets.operations.rules import COLUMNS, RULES
from studio_assets.partitions import is_today
from studio_assets.run_book import CheckOutcome, RunBook
from studio_assets.studio_state.counters import COUNTERS
from studio_assets.studio_state.predicates import Moment
from studio_assets.studio_state.snapshot import flat_counters
from studio_assets.studio_state.today import todays_state

RECOMMENDATIONS_VERSION: Final = "recommendations-2"
ANOMALIES_VERSION: Final = "anomalies-2"
DAYS_LOOKED_AT: Final = 400
"""How many days of snapshots the baselines rest on: a year and its beginning."""
_SOURCES: Final = {one.path: one.sources for one in COUNTERS if one.path in WATCHED}
"""Counter that is watched -> contracts it counts."""
_OF_RULES: Final = frozenset({*RULES, ASIDE_DETECTOR})
_COUNTED: Final = frozenset(contract for contracts in _SOURCES.values() for contract in contracts)


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

    checks = [_check_spec(spec.key)]

    @dg.multi_asset(name="apply_rules", specs=[spec], check_specs=checks, retry_policy=RETRY)
    def apply_rules(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        applied: dict[str, Applied] = {}
        if not is_today(day, clock, settings):
            yield _told(findings, _OF_RULES, applied, clock, _unasked(spec.key))
            return
        state = _todays(settings, history, raw, clock, day, run_id, COLUMNS)
        case = Case(state.tables, state.moment, state.revision, calendar=StudioCalendar(settings.timezone))
        told = recommend(case, state.aside, partial(_known, findings, RULES))
        about: dict[str, Any] = {
            "at": state.moment.as_of,
            "run_id": run_id,
            "code_version": RECOMMENDATIONS_VERSION,
        }
        for detector, one in told.items():
            applied[detector] = findings.apply(DEPARTMENT, detector, one.present, besides=one.stays, **about)
        # Also of documents that only numbers are made of: one step alone tells of what is set aside.
        of_work = aside_of(state.reads, SUBJECT_OF)
        findings.apply(
            *(DEPARTMENT, ASIDE_DETECTOR),
            findings_about(TELLING, of_work, dict.fromkeys(SUBJECT_OF, state.revision)),
            besides=ids_about(TELLING, of_work),
            **about,
        )
        checked = _counted(spec.key, state.aside, told.values(), run_book)
        yield _told(findings, _OF_RULES, applied, clock, checked)

    return apply_rules


def _build_anomalies(settings: Settings) -> dg.AssetsDefinition:
    spec = _finding_spec(
        settings,
        ANOMALIES,
        ANOMALIES_VERSION,
        "One row per number of StudioState that is out of line with its own past; none while that is short.",
    )

    checks = [_check_spec(spec.key)]

    @dg.multi_asset(name="judge_counters", specs=[spec], check_specs=checks, retry_policy=RETRY)
    def judge_counters(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        applied: dict[str, Applied] = {}
        if not is_today(day, clock, settings):
            yield _told(findings, {COUNTER_BASELINES}, applied, clock, _unasked(spec.key))
            return
        columns = {watched.source: ("created_at",) for watched in WATCHED.values()}
        state = _todays(settings, history, raw, clock, day, run_id, columns, _COUNTED)
        numbers, unsure = _numbers(history, day, state.aside)

        def find(of: Numbers) -> list[Finding]:
            found = departures(of, StudioCalendar(settings.timezone))
            return find_anomalies(found, state.moment, state.tables, state.revision)

        told = find_unusual(find, numbers, unsure, day, partial(_known, findings, {COUNTER_BASELINES}))
        applied[COUNTER_BASELINES] = findings.apply(
            *(DEPARTMENT, COUNTER_BASELINES, told.present),
            besides=told.stays,
            at=state.moment.as_of,
            run_id=run_id,
            code_version=ANOMALIES_VERSION,
        )
        checked = _counted(spec.key, state.aside, [told], run_book)
        yield _told(findings, {COUNTER_BASELINES}, applied, clock, checked)

    return judge_counters


@dataclass(frozen=True, slots=True)
class _State:
    """Today's snapshot as detectors need it: rows, the instant they show, and where the evidence lies.

    ``aside`` is what was set aside of what the detectors look at, ``reads`` all there is.
    """

    tables: dict[str, pa.Table]
    moment: Moment
    revision: str
    reads: Mapping[str, SourceRead]
    aside: Documents


def _todays(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings,
    history: History,
    raw: RawStore,
    clock: Clock,
    day: date,
    run_id: str,
    columns: Mapping[str, Sequence[str]],
    looked_at: Iterable[str] = COLUMNS,
) -> _State:
    """Return today's state, when every source was read whole and lately and a snapshot rests on it."""
    with resting_on_today("No finding was opened or resolved."):
        today = todays_state(settings, history, clock, day, run_id)
        tables = today.tables(raw, columns)
    moment = Moment(today.as_of, settings.timezone)
    return _State(tables, moment, today.revision, today.reads, aside_of(today.reads, looked_at))


def _numbers(history: History, day: date, aside: Documents) -> tuple[Numbers, dict[str, dict[date, int]]]:
    """Return every watched counter's numbers up to a day, and how many documents each lacks by day."""
    numbers: dict[str, list[tuple[date, int]]] = {name: [] for name in WATCHED}
    unsure: dict[str, dict[date, int]] = {name: {} for name in WATCHED}
    for snapshot in history.snapshots(limit=DAYS_LOOKED_AT):
        at, sources = snapshot.snapshot_date, snapshot.payload.get("sources", {})
        if at <= day:
            counters = flat_counters(snapshot.payload)
            lacking = {name: one.get("quarantined", 0) for name, one in sources.items()}
            for name in WATCHED.keys() & counters.keys():
                numbers[name].append((at, counters[name]))
                unsure[name][at] = sum(lacking.get(source, 0) for source in _SOURCES[name])
    for name, days in unsure.items():
        # A snapshot whose rows are the same as before is not kept again, whatever was set aside.
        days[day] = sum(contract in _SOURCES[name] for contract, _ in aside)
    return numbers, unsure


def _known(findings: Findings, detectors: Container[str]) -> list[Finding]:
    return [one.finding for one in findings.open(DEPARTMENT) if one.finding.detector in detectors]


def _check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(EVERY_ROW_IS_COUNTED, asset=key, description=TELLING.holds)


def _unasked(key: dg.AssetKey) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key, check_name=EVERY_ROW_IS_COUNTED, passed=True, description="A past day."
    )


def _counted(
    key: dg.AssetKey, aside: Documents, told: Iterable[Sayable], run_book: RunBook
) -> dg.AssetCheckResult:
    """Return whether no document that was looked at had to be set aside, and write it into the run book."""
    with run_book.timed("checks"):
        check = check_of(TELLING, key, aside, sum(one.held_back for one in told))
    run_book.checks.append(
        CheckOutcome("/".join(key.path[1:]), EVERY_ROW_IS_COUNTED, check.passed, is_blocking=False)
    )
    return check


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
    findings: Findings,
    detectors: Container[str],
    applied: Mapping[str, Applied],
    clock: Clock,
    counted: dg.AssetCheckResult,
) -> dg.MaterializeResult[Any]:
    kept = [one for one in findings.open(DEPARTMENT) if one.finding.detector in detectors]
    return dg.MaterializeResult(
        data_version=findings_version(kept),
        metadata={
            "origin": "Derived from cloud: today's snapshot" if applied else "A past day touches no finding",
            "as_of": dg.MetadataValue.timestamp(clock.now()),
            **told_of_findings(kept, applied.values()),
        },
        check_results=[counted],
    )
