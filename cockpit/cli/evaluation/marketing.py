"""``studio evaluate marketing``: whether drafts say what is true, and what else marketing promises.

Drafts are written at the end of every simulated day, as the asset writes them. Then each finished text is
read again and held against the world's own documents, which the writer never saw. Precision is the share of
drafts whose every claim is true; recall is the share of planted errors that the fact check refuses. Beside
them: sentences with claims and how many of them trace to true facts, drafts made of partial or stale
snapshots, personal data, drafts too like a recent one, and the occasions that became findings.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from cockpit.cli.evaluation.marketing_errors import planted
from cockpit.cli.evaluation.marketing_truth import World
from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.scoring import Rule, Watch, score
from cockpit.cli.evaluation.scoring import Score as Alerts
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, Day, simulate
from cockpit.cli.options import print_json
from resources.clock import day_end
from resources.findings import Finding
from studio_assets.marketing.checker import Mention, Sentence, is_fit
from studio_assets.marketing.claims import WEEKDAYS, Claim, claims_in, contacts_in
from studio_assets.marketing.drafts import Draft, Earlier, still_holds, write_drafts
from studio_assets.marketing.facts import (
    COLUMNS,
    PUBLIC_COUNTERS,
    Basis,
    FactSheet,
    NotPublishableError,
    basis_of,
    fact_sheet,
)
from studio_assets.marketing.occasions import CALLED_OFF, CLOSED_KILN, UNDERSOLD, Occasion, find_occasions
from studio_assets.marketing.similarity import THRESHOLD, closest
from studio_assets.marketing.wording import Form
from twins.world.people import MARK
from twins.world.settings import SMALL, WorldSettings
from twins.world.truth import Truth

_TABLES: Final = tuple(COLUMNS)
_REMEMBERED: Final = timedelta(days=30)
_STALE_MINUTES: Final = 60
_WORD: Final = re.compile(r"[\w-]+")
EXPECTED: Final[Mapping[str, Rule]] = {
    "undersold_event": Rule(frozenset({UNDERSOLD})),
    "kiln_outage": Rule(frozenset({CLOSED_KILN})),
}
"""Kind of incident -> what of marketing rightly names it."""
_ADDED_UP: Final = (
    *("days", "drafts", "true_drafts", "claims", "true_claims", "sentences", "traced", "refused", "repeated"),
    *(
        "unfit_snapshots",
        "of_unfit",
        "personal",
        "alike",
        "called_off",
        "called_off_found",
        "called_off_false",
    ),
)


@dataclass(slots=True)
class Score:
    """Counts of one or several years.

    Attributes:
        days: Looked at.
        drafts: Written.
        true_drafts: Of these, with every claim true.
        claims: In them.
        true_claims: Of these, true.
        sentences: With a number, a date, a time or a name in them.
        traced: Of these, with every claim a listed fact that is true.
        refused: Own drafts that the fact check refused.
        repeated: Withheld, because they could only repeat a recent one.
        unfit_snapshots: Partial or stale snapshots that were offered.
        of_unfit: Drafts made of them.
        personal: Drafts with a contact, or with anything that stands for a member in the world.
        alike: Drafts too like another of the last 30 days in the same channel.
        called_off: Events cancelled with guests, ahead.
        called_off_found: Of these, found as occasions.
        called_off_false: Occasions that say so of another event.
        planted: Kind of error -> how many.
        caught: Of these, refused.
        by_channel: Channel -> drafts.
        untrue: Where drafts were not true.
        alerts: Occasions against labelled incidents.
    """

    days: int = 0
    drafts: int = 0
    true_drafts: int = 0
    claims: int = 0
    true_claims: int = 0
    sentences: int = 0
    traced: int = 0
    refused: int = 0
    repeated: int = 0
    unfit_snapshots: int = 0
    of_unfit: int = 0
    personal: int = 0
    alike: int = 0
    called_off: int = 0
    called_off_found: int = 0
    called_off_false: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    by_channel: Counter[str] = field(default_factory=Counter)
    untrue: list[str] = field(default_factory=list)
    alerts: Alerts = field(default_factory=Alerts)

    @property
    def is_good(self) -> bool:
        """Whether every promise that has no tolerance is kept."""
        is_true = self.true_drafts == self.drafts and self.traced == self.sentences
        is_clean = not (self.of_unfit or self.personal or self.alike or self.called_off_false)
        return is_true and is_clean and self.caught == self.planted and not self.refused

    def add(self, other: "Score") -> None:
        """Add another year."""
        for name in _ADDED_UP:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for counts in ("planted", "caught", "by_channel"):
            getattr(self, counts).update(getattr(other, counts))
        self.untrue += other.untrue
        self.alerts.add(other.alerts)

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints. Recall and precision of nothing are null."""
        return {
            "days": self.days,
            "recall": _share(self.caught.total(), self.planted.total()),
            "precision": _share(self.true_drafts, self.drafts),
            "false_alerts_per_week": round(self.refused / (self.days / 7), 4) if self.days else None,
            "drafts": self.drafts,
            "drafts_true": self.true_drafts,
            "claims": self.claims,
            "claims_true": self.true_claims,
            "sentences": self.sentences,
            "sentences_traced": self.traced,
            "unfit_snapshots": self.unfit_snapshots,
            "drafts_of_unfit_snapshots": self.of_unfit,
            "drafts_with_personal_data": self.personal,
            "drafts_too_alike": self.alike,
            "withheld_as_repeated": self.repeated,
            "occasions": self._occasions(),
            "by_channel": dict(sorted(self.by_channel.items())),
            "untrue": self.untrue[:20],
            "classes": {
                name: {"injected": times, "found": self.caught[name], "misclassified": 0}
                for name, times in sorted(self.planted.items())
            },
        }

    def _occasions(self) -> dict[str, Any]:
        told = self.alerts.to_json()
        called_off = {"injected": self.called_off, "found": self.called_off_found}
        names = ("recall", "precision", "false_alerts_per_week", "detection_delay_days", "false_by_kind")
        return {
            **{name: told[name] for name in names},
            "classes": told["classes"],
            CALLED_OFF: {**called_off, "false": self.called_off_false},
        }


