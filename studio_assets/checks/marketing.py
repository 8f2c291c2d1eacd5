"""The checks of drafts and occasions in Dagster: what stands is read back and judged again."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

import dagster as dg
import pyarrow as pa

from policies.marks import DraftStatus
from resources.clock import Clock
from resources.postgres.drafts import Drafts, StoredDraft
from resources.postgres.findings import Findings
from resources.postgres.history import History
from resources.settings import Settings
from studio_assets.checks.findings import (
    FINDINGS_IN_WORDS,
    broken_rules,
    column_rule,
    is_full_snapshot,
    judge_findings,
    unresolved,
)
from studio_assets.checks.telling import Judged, check_specs, told
from studio_assets.keys import DRAFTS, OCCASIONS, marketing_key
from studio_assets.marketing.channels import Channel, over_limits
from studio_assets.marketing.checker import Checked, personal, untraced
from studio_assets.marketing.drafts import checked_of, draft_id
from studio_assets.marketing.occasions import DEPARTMENT, DRAFTS_ASSET
from studio_assets.run_book import RunBook

RULES_IN_WORDS: Final[Mapping[str, str]] = {
    "identities_are_stable": "Every draft has the id that follows from channel and topic, and stands once.",
    "every_claim_is_traced": "Every number, date, time and price of a draft is a fact that it lists.",
    "holds_no_personal_data": "Drafts hold no address, link, secret or words of a member.",
    "limits_are_kept": "Every draft fits its channel.",
    "facts_are_of_full_snapshots": "Every draft rests on a revision of a snapshot that exists and is full.",
}
LOOKED_AT: Final = timedelta(days=30)
RULES: Final = (
    column_rule("identities_are_stable", "match_regex", "name", regex="^drf_[0-9a-f]{20}$"),
    column_rule("identities_are_stable", "be_unique", "name"),
    column_rule("identities_are_stable", "be_in_set", "follows_from_topic", value_set=[True]),
    column_rule("identities_are_stable", "be_in_set", "channel", value_set=[str(each) for each in Channel]),
    column_rule(
        "identities_are_stable", "be_in_set", "status", value_set=[str(each) for each in DraftStatus]
    ),
    column_rule("every_claim_is_traced", "be_in_set", "says_what_it_rests_on", value_set=[True]),
    column_rule("every_claim_is_traced", "be_between", "claims_without_fact", max_value=0),
    column_rule("holds_no_personal_data", "be_between", "personal_things", max_value=0),
    column_rule("limits_are_kept", "be_between", "over_limits", max_value=0),
    column_rule("facts_are_of_full_snapshots", "be_in_set", "is_of_full_snapshot", value_set=[True]),
)
"""What must hold of the columns of ``draft_facts``."""


def build_drafts_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of a studio's drafts and occasions; they warn. What was rejected is not judged."""
    drafts_key = marketing_key(settings.studio_id, DRAFTS)
    occasions_key = marketing_key(settings.studio_id, OCCASIONS)
    specs = check_specs({drafts_key: RULES_IN_WORDS, occasions_key: FINDINGS_IN_WORDS})

    @dg.multi_asset_check(name="check_drafts", specs=specs, can_subset=True)
    def check_drafts(  # noqa: PLR0917 - Dagster hands resources in by parameter name
        context: dg.AssetCheckExecutionContext,
        drafts: dg.ResourceParam[Drafts],
        findings: dg.ResourceParam[Findings],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        with run_book.timed("checks"):
            recent = drafts.newest(since=clock.now() - LOOKED_AT)
            standing = [one for one in recent if one.status != DraftStatus.REJECTED]
            occasions = findings.open(DEPARTMENT)
            revisions = {DRAFTS_ASSET: {one.draft.draft_id: one.revision for one in recent}}
            of_drafts = judge_drafts(standing, _not_full(standing, history))
            of_findings = judge_findings(occasions, unresolved(occasions, history, revisions))
        judged = {
            drafts_key: Judged(of_drafts, RULES_IN_WORDS, len(standing)),
            occasions_key: Judged(of_findings, FINDINGS_IN_WORDS, len(occasions)),
        }
        yield from told(context.selected_asset_check_keys, judged, run_book)

    return check_drafts


def judge_drafts(standing: Iterable[StoredDraft], not_full: Collection[str] = ()) -> dict[str, list[str]]:
    """Return check -> what breaks it, in words that repeat nothing of a draft.

    Args:
        standing: Newest revisions; without any, every check holds.
        not_full: Ids of drafts whose snapshot is not there or not full.
    """
    return broken_rules(draft_facts(standing, not_full), RULES, RULES_IN_WORDS)


def draft_facts(standing: Iterable[StoredDraft], not_full: Collection[str]) -> pa.Table:
    """Return one row per draft: ``name`` (its id), and what the rules look at."""
    return pa.Table.from_pylist([_facts(one, not_full) for one in standing])


def _facts(one: StoredDraft, not_full: Collection[str]) -> dict[str, object]:
    draft, text = one.draft, checked(one)
    return {
        "name": draft.draft_id,
        "follows_from_topic": text is not None
        and draft.draft_id == draft_id(text.channel, str(draft.facts.get("topic"))),
        "channel": draft.channel,
        "status": one.status,
        "says_what_it_rests_on": text is not None,
        "claims_without_fact": 0 if text is None else len(untraced(text)),
        "personal_things": 0 if text is None else len(personal(text)),
        "over_limits": 0 if text is None else len(list(over_limits(text.channel, text.subject, text.body))),
        "is_of_full_snapshot": draft.draft_id not in not_full,
    }


def checked(stored: StoredDraft) -> Checked | None:
    """Return a kept draft as the fact check looks at it; null when what is kept beside it makes no sense."""
    draft = stored.draft
    try:
        return checked_of(draft.channel, draft.subject or "", draft.body, draft.facts)
    except (KeyError, TypeError, ValueError):
        return None


def _not_full(standing: Iterable[StoredDraft], history: History) -> list[str]:
    known: dict[tuple[object, int], bool] = {}
    found = []
    for one in standing:
        key = (one.snapshot_date, one.snapshot_revision)
        if key not in known:
            known[key] = is_full_snapshot(history, *key)
        if not known[key]:
            found.append(one.draft.draft_id)
    return found
