"""Drafts: what there is to say now, said in the studio's voice, checked before anybody sees it.

A draft is kept as long as every fact it rests on is still so. Only then is another one made, as the next
revision of the same draft, and it begins its way through review again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from studio_assets.marketing.channels import LIMITS, Channel
from studio_assets.marketing.checker import BODY, SUBJECT, Checked, Mention, Sentence, problems
from studio_assets.marketing.facts import Basis, Fact, FactSheet, Kind, Row
from studio_assets.marketing.provider import DraftProvider, ProviderRefusedError, offers_of, sentences_of
from studio_assets.marketing.similarity import THRESHOLD, closest
from studio_assets.marketing.templating import (
    Template,
    count_view,
    event_view,
    firing_view,
    render,
    templates_of,
)
from studio_assets.marketing.wording import Form

DRAFTS_VERSION: Final = "drafts-1"
SOON: Final = timedelta(days=14)
FIRINGS_AHEAD: Final = timedelta(days=7)
MOST_EVENTS: Final = 4
MOST_FIRINGS: Final = 8
MOST_PROMOTIONS: Final = 12


@dataclass(frozen=True, slots=True)
class Draft:
    """One finished text for one channel.

    Attributes:
        draft_id: Follows from channel and topic alone.
        channel: Where it would go.
        topic: What it is about: ``event:<row>`` or ``week:<year>-W<number>``.
        variant: Which template, or ``provider``.
        template: ``channel_variant``, or the provider's name.
        template_version: Version and hash of the template, or the provider's version.
        subject: Empty where the channel has none.
        body: The text.
        sentences: Its sentences with what they rest on, in order.
        facts: Every fact it rests on, by id.
        timezone: Zone of its dates and times.
    """

    draft_id: str
    channel: Channel
    topic: str
    variant: str
    template: str
    template_version: str
    subject: str
    body: str
    sentences: tuple[Sentence, ...]
    facts: Mapping[str, Fact]
    timezone: str

    @property
    def checked(self) -> Checked:
        """Return it as the fact check looks at it."""
        return Checked(self.channel, self.subject, self.body, self.sentences, self.facts, self.timezone)

    @property
    def content_hash(self) -> str:
        """Return the SHA-256 of what it says and rests on; revisions of sources are not part of that."""
        said = [self.channel, self.variant, self.template_version, self.subject, self.body]
        facts = sorted((fact.fact_id, fact.kind, fact.value, fact.unit) for fact in self.facts.values())
        return hashlib.sha256(orjson.dumps([said, facts])).hexdigest()


@dataclass(frozen=True, slots=True)
class Earlier:
    """A draft that was kept before: enough to know whether it still holds, and not to repeat it."""

    draft_id: str
    channel: Channel
    variant: str
    body: str
    facts: Mapping[str, Fact]
    is_rejected: bool = False


@dataclass(slots=True)
class Written:
    """What came of one go.

    Attributes:
        drafts: New texts, each past the fact check.
        unchanged: Ids of drafts that still hold.
        repeated: Topics that could only be told again in the same words, by channel.
        refused: What the fact check refused, in words; of our own templates there is none.
    """

    drafts: list[Draft] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plan:
    channel: Channel
    topic: str
    places: Mapping[str, Any]
    facts: Mapping[str, Fact]

    @property
    def draft_id(self) -> str:
        return draft_id(self.channel, self.topic)


def draft_id(channel: Channel, topic: str) -> str:
    """Return ``drf_`` and 20 hex digits that follow from channel and topic."""
    return "drf_" + hashlib.sha256(f"{channel}\x00{topic}".encode()).hexdigest()[:20]


def week_topic(basis: Basis) -> str:
    """Return the topic of what is told week by week: ``week:<year>-W<number>``, by the studio's calendar."""
    year, week, _ = basis.as_of.astimezone(ZoneInfo(basis.timezone)).date().isocalendar()
    return f"week:{year}-W{week:02}"


