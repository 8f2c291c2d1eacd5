"""The reconciliation as one pure step: contract tables in; discrepancies, and what they add up to, out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from studio_assets.finance.amounts import refuse_too_much
from studio_assets.finance.classes import Kind
from studio_assets.finance.classify import Case, classify, orphans
from studio_assets.finance.conserve import Conservation, conserve
from studio_assets.finance.facts import gather
from studio_assets.finance.limits import Limits
from studio_assets.finance.match import match
from studio_assets.finance.pair import pair
from studio_assets.finance.payouts import audit_books
from studio_assets.finance.tables import Shelf, open_engine, since_epoch


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One way in which one thing is at odds; ids only.

    Attributes:
        kind: Its class.
        domain: ``m``, ``e``, ``a``: an order of materials, events, agents; ``c`` a charge without a sale,
            ``b`` a ledger entry, ``p`` a payout, ``w`` money that waits (the subject is its currency).
        subject: Document or object id.
        expected_cents: In minor units of ``currency``; all three are null where no money is at odds.
        since: When it began, as the sources say; UTC.
        how: How the money was linked, where not by name: ``intents_name``, ``stored``, ``fitting``; or
            ``nameless`` for money that could not be linked.
    """

    kind: Kind
    domain: str
    subject: str
    expected_cents: int | None
    observed_cents: int | None
    currency: str | None
    since: datetime | None
    how: str | None
    charge_ids: Sequence[str]
    refund_ids: Sequence[str]
    dispute_ids: Sequence[str]
    other_ids: Sequence[str]
    intent_id: str | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one reconciliation found: discrepancies by subject and precedence, and the conservation."""

    discrepancies: Sequence[Discrepancy]
    conservation: Conservation


_PRECEDENCE = {kind: place for place, kind in enumerate(Kind)}


def reconcile(
    tables: Mapping[str, pa.Table],
    *,
    as_of: datetime,
    timezone: str,
    limits: Limits | None = None,
    threads: int = 2,
    is_thorough: bool = False,
) -> Reconciliation:
    """Hold orders against money.

    Rows may come in any order and more than once; the result is the same.

    Args:
        tables: Contract name -> rows in the contract's schema, for the names of ``tables.SOURCES``.
        as_of: The instant the tables show, aware.
        timezone: The studio's time zone, for the day a payment belongs to.
        limits: The studio's terms; the defaults of ``Limits`` when null.
        threads: For the join engine, and for going through columns.
        is_thorough: Look at every pair with care instead of at the doubtful ones; the same result, slower.

    Raises:
        TooMuchToCountError: an amount is beyond what can be added up (``amounts``).
    """
    refuse_too_much(tables)
    terms, instant_us = limits or Limits(), since_epoch(as_of)
    with open_engine(threads) as engine:
        shelf = Shelf(engine, tables)
        pairs = pair(engine, shelf, terms, is_thorough=is_thorough, threads=threads)
        found, case = audit_books(engine, shelf, terms, instant_us), None
        if len(pairs.odd) or len(pairs.loose) or shelf.has_returns:
            match(engine, shelf, pairs, terms)
            case = Case(gather(engine, shelf, terms), terms, instant_us)
            found += [*classify(case, timezone), *orphans(case)]
        conservation = conserve(engine, shelf, pairs, case)
    discrepancies = [Discrepancy(*row) for row in found]
    discrepancies.sort(key=lambda one: (one.domain, one.subject, _PRECEDENCE[one.kind]))
    return Reconciliation(discrepancies, conservation)
