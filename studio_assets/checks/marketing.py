"""The checks of marketing drafts in Dagster: what stands is read back and held against its facts again."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

import dagster as dg

from resources.clock import Clock
from resources.postgres.drafts import Drafts, StoredDraft
from resources.postgres.history import History
from resources.rows import Completeness
from resources.settings import Settings
from studio_assets.keys import DRAFTS, MARKETING, marketing_key
from studio_assets.marketing.channels import over_limits
from studio_assets.marketing.checker import Checked, personal, untraced
from studio_assets.marketing.drafts import checked_of
from studio_assets.run_book import CheckOutcome, RunBook

RULES_IN_WORDS: Final[Mapping[str, str]] = {
    "every_claim_is_traced": "Every number, date, time and price of a draft is a fact that it lists.",
    "holds_no_personal_data": "Drafts hold no address, link, secret or words of a member.",
    "limits_are_kept": "Every draft fits its channel.",
    "facts_are_of_full_snapshots": "Every draft rests on a revision of a snapshot that exists and is full.",
}
LOOKED_AT: Final = timedelta(days=30)
_REJECTED: Final = "rejected"


def build_drafts_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the checks of a studio's drafts; they warn. What was rejected is not judged."""
    key = marketing_key(settings.studio_id, DRAFTS)
    specs = [dg.AssetCheckSpec(name, asset=key, description=said) for name, said in RULES_IN_WORDS.items()]

    @dg.multi_asset_check(name="check_drafts", specs=specs, can_subset=True)
    def check_drafts(
        context: dg.AssetCheckExecutionContext,
        drafts: dg.ResourceParam[Drafts],
        history: dg.ResourceParam[History],
        clock: dg.ResourceParam[Clock],
        run_book: dg.ResourceParam[RunBook],
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with run_book.timed("checks"):
            recent = drafts.newest(since=clock.now() - LOOKED_AT)
            standing = [one for one in recent if one.status != _REJECTED]
            judged = judge_drafts(standing, _not_full(standing, history))
        for name, broken in judged.items():
            if name not in wanted:
                continue
            run_book.checks.append(
                CheckOutcome(f"{MARKETING}/{DRAFTS}", name, not broken, False, tuple(broken))
            )
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=not broken,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(broken) or RULES_IN_WORDS[name],
                metadata={"broken": len(broken), "drafts": len(standing)},
            )

    return check_drafts


def judge_drafts(standing: Iterable[StoredDraft], not_full: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return check -> what breaks it, in words that repeat nothing of a draft.

    Args:
        standing: Newest revisions.
        not_full: Ids of drafts whose snapshot is not there or not full.
    """
    broken: dict[str, list[str]] = {name: [] for name in RULES_IN_WORDS}
    for one in standing:
        name = one.draft.draft_id
        text = checked(one)
        if text is None:
            broken["every_claim_is_traced"].append(f"{name} does not say what it rests on")
            continue
        if found := untraced(text):
            broken["every_claim_is_traced"].append(f"{name} has {len(found)} claims without a fact")
        if personal(text):
            broken["holds_no_personal_data"].append(f"{name} holds more than facts and plain words")
        if any(over_limits(text.channel, text.subject, text.body)):
            broken["limits_are_kept"].append(f"{name} does not fit {text.channel}")
    broken["facts_are_of_full_snapshots"] += [f"{name} rests on no full snapshot" for name in not_full]
    return broken


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
            snapshot = history.snapshot(*key)
            told = None if snapshot is None else snapshot.payload["diagnostics"]["completeness"]
            known[key] = told == Completeness.FULL.value
        if not known[key]:
            found.append(one.draft.draft_id)
    return found