def write_drafts(
    sheet: FactSheet, earlier: Sequence[Earlier] = (), provider: DraftProvider | None = None
) -> Written:
    """Return what is to be drafted now.

    Args:
        sheet: All that may be said.
        earlier: Newest revisions of drafts of the last weeks.
        provider: Writes instead of the templates where its text passes the fact check; null by default.
    """
    known = {one.draft_id: one for one in earlier}
    current, written = sheet.by_id(), Written()
    recent = [(one.channel, one.draft_id, one.body) for one in earlier]
    for plan in _plans(sheet):
        before = known.get(plan.draft_id)
        if before is not None and (before.is_rejected or still_holds(before.facts, current)):
            written.unchanged.append(plan.draft_id)
            continue
        others = [body for channel, id_, body in recent if channel == plan.channel and id_ != plan.draft_id]
        draft = _draft(plan, sheet, before, others, provider, written)
        if draft is not None:
            written.drafts.append(draft)
            recent.append((draft.channel, draft.draft_id, draft.body))
    return written


def still_holds(rested_on: Mapping[str, Fact], current: Mapping[str, Fact]) -> bool:
    """Say whether every fact a text rests on is still so."""
    return all(
        (now := current.get(id_)) is not None
        and (now.kind, now.value, now.unit) == (fact.kind, fact.value, fact.unit)
        for id_, fact in rested_on.items()
    )


def _draft(  # noqa: PLR0917 - the parts of one decision, in the order it takes them
    plan: _Plan,
    sheet: FactSheet,
    before: Earlier | None,
    others: Sequence[str],
    provider: DraftProvider | None,
    written: Written,
) -> Draft | None:
    """Return the first text for a plan that passes the fact check and repeats nothing recent."""
    found_any = False
    for draft in _attempts(plan, sheet, before, provider, written):
        wrong = problems(draft.checked)
        if wrong:
            written.refused.append(f"{draft.template}: {wrong[0]}")
            continue
        found_any = True
        if closest(draft.body, others) < THRESHOLD:
            return draft
    if found_any:
        written.repeated.append(f"{plan.channel} {plan.topic}")
    return None


def _attempts(
    plan: _Plan,
    sheet: FactSheet,
    before: Earlier | None,
    provider: DraftProvider | None,
    written: Written,
) -> Iterator[Draft]:
    timezone = sheet.basis.timezone
    if provider is not None:
        try:
            answer = provider.write(plan.channel, LIMITS[plan.channel], offers_of(list(plan.facts.values())))
            sentences = sentences_of(answer, list(plan.facts.values()), timezone)
        except ProviderRefusedError as error:
            written.refused.append(f"{provider.name}: {error}")
        except Exception as error:  # noqa: BLE001 - a provider must not keep templates from being used
            written.refused.append(f"{provider.name}: it failed ({type(error).__name__}).")
        else:
            yield _of(plan, "provider", provider.name, provider.version, sentences, timezone)
    for template in _in_turn(plan, before):
        sentences = render(template, plan.places, plan.facts, timezone)
        yield _of(plan, template.variant, template.name, template.version, sentences, timezone)


def _in_turn(plan: _Plan, before: Earlier | None) -> list[Template]:
    """Return the variants, that of an earlier revision first, else by the topic: the same one every time."""
    variants = list(templates_of(plan.channel))
    first = int(plan.draft_id[-6:], 16) % len(variants)
    if before is not None:
        first = next((n for n, one in enumerate(variants) if one.variant == before.variant), first)
    return variants[first:] + variants[:first]


def _of(  # noqa: PLR0917 - as the fields stand
    plan: _Plan, variant: str, template: str, version: str, sentences: Sequence[Sentence], timezone: str
) -> Draft:
    texts = {
        part: "".join(one.gap + one.text for one in sentences if one.part == part) for part in (SUBJECT, BODY)
    }
    used = {mention.fact_id for one in sentences for mention in one.mentions}
    return Draft(
        draft_id=plan.draft_id,
        channel=plan.channel,
        topic=plan.topic,
        variant=variant,
        template=template,
        template_version=version,
        subject=texts[SUBJECT],
        body=texts[BODY],
        sentences=tuple(sentences),
        facts={id_: fact for id_, fact in plan.facts.items() if id_ in used},
        timezone=timezone,
    )


