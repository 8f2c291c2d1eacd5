"""What may be said of work while documents are set aside: only what is so whatever stands in them. Pure.

INVARIANT: what could not be read is not an empty place. So the detectors look several times: at what was read
as it is, and at what was read with documents imagined in place of those set aside, as far apart as matters to
any rule. What every look finds alike is told; what none finds is resolved; all between stays as it was.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from typing import Any, Final

import pyarrow as pa

from resources.findings import Finding
from resources.rows import QuarantinedDocument, SourceRead
from studio_assets.findings.aside import Documents, Telling
from studio_assets.findings.making import safe_id
from studio_assets.operations.case import DEPARTMENT, Case
from studio_assets.operations.rules import LOOKED_AT, RULES, find_all
from studio_assets.operations.rules_kilns import OVER_CAPACITY
from studio_assets.operations.rules_work import reserved_batches

SUBJECT_OF: Final[Mapping[str, str]] = {
    "batches": "batch",
    "reservations": "reservation",
    "kilns": "kiln",
    "kiln_firings": "firing",
    "agent_requests": "agent_request",
    "event_signups": "event_signup",
    "community_reports": "report",
    "support_requests": "support_request",
}
"""Contracts of work, and what a document is called where a finding is about it. Of orders and objects of
Stripe that are set aside the reconciliation tells."""
TELLING: Final = Telling(
    department=DEPARTMENT,
    subject_of=SUBJECT_OF,
    next_step={
        "firestore": "Correct {field} of this document at its source; the next snapshot counts it again.",
        "stripe": "Compare {field} of this object with Stripe's own pages, "
        "and tell who looks after Studio OS.",
    },
    holds="No document that this looks at had to be set aside.",
    is_broken="{set_aside} documents were set aside; {held_back} findings that may not be so because of them "
    "were not told. Findings that may depend on them stay as they were, neither changed nor resolved. "
    "Correct the documents and fields in the table at their source.",
)
_LONG: Final = timedelta(days=365)
_LATELY: Final = timedelta(hours=1)
_JUST: Final = timedelta(microseconds=1)
"""Nothing that has begun did so later: instants are kept to this."""
_LONG_BEFORE_FIRINGS: Final = timedelta(days=59)
"""As far back as the rules look at firings."""

Rows = list[dict[str, Any]]
Ids = Sequence[str]
Imagined = Callable[[Case, Ids], Rows]
Numbers = Mapping[str, Sequence[tuple[date, int]]]


def aside_of(reads: Mapping[str, SourceRead], contracts: Iterable[str]) -> Documents:
    """Return what was set aside of some contracts when they were read, in order of both, each once."""
    found: list[tuple[str, QuarantinedDocument]] = []
    for contract in sorted(set(contracts)):
        by_id = {one.document_id: one for one in reads[contract].quarantined}
        found += [(contract, one) for _, one in sorted(by_id.items())]
    return found


@dataclass(frozen=True, slots=True)
class Sayable:
    """What a detector may tell.

    Attributes:
        present: What is so, whatever was set aside.
        stays: Ids of open findings of which nothing can be told.
        held_back: How many findings were not told that might be opened.
    """

    present: Sequence[Finding]
    stays: Collection[str] = ()
    held_back: int = 0


def sayable(
    looks: Sequence[Sequence[Finding]],
    known: Iterable[Finding],
    *,
    is_hidden: Callable[[Finding], bool] = lambda _: False,
    alike: Callable[[Finding], object] = lambda _: None,
) -> Sayable:
    """Return what all looks of a detector agree on.

    Args:
        looks: What each found; the first at what was read as it is.
        known: Its open findings.
        is_hidden: Whether nothing can be told of a finding, whatever the looks say.
        alike: What has to be the same of a finding in all looks, besides that it is found.
    """
    first, *others = [{one.finding_id: one for one in look} for look in looks]
    sure = {
        name: one
        for name, one in first.items()
        if not is_hidden(one) and all(name in look and alike(look[name]) == alike(one) for look in others)
    }
    is_open = {one.finding_id: one for one in known}
    stays = {
        name
        for name, one in is_open.items()
        if name not in sure and (is_hidden(one) or any(name in look for look in (first, *others)))
    }
    return Sayable(list(sure.values()), stays, len(first.keys() - sure.keys() - is_open.keys()))


def recommend(case: Case, aside: Documents, known: Callable[[], Iterable[Finding]]) -> dict[str, Sayable]:
    """Return detector -> what it may tell, for every rule.

    Args:
        case: With the rows that were read.
        aside: The documents that were set aside instead.
        known: Asked for the open findings of the rules where something was set aside.
    """
    found = find_all(case)
    if not aside:
        return {detector: Sayable(one) for detector, one in found.items()}
    by_contract: dict[str, list[str]] = {}
    for contract, document in aside:
        by_contract.setdefault(contract, []).append(document.document_id)
    names = {safe_id(document.document_id) for _, document in aside}
    open_ones = list(known())

    def looks(detector: str) -> list[list[Finding]]:
        # Every way with every other is too many to ask of rules that could not tell them apart.
        concerned = {
            contract: ids for contract, ids in by_contract.items() if contract in LOOKED_AT[detector]
        }
        return [found[detector], *(list(RULES[detector](world)) for world in _imagined(case, concerned))]

    def is_hidden(one: Finding) -> bool:
        # How much an unread reservation asks for, and where, bounds no station's queue.
        is_a_sum = one.detector == OVER_CAPACITY and "reservations" in by_contract
        return is_a_sum or one.subject_id in names

    return {
        detector: sayable(
            looks(detector),
            [one for one in open_ones if one.detector == detector],
            is_hidden=is_hidden,
            alike=lambda one: replace(one, evidence=()),
        )
        for detector in found
    }


def _imagined(case: Case, aside: Mapping[str, Ids]) -> Iterator[Case]:
    """Yield the moment with documents imagined where some were set aside, every way with every other."""
    ways: list[list[tuple[str, Imagined | None]]] = [
        [(contract, None), *((contract, one) for one in imagined)]
        for contract, imagined in _IMAGINED.items()
        if contract in aside
    ]
    for chosen in product(*ways):
        if any(imagined for _, imagined in chosen):
            world = case
            for contract, imagined in chosen:
                rows = imagined(world, aside[contract]) if imagined else []
                world = replace(world, tables={**world.tables, contract: _with(world.tables[contract], rows)})
            yield world


def _with(table: pa.Table, rows: Rows) -> pa.Table:
    return pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]) if rows else table


def _kilns(case: Case, ids: Ids) -> Rows:
    """More kilns among which firings are shared."""
    return [{"document_id": each, "name": each, "updated_at": case.moment.as_of} for each in ids]


def _batches(case: Case, ids: Ids) -> Rows:
    """Work that came last and was fired before all other, and work that waits for long."""
    as_of = case.moment.as_of
    fired = {"state": "LOADED", "created_at": as_of, "updated_at": as_of}
    waits = {"state": "SHELVED", "updated_at": as_of - _LONG}
    return [{"document_id": each, "owner_uid": "-"} | one for each in ids for one in (fired, waits)]


def _waiting(case: Case, ids: Ids) -> Rows:
    """Reservations whose loads wait for long."""
    since = case.moment.as_of - _LONG
    return [
        {"document_id": each, "status": "confirmed", "arrived_at": since, "created_at": since} for each in ids
    ]


def _ready(case: Case, ids: Ids, since: timedelta) -> Rows:
    """The reservation of any batch that has none: a batch comes in with one at most that is not over."""
    reserved = reserved_batches(case, is_open_only=True)
    return [
        {
            "document_id": ids[0],
            "status": "confirmed",
            "linked_batch_id": batch,
            "ready_for_pickup_at": case.moment.as_of - since,
        }
        for batch in case.tables["batches"]["document_id"].to_pylist()
        if batch not in reserved
    ]


def _ready_for_long(case: Case, ids: Ids) -> Rows:
    return _ready(case, ids, _LONG)


def _ready_until_fees(case: Case, ids: Ids) -> Rows:
    return _ready(case, ids, timedelta(hours=case.limits.grace_hours) - _LATELY)


def _fired(case: Case, ids: Ids) -> Rows:
    """A firing of any kiln that is just over, and many that are planned."""
    as_of = case.moment.as_of
    just_over = {"start_at": as_of - _JUST, "end_at": as_of, "status": "completed"}
    planned = {"kiln_id": "-", "start_at": as_of + _LATELY, "status": "scheduled"}
    return [{"document_id": ids[0], "kiln_id": kiln} | just_over for kiln in _kilns_of(case)] + [
        {"document_id": each} | planned for each in ids
    ]


def _called_off(case: Case, ids: Ids) -> Rows:
    """Firings of any kiln that were just called off, after one that was long ago."""
    as_of = case.moment.as_of
    just = {"start_at": as_of - _JUST, "status": "cancelled"}
    long_ago = {"start_at": as_of - _LONG_BEFORE_FIRINGS, "status": "completed", "unloaded_at": as_of}
    in_a_row = ids[: case.limits.called_off_in_a_row]  # no rule counts any further
    return [
        {"document_id": each, "kiln_id": kiln} | one
        for kiln in _kilns_of(case)
        for each, one in [*((each, just) for each in in_a_row), (ids[0], long_ago)]
    ]


def _kilns_of(case: Case) -> list[str]:
    found: list[str] = case.tables["kilns"]["document_id"].to_pylist()
    return found


def _payments(case: Case, ids: Ids) -> Rows:
    """What paid any seat."""
    signups = case.tables["event_signups"]["document_id"].to_pylist()
    return [{"document_id": ids[0], "signup_id": signup, "paid_at": case.moment.as_of} for signup in signups]


_IMAGINED: Final[Mapping[str, Sequence[Imagined]]] = {
    "batches": (_batches,),
    "reservations": (_waiting, _ready_for_long, _ready_until_fees),
    "kiln_firings": (_fired, _called_off),
    "kilns": (_kilns,),
    "event_charges": (_payments,),
}
"""Contracts whose documents what is told of others depends on, in the order in which they are imagined.

