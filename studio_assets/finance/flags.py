"""Discrepancies as findings: who is concerned, how bad, what to do, and the rows that show it.

A finding names documents and Stripe objects by id, and the hash of the read each was seen in. Nothing of a
customer but the order is named. What stands where an id or a currency should be may be anything: an id that
is not plain is told as a hash of it, a sum of what is no currency not at all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from resources.findings import MOST_EVIDENCE, Finding, FindingEvidence
from studio_assets.finance.classes import ADJUST, CLASSES, Kind
from studio_assets.finance.reconcile import Discrepancy
from studio_assets.findings.making import is_plain_id, safe_id

DEPARTMENT: Final = "finance"
DETECTOR: Final = "reconciliation"
ADJUSTABLE_CURRENCY: Final = "usd"
_CURRENCY: Final = re.compile(r"[a-z]{3}")

# Domain of a discrepancy -> what its subject is, and the contract whose row it is; null for no row.
_SUBJECTS: Final[Mapping[str, tuple[str, str | None]]] = {
    "m": ("materials_order", "materials_orders"),
    "e": ("event_charge", "event_charges"),
    "a": ("agent_order", "agent_orders"),
    "c": ("charge", "charges"),
    "b": ("ledger_entry", "balance_transactions"),
    "p": ("payout", "payouts"),
    "w": ("balance", None),
}
DOMAINS: Final[Mapping[str, str]] = {kind: domain for domain, (kind, _) in _SUBJECTS.items()}
"""What a finding is about -> its domain, as discrepancies name it."""
SUBJECT_OF: Final[Mapping[str, str]] = {
    **{contract: kind for kind, contract in _SUBJECTS.values() if contract is not None},
    "payment_intents": "payment_intent",
    "refunds": "refund",
    "disputes": "dispute",
}
"""Contract -> what a row of it is called where a finding is about it."""
# How money was linked -> how sure that is. By name is certain.
_LINK_CONFIDENCE: Final = {"intents_name": 0.97, "stored": 0.95, "fitting": 0.8, "nameless": 0.9}
_NAMELESS: Final = (
    "Stripe took money that names no order and fits none, or more than one; its metadata may be lost."
)


def flags(discrepancies: Sequence[Discrepancy], hashes: Mapping[str, str]) -> list[Finding]:
    """Return the findings of a reconciliation, in order of identity.

    Args:
        discrepancies: Of ``reconcile``.
        hashes: Contract name -> content hash of the read it was found in; ``unread`` where absent.
    """
    return sorted((_flag(one, hashes) for one in discrepancies), key=lambda finding: finding.finding_id)


def _flag(one: Discrepancy, hashes: Mapping[str, str]) -> Finding:
    told = CLASSES[one.kind]
    is_nameless = one.kind is Kind.MISSING_ORDER and one.how == "nameless"
    has_money = one.expected_cents is not None and _CURRENCY.fullmatch(one.currency or "") is not None
    is_adjustable = told.is_adjustable and has_money and one.currency == ADJUSTABLE_CURRENCY
    is_adjustable = is_adjustable and is_plain_id(one.subject)  # whoever decides must see which order it is
    return Finding(
        department=DEPARTMENT,
        detector=DETECTOR,
        kind=one.kind.value,
        subject_kind=_SUBJECTS[one.domain][0],
        subject_id=safe_id(one.subject),
        severity=told.severity,
        confidence=round(told.confidence * _LINK_CONFIDENCE.get(one.how or "", 1.0), 4),
        since=one.since,
        expected_cents=one.expected_cents if has_money else None,
        observed_cents=one.observed_cents if has_money else None,
        currency=one.currency if has_money else None,
        likely_cause=_NAMELESS if is_nameless else told.meaning,
        next_step=told.next_step,
        capability_id=ADJUST if is_adjustable else None,
        evidence=tuple(_evidence(one, hashes))[:MOST_EVIDENCE],
    )


def _evidence(one: Discrepancy, hashes: Mapping[str, str]) -> Iterator[FindingEvidence]:
    contract = _SUBJECTS[one.domain][1]
    links: list[tuple[str, str]] = []
    if contract is not None:
        links += [(contract, row) for row in dict.fromkeys((one.subject, *one.other_ids))]
    if one.domain in {"m", "e", "a", "c", "b"}:
        links += [("charges", row) for row in one.charge_ids]
    links += [("refunds", row) for row in one.refund_ids]
    links += [("disputes", row) for row in one.dispute_ids]
    links += [("payment_intents", one.intent_id)] if one.intent_id and one.intent_id.strip() else []
    if not links:
        ledger = "balance_transactions"
        yield FindingEvidence(f"cloud_truth/{ledger}", hashes.get(ledger, "unread"))
    for name, row in dict.fromkeys(links):
        yield FindingEvidence(f"cloud_truth/{name}", hashes.get(name, "unread"), safe_id(row))
