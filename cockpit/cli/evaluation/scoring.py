"""What a detector said held against what was true: found, missed, false, called by another name, how late.

An *alert* is one finding from the first look that showed it to the look that no longer did. A *label* is one
incident of the world; where a rule says so, each of its cases is counted on its own. The two belong together
when they name a common document or Stripe object and stood at the same time. Alerts that name nothing (a
counter that is out of line) are matched by kind and time.

Origin ``quirk``: a trouble that comes of ordinary habits. Finding one is neither right nor false; not finding
it misses nothing. The same holds for incidents of kinds no rule speaks of.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import Any

from resources.findings import Finding
from studio_assets.contracts import catalog
from twins.world.incidents import Label

DAY = timedelta(days=1)
_SOURCE_PATHS = {contract.name: contract.path for contract in catalog.ALL}

PathsOf = Callable[[Finding], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Alert:
    """One finding while it stood.

    Attributes:
        kind: The detector's own word.
        paths: What it points at, as source paths (``materialsOrders/ID``); empty for a number out of line.
        raised_at: As-of instant of the first look that showed it.
        cleared_at: As-of instant of the first look that no longer did; null while it stands.
    """

    kind: str
    paths: frozenset[str]
    raised_at: datetime
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is expected of a detector for one kind of incident.

    Attributes:
        kinds: The detector's words that name it rightly.
        due_after: How long the data must have shown it before it has to be found: the detector's own limit.
        due_at: The same for limits that are no fixed time, such as open days: from an incident's start to the
            instant from which it has to be found. The later of the two counts.
        is_by_case: Whether each case counts, and not the incident as a whole.
    """

    kinds: frozenset[str]
    due_after: timedelta = timedelta(0)
    is_by_case: bool = False
    due_at: Callable[[datetime], datetime] | None = None

    def is_due(self, started_at: datetime, stood_until: datetime, slack: timedelta) -> bool:
        """Return whether what stood from one instant to another has to be found, with a look to spare."""
        due = started_at + self.due_after
        if self.due_at is not None:
            due = max(due, self.due_at(started_at))
        return due + slack <= stood_until


@dataclass(slots=True)
class ClassScore:
    """One kind of incident: how many were due, found, and found under another name only; delays in days."""

    injected: int = 0
    found: int = 0
    misclassified: int = 0
    delays: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Score:
    """The score of one or several years. Alerts are right, false, or excused (see the module)."""

    days: int = 0
    right: int = 0
    excused: int = 0
    false_kinds: Counter[str] = field(default_factory=Counter)
    classes: dict[str, ClassScore] = field(default_factory=dict)

    def add(self, other: "Score") -> None:
        """Add another year."""
        self.days += other.days
        self.right += other.right
        self.excused += other.excused
        self.false_kinds.update(other.false_kinds)
        for name, theirs in other.classes.items():
            ours = self.classes.setdefault(name, ClassScore())
            ours.injected += theirs.injected
            ours.found += theirs.found
            ours.misclassified += theirs.misclassified
            ours.delays.extend(theirs.delays)

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints. Recall and precision of nothing are null."""
        injected = sum(each.injected for each in self.classes.values())
        found = sum(each.found for each in self.classes.values())
        wrong = self.false_kinds.total()
        delays = sorted(delay for each in self.classes.values() for delay in each.delays)
        return {
            "days": self.days,
            "recall": _share(found, injected),
            "precision": _share(self.right, self.right + wrong),
            "false_alerts_per_week": round(wrong / (self.days / 7), 4) if self.days else None,
            "detection_delay_days": _delays(delays),
            "alerts": {"right": self.right, "false": wrong, "excused": self.excused},
            "false_by_kind": dict(sorted(self.false_kinds.items())),
            "classes": {
                name: {
                    "injected": each.injected,
                    "found": each.found,
                    "misclassified": each.misclassified,
                    "delay_days_median": round(median(each.delays), 2) if each.delays else None,
                }
                for name, each in sorted(self.classes.items())
            },
        }


class Watch:
    """Follows one detector's findings from look to look. A finding that comes back is a new alert."""

    def __init__(self, paths_of: PathsOf | None = None) -> None:
        self._paths_of = paths_of or named_paths
        self._standing: dict[str, Alert] = {}
        self._over: list[Alert] = []

    def look(self, as_of: datetime, findings: Iterable[Finding]) -> None:
        """Take the findings of one instant; what is not among them has been resolved."""
        now = {finding.finding_id: finding for finding in findings}
        for name in [name for name in self._standing if name not in now]:
            gone = self._standing.pop(name)
            self._over.append(Alert(gone.kind, gone.paths, gone.raised_at, as_of))
        for name, finding in now.items():
            before = self._standing.get(name)
            paths = frozenset(self._paths_of(finding)) | (before.paths if before else frozenset())
            self._standing[name] = Alert(finding.kind, paths, before.raised_at if before else as_of)

    @property
    def alerts(self) -> list[Alert]:
        """Return every alert so far, in order of being raised."""
        return sorted([*self._over, *self._standing.values()], key=lambda alert: alert.raised_at)


