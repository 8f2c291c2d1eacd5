"""The fact check: a finished text is read again, and every claim in it must be a listed fact, in order.

It knows nothing of how the text was made, so templates, a language model and a pair of scissors are all held
to the same. A changed digit, weekday or price anywhere is refused, and so is a sentence nobody listed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from policies.redaction import Redactor
from studio_assets.marketing.channels import Channel, over_limits
from studio_assets.marketing.claims import claims_in, contacts_in, is_quotable, unseen
from studio_assets.marketing.facts import EVENTS, FIRINGS, Fact, Kind
from studio_assets.marketing.wording import Form, is_what_it_says, said

SUBJECT: Final = "subject"
BODY: Final = "body"
GAPS: Final = ("", " ", "\n", "\n\n")
_OF_ONE_ROW: Final = frozenset({EVENTS, FIRINGS})
_REDACTOR: Final = Redactor()
_JOINS_BEFORE: Final = frozenset("$€£¥+-–−.,/:#%&=*^_~")  # noqa: RUF001 - marks that change a number's meaning
_JOINS_AFTER: Final = frozenset("%/=*^_~+")


@dataclass(frozen=True, slots=True)
class Mention:
    """One place of a sentence that rests on a fact."""

    fact_id: str
    form: Form


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: its part, what is between it and the one before, and what it rests on, in order."""

    part: str
    gap: str
    text: str
    mentions: tuple[Mention, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a fact check looks at: a finished text, its sentences, and the facts it lists."""

    channel: Channel
    subject: str
    body: str
    sentences: Sequence[Sentence]
    facts: Mapping[str, Fact]
    timezone: str


def untraced(text: Checked) -> list[str]:
    """Return every claim that does not trace to a listed fact, in words; empty when all do."""
    return list(_untraced(text))


def personal(text: Checked) -> list[str]:
    """Return what looks like a contact, a link, a secret or somebody's own words; empty when nothing does."""
    whole = f"{text.subject}\n{text.body}"
    found = [f"There is an address or a link: {len(contacts_in(whole))}."] if contacts_in(whole) else []
    if _REDACTOR.text(whole) != whole:
        found.append("There is something that looks like a secret or an address.")
    if unseen(whole):
        found.append("There are characters nobody sees.")
    found += [
        f"{fact.fact_id} quotes what cannot be quoted."
        for fact in text.facts.values()
        if fact.kind is Kind.TEXT and not is_quotable(fact.value, has_codes=fact.name == "name")
    ]
    return found


def is_fit(text: Checked) -> bool:
    """Say whether nothing keeps a text from being a draft; stops at the first thing that does."""
    return next(_untraced(text), None) is None and not problems(text)


def problems(text: Checked) -> list[str]:
    """Return everything that keeps a text from being a draft: untraced claims, personal data, limits."""
    return [*untraced(text), *personal(text), *over_limits(text.channel, text.subject, text.body)]


def _untraced(text: Checked) -> Iterator[str]:
    yield from _uncovered(text)
    for place, sentence in enumerate(text.sentences, 1):
        for problem in _sentence_problems(sentence, text):
            yield f"Sentence {place}: {problem}"


def _uncovered(text: Checked) -> Iterator[str]:
    for part, whole in ((SUBJECT, text.subject), (BODY, text.body)):
        listed = [sentence for sentence in text.sentences if sentence.part == part]
        if any(sentence.gap not in GAPS for sentence in listed):
            yield f"The {part} has words between its sentences."
        if "".join(sentence.gap + sentence.text for sentence in listed) != whole:
            yield f"The {part} is not what its sentences say."
    if any(sentence.part not in {SUBJECT, BODY} for sentence in text.sentences):
        yield "A sentence belongs neither to the subject nor to the body."


def _sentence_problems(sentence: Sentence, text: Checked) -> Iterator[str]:
    missing = [mention.fact_id for mention in sentence.mentions if mention.fact_id not in text.facts]
    if missing:
        yield f"it rests on facts that are not listed: {', '.join(missing)}."
        return
    bound = [(text.facts[one.fact_id], one.form) for one in sentence.mentions]
    if len({(fact.asset, fact.row) for fact, _ in bound if fact.asset in _OF_ONE_ROW}) > 1:
        yield "it mixes facts of several events or firings."
    spans = _spans(sentence.text, bound, text.timezone)
    if spans is None:
        yield "it does not say what the facts say that it rests on."
        return
    read = list(sentence.text)
    for (_, form), (start, end) in zip(bound, spans, strict=True):
        if form is Form.TEXT:
            # What is quoted claims nothing by itself (``personal`` sees to that); it is read as a name.
            read[start:end] = "x" * (end - start)
    claims = claims_in("".join(read))
    wanted = [(fact, form) for fact, form in bound if form is not Form.TEXT]
    for claim in claims:
        if claim.form == "untraceable":
            yield f"it claims something that traces to no fact ({str(claim.value)[:40]!r})."
            return
    if len(claims) != len(wanted):
        yield f"it makes {len(claims)} claims and rests on {len(wanted)} facts."
        return
    for claim, (fact, form) in zip(claims, wanted, strict=True):
        if not is_what_it_says(claim, fact, form, text.timezone):
            yield f"it claims another {form} than {fact.fact_id} says."


def _spans(text: str, bound: Sequence[tuple[Fact, Form]], timezone: str) -> list[tuple[int, int]] | None:
    """Return where each fact stands, in order; null when one does not stand there as it is said."""
    spans, cursor = [], 0
    for fact, form in bound:
        try:
            wanted = said(fact, form, timezone)
        except ValueError:
            return None
        start = text.find(wanted, cursor)
        while start >= 0 and not _stands_alone(text, start, start + len(wanted)):
            start = text.find(wanted, start + 1)
        if start < 0:
            return None
        cursor = start + len(wanted)
        spans.append((start, cursor))
    return spans


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and (before.isalnum() or before in _JOINS_BEFORE):
        return False
    if after and (after.isalnum() or after in _JOINS_AFTER):
        return False
    return not (after and after in ".,:-" and text[end + 1 : end + 2].isdigit())
