"""What is wrong with each sale and taking: the classes as predicates over the facts, whole columns at a time.

Every class is one predicate. All that hold are told, except those that a class further up hides because they
would say the same again. An instant that is not known lies long before all others.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.clock import local_date
from studio_assets.finance.classes import Kind, hidden_by
from studio_assets.finance.facts import FAR_OFF, HOW, Facts
from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.plain import NEVER, Cents, Codes, Mask, is_any, mask
from studio_assets.finance.tables import instant

# How long after the money an order's last change must lie for a message to have set it back, where the order
# itself does not remember having been paid.
_SET_BACK_AFTER: Final = 600_000_000
_WAITING: Final = (
    *("requires_payment_method", "requires_confirmation", "requires_action", "processing"),
    "requires_capture",
)


class Case:
    """The facts, and what several classes ask of them, worked out once."""

    def __init__(self, facts: Facts, limits: Limits, as_of: int) -> None:
        """Take the facts, the studio's terms, and the instant they show, in microseconds since 1970."""
        self.facts, self.limits, self.as_of = facts, limits, as_of
        money, own = facts.money, facts.money.is_own
        kept = own & money.is_kept[money.taking]
        outcome = money.outcome[money.taking]
        self.kept, self.kept_cents = facts.count(kept), facts.sum(money.amount, kept)
        self.foreign = facts.count(~own)
        self.taken = facts.sum(money.amount, own)
        self.all_back = facts.sum(money.given_back, own)
        self.all_withdrawn = facts.sum(money.withdrawn, own)
        self.last_back = facts.latest(money.last_back, own)
        self.last_taken = facts.latest(money.created, own)
        self.quarrel_since = facts.earliest(money.quarrel_since, np.ones(len(own), dtype=bool))
        is_over = (money.given_back > 0) & (money.given_back + money.withdrawn > money.amount)
        self.has_over = facts.count(own & is_over[money.taking]) > 0
        self.has_open, self.has_lost, self.has_won = (
            facts.count(own & (outcome == word)) > 0 for word in ("open", "lost", "won")
        )
        self.has_quarrel = self.has_open | self.has_lost | self.has_won
        coin = money.coin.astype(np.int64)
        is_one = facts.latest(coin, own) == facts.earliest(coin, own)
        self.is_mixed = (facts.count(own & money.is_mixed[money.taking]) > 0) | ~(is_one | ~facts.has)

    @cached_property
    def holds(self) -> Mapping[Kind, Mask]:
        """Return class -> of which sales it holds."""
        return _predicates(self)

    def is_state(self, *states: str) -> Mask:
        """Say of each sale whether it is in one of some states."""
        return np.isin(self.facts.state, states)

    def is_older(self, at: Cents, span: int) -> Mask:
        """Say whether an instant is known and lies further back than a span."""
        return np.asarray((at != NEVER) & (self.as_of - at > span))