@click.command(short_help="Marketing: drafts against the facts they must rest on.")
@year_options
def marketing(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print how many drafts of simulated years are true, and how many planted errors are refused.

    Exit code 1 when a draft is not true, rests on an unfit snapshot, holds personal data or repeats another,
    when a planted error passes, or one of our own drafts is refused.
    """
    total = Score()
    for each in seeds_of(seed, seeds):
        total.add(evaluate_year(each, days, first_day=first_day, has_incidents=not is_calm))
    result = {"seed": seed, "seeds": seeds, **total.to_json()}
    if is_json:
        print_json(result)
    else:
        for name in (name for name in result if name not in {"classes", "untrue", "occasions"}):
            print(f"{name}: {result[name]}")
        for name, counts in result["classes"].items():
            print(f"  {name}: {counts['found']} of {counts['injected']} refused")
        for name, counts in result["occasions"]["classes"].items():
            print(f"  {name}: {counts['found']} of {counts['injected']} found")
    return 0 if total.is_good else 1


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> Score:
    """Return the score of one simulated year."""
    world = WorldSettings(seed, first_day, SMALL, has_incidents=has_incidents)
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day, only=_TABLES)
    scored, kept = Score(days=days), dict[str, tuple[datetime, Draft]]()
    watch, called_off, until = Watch(), _CalledOff(), day_end(first_day, TIMEZONE)
    known: World | None = None
    for number, day in enumerate(year):
        # The truth is told by another part of the twins than the tables; it is walked once, to the end.
        known = known or World(Truth(world, day.as_of + timedelta(days=days)))
        until = day.as_of
        scored.of_unfit += _drafts_of_unfit(day, number)
        scored.unfit_snapshots += 1
        sheet = fact_sheet(day.tables, basis_of_day(day))
        recent = [draft for at, draft in kept.values() if day.as_of - at <= _REMEMBERED]
        written = write_drafts(sheet, [_earlier(draft) for draft in recent])
        scored.refused += len(written.refused)
        scored.repeated += len(written.repeated)
        for draft in written.drafts:
            kept[draft.draft_id] = day.as_of, draft
            _judge(draft, known, day, scored)
            _plant(draft, sheet, scored)
            scored.alike += _is_alike(draft, recent)
            scored.personal += _is_personal(draft, day)
        found = find_occasions(Occasion(day.tables, sheet))
        called_off.look(found, known.called_off(day.as_of))
        watch.look(day.as_of, [one for one in found if one.kind != CALLED_OFF])
    called_off.tell(scored)
    scored.alerts = score(watch.alerts, year.labels, EXPECTED, until=until, days=days)
    return scored


def basis_of_day(day: Day, **changes: Any) -> Basis:
    """Return the basis that a snapshot at the end of a simulated day gives; full unless changed.

    Raises ``NotPublishableError`` where the asset would.
    """
    source = {"completeness": "full", "hash": "0" * 64}
    payload: dict[str, Any] = {
        "snapshotDate": day.day.isoformat(),
        "asOf": day.as_of.isoformat(),
        "timezone": TIMEZONE,
        "diagnostics": {"completeness": "full"},
        "sources": dict.fromkeys(COLUMNS, source),
        "counts": {path.partition(".")[2]: day.counters[path] for path in PUBLIC_COUNTERS},
    }
    return basis_of(payload | changes, 1, now=day.as_of, stale_minutes=_STALE_MINUTES)


def _drafts_of_unfit(day: Day, number: int) -> int:
    """Offer a snapshot that is partial or stale, in turn, and count the drafts that come of it."""
    partial = {"completeness": "partial", "hash": "0" * 64}
    whole = {"completeness": "full", "hash": "0" * 64}
    lacking = sorted(COLUMNS)[number % len(COLUMNS)]
    unfit: Sequence[Mapping[str, Any]] = (
        {"diagnostics": {"completeness": "partial"}},
        {"sources": dict.fromkeys(COLUMNS, whole) | {lacking: partial}},
        {"sources": {name: whole for name in COLUMNS if name != lacking}},
        {"asOf": (day.as_of - timedelta(minutes=_STALE_MINUTES + 1)).isoformat()},
    )
    try:
        basis = basis_of_day(day, **unfit[number % len(unfit)])
    except NotPublishableError:
        return 0
    return len(write_drafts(fact_sheet(day.tables, basis)).drafts)


def _earlier(draft: Draft) -> Earlier:
    return Earlier(draft.draft_id, draft.channel, draft.variant, draft.body, draft.facts)


def _is_alike(draft: Draft, recent: Sequence[Draft]) -> bool:
    others = (one.body for one in recent if one.channel == draft.channel and one.draft_id != draft.draft_id)
    return closest(draft.body, others) >= THRESHOLD


def _is_personal(draft: Draft, day: Day) -> bool:
    """Say whether a text holds a contact, a member's id, or the mark of the world's personal data."""
    text = f"{draft.subject}\n{draft.body}"
    members = set(day.tables["event_signups"].column("uid").to_pylist())
    return MARK in text or bool(contacts_in(text)) or not members.isdisjoint(_WORD.findall(text))


@dataclass(slots=True)
class _CalledOff:
    """Follows the events that were called off, by the world and by what was found."""

    told: set[str] = field(default_factory=set)
    true: set[str] = field(default_factory=set)
    false: set[str] = field(default_factory=set)

    def look(self, found: Sequence[Finding], true: frozenset[str]) -> None:
        """Take one day's occasions, and what is so."""
        told = {one.subject_id for one in found if one.kind == CALLED_OFF}
        self.told |= told
        self.true |= true
        self.false |= told - true

    def tell(self, scored: Score) -> None:
        """Count them."""
        scored.called_off, scored.called_off_found = len(self.true), len(self.true & self.told)
        scored.called_off_false = len(self.false)


def _judge(draft: Draft, world: World, day: Day, scored: Score) -> None:
    """Read a finished draft again and hold every claim of it against the world."""
    true, claims = 0, 0
    for sentence in draft.sentences:
        held, made = _judge_sentence(sentence, draft, world, day.as_of)
        true += held
        claims += made
        scored.sentences += made > 0
        scored.traced += 0 < made == held
    scored.drafts += 1
    scored.claims += claims
    scored.true_claims += true
    scored.by_channel[draft.channel.value] += 1
    if true == claims:
        scored.true_drafts += 1
    else:
        scored.untrue.append(f"{day.day} {draft.template} {draft.topic}")


def _judge_sentence(sentence: Sentence, draft: Draft, world: World, at: datetime) -> tuple[int, int]:
    """Return how many claims of a sentence are true, and how many there are."""
    true, quoted = 0, 0
    text, said = sentence.text, [one for one in sentence.mentions if one.form is not Form.TEXT]
    for mention in sentence.mentions:
        fact = draft.facts[mention.fact_id]
        if mention.form is Form.TEXT:
            quoted += 1
            true += str(fact.value) in text and world.value(fact, at) == fact.value
            text = text.replace(str(fact.value), "x" * len(str(fact.value)), 1)
    read = claims_in(text)
    for claim, mention in zip(read, said, strict=False):
        true += _is_true(claim, mention, world.value(draft.facts[mention.fact_id], at))
    return true, quoted + max(len(read), len(said))


def _is_true(claim: Claim, mention: Mention, truth: Any) -> bool:
    if truth is None or claim.form != mention.form:
        return False
    if claim.form in {"count", "money"}:
        return bool(claim.value == truth)
    there = truth.astimezone(ZoneInfo(TIMEZONE))
    if claim.form == "time":
        return bool(claim.value == (there.hour, there.minute))
    return bool(claim.value == (WEEKDAYS[there.weekday()], there.month, there.day, None))


def _plant(draft: Draft, sheet: FactSheet, scored: Score) -> None:
    """Put one error of every kind into a draft and see whether it is refused."""
    known = sheet.by_id()
    for name, wrong in planted(draft, scored.drafts):
        scored.planted[name] += 1
        is_refused = not is_fit(wrong.checked) or not still_holds(wrong.facts, known)
        scored.caught[name] += is_refused


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
