"""``finance/*``: the reconciliation of today's whole snapshot as findings, and the weekly summary.

Only today's snapshot opens or resolves a flag; a past day touches none, for Stripe tells the present only.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from resources.clock import Clock, instant_text
from resources.findings import Finding, StoredFinding
from resources.money import amount_text
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.checks.expectations import judge_rows
from studio_assets.checks.findings import column_rule
from studio_assets.contracts import catalog
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.derived import RETRY, data_version, resting_on_today, spec_of
from studio_assets.finance.amounts import TooMuchToCountError
from studio_assets.finance.aside import doubt_of, set_aside
from studio_assets.finance.aside_told import EVERY_ROW_SENTENCE, aside_findings, aside_ids, every_row_check
from studio_assets.finance.conserve import Conservation
from studio_assets.finance.flags import DEPARTMENT, DETECTOR, flags
from studio_assets.finance.reconcile import Discrepancy, reconcile
from studio_assets.finance.tables import SOURCES
from studio_assets.finance.weekly import Week, chart, summarise, told_of_aside, trend
from studio_assets.findings.aside import ASIDE_DETECTOR, EVERY_ROW_IS_COUNTED
from studio_assets.findings.telling import findings_version, told_of_changes
from studio_assets.keys import FINANCE, RECONCILIATION_FLAGS, WEEKLY_SUMMARY, finance_key, studio_state_key
from studio_assets.partitions import is_today
from studio_assets.run_book import CheckOutcome, RunBook
from studio_assets.studio_state.today import todays_state

RECONCILIATION_VERSION: Final = "reconciliation-3"
WEEKLY_VERSION: Final = "weekly-summary-2"
CONSERVATION: Final = "differences_are_explained"
CONSERVATION_SENTENCE: Final = (
    "What Stripe holds and what the portal calls paid differ by exactly the sum of the named explanations."
)
CONSERVATION_RULES: Final = (
    column_rule(CONSERVATION, "be_between", "unexplained_cents", min_value=0, max_value=0),
)
_WEEKLY_COLUMNS: Final = dg.TableSchema(
    [
        dg.TableColumn(name, kind, description=meaning)
        for name, kind, meaning in (
            ("week of", "date", "Monday the week begins with, studio-local; the running week says so far."),
            ("taken", "dollars", "Charges that succeeded in the week."),
            ("refunded", "dollars", "Refunds made in the week."),
            ("disputed", "dollars", "Withdrawn in the week because of disputes."),
            ("fees", "dollars", "Stripe's fees of the week."),
            ("kept", "dollars", "Taken, less refunded, disputed and fees."),
            ("paid out", "dollars", "Payouts made in the week, without failed and cancelled ones."),
            ("flags", "bigint", "Discrepancies open now that began in the week."),
            ("at odds", "dollars", "What is at odds in them, each counted without sign."),
        )
    ]
)
_COLUMNS: Final = {name: arrow_schema(catalog.collection(name)).names for name in SOURCES}


def build_finance(settings: Settings) -> dg.AssetsDefinition:
    """Return the assets ``reconciliation_flags`` and ``weekly_summary`` of a studio."""
    flags_key = finance_key(settings.studio_id, RECONCILIATION_FLAGS)
    weekly_key = finance_key(settings.studio_id, WEEKLY_SUMMARY)
    common: dict[str, Any] = {
        "view": "analytics.findings",
        "group_name": FINANCE,
        "kinds": {"postgres", "duckdb"},
        "automation_condition": on_new_content(),
    }
    snapshot = studio_state_key(settings.studio_id, "snapshot")
    specs = [
        spec_of(
            settings,
            flags_key,
            deps=[snapshot],
            description="One row per way in which orders and Stripe's money disagree, as it is now. Opened "
            "and resolved by today's whole snapshot alone; docs/finance.md says what each class means.",
            code_version=RECONCILIATION_VERSION,
            **common,
        ),
        spec_of(
            settings,
            weekly_key,
            deps=[flags_key],
            description="Twelve weeks of money: taken, refunded, disputed, fees, paid out, at odds.",
            code_version=WEEKLY_VERSION,
            **common,
        ).replace_attributes(metadata={"dagster/column_schema": _WEEKLY_COLUMNS}),
    ]
    checks = [
        dg.AssetCheckSpec(CONSERVATION, asset=flags_key, description=CONSERVATION_SENTENCE),
        dg.AssetCheckSpec(EVERY_ROW_IS_COUNTED, asset=flags_key, description=EVERY_ROW_SENTENCE),
    ]

    @dg.multi_asset(name="reconcile_money", specs=specs, check_specs=checks, retry_policy=RETRY)
    def reconcile_money(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        if not is_today(day, clock, settings):
            past: dict[str, Any] = {"origin": "A past day touches no finding"}
            unasked = [
                dg.AssetCheckResult(
                    asset_key=flags_key, check_name=check.name, passed=True, description="A past day."
                )
                for check in checks
            ]
            version = dg.DataVersion(f"past-{day}")
            yield dg.MaterializeResult(
                asset_key=flags_key, metadata=past, data_version=version, check_results=unasked
            )
            yield dg.MaterializeResult(asset_key=weekly_key, metadata=past, data_version=version)
            return
        with run_book.timed("reconcile"):
            with resting_on_today("No finding was opened or resolved."):
                today = todays_state(settings, history, clock, day, run_id)
                whole = today.tables(raw, _COLUMNS)
            as_of, revision = today.as_of, today.revision
            unread = {name: today.reads[name].quarantined for name in SOURCES}
            tables, aside = set_aside(whole, unread)
            try:
                found = reconcile(tables, as_of=as_of, timezone=settings.timezone)
            except TooMuchToCountError as why:
                rest = "Nothing was reconciled, and every flag stays as it was."
                raise dg.Failure(f"{why} {rest}", allow_retries=False) from why
            evidence = {name: f"{revision}.{str(today.reads[name].content_hash)[:16]}" for name in SOURCES}
            known = _open(findings, DETECTOR) if len(aside) else []
            told = [one.finding for one in known]
            doubt = doubt_of(tables, aside, found.discrepancies, told)
            may_be_said = doubt.sayable(found.discrepancies, told)
            about: dict[str, Any] = {"at": as_of, "run_id": run_id, "code_version": RECONCILIATION_VERSION}
            stays = {one.finding_id: one.finding for one in known if doubt.stays(one.finding)}
            applied = findings.apply(
                DEPARTMENT, DETECTOR, flags(may_be_said, evidence), besides=stays, **about
            )
            findings.apply(
                *(DEPARTMENT, ASIDE_DETECTOR, aside_findings(aside, evidence)),
                besides=aside_ids(aside),
                **about,
            )
            flagged: list[Discrepancy | Finding] = [*may_be_said, *stays.values()]
            weeks = summarise(tables, flagged, as_of=as_of, timezone=settings.timezone)
        kept = _open(findings, DETECTOR)
        error = found.conservation.error_cents
        with run_book.timed("checks"):
            unexplained = pa.table({"unexplained_cents": [error]})
            is_conserved = judge_rows(unexplained, CONSERVATION_RULES)[CONSERVATION].holds
            counted = every_row_check(flags_key, aside, len(found.discrepancies) - len(may_be_said))
        run_book.checks += [
            CheckOutcome(f"{FINANCE}/{RECONCILIATION_FLAGS}", check, holds, False)
            for check, holds in ((CONSERVATION, is_conserved), (EVERY_ROW_IS_COUNTED, counted.passed))
        ]
        origin: dict[str, Any] = {
            "origin": f"Derived from cloud: snapshot {revision}",
            "as_of": dg.MetadataValue.timestamp(as_of),
        }
        yield dg.MaterializeResult(
            asset_key=flags_key,
            data_version=findings_version(kept),
            metadata={
                **origin,
                **told_of_changes(kept, [applied]),
                "conservation_error_cents": error,
                "differences": _parts(found.conservation),
                **({"findings": dg.MetadataValue.table([_record(one) for one in kept])} if kept else {}),
            },
            check_results=[
                dg.AssetCheckResult(
                    asset_key=flags_key,
                    check_name=CONSERVATION,
                    passed=is_conserved,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=CONSERVATION_SENTENCE
                    if is_conserved
                    else f"{error} cents are not explained.",
                    metadata={"error_cents": error},
                ),
                counted,
            ],
        )
        yield dg.MaterializeResult(
            asset_key=weekly_key,
            data_version=data_version([*weeks, told_of_aside(aside, stays)] if len(aside) else weeks),
            metadata={
                **origin,
                "dagster/row_count": len(weeks),
                "weeks": dg.MetadataValue.table([_week(week) for week in weeks]),
                "chart": dg.MetadataValue.md(chart(weeks)),
                "trend": trend(weeks),
                **({"set_aside": told_of_aside(aside, stays)} if len(aside) else {}),
            },
        )

    return reconcile_money


def _open(findings: Findings, detector: str) -> list[StoredFinding]:
    return [one for one in findings.open(DEPARTMENT) if one.finding.detector == detector]


def _parts(conservation: Conservation) -> dg.TableMetadataValue:
    rows = [("all", currency, cents, "") for currency, cents in sorted(conservation.differences.items())]
    rows += [(part.name, part.currency, part.cents, str(part.rows)) for part in conservation.parts]
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {"explanation": name, "currency": currency, "amount": amount_text(cents), "rows": count}
            )
            for name, currency, cents, count in rows
        ]
        or [dg.TableRecord({"explanation": "all", "currency": "usd", "amount": "0.00", "rows": ""})]
    )


def _week(week: Week) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "week of": week.monday.isoformat() + ("" if week.is_whole else " (so far)"),
            "taken": amount_text(week.taken),
            "refunded": amount_text(week.refunded),
            "disputed": amount_text(week.disputed),
            "fees": amount_text(week.fees),
            "kept": amount_text(week.kept),
            "paid out": amount_text(week.paid_out),
            "flags": week.flagged,
            "at odds": amount_text(week.flagged_cents),
        }
    )


def _record(one: StoredFinding) -> dg.TableRecord:
    finding = one.finding
    has_money = finding.expected_cents is not None and finding.observed_cents is not None
    return dg.TableRecord(
        {
            "subject": finding.subject_id,
            "class": finding.kind,
            "severity": finding.severity.value,
            "since": instant_text(finding.since) if finding.since else "",
            "expected": amount_text(finding.expected_cents or 0, finding.currency) if has_money else "",
            "observed": amount_text(finding.observed_cents or 0, finding.currency) if has_money else "",
            "next step": finding.next_step,
        }
    )
