"""Every class is found where it is and only there, told with its money, and adds up to the cent."""

from functools import cache
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.cli.evaluation.side_by_side import reconcile_all
from studio_assets.finance.classes import CLASSES, Kind
from studio_assets.finance.flags import flags
from studio_assets.finance.reconcile import Reconciliation
from tests.unit.studio_assets.finance.ledgers import (
    AS_OF,
    DAY,
    HOUR,
    MINUTE,
    SOLD_AT,
    TIMEZONE,
    Books,
    said,
    with_tax,
)

AGENT_WAITS = {"status": "payment_pending", "payment_status": "payment_pending"}
WAITS = {"status": "checkout_pending", "payment_status": "checkout_created", "paid_at": None}


def books(domain: str = "m") -> Books:
    made = Books()
    for name in ("a0", "b0", "c0"):
        made.sell(name)
    made.sell("x", domain=domain)
    return made


def test_a_studio_in_order_has_no_discrepancy():
    made = Books()
    for number, domain in enumerate("mea" * 5):
        made.sell(f"s{number:02d}", domain=domain, cents=1000 + 37 * number)
    assert made.kinds() == []
    assert {part.name for part in made.reconcile().conservation.parts} == {"tax"}


def test_an_unpaid_cart_of_today_is_no_discrepancy():
    made = Books()
    made.sell("x", at=AS_OF - 3 * HOUR)
    made.drop_money("x")
    made.order("x", **WAITS, stripe_payment_intent_id=None)
    assert made.kinds() == []


def lose_order(made):
    made.rows["materials_orders"].pop("x")


def lose_webhook(made):
    made.order("x", **WAITS, stripe_payment_intent_id=None)


def mark_by_hand(made):
    made.drop_money("x")
    made.order("x", stripe_payment_intent_id=None)


def charge_twice(made):
    named = {"metadata_order_id": "x", "metadata_materials_order_id": "x", "metadata_source": "materials"}
    made.pay("x2", with_tax(4000), at=SOLD_AT + HOUR, **named)


def claim_twice(made):
    made.add(
        "materials_orders",
        "z",
        **{k: v for k, v in made.rows["materials_orders"]["x"].items() if k != "document_id"},
    )


def overcharge(made):
    made.charge("x", amount_captured_cents=with_tax(4500))


def miscount(made):
    made.charge("x", amount_captured_cents=with_tax(4000) + 4)


def dispute_open(made):
    made.dispute("x", "needs_response")
    made.order("x", status="disputed", payment_status="disputed")


def dispute_lost(made):
    made.dispute("x", "lost")


def dispute_won(made):
    made.dispute("x", "won")
    made.order("x", status="disputed", payment_status="disputed")


def refund_nothing(made):
    made.order("x", status="refunded", payment_status="refunded")


def refund_part(made):
    made.refund("x", 1000)
    made.order("x", status="refunded", payment_status="refunded")


def refund_silently(made):
    made.refund("x", with_tax(4000))


def refund_too_much(made):
    made.refund("x", with_tax(4000))
    made.refund("x", 500)


def set_back(made):
    made.order("x", payment_status="payment_pending")


def lapse(made):
    made.drop_money("x")
    made.order("x", **WAITS)
    made.add(
        "payment_intents",
        "pi_x",
        amount_cents=1,
        currency="usd",
        status="canceled",
        created_at=SOLD_AT,
        livemode=False,
    )


def capture_late(made):
    made.charge("x", created_at=SOLD_AT + 4 * DAY)
    made.order("x", paid_at=SOLD_AT + 4 * DAY)


def forget_names(made):
    nameless = {"metadata_order_id": None, "metadata_materials_order_id": None, "metadata_source": None}
    made.charge("x", **nameless)
    made.rows["payment_intents"]["pi_x"] |= nameless


def forget_everything(made):
    forget_names(made)
    made.order("x", stripe_payment_intent_id=None)


def delete_customer(made):
    made.order("x", uid=None)


def record_next_day(made):
    made.order("x", paid_at=SOLD_AT + 14 * HOUR)


def abandon(made):
    made.drop_money("x")
    made.order("x", **WAITS, stripe_payment_intent_id=None)


def go_live(made):
    made.charge("x", livemode=True)


def pay_in_euro(made):
    made.charge("x", currency="eur")
    for row in (*made.rows["refunds"].values(), *made.rows["disputes"].values()):
        row["currency"] = "eur"


