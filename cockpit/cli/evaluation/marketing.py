"""``studio evaluate marketing``: whether drafts say what is true, and whether planted errors are refused.

Drafts are written at the end of every simulated day, as the asset writes them. Then each finished text is
read again and held against the world's own documents, which the writer never saw. Precision is the share of
drafts whose every claim is true; recall is the share of planted errors that the fact check refuses.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from cockpit.cli.evaluation.options import seeds_of, year_options
from cockpit.cli.evaluation.year import DAYS_OF_A_YEAR, FIRST_DAY, TIMEZONE, Day, simulate
from cockpit.cli.options import print_json
from studio_assets.marketing.checker import BODY, SUBJECT, Mention, is_fit
from studio_assets.marketing.claims import MONTHS, WEEKDAYS, Claim, claims_in
from studio_assets.marketing.drafts import Draft, Earlier, still_holds, write_drafts
from studio_assets.marketing.facts import COLUMNS, PUBLIC_COUNTERS, Basis, Fact, FactSheet, fact_sheet
from studio_assets.marketing.wording import Form
from twins.world.operations import Document
from twins.world.settings import SMALL, WorldSettings
from twins.world.truth import Truth

_HASH: Final = "0" * 64
_TABLES: Final = tuple(COLUMNS)
_REMEMBERED: Final = timedelta(days=30)
_SEATED: Final = frozenset({"ticketed", "offered", "checked_in"})
_CLOSED: Final = frozenset({"completed", "cancelled", "canceled"})


@dataclass(slots=True)
class Score:
    """Counts of one or several years."""

    days: int = 0
    drafts: int = 0
    true_drafts: int = 0
    claims: int = 0
    true_claims: int = 0
    refused: int = 0
    repeated: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    by_channel: Counter[str] = field(default_factory=Counter)
    untrue: list[str] = field(default_factory=list)

    def add(self, other: "Score") -> None:
        """Add another year."""
        for name in ("days", "drafts", "true_drafts", "claims", "true_claims", "refused", "repeated"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for counts in ("planted", "caught", "by_channel"):
            getattr(self, counts).update(getattr(other, counts))
        self.untrue += other.untrue

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
            "repeated": self.repeated,
            "by_channel": dict(sorted(self.by_channel.items())),
            "untrue": self.untrue[:20],
            "classes": {
                name: {"injected": times, "found": self.caught[name], "misclassified": 0}
                for name, times in sorted(self.planted.items())
            },
        }


@click.command(short_help="Marketing: drafts against the facts they must rest on.")
@year_options
def marketing(*, is_json: bool, seed: int, seeds: int, days: int, first_day: date, is_calm: bool) -> int:
    """Print how many drafts of simulated years are true, and how many planted errors are refused.

    Exit code 1 when a draft is not true, a planted error passes, or one of our own drafts is refused.
    """
    total = Score()
    for each in seeds_of(seed, seeds):
        total.add(evaluate_year(each, days, first_day=first_day, has_incidents=not is_calm))
    result = {"seed": seed, "seeds": seeds, **total.to_json()}
    if is_json:
        print_json(result)
    else:
        for name in ("seed", "seeds", "precision", "recall", "drafts", "claims", "by_channel"):
            print(f"{name}: {result[name]}")
        for name, counts in result["classes"].items():
            print(f"  {name}: {counts['found']} of {counts['injected']} refused")
    is_good = total.true_drafts == total.drafts and total.caught == total.planted and not total.refused
    return 0 if is_good else 1


def evaluate_year(
    seed: int, days: int = DAYS_OF_A_YEAR, *, first_day: date = FIRST_DAY, has_incidents: bool = True
) -> Score:
    """Return the score of one simulated year."""
    world = WorldSettings(seed, first_day, SMALL, has_incidents=has_incidents)
    year = simulate(seed, days, has_incidents=has_incidents, first_day=first_day, only=_TABLES)
    scored, kept = Score(days=days), dict[str, tuple[datetime, Draft]]()
    known: _World | None = None
    for day in year:
        # The truth is told by another part of the twins than the tables; it is walked once, to the end.
        known = known or _World(Truth(world, day.as_of + timedelta(days=days)))
        sheet = fact_sheet(day.tables, basis_of_day(day))
        recent = [_earlier(draft) for at, draft in kept.values() if day.as_of - at <= _REMEMBERED]
        written = write_drafts(sheet, recent)
        scored.refused += len(written.refused)
        scored.repeated += len(written.repeated)
        for draft in written.drafts:
            kept[draft.draft_id] = day.as_of, draft
            _judge(draft, known, day, scored)
            _plant(draft, sheet, scored)
    return scored


def basis_of_day(day: Day) -> Basis:
    """Return the basis that a full snapshot at the end of a simulated day gives."""
    counters = {path: day.counters[path] for path in PUBLIC_COUNTERS}
    return Basis(day.day, 1, day.as_of, TIMEZONE, counters, dict.fromkeys(COLUMNS, _HASH))


def _earlier(draft: Draft) -> Earlier:
    return Earlier(draft.draft_id, draft.channel, draft.variant, draft.body, draft.facts)


class _World:
    """What the world's documents say, recounted without any of the readers or the writer."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._signups: dict[str, list[str]] = defaultdict(list)
        self._events: list[str] = []
        self._firings: list[str] = []
        for path, document in truth.documents(truth.until).items():
            collection, _, name = path.partition("/")
            if "/" in name:
                continue
            if collection == "eventSignups":
                self._signups[str(document.get("eventId"))].append(path)
            elif collection == "events":
                self._events.append(path)
            elif collection == "kilnFirings":
                self._firings.append(path)

    def value(self, fact: Fact, at: datetime) -> Any:
        """Return what a fact should say at an instant: a text, a number, or an aware instant; else null."""
        if fact.name == "counter":
            return self._counter(fact.row, at)
        collection = {"events": "events", "kiln_firings": "kilnFirings", "kilns": "kilns"}
        document = self._document(f"{collection[fact.asset.rpartition('/')[2]]}/{fact.row}", at)
        if document is None:
            return None
        fields = {"title": "title", "start": "startAt", "end": "endAt", "price": "priceCents"}
        fields |= {"capacity": "capacity", "name": "name", "cycle": "cycleType"}
        if fact.name == "free_seats":
            return int(document["capacity"]) - self._seated(fact.row, at)
        value = document.get(fields[fact.name])
        return f"{value} firing" if fact.name == "cycle" else value

    def _document(self, path: str, at: datetime) -> Document | None:
        return self._truth.document(path, at)

    def _seated(self, event: str, at: datetime) -> int:
        found = (self._document(path, at) for path in self._signups[event])
        return sum(one is not None and one.get("status") in _SEATED for one in found)

    def _counter(self, path: str, at: datetime) -> int:
        if path == "counts.eventsUpcoming":
            events = (self._document(one, at) for one in self._events)
            return sum(e is not None and e["status"] == "published" and e["startAt"] >= at for e in events)
        firings = (self._document(one, at) for one in self._firings)
        return sum(
            f is not None and f["status"] not in _CLOSED and f.get("unloadedAt") is None and f["endAt"] >= at
            for f in firings
        )


