"""Payouts as a bookkeeper goes through them, currency by currency; nothing of the product is used.

Automatic payouts are taken for granted: each takes all that is ready, and another follows within four days.
"""

from datetime import timedelta
from typing import Any

from tests.unit.studio_assets.finance.by_hand import Told
from tests.unit.studio_assets.finance.papers import Papers

Row = dict[str, Any]
PATIENCE = timedelta(days=4)
LOST = {"failed", "canceled"}
RETURNS = {"payout_failure", "payout_cancel"}


def told_of_payouts(papers: Papers) -> Told:
    """Return what is wrong with payouts, and by currency with money that was ready and not sent."""
    found: Told = {}
    entries, payouts = (
        list(papers.rows["balance_transactions"].values()),
        list(papers.rows["payouts"].values()),
    )
    for coin in sorted({row["currency"].lower() for row in (*entries, *payouts)}):
        mine = [row for row in entries if row["currency"].lower() == coin]
        sent = [row for row in payouts if row["currency"].lower() == coin]
        stood = [row for row in sent if row["status"] not in LOST]
        newest = max(stood, key=lambda row: (row["created_at"], row["document_id"]), default=None)
        left = _left_behind(newest, mine, entries)
        for row in sent:
            entry = _entry_of(row, entries)
            if _is_missing(row, entry, stood, entries, papers.as_of):
                found["payout_missing", row["document_id"]] = row["amount_cents"], 0
            right = (left if row is newest else 0) - (entry["amount_cents"] if entry else 0)
            if entry and row in stood and row["amount_cents"] != right:
                found["payout_short", row["document_id"]] = right, row["amount_cents"]
        long_ago = papers.as_of - PATIENCE
        ready = sum(row["net_cents"] for row in mine if row["available_at"] <= papers.as_of)
        for_long = sum(
            row["net_cents"]
            for row in mine
            if (row["created_at"] <= papers.as_of if _is_payout(row) else row["available_at"] <= long_ago)
        )
        waits = min(ready, for_long) - left
        if waits > 0 and not any(row["created_at"] > long_ago for row in sent):
            found["payout_missing", coin] = waits, 0
    return found


def _is_missing(payout: Row, entry: Row | None, stood: list[Row], entries: list[Row], as_of: Any) -> bool:
    """Say whether a payout did not arrive: too late, without its entry, or failed and not made good."""
    due = payout["arrival_date"] or as_of
    is_late = payout["status"] in {"pending", "in_transit"} and as_of - due > PATIENCE
    is_unbooked = payout["balance_transaction"] is not None and entry is None
    is_returned = any(row["source"] == payout["document_id"] and row["type"] in RETURNS for row in entries)
    is_followed = any(row["created_at"] > payout["created_at"] for row in stood)
    return is_late or is_unbooked or (payout["status"] in LOST and not (is_returned and is_followed))


def _left_behind(newest: Row | None, mine: list[Row], entries: list[Row]) -> int:
    """Return what was ready when the newest payout left, and did not go with it."""
    if newest is None or _entry_of(newest, entries) is None:
        return 0
    at = newest["created_at"]
    return max(0, sum(row["net_cents"] for row in mine if _counts_from(row) <= at))


def _entry_of(payout: Row, entries: list[Row]) -> Row | None:
    return next((row for row in entries if row["document_id"] == payout["balance_transaction"]), None)


def _counts_from(row: Row) -> Any:
    """Return from when an entry counts: money that was sent from then on, all other when it is ready."""
    return row["created_at"] if _is_payout(row) else row["available_at"]


def _is_payout(row: Row) -> bool:
    return (row["type"] or "").startswith("payout")