def _predicates(case: Case) -> dict[Kind, Mask]:
    """Return class -> of which sales it holds."""
    facts, limits, as_of = case.facts, case.limits, case.as_of
    grace, news = micros(limits.grace), micros(limits.news)
    has, table, is_pending = facts.has, facts.table, case.is_state("pending")
    payment = table["payment_status"]
    is_seated, is_last, is_payable = (np.zeros(len(has), dtype=bool) for _ in range(3))
    ids = table["id"].to_pylist() if facts.seats else []
    # A seat by its last checkout: nothing goes through all of them for each.
    waiting = {checkouts[-1] for sale, checkouts in facts.seats.items() if is_pending[sale]}
    for sale, checkouts in facts.seats.items():
        is_seated[sale], is_last[sale] = True, ids[sale] == checkouts[-1]
        is_payable[sale] = checkouts[-1] in waiting
    has_twin = np.zeros(len(has), dtype=bool)
    has_twin[list(facts.twins)] = True
    has_entry = np.zeros(len(has), dtype=bool)
    has_entry[has] = mask(pc.is_valid(facts.money.table["entry"]))[facts.own[has]]
    is_young, is_news = as_of - facts.own_created < news, as_of - facts.created < news
    is_void = mask(pc.equal(facts.intent_status, "canceled"))
    waits_for_intent = is_any(facts.intent_status, _WAITING) & ~mask(pc.equal(payment, "payment_failed"))
    waits_for_intent &= as_of - facts.created < micros(limits.authorisation)
    set_back = facts.is_service & has & is_pending & mask(pc.equal(payment, "payment_pending"))
    set_back &= mask(pc.is_valid(table["intent"])) & (facts.updated - facts.own_created > _SET_BACK_AFTER)
    odds = np.abs(facts.residual)
    is_settled = case.is_older(facts.own_created, grace)
    first_said = _known(facts.paid, facts.updated, facts.created)
    return {
        Kind.MODE_MIX: case.foreign > 0,
        Kind.CURRENCY_MISMATCH: has & (facts.own_coin != facts.coin),
        Kind.CHARGE_WITHOUT_ORDER: has
        & case.is_state("pending", "void")
        & (facts.own_back < facts.own_amount)
        & ~case.has_quarrel
        & is_settled,
        Kind.ORDER_WITHOUT_CHARGE: facts.is_held & ~has & case.is_older(first_said, grace),
        Kind.DUPLICATE_CHARGE: (case.kept > 1)
        | (has & facts.is_prepaid & (facts.own_back < facts.own_amount)),
        # What was prepaid expects no money, so it claims none.
        Kind.DUPLICATE_ORDER: has_twin & ~has & ~facts.is_prepaid,
        Kind.AMOUNT_MISMATCH: odds > limits.rounding_cents,
        Kind.DISPUTE_LOST: case.has_lost & ~case.has_open,
        Kind.DISPUTE_OPEN: case.has_open,
        Kind.DISPUTE_WON: case.has_won & ~case.has_open & ~case.has_lost & case.is_state("disputed"),
        Kind.REFUND_OVER: case.has_over,
        Kind.REFUND_MISSING: case.is_state("refunded")
        & has
        & (case.all_back == 0)
        & ~case.has_quarrel
        & case.is_older(facts.updated, grace),
        Kind.PARTIAL_REFUND: case.is_state("refunded")
        & has
        & (case.all_back > 0)
        & (facts.own_back < facts.own_amount)
        & ~case.has_quarrel,
        Kind.REFUND_UNRECORDED: case.is_state("paid")
        & has
        & (facts.own_back > 0)
        & case.is_older(case.last_back, grace),
        Kind.REGRESSED_PAYMENT: mask(table["is_set_back"]) | set_back,
        Kind.EXPIRED_AUTHORISATION: is_pending & ~has & is_void,
        Kind.TWO_PAYABLE_SESSIONS: is_payable & is_last & is_news,
        Kind.LEDGER_MISMATCH: has & ~has_entry & is_settled,
        Kind.LATE_CAPTURE: has
        & (facts.created != NEVER)
        & (facts.own_created - facts.created > micros(limits.late_capture))
        & is_young,
        Kind.METADATA_LOST: facts.how > 0,
        Kind.CUSTOMER_DELETED: mask(pc.is_null(table["uid"])) & (has | facts.is_held),
        Kind.ROUNDING: (odds > 0) & (odds <= limits.rounding_cents),
        Kind.DAY_EDGE: case.is_state("paid") & has & (facts.paid - facts.own_created > grace) & is_young,
        Kind.ABANDONED_CHECKOUT: is_pending
        & ~has
        & ~facts.is_prepaid
        & ~is_seated
        & case.is_older(facts.created, micros(limits.cart_age))
        & is_news
        & ~waits_for_intent
        & ~is_void,
    }


def _known(*instants: Cents) -> Cents:
    """Return by sale the first instant that is known."""
    first = instants[-1]
    for each in reversed(instants[:-1]):
        first = np.where(each != NEVER, each, first)
    return np.asarray(first)


# Classes whose amounts are sums over all money of a sale: told without amounts where its currencies differ.
_SUMMED: Final = frozenset(
    {Kind.DUPLICATE_CHARGE, Kind.DISPUTE_LOST, Kind.DISPUTE_OPEN, Kind.REFUND_OVER, Kind.REFUND_MISSING}
)


