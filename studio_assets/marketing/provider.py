"""A language model may write drafts too, if a studio wants that: the interface, and what it is held to.

Off by default, and nothing here calls anything. A provider sees names, kinds and units of facts, never a
title or any other words of the cloud; it answers with sentences that have places for facts, which are filled
in here. Its own words may hold no claim at all, and what comes of it passes the same fact check.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from studio_assets.marketing.channels import Channel, Limits
from studio_assets.marketing.checker import BODY, SUBJECT, Mention, Sentence
from studio_assets.marketing.facts import Fact
from studio_assets.marketing.wording import FORMS, Form, said

PLACE: Final = re.compile(r"\[\[(fct_[0-9a-f]{20}):([a-z]{1,10})\]\]")
MOST_LINES: Final = 60
LONGEST_LINE: Final = 600


@dataclass(frozen=True, slots=True)
class Offer:
    """A fact as a provider sees it: no value. ``forms`` are the ways in which it may be asked for."""

    fact_id: str
    name: str
    unit: str | None
    forms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a provider answers: lines with ``[[fact_id:form]]`` where a fact belongs; one sentence a line."""

    subject: str
    lines: Sequence[str]


class DraftProvider(Protocol):
    """Writes a draft from facts it is offered. ``name`` and ``version`` are kept with what comes of it."""

    name: str
    version: str

    def write(self, channel: Channel, limits: Limits, offers: Sequence[Offer]) -> Written:
        """Return a draft; whatever it raises means that there is none."""


class ProviderRefusedError(Exception):
    """A provider's answer is no draft. The words it wrote are not repeated."""


def offers_of(facts: Sequence[Fact]) -> list[Offer]:
    """Return what a provider is told of facts: enough to place them, nothing to repeat."""
    return [
        Offer(fact.fact_id, fact.name, fact.unit, tuple(sorted(form.value for form in FORMS[fact.kind])))
        for fact in facts
    ]


def sentences_of(written: Written, facts: Sequence[Fact], timezone: str) -> list[Sentence]:
    """Return a provider's sentences with their facts filled in.

    Raises:
        ProviderRefusedError: when it is too long, or a place names no fact that was offered.
    """
    by_id = {fact.fact_id: fact for fact in facts}
    lines = list(written.lines)
    if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE for line in (written.subject, *lines)):
        raise ProviderRefusedError("The provider wrote more than any channel takes.")
    found = [_sentence(SUBJECT, "", written.subject, by_id, timezone)] if written.subject.strip() else []
    for line in lines:
        gap = "" if not any(one.part == BODY for one in found) else "\n"
        if line.strip():
            found.append(_sentence(BODY, gap, line.strip(), by_id, timezone))
    return found


def _sentence(part: str, gap: str, line: str, by_id: dict[str, Fact], timezone: str) -> Sentence:
    mentions = []

    def fill(match: re.Match[str]) -> str:
        fact = by_id.get(match[1])
        if fact is None or match[2] not in {form.value for form in FORMS[fact.kind]}:
            raise ProviderRefusedError("The provider asked for a fact that it was not offered.")
        form = Form(match[2])
        mentions.append(Mention(fact.fact_id, form))
        return said(fact, form, timezone)

    return Sentence(part, gap, PLACE.sub(fill, line), tuple(mentions))