BENT = [
    (lose_order, "missing_order", "ch_x"),
    (lose_webhook, "charge_without_order", "x"),
    (mark_by_hand, "order_without_charge", "x"),
    (charge_twice, "duplicate_charge", "x"),
    (claim_twice, "duplicate_order", "z"),
    (overcharge, "amount_mismatch", "x"),
    (miscount, "rounding", "x"),
    (dispute_open, "dispute_open", "x"),
    (dispute_lost, "dispute_lost", "x"),
    (dispute_won, "dispute_won", "x"),
    (refund_nothing, "refund_missing", "x"),
    (refund_part, "partial_refund", "x"),
    (refund_silently, "refund_unrecorded", "x"),
    (refund_too_much, "refund_over", "x"),
    (set_back, "regressed_payment", "x"),
    (lapse, "expired_authorisation", "x"),
    (capture_late, "late_capture", "x"),
    (forget_names, "metadata_lost", "x"),
    (forget_everything, "metadata_lost", "x"),
    (delete_customer, "customer_deleted", "x"),
    (record_next_day, "day_edge", "x"),
    (abandon, "abandoned_checkout", "x"),
    (go_live, "mode_mix", "x"),
    (pay_in_euro, "currency_mismatch", "x"),
]


@cache
def bent() -> dict[str, tuple[Books, Reconciliation, Reconciliation]]:
    """Return, by error, books with it and what the two ways of reconciling say; worked out once."""
    every = {bend.__name__: books() for bend, _, _ in BENT}
    for bend, _, _ in BENT:
        bend(every[bend.__name__])
    looks = [(made.tables(), AS_OF) for made in every.values()]
    quick = reconcile_all(looks, timezone=TIMEZONE)
    thorough = reconcile_all(looks, timezone=TIMEZONE, is_thorough=True)
    return dict(zip(every, zip(every.values(), quick, thorough, strict=True), strict=True))


@pytest.mark.parametrize(("bend", "kind", "subject"), BENT, ids=[bend.__name__ for bend, _, _ in BENT])
def test_each_class_is_told_by_its_name_alone_and_adds_up(bend, kind, subject):
    _, found, thorough = bent()[bend.__name__]
    assert [(one.kind.value, one.subject) for one in found.discrepancies] == [(kind, subject)]
    assert found.conservation.error_cents == 0
    assert said(thorough) == said(found)


def test_an_agents_order_set_back_is_told_from_one_that_never_heard():
    """The order itself does not remember having been paid; when it was last changed tells."""
    made = books("a")
    made.order("x", **AGENT_WAITS, updated_at=SOLD_AT + 5 * HOUR)
    assert made.kinds() == [("regressed_payment", "x")]
    made.order("x", updated_at=SOLD_AT + 5 * MINUTE)
    assert made.kinds() == [("charge_without_order", "x")]


def test_two_checkouts_of_one_seat_are_told_once_and_not_as_a_cart():
    made = books("e")
    made.rows["event_charges"]["y"] = made.rows["event_charges"]["x"] | {"document_id": "y"}
    made.order(
        "y",
        payment_status="checkout_pending",
        paid_at=None,
        stripe_payment_intent_id=None,
        stripe_checkout_session_id="cs_y",
    )
    assert made.kinds() == [("two_payable_sessions", "y")]


def test_several_errors_on_one_order_are_all_told():
    made = books()
    overcharge(made)
    set_back(made)
    delete_customer(made)
    assert made.kinds() == [("amount_mismatch", "x"), ("regressed_payment", "x"), ("customer_deleted", "x")]


def test_money_that_fits_two_orders_is_given_to_neither():
    made = Books()
    for name in ("x", "y"):
        made.sell(name)
        forget_everything_of(made, name)
    assert {kind for kind, _ in made.kinds()} == {"missing_order", "order_without_charge"}


def forget_everything_of(made, name):
    nameless = dict.fromkeys(
        ("metadata_order_id", "metadata_materials_order_id", "metadata_source", "metadata_uid")
    )
    made.charge(name, **nameless)
    made.rows["payment_intents"][f"pi_{name}"] |= nameless
    made.order(name, stripe_payment_intent_id=None)


def test_fees_and_payouts_are_held_against_the_ledger():
    made = books()
    made.rows["balance_transactions"]["txn_x"] |= {"fee_cents": 999}
    made.post("txn_p", -5000, 0, kind="payout", source="po_1", at=SOLD_AT)
    payout = {"currency": "usd", "arrival_date": SOLD_AT + DAY, "created_at": SOLD_AT, "livemode": False}
    made.add("payouts", "po_1", amount_cents=4900, status="paid", balance_transaction="txn_p", **payout)
    made.add("payouts", "po_2", amount_cents=700, status="failed", **payout)
    assert made.kinds() == [("fee_drift", "txn_x"), ("payout_short", "po_1"), ("payout_missing", "po_2")]


def test_a_payout_that_leaves_ready_money_behind_is_short():
    """After an automatic payout nothing that was ready may be left."""
    made = books()
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - 2 * DAY}
    made.post("txn_p", -1000, 0, kind="payout", source="po_1", at=AS_OF - DAY)
    payout = {"currency": "usd", "arrival_date": AS_OF, "created_at": AS_OF - DAY, "livemode": False}
    made.add("payouts", "po_1", amount_cents=1000, status="pending", balance_transaction="txn_p", **payout)
    assert made.kinds() == [("payout_short", "po_1")]