def _amounts(case: Case) -> Mapping[Kind, tuple[Cents, Cents, Codes]]:
    """Return class -> expected and observed cents of a sale, and the currency, where money is at odds."""
    facts = case.facts
    nothing = np.zeros(len(facts.total), dtype=np.int64)
    own, coin, own_coin = facts.own_amount, facts.coin, facts.own_coin
    after_dispute = case.taken, case.taken - case.all_withdrawn, own_coin
    after_tax = own - facts.residual, own, own_coin
    return {
        Kind.MODE_MIX: (facts.total, nothing, coin),
        Kind.CURRENCY_MISMATCH: (nothing, own, own_coin),
        Kind.CHARGE_WITHOUT_ORDER: (nothing, own - facts.own_back, own_coin),
        Kind.ORDER_WITHOUT_CHARGE: (facts.total, nothing, coin),
        Kind.DUPLICATE_CHARGE: (np.where(facts.is_prepaid, 0, own), case.kept_cents, own_coin),
        Kind.DUPLICATE_ORDER: (facts.total, nothing, coin),
        Kind.AMOUNT_MISMATCH: after_tax,
        Kind.ROUNDING: after_tax,
        Kind.DISPUTE_LOST: after_dispute,
        Kind.DISPUTE_OPEN: after_dispute,
        Kind.DISPUTE_WON: (nothing, own - facts.own_withdrawn, own_coin),
        Kind.REFUND_OVER: (case.taken, case.all_back + case.all_withdrawn, own_coin),
        Kind.REFUND_MISSING: (case.taken, nothing, own_coin),
        Kind.PARTIAL_REFUND: (own, facts.own_back, own_coin),
        Kind.REFUND_UNRECORDED: (nothing, facts.own_back, own_coin),
        Kind.LEDGER_MISMATCH: (own, nothing, own_coin),
    }


def _since(case: Case) -> Mapping[Kind, Cents]:
    """Return class -> when it began, where that is not when the money was taken or else the sale made."""
    facts = case.facts
    return {
        Kind.ORDER_WITHOUT_CHARGE: _known(facts.paid, facts.updated, facts.created),
        Kind.DUPLICATE_CHARGE: case.last_taken,
        Kind.DISPUTE_LOST: case.quarrel_since,
        Kind.DISPUTE_OPEN: case.quarrel_since,
        Kind.DISPUTE_WON: case.quarrel_since,
        Kind.REFUND_OVER: case.last_back,
        Kind.REFUND_MISSING: facts.updated,
        Kind.PARTIAL_REFUND: case.last_back,
        Kind.REFUND_UNRECORDED: case.last_back,
        Kind.REGRESSED_PAYMENT: facts.updated,
        Kind.DAY_EDGE: facts.own_created,
        Kind.DUPLICATE_ORDER: facts.created,
        Kind.TWO_PAYABLE_SESSIONS: facts.created,
        Kind.ABANDONED_CHECKOUT: facts.created,
        Kind.EXPIRED_AUTHORISATION: _known(facts.intent_created, facts.created),
    }


Row = tuple[Any, ...]
"""What ``reconcile.Discrepancy`` says, in its order."""


def classify(case: Case, timezone: str) -> Iterator[Row]:
    """Yield every discrepancy of sales, in no order; days are those of a time zone."""
    facts = case.facts
    amounts, since = _amounts(case), _since(case)
    usual = _known(facts.own_created, facts.created)
    told = {kind: _not_hidden(case, kind) for kind in case.holds}
    told[Kind.DAY_EDGE] = _on_other_days(facts, told[Kind.DAY_EDGE], timezone)
    evidence = _evidence(case, np.any(list(told.values()), axis=0))
    names = [*facts.coins.names, None]
    for kind, which in told.items():
        sales = np.flatnonzero(which)
        if not len(sales):
            continue
        none: list[Any] = [None] * len(sales)
        expected, observed, currency = none, none, none
        if kind in amounts:
            expected, observed, coins = (each[sales].tolist() for each in amounts[kind])
            currency = [names[coin] for coin in coins]
        if kind in _SUMMED:
            mixed = case.is_mixed[sales].tolist()
            expected = [None if is_mixed else cents for cents, is_mixed in zip(expected, mixed, strict=True)]
            observed = [None if is_mixed else cents for cents, is_mixed in zip(observed, mixed, strict=True)]
        began = since.get(kind, usual)[sales].tolist()
        money = zip(expected, observed, currency, began, strict=True)
        for sale, (expects, observes, coin, at) in zip(sales.tolist(), money, strict=True):
            domain, subject, how, charges, refunds, disputes, intent = evidence[sale]
            others: Sequence[str] = ()
            if kind is Kind.TWO_PAYABLE_SESSIONS:
                others = tuple(facts.seats[sale])
            elif kind is Kind.DUPLICATE_ORDER:
                others = (facts.twins[sale],)
            known = None if at in _UNKNOWN else instant(at)
            yield (
                *(kind, domain, subject, expects, observes, coin, known, how),
                *(charges, refunds, disputes, others, intent),
            )


