"""Lists: cursors, limits, time ranges and filters, newest first, exactly as Stripe pages them.

Source: https://docs.stripe.com/api/pagination.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twins.stripe.account import DAY_SECONDS, Account
from twins.stripe.errors import ApiError, invalid_integer, no_such, unknown_parameter
from twins.stripe.expansion import Expansion
from twins.stripe.kinds import BALANCE_TRANSACTIONS, EVENTS, KINDS, ObjectKind
from twins.stripe.ledger import Entry
from twins.stripe.params import Params

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 100
EVENT_DAYS = 30
"""Stripe lists events of the last 30 days only."""

_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}

Test = Callable[[Entry], bool]


def list_page(account: Account, kind: ObjectKind, params: Params) -> bytes:
    """Return one page of a list as JSON."""
    _refuse_unknown(kind, params)
    limit = _limit(params)
    expansion = Expansion.parse(params.texts("expand"), kind, within_list=True)
    created_from, created_before = _created_range(params)
    if kind is EVENTS:
        created_from = max(created_from or 0, account.now() - EVENT_DAYS * DAY_SECONDS)
    tests = [*_filters(account, kind, params), *_other_ranges(kind, params)]
    ledger = account.ledger
    low = ledger.before(kind, created_from) if created_from is not None else 0
    high = ledger.before(kind, created_before) if created_before is not None else ledger.count(kind)
    after, before = params.text("starting_after"), params.text("ending_before")
    if after and before:
        raise ApiError(
            "You cannot parameterize both starting_after and ending_before.", param="starting_after"
        )
    entries = ledger.entries(kind)
    if before:
        low = max(low, _cursor(account, kind, before, "ending_before") + 1)
        found, has_more = _take((entries[i] for i in range(low, high)), tests, limit)
        found.reverse()
    else:
        if after:
            high = min(high, _cursor(account, kind, after, "starting_after"))
        found, has_more = _take((entries[i] for i in range(high - 1, low - 1, -1)), tests, limit)
    now = account.now()
    bodies = [
        expansion.render(account, entry, now) if expansion else ledger.render(entry, now) for entry in found
    ]
    return b'{"object":"list","data":[%s],"has_more":%s,"url":"/v1/%s"}' % (
        b",".join(bodies),
        b"true" if has_more else b"false",
        kind.path.encode(),
    )


def _take(entries: Iterable[Entry], tests: list[Test], limit: int) -> tuple[list[Entry], bool]:
    found: list[Entry] = []
    for entry in entries:
        if all(test(entry) for test in tests):
            if len(found) == limit:
                return found, True
            found.append(entry)
    return found, False


def _cursor(account: Account, kind: ObjectKind, object_id: str, param: str) -> int:
    entry = account.ledger.find(kind, object_id)
    if entry is None:
        raise no_such(kind.object_name, object_id, param, status=400)
    return account.ledger.index(entry)


def _limit(params: Params) -> int:
    limit = params.integer("limit")
    if limit is None:
        return DEFAULT_LIMIT
    if limit < 1:
        raise ApiError(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="limit"
        )
    if limit > LARGEST_LIMIT:
        raise ApiError(
            f"This value must be less than or equal to {LARGEST_LIMIT}.",
            code="parameter_invalid_integer",
            param="limit",
        )
    return limit


def _refuse_unknown(kind: ObjectKind, params: Params) -> None:
    known = {"limit", "starting_after", "ending_before", "expand", *kind.filters, *kind.ranges}
    for name in params.values:
        if name not in known:
            raise unknown_parameter(name)


def _bounds(params: Params, name: str) -> dict[str, int]:
    value = params.values.get(name)
    if value is None:
        return {}
    if isinstance(value, str):
        exact = params.integer(name)
        return {} if exact is None else {"gte": exact, "lte": exact}
    section = params.section(name)
    for comparison in section.values:
        if comparison not in _COMPARISONS:
            raise unknown_parameter(f"{name}[{comparison}]")
    bounds = {comparison: section.integer(comparison) for comparison in section.values}
    if not all(bound is not None for bound in bounds.values()):
        raise invalid_integer(name, "")
    return {comparison: bound for comparison, bound in bounds.items() if bound is not None}


def _created_range(params: Params) -> tuple[int | None, int | None]:
    """Return the half-open range [from, before) of creation times; times are whole seconds."""
    bounds = _bounds(params, "created")
    lows = [bounds[name] + shift for name, shift in (("gte", 0), ("gt", 1)) if name in bounds]
    highs = [bounds[name] + shift for name, shift in (("lt", 0), ("lte", 1)) if name in bounds]
    return max(lows, default=None), min(highs, default=None)


def _other_ranges(kind: ObjectKind, params: Params) -> list[Test]:
    tests: list[Test] = []
    for name in kind.ranges - {"created"}:
        for comparison, bound in _bounds(params, name).items():
            tests.append(_compare(name, _COMPARISONS[comparison], bound))
    return tests


def _compare(name: str, compare: Callable[[int, int], bool], bound: int) -> Test:
    return lambda entry: compare(entry[name], bound)


def _filters(account: Account, kind: ObjectKind, params: Params) -> list[Test]:
    tests: list[Test] = []
    for name in kind.filters & params.values.keys():
        wanted = params.texts(name)
        if kind is EVENTS:
            tests.append(_is_event_type(wanted))
        elif kind is BALANCE_TRANSACTIONS and name == "payout":
            tests.append(_is_of_payout(account, wanted[0]))
        else:
            tests.append(_has(name, wanted[0]))
    return tests


def _has(name: str, wanted: str) -> Test:
    value: Any = wanted == "true" if name == "active" else wanted
    return lambda entry: bool(entry.data.get(name) == value)


def _is_event_type(wanted: list[str]) -> Test:
    names = {name for name in wanted if not name.endswith(".*")}
    families = tuple(name[:-1] for name in wanted if name.endswith(".*"))
    return lambda entry: entry["type"] in names or bool(families and entry["type"].startswith(families))


def _is_of_payout(account: Account, payout_id: str) -> Test:
    payout = account.ledger.find(KINDS["payouts"], payout_id)
    if payout is None:
        raise no_such("payout", payout_id, "payout", status=400)
    if not payout["automatic"]:
        raise ApiError(
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
            param="payout",
        )
    return lambda entry: entry.aside.get("payout") == payout_id
