"""Disputes: money taken back by the payer's bank, and how such a case ends."""

from twins.stripe import objects
from twins.stripe.account import DAY_SECONDS, DISPUTE_FEE_CENTS, Account
from twins.stripe.errors import ApiError
from twins.stripe.kinds import BALANCE_TRANSACTIONS, CHARGES, DISPUTES
from twins.stripe.ledger import Entry
from twins.stripe.params import Params

DAYS_TO_ANSWER = 9
OPEN_STATUSES = {"needs_response", "under_review"}


def open_dispute(account: Account, charge: Entry, *, reason: str, amount: int | None = None) -> Entry:
    """Dispute a charge: its money and a fee leave the balance at once."""
    disputed = charge["amount"] - charge["amount_refunded"] if amount is None else amount
    due_by = account.now() + DAYS_TO_ANSWER * DAY_SECONDS
    data = objects.dispute(charge_data=charge.data, amount=disputed, reason=reason, due_by=due_by)
    dispute = account.record(DISPUTES, data, aside={"balance_transactions": []})
    account.change(charge, disputed=True)
    account.announce("charge.dispute.created", dispute)
    move = account.post(
        amount=-disputed,
        fee=DISPUTE_FEE_CENTS,
        fee_description="Dispute fee",
        currency=charge["currency"],
        kind="adjustment",
        category="dispute",
        source=dispute.id,
        available_on=settles_with(account, charge),
        description=f"Chargeback withdrawal for {charge.id}",
    )
    dispute.aside["balance_transactions"].append(move.id)
    account.announce("charge.dispute.funds_withdrawn", dispute)
    return dispute


def settles_with(account: Account, charge: Entry) -> int:
    """Return when money taken back is due: now, or with the charge's own money while that is pending."""
    move = account.require(BALANCE_TRANSACTIONS, charge["balance_transaction"], "balance_transaction")
    return max(account.now(), int(move["available_on"]))


def create_dispute(account: Account, params: Params) -> Entry:
    """Dispute a charge as its payer would; an act only the twin knows.

    By itself it is about what was not refunded. A bank does not know of refunds: with ``amount`` it may be
    about the whole charge all the same, and money is given back twice.
    """
    params.refuse_unknown("charge", "reason", "amount")
    charge = account.require(CHARGES, params.required_text("charge"), "charge")
    amount = params.integer("amount")
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded" or charge["disputed"] or (amount is None and left <= 0):
        raise ApiError("Twin: only a succeeded charge that is neither disputed nor refunded can be disputed.")
    if amount is not None and not 0 < amount <= charge["amount"]:
        raise ApiError("Twin: the disputed amount must be within the charge.", param="amount")
    return open_dispute(account, charge, reason=params.text("reason") or "fraudulent", amount=amount)


def close_dispute(account: Account, params: Params) -> Entry:
    """End a dispute as the bank would, ``won`` or ``lost``; an act only the twin knows."""
    params.refuse_unknown("dispute", "outcome")
    dispute = account.require(DISPUTES, params.required_text("dispute"), "dispute")
    outcome = params.required_text("outcome")
    if outcome not in ("won", "lost"):
        raise ApiError("Twin: outcome is won or lost.", param="outcome")
    return _close(account, dispute, outcome)


def accept_dispute(account: Account, params: Params, dispute_id: str) -> Entry:
    """Give a dispute up, as ``disputes.close`` of the SDK does: it is lost."""
    params.refuse_unknown()
    return _close(account, account.require(DISPUTES, dispute_id, "dispute", is_path=True), "lost")


def _close(account: Account, dispute: Entry, outcome: str) -> Entry:
    if dispute["status"] not in OPEN_STATUSES:
        raise ApiError("This dispute is already closed", code="dispute_already_closed")
    account.change(dispute, status=outcome)
    if outcome == "won":
        charge = account.require(CHARGES, dispute["charge"], "charge")
        move = account.post(
            amount=dispute["amount"],
            fee=0,
            currency=dispute["currency"],
            kind="adjustment",
            category="dispute_reversal",
            source=dispute.id,
            available_on=settles_with(account, charge),
            description=f"Chargeback reversal for {charge.id}",
        )
        dispute.aside["balance_transactions"].append(move.id)
        account.change(dispute, is_charge_refundable=True)
        account.announce("charge.dispute.funds_reinstated", dispute)
    account.announce("charge.dispute.closed", dispute)
    return dispute
