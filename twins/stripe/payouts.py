"""Payouts: what leaves for the bank, by hand or by itself once a day, and its arrival."""

from twins.stripe import objects
from twins.stripe.account import DAY_SECONDS, Account
from twins.stripe.errors import ApiError
from twins.stripe.kinds import PAYOUTS
from twins.stripe.ledger import Entry
from twins.stripe.params import Params


def create_payout(account: Account, params: Params) -> Entry:
    """Pay out an amount by hand, out of what is available."""
    params.refuse_unknown("amount", "currency", "description", "metadata", "method", "source_type")
    amount = params.required_integer("amount")
    currency = params.required_text("currency").lower()
    if amount < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    available, _ = account.balance()
    if amount > available[currency]:
        raise ApiError(
            "You have insufficient funds in your Stripe account for this transfer."
            " Your card balance is too low.",
            code="balance_insufficient",
            param="amount",
        )
    payout = _send(
        account, amount, currency, params.text("description"), params.metadata(), is_automatic=False
    )
    account.announce("payout.created", payout)
    return payout


def advance_payouts(account: Account, params: Params) -> list[Entry]:
    """Let automatic payouts happen up to the account's clock; an act only the twin knows.

    Payouts whose arrival date has come are paid; then everything available that no payout has taken along is
    sent, one payout per currency. A currency whose available sum is not positive waits. Returns what changed.

    On request the bank refuses a payout that should arrive (``fail``, its id), the money of one charge stays
    although it is available (``hold_back``, its id), or nothing new is sent (``is_paused``).
    """
    params.refuse_unknown("fail", "hold_back", "is_paused")
    now = account.now()
    refused, held_back = params.text("fail"), params.text("hold_back")
    changed: list[Entry] = []
    for payout in account.ledger.entries(PAYOUTS):
        if payout["status"] != "pending" or payout["arrival_date"] > now:
            continue
        if payout.id == refused:
            _fail(account, payout)
        else:
            account.change(
                payout,
                "payout.paid",
                status="paid",
                trace_id={"status": "supported", "value": payout.id[-12:]},
            )
        changed.append(payout)
    if params.boolean("is_paused"):
        return changed
    ripe: dict[str, list[Entry]] = {}
    for entry in account.ledger.unswept.values():
        if entry["available_on"] <= now and entry["source"] != held_back:
            ripe.setdefault(entry["currency"], []).append(entry)
    for currency, moves in sorted(ripe.items()):
        amount = sum(move["net"] for move in moves)
        if amount > 0:
            payout = _send(account, amount, currency, "STRIPE PAYOUT", {}, is_automatic=True)
            moves.append(account.ledger.unswept[payout["balance_transaction"]])
            account.ledger.sweep(moves, payout)
            account.announce("payout.created", payout)
            changed.append(payout)
    return changed


def _fail(account: Account, payout: Entry) -> None:
    """Let the bank refuse a payout: its money is back in the balance at once."""
    move = account.post(
        amount=payout["amount"],
        fee=0,
        currency=payout["currency"],
        kind="payout_failure",
        category="payout_reversal",
        source=payout.id,
        available_on=account.now(),
        description="STRIPE PAYOUT FAILURE",
    )
    account.change(
        payout,
        "payout.failed",
        status="failed",
        failure_balance_transaction=move.id,
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
    )


def _send(
    account: Account,
    amount: int,
    currency: str,
    description: str | None,
    metadata: dict[str, str],
    *,
    is_automatic: bool,
) -> Entry:
    now = account.now()
    payout = account.record(
        PAYOUTS,
        objects.payout(
            amount=amount,
            currency=currency,
            # Arrival dates are midnights (UTC); money sent today arrives tomorrow.
            arrival_date=(now // DAY_SECONDS + 1) * DAY_SECONDS,
            is_automatic=is_automatic,
            description=description,
            metadata=metadata,
        ),
    )
    move = account.post(
        amount=-amount,
        fee=0,
        currency=currency,
        kind="payout",
        category="payout",
        source=payout.id,
        available_on=now,
        description=description,
    )
    account.ledger.change(payout, balance_transaction=move.id)
    return payout
