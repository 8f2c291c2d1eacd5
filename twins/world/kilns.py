"""Kilns, their firing calendar, and the queue of work that waits for them.

A firing is put on the calendar a week ahead, takes waiting work in order of arrival up to the kiln's
capacity, and is unloaded the next open morning. Staff keep statuses by hand, and sometimes forget to.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from twins.world import almanac
from twins.world.chance import Dice
from twins.world.incidents import Incident
from twins.world.people import People
from twins.world.studio import Studio

CAPACITY_HALF_SHELVES = 8
PLANNED_AHEAD_DAYS = 7
CONFIRMED_AHEAD_DAYS = 2
EXTRA_AHEAD_DAYS = 2
EXTRA_FROM_HALF_SHELVES = 11  # waiting per kiln, from which staff add a firing between the regular ones
ELECTRIC_KILN, RAKU_KILN = "kiln-ll-eq2827-3", "kiln-raku-reduction"
ELECTRIC_STATION, RAKU_STATION = "studio-electric", "reduction-raku"
_STATIONS = (ELECTRIC_STATION, "studio-kiln-a", "studio-kiln-b")
_FIRING_WEEKDAYS = {1: "bisque", 3: "glaze", 5: "bisque", 6: "glaze"}  # Tuesday, Thursday, Saturday, Sunday
_WINDOWS = {  # studio-local start and end as (hour, minute), from the studio's own calendar
    "bisque": ((8, 30), (18, 0)),
    "glaze": ((9, 0), (20, 30)),
    "raku": ((13, 0), (16, 0)),
}
_CYCLES = (
    ("bisque", "Bisque cone 04", 9, "1940-1950 °F"),
    ("glaze", "Mid-fire glaze cone 6", 8, "2225-2235 °F"),
)


@dataclass(slots=True, eq=False)
class Kiln:
    """One kiln and the station its work queues at; ids of the two are different worlds."""

    id: str
    name: str
    station: str
    weekday_shift: int


@dataclass(slots=True, eq=False)
class Work:
    """One load that waits for a firing. The callbacks tell its documents what happened to it."""

    firing_type: str
    half_shelves: float
    path: str
    on_loaded: Callable[[Kiln], None]
    on_unloaded: Callable[[], None]
    held_until: datetime | None = None


@dataclass(slots=True, eq=False)
class Firing:
    """One entry of the firing calendar."""

    id: str
    kiln: Kiln
    cycle: str
    start_at: datetime
    end_at: datetime
    loaded: list[Work] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Return the document's path."""
        return f"kilnFirings/{self.id}"