def test_a_failed_payout_is_told_until_another_is_sent():
    made = books()
    payout = {"currency": "usd", "arrival_date": AS_OF - 4 * DAY, "livemode": False}
    for name, amount, kind, at in (
        ("p1", -900, "payout", 5),
        ("p1f", 900, "payout_failure", 4),
        ("p2", -900, "payout", 3),
    ):
        made.post(f"txn_{name}", amount, 0, kind=kind, source=f"po_{name[:2]}", at=AS_OF - at * DAY)
    failed = {"amount_cents": 900, "status": "failed", "created_at": AS_OF - 5 * DAY}
    made.add("payouts", "po_p1", **payout, **failed, balance_transaction="txn_p1")
    assert ("payout_missing", "po_p1") in made.kinds()
    later = {"amount_cents": 900, "status": "paid", "created_at": AS_OF - 3 * DAY}
    made.add("payouts", "po_p2", **payout, **later, balance_transaction="txn_p2")
    assert made.kinds() == []


def test_money_ready_for_days_and_not_sent_is_told():
    made = books()
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - 6 * DAY}
    assert made.kinds() == [("payout_missing", "usd")]


def test_what_a_payout_left_behind_is_not_told_again_as_money_that_waits():
    """Days without another payout make no second discrepancy of the same cents, but more money does."""
    made = books()
    made.rows["balance_transactions"]["txn_x"] |= {"available_at": AS_OF - 6 * DAY}
    made.post("txn_p", -1000, 0, kind="payout", source="po_1", at=AS_OF - 5 * DAY)
    sent = {"arrival_date": AS_OF - 4 * DAY, "created_at": AS_OF - 5 * DAY, "livemode": False}
    sent |= {"currency": "usd", "amount_cents": 1000, "status": "paid"}
    made.add("payouts", "po_1", **sent, balance_transaction="txn_p")
    assert made.kinds() == [("payout_short", "po_1")]
    made.sell("later")
    made.rows["balance_transactions"]["txn_later"] |= {"available_at": AS_OF - 4 * DAY - HOUR}
    net = made.rows["balance_transactions"]["txn_later"]["net_cents"]
    assert made.kinds() == [("payout_short", "po_1"), ("payout_missing", "usd")]
    assert made.reconcile().discrepancies[-1].expected_cents == net


def test_every_class_has_words_and_stands_in_its_order_of_precedence():
    assert list(CLASSES) == list(Kind)
    for kind, told in CLASSES.items():
        assert all(
            list(Kind).index(kind) < list(Kind).index(hidden) or hidden in told.hides for hidden in told.hides
        )


EARLIER = {
    "payment_intents": [{"status": "requires_payment_method"}, {"status": "processing"}],
    "charges": [{"status": "pending", "captured": None, "paid": None, "balance_transaction": None}],
    "refunds": [{"status": "pending"}],
    "disputes": [{"status": "needs_response"}],
    "payouts": [{"status": "pending"}, {"status": "in_transit"}],
    "balance_transactions": [{"status": "pending"}],
}
"""Contract of Stripe -> what an object of it may have been before."""
UNPAID = [{"payment_status": None, "paid_at": None}, {"payment_status": "payment_pending"}]


def versions_of(contract, row):
    """Yield the row, and what it may have been before; a document's versions tell when they were written."""
    yield row
    if "updated_at" in row:
        for age, before in enumerate(UNPAID, start=1):
            known = {name: value for name, value in before.items() if name in row}
            yield row | known | {"updated_at": row["updated_at"] - age * MINUTE}
    else:
        yield from (row | before for before in EARLIER[contract])


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.sampled_from([bend for bend, _, _ in BENT]), max_size=3, unique=True), st.integers(0, 10**6)
)
def test_order_duplication_and_delay_of_events_change_no_final_flag(bends, seed):
    """Whatever is bent: every version of every row is an event, told once or more, at any of three looks.

    What was told stays told, older versions beside newer ones. Whatever the looks between said, the last one
    says what one look at the newest versions alone says: flags, evidence and every cent.
    """
    made = books()
    for bend in bends:
        try:
            bend(made)
        except KeyError:
            return  # two that take away the same row
    dice, straight = Random(seed), made.tables()
    looks = [{name: [] for name in straight} for _ in range(3)]
    for name, table in straight.items():
        for row in table.to_pylist():
            for event in versions_of(name, row):
                for first in (dice.randrange(3) for _ in range(dice.randint(1, 2))):
                    for look in looks[first:]:
                        look[name].append(event)
    for look in looks:
        for told in look.values():
            dice.shuffle(told)
    delayed = [
        {name: pa.Table.from_pylist(told, schema=straight[name].schema) for name, told in look.items()}
        for look in looks
    ]
    right, *said_then = reconcile_all([(tables, AS_OF) for tables in (straight, *delayed)], timezone=TIMEZONE)
    assert right.conservation.error_cents == 0
    assert said(said_then[-1]) == said(right)
    assert flags(said_then[-1].discrepancies, {}) == flags(right.discrepancies, {})