_UNKNOWN: Final = frozenset({NEVER, FAR_OFF})


def _not_hidden(case: Case, kind: Kind) -> Mask:
    told = case.holds[kind]
    for other in hidden_by(kind):
        told = told & ~case.holds[other]
    return told


def _on_other_days(facts: Facts, which: Mask, timezone: str) -> Mask:
    """Leave out payments that were recorded late but on the same studio-local day."""
    told = which.copy()
    for sale in np.flatnonzero(which).tolist():
        taken, recorded = instant(facts.own_created[sale].item()), instant(facts.paid[sale].item())
        if taken and recorded and local_date(taken, timezone) == local_date(recorded, timezone):
            told[sale] = False
    return told


def _evidence(case: Case, is_told: Mask) -> dict[int, Row]:
    """Return what all discrepancies of a sale say alike, by sale."""
    facts, money = case.facts, case.facts.money
    charges: dict[int, list[str]] = {}
    refunds: dict[int, list[str]] = {}
    disputes: dict[int, list[str]] = {}
    order = np.lexsort((money.taking, money.created[money.taking], money.sale))
    order = order[is_told[money.sale[order]]]
    ids = money.table["id"].to_pylist()
    for sale, taking in zip(money.sale[order].tolist(), money.taking[order].tolist(), strict=True):
        charges.setdefault(sale, []).append(ids[taking])
        if taking in money.back_ids:
            refunds.setdefault(sale, []).extend(money.back_ids[taking])
        if taking in money.quarrel_ids:
            disputes.setdefault(sale, []).extend(money.quarrel_ids[taking])
    sales = np.flatnonzero(is_told)
    rows = facts.table.select(["domain", "id", "intent"]).take(pa.array(sales)).to_pydict()
    more = zip(facts.has[sales].tolist(), facts.how[sales].tolist(), strict=True)
    return {
        sale: (
            *(domain, subject, HOW[how] if how else None, tuple(charges.get(sale, ()))),
            *(tuple(refunds.get(sale, ())), tuple(disputes.get(sale, ())), None if has else intent),
        )
        for sale, domain, subject, intent, (has, how) in zip(
            sales.tolist(), rows["domain"], rows["id"], rows["intent"], more, strict=True
        )
    }


def orphans(case: Case) -> Iterator[Row]:
    """Yield takings without a sale. What the portal sold without an order, as it says itself, is none."""
    money, table = case.facts.money, case.facts.money.table
    is_named = mask(pc.is_valid(table["named"]))
    is_portals = ~is_named & mask(pc.equal(table["source"], "portal"))
    is_missing = money.is_loose & ~is_portals & money.is_kept
    is_missing &= case.is_older(money.created, micros(case.limits.grace))
    is_lost = money.is_loose & is_portals & np.isin(money.outcome, ("open", "lost"))
    takings = np.flatnonzero(is_missing | is_lost)
    rows = table.select(["id", "intent", "currency"]).take(pa.array(takings)).to_pylist()
    for taking, row in zip(takings.tolist(), rows, strict=True):
        amount, left = int(money.amount[taking]), int(money.amount[taking] - money.withdrawn[taking])
        if is_missing[taking]:
            how, since = None if is_named[taking] else "nameless", int(money.created[taking])
            said: Row = Kind.MISSING_ORDER, "c", row["id"], 0, left - int(money.given_back[taking])
        else:
            how, since = None, int(money.quarrel_since[taking])
            said = Kind(f"dispute_{money.outcome[taking]}"), "c", row["id"], amount, left
        yield (
            *(*said, row["currency"], instant(since), how, (row["id"],)),
            *(
                tuple(money.back_ids.get(taking, ())),
                tuple(money.quarrel_ids.get(taking, ())),
                (),
                row["intent"],
            ),
        )