class Kilns:
    """All kilns of the studio; larger studios have more of the same kind."""

    def __init__(self, studio: Studio, people: People) -> None:
        self._studio = studio
        self._people = people
        self._queue: list[Work] = []
        self._outage_until = studio.now
        count = max(1, round(studio.scale))
        self.electric = [self._buy_electric(number) for number in range(count)]
        self._raku = Kiln(RAKU_KILN, "Raku", RAKU_STATION, 0)
        self._write_raku_kiln()

    def open_day(self, day: date) -> None:
        """Put the firings of a week from now on the calendar, and begin outages that are due."""
        ahead = day + timedelta(days=PLANNED_AHEAD_DAYS)
        for kiln in self.electric:
            cycle = _FIRING_WEEKDAYS.get((ahead.weekday() + kiln.weekday_shift) % 7)
            if cycle and almanac.is_open(ahead):
                dice = self._studio.dice("firing", kiln.id, ahead)
                self._studio.at(almanac.moment(dice, day, 10, 18), self._plan, kiln, cycle, ahead)
        soon = day + timedelta(days=EXTRA_AHEAD_DAYS)
        for number, kiln in enumerate(self.electric):
            cycle = self._extra_cycle(number, kiln, soon)
            if cycle:
                dice = self._studio.dice("extra firing", kiln.id, soon)
                self._studio.at(almanac.moment(dice, day, 10, 18), self._plan, kiln, cycle, soon)
        outage = self._studio.incidents.opening_on("kiln_outage", day)
        if outage:
            self._studio.at(outage.opens_at, self._begin_outage, outage)

    def station_for(self, dice: Dice) -> str:
        """Return the station a new request is queued at."""
        return dice.pick(self.electric).station

    def waiting_count(self) -> int:
        """Return how many loads wait for a firing."""
        return len(self._queue)

    def enqueue(self, work: Work) -> None:
        """Let a load wait for the next firing of its kind."""
        self._queue.append(work)

    def plan_raku(self, day: date) -> None:
        """Put a raku firing on the calendar of a day, for an event; staff name the station, not the kiln."""
        self._plan(self._raku, "raku", day)

    # The calendar

    def _extra_cycle(self, number: int, kiln: Kiln, day: date) -> str | None:
        """Return the cycle of an extra firing that the queue calls for on a day, or null."""
        is_regular = (day.weekday() + kiln.weekday_shift) % 7 in _FIRING_WEEKDAYS
        if is_regular or not almanac.is_open(day):
            return None
        waiting = {cycle: 0.0 for cycle, *_ in _CYCLES}
        for work in self._queue:
            if work.held_until is None or work.held_until <= self._studio.now:
                waiting[work.firing_type] += work.half_shelves
        cycle = max(waiting, key=lambda name: waiting[name])
        return cycle if waiting[cycle] >= EXTRA_FROM_HALF_SHELVES * (number + 1) else None

    def _plan(self, kiln: Kiln, cycle: str, day: date) -> None:
        studio = self._studio
        (from_hour, from_minute), (to_hour, to_minute) = _WINDOWS[cycle]
        firing = Firing(
            id=studio.new_id("kilnFirings"),
            kiln=kiln,
            cycle=cycle,
            start_at=almanac.local(day, from_hour, from_minute),
            end_at=almanac.local(day, to_hour, to_minute),
        )
        dice = studio.dice("firing", firing.id)
        staff = self._people.someone_on_staff(dice)
        studio.set(
            firing.path,
            {
                "kilnId": kiln.station if cycle == "raku" else kiln.id,
                "kilnName": kiln.name,
                "title": f"{cycle.capitalize()} firing",
                "cycleType": cycle,
                "startAt": firing.start_at,
                "endAt": firing.end_at,
                "status": "scheduled",
                "confidence": dice.weighted((("estimated", 3.0), ("scheduled", 1.0))),
                "notes": None,
                "unloadedAt": None,
                "createdAt": studio.now,
                "createdByUid": staff.uid,
                "updatedAt": studio.now,
                "updatedByUid": staff.uid,
            },
        )
        if dice.chance(0.04):  # a slip of the hand: staff delete the entry and make it again
            studio.at(studio.now + dice.minutes(20, 200), self._replace, firing, kiln, cycle, day)
            return
        studio.at(
            firing.start_at - timedelta(days=CONFIRMED_AHEAD_DAYS) - dice.hours(0, 20),
            studio.touch,
            firing.path,
            {"confidence": "scheduled"},
        )
        studio.at(firing.start_at - dice.minutes(20, 75), self._load, firing)

    def _replace(self, firing: Firing, kiln: Kiln, cycle: str, day: date) -> None:
        self._studio.delete(firing.path)
        self._plan(kiln, cycle, day)

    # A firing day

    def _load(self, firing: Firing) -> None:
        at = self._studio.now
        studio, kiln = self._studio, firing.kiln
        idle = studio.incidents.condition("kiln_idle", at) if firing.cycle != "raku" else None
        outage = studio.incidents.condition("kiln_outage", at) if kiln is self.electric[0] else None
        if idle or outage:
            studio.touch(firing.path, {"status": "cancelled"})
            passed_over = [work.path for work in self._waiting_for(firing, at)]
            for incident in (idle, outage):
                if incident:
                    incident.affect(at, firing.path, f"kilns/{kiln.id}", *passed_over)
            return
        firing.loaded = self._take_waiting(firing, at)
        if not firing.loaded and firing.cycle != "raku":
            studio.touch(firing.path, {"status": "cancelled", "notes": "nothing to fire"})
            return
        self._show(kiln, "loading")
        for work in firing.loaded:
            work.on_loaded(kiln)
        if studio.dice("batch ids", firing.id).chance(0.1):
            batches = [
                work.path.partition("/")[2] for work in firing.loaded if work.path.startswith("batches/")
            ]
            studio.touch(firing.path, {"batchIds": batches})
        studio.at(firing.start_at, self._start, firing)
        studio.at(firing.end_at, self._show, kiln, "cooling")

    def _take_waiting(self, firing: Firing, at: datetime) -> list[Work]:
        taken = self._waiting_for(firing, at)
        chosen = set(map(id, taken))
        self._queue = [work for work in self._queue if id(work) not in chosen]
        return taken

    def _waiting_for(self, firing: Firing, at: datetime) -> list[Work]:
        """Return the loads that go into a firing, first come first served, as far as there is room."""
        if firing.cycle == "raku":
            return []
        room, taken = float(CAPACITY_HALF_SHELVES), []
        for work in self._queue:
            is_held = work.held_until is not None and work.held_until > at
            if work.firing_type == firing.cycle and not is_held and work.half_shelves <= room:
                room -= work.half_shelves
                taken.append(work)
        return taken

    def _start(self, firing: Firing) -> None:
        studio = self._studio
        dice = studio.dice("fire", firing.id)
        status = dice.weighted((("in-progress", 8.0), ("firing", 1.0)))
        studio.touch(firing.path, {"status": status})
        self._show(firing.kiln, "firing")
        morning = almanac.next_open_day(almanac.day_of(firing.end_at) + timedelta(days=1))
        unload_at = almanac.moment(dice, morning, 10, 11.5)
        incident = studio.incidents.claim("firing_without_unload", firing.start_at) if firing.loaded else None
        if incident:
            late_day = almanac.next_open_day(morning + timedelta(days=dice.whole(6, 9)))
            incident.affect(firing.end_at, firing.path, *(work.path for work in firing.loaded))
            studio.at(morning_status := unload_at, self._complete, firing)
            unload_at = almanac.moment(dice, late_day, 10, 12)
            studio.at(max(unload_at, morning_status), self._unload_late, firing, incident)
            return
        studio.at(unload_at, self._unload, firing)

    def _complete(self, firing: Firing) -> None:
        self._studio.touch(firing.path, {"status": "completed"})
        self._show(firing.kiln, "idle")

    def _unload_late(self, firing: Firing, incident: Incident) -> None:
        incident.end(self._studio.now)
        self._unload(firing)

    def _unload(self, firing: Firing) -> None:
        studio = self._studio
        dice = studio.dice("unload", firing.id)
        staff = self._people.someone_on_staff(dice)
        changes: dict[str, object] = {"unloadedAt": studio.now, "unloadedByUid": staff.uid}
        if studio.incidents.trouble(dice, 0.1):
            studio.incidents.quirk(
                "firing_status_forgotten",
                studio.now,
                firing.path,
                notes="unloaded, but the status never moved on",
            )
        else:
            changes["status"] = "completed"
        studio.touch(firing.path, changes)
        self._show(firing.kiln, "unloading")
        for work in firing.loaded:
            work.on_unloaded()
        studio.at(studio.now + dice.minutes(20, 60), self._rest, firing.kiln)

    def _rest(self, kiln: Kiln) -> None:
        self._show(kiln, "offline" if kiln is self._raku else "idle")

    def _show(self, kiln: Kiln, status: str) -> None:
        """Set a kiln's status by hand; nobody touches the sign on a kiln in maintenance."""
        if kiln is not self.electric[0] or self._studio.now >= self._outage_until:
            self._studio.touch(f"kilns/{kiln.id}", {"status": status})

    def _begin_outage(self, outage: Incident) -> None:
        path = f"kilns/{self.electric[0].id}"
        outage.affect(self._studio.now, path)
        self._outage_until = outage.closes_at
        self._studio.touch(path, {"status": "maintenance", "isAvailable": False})
        self._studio.at(outage.closes_at, self._studio.touch, path, {"status": "idle", "isAvailable": True})

    # Buying

    def _buy_electric(self, number: int) -> Kiln:
        suffix = "" if number == 0 else f"-{number + 1}"
        kiln = Kiln(
            id=f"{ELECTRIC_KILN}{suffix}",
            name="L&L eQ2827-3" if number == 0 else f"L&L eQ2827-3 no. {number + 1}",
            station=_STATIONS[number % len(_STATIONS)],
            weekday_shift=number % 2,
        )
        self._studio.set(
            f"kilns/{kiln.id}",
            {
                "name": kiln.name,
                "type": "Electric oxidation, Genesis controller",
                "volume": "9.9 cu ft",
                "maxTemp": "cone 10",
                "status": "idle",
                "isAvailable": True,
                "typicalCycles": [
                    {"id": cycle, "name": name, "typicalDurationHours": hours, "tempRange": temperatures}
                    for cycle, name, hours, temperatures in _CYCLES
                ],
                "controller": "Genesis",
                "notes": None,
                "updatedAt": self._studio.now,
            },
        )
        return kiln

    def _write_raku_kiln(self) -> None:
        self._studio.set(
            f"kilns/{RAKU_KILN}",
            {
                "name": self._raku.name,
                "type": "Gas reduction, outdoor, on request",
                "volume": "small",
                "maxTemp": "cone 06",
                "status": "offline",
                "isAvailable": True,  # as seeded: true while offline
                "typicalCycles": [],
                "notes": None,
                "updatedAt": self._studio.now,
            },
        )
