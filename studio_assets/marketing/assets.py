"""``marketing/*``: what could be told of the studio today, as drafts, and what wants telling, as findings.

Only today is looked at, and only in a snapshot whose rows are the ones just read. Nothing is published.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from policies.marks import DraftStatus
from resources.clock import Clock, instant_text
from resources.findings import Applied, Finding
from resources.postgres.drafts import Drafts, NewDraft, StoredDraft
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.raw_store import RawStore
from resources.settings import Settings
from studio_assets.automation import on_new_content
from studio_assets.derived import RETRY, data_version, resting_on_today, spec_of
from studio_assets.findings.telling import findings_version, told_of_findings
from studio_assets.keys import (
    DRAFTS,
    MARKETING,
    OCCASIONS,
    OPERATIONS,
    RECOMMENDATIONS,
    marketing_key,
    operations_key,
    studio_state_key,
)
from studio_assets.marketing.channels import Channel
from studio_assets.marketing.drafts import (
    DRAFTS_VERSION,
    Draft,
    Earlier,
    Written,
    facts_of,
    stored_facts,
    write_drafts,
)
from studio_assets.marketing.facts import COLUMNS, FactSheet, NotPublishableError, basis_of, fact_sheet
from studio_assets.marketing.occasions import DEPARTMENT, DETECTOR, Occasion, Said, find_occasions
from studio_assets.partitions import is_today
from studio_assets.studio_state.today import todays_state

OCCASIONS_VERSION: Final = "occasions-1"
REMEMBERED: Final = timedelta(days=30)
"""How far back a new draft must not repeat an earlier one."""


def build_marketing(settings: Settings) -> dg.AssetsDefinition:
    """Return the assets of a studio's marketing: its drafts, and the occasions that want a word."""
    drafts_key = marketing_key(settings.studio_id, DRAFTS)
    occasions_key = marketing_key(settings.studio_id, OCCASIONS)
    drafts_spec = spec_of(
        settings,
        drafts_key,
        deps=[studio_state_key(settings.studio_id, "snapshot")],
        description="One row per draft as it is now; every revision is kept. Every number, date and price in "
        "it traces to a fact of today's full snapshot; people review it, and nothing is published from here.",
        view="analytics.marketing_drafts",
        group_name=MARKETING,
        code_version=DRAFTS_VERSION,
        kinds={"postgres"},
        automation_condition=on_new_content(),
    )
    occasions_spec = spec_of(
        settings,
        occasions_key,
        deps=[drafts_key, operations_key(settings.studio_id, RECOMMENDATIONS)],
        description="One row per thing of the studio's plans that people should hear of: an event hardly "
        "booked or called off, firings in a closed kiln, an approved text that is not so any more. Opened "
        "and resolved by today's whole snapshot alone.",
        view="analytics.findings",
        group_name=MARKETING,
        code_version=OCCASIONS_VERSION,
        kinds={"postgres"},
        automation_condition=on_new_content(),
    )

    @dg.multi_asset(name="write_drafts", specs=[drafts_spec, occasions_spec], retry_policy=RETRY)
    def draft(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetExecutionContext,
        drafts: dg.ResourceParam[Drafts],
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        raw: dg.ResourceParam[RawStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        day, run_id = date.fromisoformat(context.partition_key), context.op_execution_context.run_id
        written, kept, as_of, applied = Written(), list[StoredDraft](), clock.now(), Applied()
        today: _Today | None = None
        if is_today(day, clock, settings):
            today = _todays_facts(settings, history, raw, clock, day, run_id)
        if today is not None:
            as_of = today.sheet.basis.as_of
            recent = drafts.newest(since=clock.now() - REMEMBERED)
            written = write_drafts(today.sheet, [_earlier(one) for one in recent])
            kept = drafts.keep(
                [new_draft(one) for one in written.drafts],
                snapshot_date=day,
                snapshot_revision=today.sheet.basis.revision,
                at=clock.now(),
                run_id=run_id,
                code_version=DRAFTS_VERSION,
            )
        standing = drafts.newest(since=clock.now() - REMEMBERED)
        told: dict[str, Any] = {
            "origin": f"Derived from cloud: the snapshot of {day}",
            "as_of": dg.MetadataValue.timestamp(as_of),
        }
        yield dg.MaterializeResult(
            asset_key=drafts_key,
            data_version=data_version(
                sorted((one.draft.draft_id, one.draft.content_hash) for one in standing)
            ),
            metadata={
                **told,
                "dagster/row_count": len(standing),
                "drafted": len(kept),
                "unchanged": len(written.unchanged),
                "withheld_as_repeated": len(written.repeated),
                "refused_by_fact_check": len(written.refused),
                **({"drafts": dg.MetadataValue.table(_records(standing))} if standing else {}),
            },
        )
        if today is not None:
            applied = findings.apply(
                *(DEPARTMENT, DETECTOR, _occasions(today, drafts, standing, findings)),
                at=as_of,
                run_id=run_id,
                code_version=OCCASIONS_VERSION,
            )
        opened = findings.open(DEPARTMENT)
        yield dg.MaterializeResult(
            asset_key=occasions_key,
            data_version=findings_version(sorted(opened, key=lambda one: one.finding_id)),
            metadata=told | told_of_findings(opened, [applied]),
        )

    return draft


@dataclass(frozen=True, slots=True)
class _Today:
    """What may be said today, and the rows it was read from."""

    sheet: FactSheet
    tables: Mapping[str, pa.Table]


def _occasions(
    today: _Today, drafts: Drafts, standing: Sequence[StoredDraft], findings: Findings
) -> list[Finding]:
    """Return the occasions of today, with what is drafted, approved and waiting as it stands now."""
    approved = drafts.approved(since=today.sheet.basis.as_of - REMEMBERED)
    return find_occasions(
        Occasion(
            today.tables,
            today.sheet,
            approved=[_said(one) for one in approved],
            waiting=[_said(one) for one in standing if one.status == DraftStatus.NEEDS_REVIEW],
            drafted={
                one.draft.draft_id: one.revision for one in standing if one.status != DraftStatus.REJECTED
            },
            found=findings.open(OPERATIONS),
        )
    )


def _said(stored: StoredDraft) -> Said:
    return Said(stored.draft.draft_id, stored.revision, facts_of(stored.draft.facts), stored.at)


def new_draft(draft: Draft) -> NewDraft:
    """Return a draft as it is kept."""
    return NewDraft(
        draft_id=draft.draft_id,
        channel=draft.channel.value,
        variant=draft.variant,
        subject=draft.subject or None,
        body=draft.body,
        facts=stored_facts(draft),
        template=draft.template,
        template_version=draft.template_version,
        content_hash=draft.content_hash,
    )


def _earlier(stored: StoredDraft) -> Earlier:
    draft = stored.draft
    return Earlier(
        draft.draft_id,
        Channel(draft.channel),
        draft.variant,
        draft.body,
        facts_of(draft.facts),
        is_rejected=stored.status == DraftStatus.REJECTED,
    )


def _todays_facts(  # noqa: PLR0917 - the doors of one step, in one order everywhere
    settings: Settings, history: History, raw: RawStore, clock: Clock, day: date, run_id: str
) -> _Today | None:
    """Return what may be said today; null when another run has read later, whose drafts these would not be.

    Raises ``dg.Failure`` when the snapshot is not there, not full or not fresh.
    """
    with resting_on_today("Nothing was drafted."):
        today = todays_state(settings, history, clock, day, run_id)
        # An unchanged snapshot keeps the times it was first written with; these reads have confirmed it.
        confirmed = {**today.snapshot.payload, "asOf": instant_text(today.as_of)}
        try:
            basis = basis_of(
                confirmed,
                today.snapshot.revision,
                now=clock.now(),
                stale_minutes=settings.snapshot_stale_minutes,
            )
        except NotPublishableError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        if any(today.reads[name].content_hash != basis.source_hashes[name] for name in COLUMNS):
            return None
        tables = today.tables(raw, COLUMNS)
    return _Today(fact_sheet(tables, basis), tables)


def _records(standing: Sequence[StoredDraft]) -> list[dg.TableRecord]:
    return [
        dg.TableRecord(
            {
                "draft": one.draft.draft_id,
                "channel": one.draft.channel,
                "revision": one.revision,
                "status": one.status,
                "template": one.draft.template,
                "facts": len(one.draft.facts["facts"]),
            }
        )
        for one in standing[:50]
    ]