def _plans(sheet: FactSheet) -> Iterator[_Plan]:
    """Yield what there is to tell: the next events and firings of this week, and each event with places."""
    as_of, everything = sheet.basis.as_of, sheet.by_id()
    topic = week_topic(sheet.basis)
    is_open = [row for row in sheet.events if not _is_full(row)]
    events = [row for row in is_open if row.starts_at <= as_of + SOON][:MOST_EVENTS]
    firings = [row for row in sheet.firings if row.starts_at <= as_of + FIRINGS_AHEAD][:MOST_FIRINGS]
    upcoming = count_view(sheet.counters.get("counts.eventsUpcoming"))
    planned = count_view(sheet.counters.get("counts.firingsScheduled"))
    of_events = {"events": [event_view(row) for row in events], "upcoming": upcoming}
    of_firings = {"firings": [firing_view(row) for row in firings], "planned": planned}
    if events and upcoming:
        yield _Plan(Channel.INSTAGRAM, topic, of_events, everything)
        yield _Plan(Channel.WEBSITE_NEWS, topic, of_events, everything)
    if (events and upcoming) or firings:
        yield _Plan(Channel.EMAIL, topic, of_events | of_firings, everything)
    if firings and planned:
        yield _Plan(Channel.KILN_SCHEDULE, topic, of_firings, everything)
    promoted = [row for row in is_open if "free_seats" in row.facts][:MOST_PROMOTIONS]
    for row in promoted:
        yield _Plan(Channel.EVENT_PROMOTION, f"event:{row.row_id}", {"event": event_view(row)}, everything)


def _is_full(row: Row) -> bool:
    seats = row.facts.get("free_seats")
    return seats is not None and seats.value == 0


def stored_facts(draft: Draft) -> dict[str, Any]:
    """Return facts, sentences and zone of a draft as they are kept beside its text."""
    return {
        "topic": draft.topic,
        "timezone": draft.timezone,
        "facts": [_plain_fact(fact) for fact in draft.facts.values()],
        "sentences": [
            {
                "part": one.part,
                "gap": one.gap,
                "text": one.text,
                "mentions": [{"factId": mention.fact_id, "form": mention.form} for mention in one.mentions],
            }
            for one in draft.sentences
        ],
    }


def checked_of(channel: str, subject: str, body: str, stored: Mapping[str, Any]) -> Checked:
    """Return a kept draft as the fact check looks at it.

    Raises:
        ValueError, KeyError, TypeError: when what is kept beside the text is not what was written there.
    """
    sentences = [
        Sentence(
            one["part"],
            one["gap"],
            one["text"],
            tuple(Mention(it["factId"], Form(it["form"])) for it in one["mentions"]),
        )
        for one in stored["sentences"]
    ]
    return Checked(Channel(channel), subject, body, sentences, facts_of(stored), stored["timezone"])


def facts_of(stored: Mapping[str, Any]) -> dict[str, Fact]:
    """Return the facts that were kept beside a draft's text, by id."""
    return {
        one["id"]: Fact(
            *(one["id"], one["name"], Kind(one["kind"]), one["value"], one["unit"]),
            *(one["asset"], one["revision"], one["row"]),
        )
        for one in stored["facts"]
    }


def past_instants(facts: Iterable[Fact], now: datetime) -> list[str]:
    """Return a sentence when something a text announces has begun; empty when all is still ahead."""
    begun = [one for one in facts if one.name == "start" and datetime.fromisoformat(str(one.value)) <= now]
    return [f"{len(begun)} of the things it announces have begun."] if begun else []


def _plain_fact(fact: Fact) -> dict[str, Any]:
    return {
        "id": fact.fact_id,
        "name": fact.name,
        "kind": fact.kind.value,
        "value": fact.value,
        "unit": fact.unit,
        "asset": fact.asset,
        "revision": fact.revision,
        "row": fact.row,
    }