def named_paths(finding: Finding) -> Iterable[str]:
    """Yield the source paths that a finding's evidence names: the contract is the asset key's last part."""
    for evidence in finding.evidence:
        path = _SOURCE_PATHS.get(evidence.asset.rpartition("/")[2])
        if path is not None and evidence.row is not None:
            yield f"{path}/{evidence.row}"


def score(
    alerts: Sequence[Alert],
    labels: Sequence[Label],
    rules: Mapping[str, Rule],
    *,
    until: datetime,
    days: int,
    slack: timedelta = DAY,
    first_look: datetime | None = None,
) -> Score:
    """Return how well the alerts tell the labels.

    Args:
        alerts: Of the whole run.
        labels: Of the whole run, all departments and origins.
        rules: Kind of incident -> what is expected; these kinds make the recall.
        until: The last as-of instant looked at.
        days: How many days were looked at.
        slack: How long after its end an incident still explains an alert, and how long (one look) data must
            show it beyond ``due_after`` before it has to be found.
        first_look: The first as-of instant: what was over by then could not be told earlier, and still
            explains an alert raised there.
    """
    result = Score(days=days, classes={name: ClassScore() for name in rules})
    index, right, excused = _Index(alerts), set[int](), set[int]()
    for label in labels:
        rule = rules.get(label.kind) if label.origin == "incident" else None
        for event in _events(label, rule, until, slack, first_look):
            near = index.near(event)
            if rule is None:
                excused.update(near)
            else:
                right.update(near)
                _count(result.classes[label.kind], [alerts[place] for place in near], event)
    result.right, result.excused = len(right), len(excused - right)
    result.false_kinds.update(
        alert.kind for place, alert in enumerate(alerts) if place not in right | excused
    )
    return result


@dataclass(frozen=True, slots=True)
class _Event:
    """A label or one case of it: what shows it, from when, until when it explains alerts, what it is called.

    ``is_due``: whether it stood for long enough that it has to be found.
    """

    paths: frozenset[str]
    started_at: datetime
    explains_until: datetime
    kinds: frozenset[str]
    is_due: bool


class _Index:
    """Alerts by what they point at."""

    def __init__(self, alerts: Sequence[Alert]) -> None:
        self._alerts = alerts
        self._by_path: dict[str, list[int]] = defaultdict(list)
        self._pathless: dict[str, list[int]] = defaultdict(list)
        for place, alert in enumerate(alerts):
            for path in alert.paths:
                self._by_path[path].append(place)
            if not alert.paths:
                self._pathless[alert.kind].append(place)

    def near(self, event: _Event) -> list[int]:
        """Return the places of alerts that an event explains."""
        found = {place for path in event.paths for place in self._by_path.get(path, ())}
        found |= {place for kind in event.kinds for place in self._pathless.get(kind, ())}
        return sorted(place for place in found if self._meets(self._alerts[place], event))

    def _meets(self, alert: Alert, event: _Event) -> bool:
        is_over = alert.cleared_at is not None and alert.cleared_at <= event.started_at
        return alert.raised_at <= event.explains_until and not is_over


def _events(
    label: Label, rule: Rule | None, until: datetime, slack: timedelta, first_look: datetime | None
) -> Iterator[_Event]:
    """Yield what one label asks for: itself, or each of its cases."""
    explains_until = until if label.ended_at is None else label.ended_at + slack
    if first_look is not None:
        explains_until = max(explains_until, first_look)
    if rule is not None and rule.is_by_case:
        parts = [(case.started_at, case.affected) for case in label.cases]
    else:
        parts = [(label.started_at, label.affected)]
    for started_at, paths in parts:
        stood_until = min(label.ended_at or until, until)
        yield _Event(
            frozenset(paths),
            started_at,
            explains_until,
            rule.kinds if rule else frozenset(),
            is_due=rule is not None and rule.is_due(started_at, stood_until, slack),
        )


def _count(into: ClassScore, near: Sequence[Alert], event: _Event) -> None:
    """Count one event: found, or missed where it was due. One that was not due is counted only when found."""
    into.injected += event.is_due or bool(near)
    into.found += bool(near)
    right = [alert.raised_at for alert in near if alert.kind in event.kinds]
    if right:
        into.delays.append(max(0.0, (min(right) - event.started_at) / DAY))
    elif near:
        into.misclassified += 1


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _delays(delays: Sequence[float]) -> dict[str, float] | None:
    if not delays:
        return None
    p90 = quantiles(delays, n=10, method="inclusive")[-1] if len(delays) > 1 else delays[0]
    return {"p50": round(median(delays), 2), "p90": round(p90, 2)}