def _judge(draft: Draft, world: _World, day: Day, scored: Score) -> None:
    """Read a finished draft again and hold every claim of it against the world."""
    true, claims = 0, 0
    for sentence in draft.sentences:
        text, said = sentence.text, [one for one in sentence.mentions if one.form is not Form.TEXT]
        for mention in sentence.mentions:
            fact = draft.facts[mention.fact_id]
            if mention.form is Form.TEXT:
                claims += 1
                is_true = str(fact.value) in text and world.value(fact, day.as_of) == fact.value
                true += is_true
                text = text.replace(str(fact.value), "x" * len(str(fact.value)), 1)
        read = claims_in(text)
        claims += max(len(read), len(said))
        for claim, mention in zip(read, said, strict=False):
            true += _is_true(claim, mention, world.value(draft.facts[mention.fact_id], day.as_of))
    scored.drafts += 1
    scored.claims += claims
    scored.true_claims += true
    scored.by_channel[draft.channel.value] += 1
    if true == claims:
        scored.true_drafts += 1
    else:
        scored.untrue.append(f"{day.day} {draft.template} {draft.topic}")


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
    for name, planted in _planted(draft):
        scored.planted[name] += 1
        is_refused = not is_fit(planted.checked) or not still_holds(planted.facts, known)
        scored.caught[name] += is_refused


def _planted(draft: Draft) -> Iterator[tuple[str, Draft]]:
    for place, sentence in enumerate(draft.sentences):
        for claim in claims_in(sentence.text):
            for name, words in _other_claims(claim, sentence.text[claim.start : claim.end]):
                text = sentence.text[: claim.start] + words + sentence.text[claim.end :]
                yield name, _with_text(draft, place, text)
    for name, words in (
        ("unlisted_sentence", "There are 3 places left."),
        ("unlisted_promise", "It is sold out."),
        ("relative_day", "See you tomorrow."),
        ("contact", "Write to studio@example.com."),
    ):
        last = len(draft.sentences) - 1
        yield name, _with_text(draft, last, f"{draft.sentences[last].text} {words}")
    for fact in draft.facts.values():
        if isinstance(fact.value, int):
            moved = {**draft.facts, fact.fact_id: replace(fact, value=fact.value + 1)}
            yield "fact_moved", replace(draft, facts=moved)
    if len(draft.facts) > 1:
        yield "fact_unlisted", replace(draft, facts=dict(list(draft.facts.items())[1:]))


def _other_claims(claim: Claim, said: str) -> Iterator[tuple[str, str]]:
    """Yield kinds of error and the words that say another thing than a claim does."""
    if claim.form == "count":
        yield "number", str(claim.value + 1)
    elif claim.form == "money":
        yield "price", f"${claim.value // 100 + 1}"
    elif claim.form == "time":
        yield "time", said.replace("am", "pm") if said.endswith("am") else said.replace("pm", "am")
    elif claim.form == "date":
        day = claim.value[2]
        yield "weekday", _next_word(said, WEEKDAYS)
        yield "month", _next_word(said, MONTHS)
        yield "day_of_month", f"{said.rpartition(' ')[0]} {day - 1 if day > 1 else day + 1}"


def _next_word(said: str, words: tuple[str, ...]) -> str:
    found = next(word for word in words if word in said)
    return said.replace(found, words[(words.index(found) + 1) % len(words)])


def _with_text(draft: Draft, place: int, text: str) -> Draft:
    sentences = list(draft.sentences)
    sentences[place] = replace(sentences[place], text=text)
    parts: Mapping[str, str] = {
        part: "".join(one.gap + one.text for one in sentences if one.part == part) for part in (SUBJECT, BODY)
    }
    return replace(draft, sentences=tuple(sentences), subject=parts[SUBJECT], body=parts[BODY])


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
