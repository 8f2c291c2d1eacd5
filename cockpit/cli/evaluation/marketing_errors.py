"""Errors put into true drafts on purpose: one of every kind there is room for in a draft."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from studio_assets.marketing.checker import BODY, SUBJECT
from studio_assets.marketing.claims import MONTHS, WEEKDAYS, Claim, claims_in
from studio_assets.marketing.drafts import Draft

_ADDED: Final = (
    ("unlisted_sentence", "There are 3 places left."),
    ("unlisted_promise", "It is sold out."),
    ("relative_day", "See you tomorrow."),
    ("contact", "Write to studio@example.com."),
)


def planted(draft: Draft, turn: int) -> Iterator[tuple[str, Draft]]:
    """Yield kinds of error and the draft with one of them in it.

    Args:
        draft: A true one.
        turn: Any number. Where an error fits several claims, it is put into another one from turn to turn.
    """
    places: dict[str, list[tuple[int, str]]] = {}
    for place, sentence in enumerate(draft.sentences):
        for claim in claims_in(sentence.text):
            for name, words in _other_claims(claim, sentence.text[claim.start : claim.end]):
                text = sentence.text[: claim.start] + words + sentence.text[claim.end :]
                places.setdefault(name, []).append((place, text))
    for name, found in places.items():
        yield name, _with_text(draft, *found[turn % len(found)])
    last = len(draft.sentences) - 1
    for name, words in _ADDED:
        yield name, _with_text(draft, last, f"{draft.sentences[last].text} {words}")
    numbers = [fact for fact in draft.facts.values() if isinstance(fact.value, int)]
    if numbers:
        fact = numbers[turn % len(numbers)]
        moved = {**draft.facts, fact.fact_id: replace(fact, value=int(fact.value) + 1)}
        yield "fact_moved", replace(draft, facts=moved)
    if len(draft.facts) > 1:
        unlisted = list(draft.facts)[turn % len(draft.facts)]
        left = {id_: fact for id_, fact in draft.facts.items() if id_ != unlisted}
        yield "fact_unlisted", replace(draft, facts=left)


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
