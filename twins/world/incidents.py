"""Labelled incidents: what goes wrong in the pretend studio, when, and which documents show it.

The calendar of incidents is drawn from the seed alone. A desk asks :meth:`Incidents.claim` at the moment a
decision falls, bends the decision, and reports the documents it bent; so a label names exactly what the data
shows. Troubles that come of the studio's ordinary habits (the portal's own quirks) are labelled too, with
origin ``quirk``: whoever is evaluated against the labels must not be blamed for finding them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import sqrt
from typing import Any

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incident_kinds import DECKS, FOLLOW_UPS, QUIRK_DEPARTMENTS, Deck, IncidentKind
from twins.world.settings import WorldSettings

FIRST_INCIDENT_DAY = 2  # days after the first day; before it there is nothing to compare with


@dataclass(frozen=True, slots=True)
class Case:
    """One of the things that went wrong in an incident: what shows it, and since when.

    Two orders charged twice are two cases of one ``duplicate_charge``; each names its order and its charges.
    """

    started_at: datetime
    affected: Sequence[str]


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about one incident, as later evaluations read it.

    Attributes:
        origin: ``incident`` (injected) or ``quirk`` (a habit of the studio or the portal).
        started_at: When the data first showed it.
        ended_at: When it was put right; null while it stands.
        affected: Paths of documents and Stripe objects that show it, in the order they did.
        cases: The same, by case, in order of start; no path is in two of them.
    """

    id: str
    kind: str
    department: str
    origin: str
    started_at: datetime
    ended_at: datetime | None
    affected: Sequence[str]
    notes: str
    cases: Sequence[Case] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the label with instants as ISO texts."""
        return {
            "id": self.id,
            "kind": self.kind,
            "department": self.department,
            "origin": self.origin,
            "startedAt": self.started_at.isoformat(),
            "endedAt": self.ended_at.isoformat() if self.ended_at else None,
            "affected": list(self.affected),
            "notes": self.notes,
        }


@dataclass(slots=True, eq=False)
class Incident:
    """An incident as the simulation lives it; documents are added as they are affected."""

    id: str
    kind: str
    department: str
    origin: str
    opens_at: datetime
    closes_at: datetime
    wanted: int
    notes: str
    cases: int = 0
    affected: list[tuple[datetime, tuple[str, ...]]] = field(default_factory=list)
    ended_at: datetime | None = None

    def affect(self, instant: datetime, *paths: str) -> None:
        """Report documents or Stripe objects that show it from an instant on: a case, or more of one.

        What shares a path with an earlier report belongs to the same case.
        """
        self.affected.append((instant, paths))

    def end(self, instant: datetime) -> None:
        """Report that it was put right; the latest report counts."""
        self.ended_at = instant if self.ended_at is None else max(self.ended_at, instant)

    def label(self, until: datetime) -> Label | None:
        """Return what the data shows of it until an instant; null while it shows nothing."""
        shown = [(at, paths) for at, paths in self.affected if at <= until and paths]
        if not shown:
            return None
        ended_at = self.ended_at if self.ended_at and self.ended_at <= until else None
        return Label(
            id=self.id,
            kind=self.kind,
            department=self.department,
            origin=self.origin,
            started_at=shown[0][0],
            ended_at=ended_at,
            affected=tuple(dict.fromkeys(path for _, paths in shown for path in paths)),
            notes=self.notes,
            cases=_cases(shown),
        )


def _cases(shown: Sequence[tuple[datetime, tuple[str, ...]]]) -> tuple[Case, ...]:
    """Return reports as cases: reports that share a path are one."""
    cases: list[tuple[datetime, dict[str, None]]] = []
    for at, paths in shown:
        known = next((case for case in cases if not case[1].keys().isdisjoint(paths)), None)
        if known is None:
            cases.append((at, dict.fromkeys(paths)))
        else:
            known[1].update(dict.fromkeys(paths))
    return tuple(Case(at, tuple(paths)) for at, paths in sorted(cases, key=lambda case: case[0]))


class Incidents:
    """The calendar of incidents of one world, and the labels that come of it."""

    def __init__(self, settings: WorldSettings) -> None:
        self._settings = settings
        self._drawn_weeks = 0
        self._by_kind: dict[str, list[Incident]] = defaultdict(list)
        self._quirks: list[Incident] = []
        self._follow_ups: list[Incident] = []

    @property
    def is_calm(self) -> bool:
        """Return whether nothing may go wrong."""
        return not self._settings.has_incidents

    def trouble(self, dice: Dice, probability: float) -> bool:
        """Return whether a troublesome habit strikes; never in a calm world. Draws once either way."""
        return dice.chance(probability) and not self.is_calm

    def claim(self, kind: str, instant: datetime) -> Incident | None:
        """Return the incident of a kind that wants one more case now, counting the case, or null."""
        incident = self._open(kind, instant)
        if incident is None or incident.cases >= incident.wanted:
            return None
        incident.cases += 1
        return incident

    def condition(self, kind: str, instant: datetime) -> Incident | None:
        """Return the incident of a kind that lasts now and affects everything it meets, or null."""
        return self._open(kind, instant)

    def opening_on(self, kind: str, day: date) -> Incident | None:
        """Return the incident of a kind whose window opens on a day, or null."""
        if self.is_calm:
            return None
        self._draw_until(day)
        return next((i for i in self._by_kind[kind] if almanac.day_of(i.opens_at) == day), None)

    def quirk(self, kind: str, instant: datetime, *paths: str, notes: str) -> Incident:
        """Label a trouble that came of an ordinary habit."""
        number = len(self._quirks) + 1
        incident = Incident(
            id=f"quirk-{number:05d}",
            kind=kind,
            department=QUIRK_DEPARTMENTS[kind],
            origin="quirk",
            opens_at=instant,
            closes_at=instant,
            wanted=0,
            notes=notes,
        )
        incident.affect(instant, *paths)
        self._quirks.append(incident)
        return incident

    def follow_up(self, cause: Incident, kind: str, instant: datetime, *paths: str) -> Incident:
        """Label what comes of an incident or a habit from an instant on; it has the origin of its cause."""
        department, notes = FOLLOW_UPS[kind]
        incident = Incident(
            id=f"{cause.origin}-{len(self._follow_ups) + 1:05d}-{kind}",
            kind=kind,
            department=department,
            origin=cause.origin,
            opens_at=instant,
            closes_at=instant,
            wanted=0,
            notes=notes,
        )
        incident.affect(instant, *paths)
        self._follow_ups.append(incident)
        return incident

    def labels(self, until: datetime) -> list[Label]:
        """Return every label until an instant, in order of start."""
        every = [incident for incidents in self._by_kind.values() for incident in incidents]
        labels = [incident.label(until) for incident in (*every, *self._quirks, *self._follow_ups)]
        return sorted((label for label in labels if label), key=lambda label: (label.started_at, label.id))

    def _open(self, kind: str, instant: datetime) -> Incident | None:
        if self.is_calm:
            return None
        self._draw_until(almanac.day_of(instant))
        return next((i for i in self._by_kind[kind] if i.opens_at <= instant < i.closes_at), None)

    def _draw_until(self, day: date) -> None:
        start = self._settings.first_day + timedelta(days=FIRST_INCIDENT_DAY)
        while start + timedelta(weeks=self._drawn_weeks) <= day:
            self._draw_week(self._drawn_weeks, start + timedelta(weeks=self._drawn_weeks))
            self._drawn_weeks += 1

    def _draw_week(self, week: int, monday: date) -> None:
        for deck in DECKS:
            for place in range(week * deck.per_week, (week + 1) * deck.per_week):
                turn, card = divmod(place, len(deck.kinds))
                kinds = Dice(self._settings.seed, deck.name, "deck", turn).some(deck.kinds, len(deck.kinds))
                self._draw(deck, kinds[card], place, monday)

    def _draw(self, deck: Deck, kind: IncidentKind, place: int, monday: date) -> None:
        dice = Dice(self._settings.seed, deck.name, place)
        opens_on = almanac.next_open_day(monday + timedelta(days=dice.whole(0, 6)))
        opens_at = almanac.local(opens_on, almanac.OPENS_HOUR)
        closes_at = opens_at + timedelta(days=dice.whole(*kind.window_days))
        growth = max(1.0, sqrt(self._settings.size.scale))
        self._by_kind[kind.name].append(
            Incident(
                id=f"incident-{place + 1:04d}-{kind.name}",
                kind=kind.name,
                department=kind.department,
                origin="incident",
                opens_at=opens_at,
                closes_at=closes_at,
                wanted=round(dice.whole(*kind.counts) * growth),
                notes=kind.notes,
                ended_at=closes_at if kind.ends_with_window else None,
            )
        )
