"""Templates: our own words with places for facts, rendered where nothing but those places can be reached.

A template sees marks, not values: what a title says is put in after rendering and is never read as a
template. One line is one sentence; what it mentions is known from the marks that are left in it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import StrictUndefined
from jinja2 import Template as JinjaTemplate
from jinja2.sandbox import ImmutableSandboxedEnvironment

from studio_assets.marketing.channels import LIMITS, Channel
from studio_assets.marketing.checker import BODY, SUBJECT, Mention, Sentence
from studio_assets.marketing.facts import Fact, Row
from studio_assets.marketing.wording import Form, said

FOLDER: Final = Path(__file__).parent / "templates"
TEMPLATES_VERSION: Final = "1"
"""Counts up with any change of meaning; the hash of a template's text is kept beside it."""
UNNAMED: Final = "a studio event"
_OPEN, _CLOSE = "\ue000", "\ue001"  # private characters: no title that is quoted has them
_MARK: Final = re.compile(f"{_OPEN}([a-z0-9_]+):([a-z]+){_CLOSE}")
_SUBJECT_LINE: Final = "Subject: "


@dataclass(frozen=True, slots=True)
class Template:
    """One variant for one channel: its text, and the version by which it is recognised."""

    channel: Channel
    variant: str
    text: str

    @property
    def name(self) -> str:
        """Return ``channel_variant``."""
        return f"{self.channel}_{self.variant}"

    @property
    def version(self) -> str:
        """Return the version of all templates and the start of this one's hash."""
        return f"{TEMPLATES_VERSION}-{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"


@cache
def templates_of(channel: Channel) -> tuple[Template, ...]:
    """Return the variants of a channel in order of name; they ship with the code."""
    files = sorted((FOLDER / channel).glob("*.j2"))
    return tuple(Template(channel, file.stem, file.read_text(encoding="utf-8")) for file in files)


def event_view(row: Row) -> dict[str, str | None]:
    """Return the places an event offers to a template; null where nothing certain is known."""
    title = _mark(row.facts.get("title"), Form.TEXT)
    return {
        "called": UNNAMED if title is None else f"“{title}”",
        "date": _mark(row.facts.get("start"), Form.DATE),
        "time": _mark(row.facts.get("start"), Form.TIME),
        "end": _mark(row.facts.get("end"), Form.TIME),
        "price": _mark(row.facts.get("price"), Form.MONEY),
        "capacity": _mark(row.facts.get("capacity"), Form.COUNT),
        "seats": _mark(row.facts.get("free_seats"), Form.COUNT),
    }


def firing_view(row: Row) -> dict[str, str | None]:
    """Return the places a firing offers to a template."""
    return {
        "cycle": _mark(row.facts.get("cycle"), Form.TEXT),
        "kiln": _mark(row.facts.get("kiln"), Form.TEXT),
        "date": _mark(row.facts.get("start"), Form.DATE),
        "time": _mark(row.facts.get("start"), Form.TIME),
    }


def count_view(fact: Fact | None) -> str | None:
    """Return the place of a counter."""
    return _mark(fact, Form.COUNT)


def render(
    template: Template, places: Mapping[str, Any], facts: Mapping[str, Fact], timezone: str
) -> list[Sentence]:
    """Return a template's sentences with facts filled in.

    Raises:
        jinja2.TemplateError: when the template names a place that is not there.
    """
    text = _compiled(template.text).render(dict(places))
    lines = text.strip("\n").split("\n")
    subject = ""
    if lines[0].startswith(_SUBJECT_LINE):
        subject, lines = lines[0].removeprefix(_SUBJECT_LINE), lines[1:]
    sentences = [_filled(SUBJECT, "", subject, facts, timezone)] if LIMITS[template.channel].subject else []
    return [*sentences, *_body(lines, facts, timezone)]


def _body(lines: Sequence[str], facts: Mapping[str, Fact], timezone: str) -> list[Sentence]:
    found: list[Sentence] = []
    gap, was_item = "", False
    for line in (line.strip() for line in lines):
        if not line:
            gap = "\n\n" if found else ""
            continue
        is_item = line.startswith("- ")
        if found and not gap:
            gap = "\n" if is_item or was_item else " "
        found.append(_filled(BODY, gap, line, facts, timezone))
        gap, was_item = "", is_item
    return found


def _filled(part: str, gap: str, line: str, facts: Mapping[str, Fact], timezone: str) -> Sentence:
    mentions = tuple(Mention(match[1], Form(match[2])) for match in _MARK.finditer(line))
    text = _MARK.sub(lambda match: said(facts[match[1]], Form(match[2]), timezone), line)
    start = 2 if text.startswith("- ") else 0
    if text[start : start + 1].islower() and not line.startswith(_OPEN, start):
        # A fact keeps its letters; our own words begin as sentences do.
        text = text[:start] + text[start].upper() + text[start + 1 :]
    return Sentence(part, gap, text, mentions)


def _mark(fact: Fact | None, form: Form) -> str | None:
    return None if fact is None else f"{_OPEN}{fact.fact_id}:{form}{_CLOSE}"


@cache
def _compiled(text: str) -> JinjaTemplate:
    return _environment().from_string(text)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.clear()
    environment.filters.clear()
    return environment