Kilns come after firings: of a kiln that is imagined nothing is told, so it needs none.
"""


def find_unusual(
    find: Callable[[Numbers], Sequence[Finding]],
    numbers: Numbers,
    unsure: Mapping[str, Mapping[date, int]],
    day: date,
    known: Callable[[], Iterable[Finding]],
) -> Sayable:
    """Return what may be told of counters: what is unusual however the documents set aside would count.

    How far a number is off is told as StudioState has it.

    Args:
        find: Returns the findings of histories.
        numbers: Counter -> the number of each day.
        unsure: Counter -> day -> how many documents of its sources were set aside.
        day: Whose numbers are judged.
        known: Asked for the open findings where something was set aside.
    """
    found, others = find(numbers), _other_histories(numbers, unsure, day)
    if not others:
        return Sayable(found)
    certain = [one for one in found if one.subject_id not in others[0]]
    return sayable([found, *([*certain, *find(history)] for history in others)], known())


def _other_histories(numbers: Numbers, unsure: Mapping[str, Mapping[date, int]], day: date) -> list[Numbers]:
    """Return histories as they might be had all been counted, of counters of which something was set aside.

    More and fewer, on the day alone and on all days.
    """
    doubtful = {counter: days for counter, days in unsure.items() if any(days.values())}
    if not doubtful:
        return []
    return [
        {
            counter: [
                (at, max(0, value + sign * (doubtful[counter].get(at, 0) if at in days else 0)))
                for at, value in numbers[counter]
            ]
            for counter in doubtful
        }
        for sign in (1, -1)
        for days in ({day}, {at for counter in doubtful for at, _ in numbers[counter]})
    ]
