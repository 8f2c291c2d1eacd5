"""A row that cannot be counted is set aside by itself: all else is told as ever, and nothing falsely."""

from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.rows import QuarantinedDocument
from studio_assets.checks.findings import CONTACT
from studio_assets.contracts import catalog
from studio_assets.contracts.model import Kind as ColumnKind
from studio_assets.finance import aside_told
from studio_assets.finance.amounts import MOST_CENTS, TooMuchToCountError
from studio_assets.finance.aside import doubt_of, set_aside
from studio_assets.finance.aside_told import aside_findings, aside_ids, every_row_check
from studio_assets.finance.flags import flags
from studio_assets.finance.reconcile import reconcile
from studio_assets.finance.tables import SOURCES
from studio_assets.keys import finance_key
from tests.unit.studio_assets.finance.ledgers import AS_OF, DAY, TIMEZONE, Books, said, table_of
from tests.unit.studio_assets.finance.muddles import muddle

ABSURD = (MOST_CENTS + 1, 10**18, 2**63 - 1, -MOST_CENTS - 1, -(2**63))
WAITS = {"status": "checkout_pending", "payment_status": "checkout_created", "paid_at": None}
KEY = finance_key("teststudio", "reconciliation_flags")
AMOUNTS = [
    (name, column.name)
    for name in SOURCES
    for column in catalog.collection(name).columns
    if column.kind is ColumnKind.CENTS
]


def reconciled(tables):
    return reconcile(tables, as_of=AS_OF, timezone=TIMEZONE)


def bent(tables, contract, ids, cents, column=None):
    """Return tables in which an amount of some documents is none."""
    table = tables[contract]
    column = column or next(name for of, name in AMOUNTS if of == contract)
    place = table.schema.get_field_index(column)
    is_bent = pc.is_in(table["document_id"], value_set=pa.array(ids, pa.string()))
    amounts = pc.if_else(is_bent, pa.scalar(cents, pa.int64()), table[column])
    return tables | {contract: table.set_column(place, table.schema.field(place), amounts)}


def as_stripe_says(tables):
    """Return tables whose charges tell of their refunds and disputes, as Stripe's do."""
    charges = tables["charges"]
    for contract, column in (("refunds", "refunded"), ("disputes", "disputed")):
        of, by = (tables[contract][name].combine_chunks() for name in ("charge", "payment_intent"))
        is_of = pc.or_(
            pc.is_in(charges["document_id"], value_set=of),
            pc.is_in(charges["payment_intent"], value_set=by, skip_nulls=True),
        )
        place = charges.schema.get_field_index(column)
        charges = charges.set_column(
            place, charges.schema.field(place), pc.if_else(is_of, True, charges[column])
        )
    return tables | {"charges": charges}


def without(tables, contract, ids):
    table = tables[contract]
    is_gone = pc.is_in(table["document_id"], value_set=pa.array(ids, pa.string()))
    return tables | {contract: table.filter(pc.invert(is_gone))}


def told_next(tables, known, unread=None):
    """Return the findings that are open after a reconciliation, by id, when some were open before."""
    countable, aside = set_aside(tables, unread)
    found = reconciled(countable)
    assert found.conservation.error_cents == 0
    doubt = doubt_of(countable, aside, found.discrepancies, known)
    told = {one.finding_id: one for one in flags(doubt.sayable(found.discrepancies, known), {})}
    stays = {one.finding_id: one for one in known if doubt.stays(one)}
    assert not told.keys() & stays.keys()
    return told | stays


def flags_of(tables):
    return flags(reconciled(tables).discrepancies, {})


def kinds(findings):
    return sorted((one.kind, one.subject_id) for one in findings)


@pytest.mark.parametrize("cents", ABSURD)
@pytest.mark.parametrize(("contract", "column"), AMOUNTS)
def test_an_amount_that_is_none_sets_its_document_aside_and_no_other(contract, column, cents):
    """In every column of money there is; on the bound it is counted."""
    on_it = MOST_CENTS if cents > 0 else -MOST_CENTS
    rows = [{"document_id": f"d{place}", column: value} for place, value in enumerate((on_it, cents, None))]
    tables = {contract: table_of(contract, rows)}
    countable, aside = set_aside(tables)
    assert countable[contract]["document_id"].to_pylist() == ["d0", "d2"]
    ((told_of, one),) = list(aside)
    path = catalog.collection(contract).column(column).path
    bound = "maximum" if cents > 0 else "minimum"
    assert (told_of, one.document_id, one.field_path) == (contract, "d1", path)
    assert bound in one.reason
    assert str(abs(cents)) not in one.reason


def test_books_in_order_lose_nothing():
    """Where every amount is one the tables are the same ones, and nothing is in doubt."""
    tables = muddle(7)
    countable, aside = set_aside(tables)
    assert all(countable[name] is tables[name] for name in tables)
    assert len(aside) == 0
    found = reconciled(tables).discrepancies
    doubt = doubt_of(countable, aside, found, [])
    assert doubt.sayable(found, []) == list(found)
    assert not any(doubt.stays(one) for one in flags(found, {}))


def test_a_document_is_set_aside_with_all_its_versions():
    """An older version that could be counted does not stand for the one that cannot."""
    rows = [{"document_id": "x", "total_cents": cents} for cents in (1000, 10**16, 1000)]
    table = table_of("materials_orders", rows)
    countable, aside = set_aside({"materials_orders": table})
    assert countable["materials_orders"].num_rows == 0
    assert len(aside) == 1


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(ABSURD), st.floats(0, 1))
def test_any_mixture_tells_of_the_sane_rows_what_is_told_without_the_absurd(seed, cents, share):
    """Flags with their evidence and amounts, sums and explanations: as if those rows were not there."""
    dice, mixed = Random(seed), muddle(seed, 12)
    sane = dict(mixed)
    for contract, table in list(mixed.items()):
        ids = [each for each in sorted(set(table["document_id"].to_pylist())) if dice.random() < share]
        column = dice.choice([name for of, name in AMOUNTS if of == contract])
        mixed = bent(mixed, contract, ids, cents, column)
        sane = without(sane, contract, ids)
    countable, _ = set_aside(mixed)
    assert said(reconciled(countable)) == said(reconciled(sane))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(SOURCES), st.booleans())
def test_what_is_set_aside_opens_changes_and_resolves_nothing(seed, contract, is_unread):
    """Of any muddle: one document more that cannot be counted, or not even read, and every flag stays."""
    dice, tables = Random(seed), as_stripe_says(muddle(seed, 12))
    if not tables[contract].num_rows:
        return
    known = {one.finding_id: one for one in flags_of(tables)}
    document_id = dice.choice(tables[contract]["document_id"].to_pylist())
    if is_unread:
        tables = without(tables, contract, [document_id])
        unread = {contract: [QuarantinedDocument(document_id, "status", "has a value of the wrong type")]}
    else:
        tables, unread = bent(tables, contract, [document_id], 10**16), None
    assert told_next(tables, list(known.values()), unread) == known


def two_sales():
    """Return books in which ``x`` was paid for and not heard of, and ``y`` was paid for by nobody."""
    made = Books()
    for name in ("x", "y", "z"):
        made.sell(name)
    made.order("x", **WAITS)
    made.drop_money("y")
    return made


def test_the_flag_of_the_document_stays_and_those_of_others_come_and_go():
    """Its own is neither resolved nor told anew, its payment is not called lost; all else goes on."""
    made = two_sales()
    known = flags_of(made.tables())
    assert kinds(known) == [("charge_without_order", "x"), ("order_without_charge", "y")]
    made.order("x", total_cents=10**16)
    made.order("y", status="cancelled", payment_status="cancelled", paid_at=None)
    made.drop_money("z")
    after = told_next(made.tables(), known)
    assert kinds(after.values()) == [("charge_without_order", "x"), ("order_without_charge", "z")]
    made.order("x", total_cents=4000, status="paid", payment_status="paid", paid_at=AS_OF - DAY)
    assert kinds(told_next(made.tables(), list(after.values())).values()) == [
        ("day_edge", "x"),
        ("order_without_charge", "z"),
    ]


def test_a_document_that_could_not_even_be_read_is_no_missing_order():
    """The reader kept its id only: whatever names it, or is shown by a flag with it, is left as it is."""
    made = two_sales()
    known = flags_of(made.tables())
    unread = {"materials_orders": [QuarantinedDocument("x", "totalCents", "does not fit into 64 bits")]}
    made.rows["materials_orders"].pop("x")
    assert kinds(flags_of(made.tables())) == [("missing_order", "ch_x"), ("order_without_charge", "y")]
    assert told_next(made.tables(), known, unread) == {one.finding_id: one for one in known}
    assert kinds(told_next(made.tables(), [], unread).values()) == [("order_without_charge", "y")]


def test_while_a_refund_could_not_be_read_nothing_is_said_of_what_was_given_back():
    """Stripe's charge says that it was; of all other charges everything is told."""
    made = Books()
    for name in ("x", "y", "z"):
        made.sell(name)
    for name in ("x", "y"):
        made.order(name, status="refunded", payment_status="refunded")
        made.refund(name, 4344)
    made.charge("x", amount_refunded_cents=4344, refunded=True)
    made.drop_money("z")
    assert kinds(flags_of(made.tables())) == [("order_without_charge", "z")]
    made.rows["refunds"].clear()
    unread = {"refunds": [QuarantinedDocument("re_x_0", "amount", "does not fit into 64 bits")]}
    assert kinds(told_next(made.tables(), [], unread).values()) == [
        ("order_without_charge", "z"),
        ("refund_missing", "y"),
    ]


def test_money_that_names_nothing_is_not_called_orderless_while_an_order_is_aside():
    """It may be that order's. What was told of such money before is still told."""
    made = two_sales()
    made.pay("stray", 1234, at=AS_OF - 2 * DAY)
    known = flags_of(made.tables())
    stray = [one for one in known if one.subject_id == "ch_stray"]
    assert kinds(stray) == [("missing_order", "ch_stray")]
    made.order("y", total_cents=10**16)
    assert "ch_stray" not in {one.subject_id for one in told_next(made.tables(), []).values()}
    assert stray[0].finding_id in told_next(made.tables(), stray)


def test_no_order_is_called_unpaid_while_money_that_names_none_is_aside():
    """It may be what paid, as only its sum could tell. What was told before is still told; a name ends it."""
    made = Books()
    made.sell("x")
    made.sell("y", cents=5555)
    made.drop_money("y")
    made.order("x", stripe_payment_intent_id=None)
    nameless = {name: None for name in made.rows["charges"]["ch_x"] if name.startswith("metadata_")}
    named = made.rows["charges"]["ch_x"] | {"amount_refunded_cents": 10**16}
    made.rows["payment_intents"]["pi_x"] |= nameless
    made.charge("x", **nameless)
    known = [one for one in flags_of(made.tables()) if one.subject_id == "y"]
    assert kinds(known) == [("order_without_charge", "y")]
    made.charge("x", amount_refunded_cents=10**16)
    assert told_next(made.tables(), []) == {}
    assert kinds(told_next(made.tables(), known).values()) == [("order_without_charge", "y")]
    made.rows["charges"]["ch_x"] = named
    assert kinds(told_next(made.tables(), []).values()) == [("order_without_charge", "y")]


@pytest.mark.parametrize("name", ["a b", "someone@example.com", "ü", "x" * 300])
@pytest.mark.parametrize("is_unread", [True, False])
def test_what_a_flag_names_by_a_hash_is_known_again_while_it_is_aside(name, is_unread):
    """The flag of such an order stays, and none is opened about it, whether it or its money is aside."""
    made = two_sales()
    made.sell(name)
    made.order(name, **WAITS)
    known = flags_of(made.tables())
    (flag,) = (one for one in known if one.subject_id not in {"x", "y"})
    assert flag.subject_id.startswith("hash-")
    for contract, document_id in (("materials_orders", name), ("charges", f"ch_{name}")):
        tables, unread = made.tables(), None
        if is_unread:
            tables = without(tables, contract, [document_id])
            unread = {contract: [QuarantinedDocument(document_id, "status", "is missing")]}
        else:
            tables = bent(tables, contract, [document_id], 10**16)
        assert told_next(tables, known, unread) == {one.finding_id: one for one in known}
        assert flag.finding_id not in told_next(tables, [], unread)


def test_while_a_payout_is_aside_no_sum_of_payouts_is_told():
    """What waits at Stripe is a sum over all payouts: without one of them it is no sum."""
    made = Books()
    made.sell("x")
    made.rows["balance_transactions"]["txn_x"]["available_at"] = AS_OF - 6 * DAY
    known = flags_of(made.tables())
    assert kinds(known) == [("payout_missing", "usd")]
    paid_out = {"currency": "usd", "arrival_date": AS_OF, "created_at": AS_OF - DAY, "status": "paid"}
    made.add("payouts", "po_1", amount_cents=10**16, livemode=False, balance_transaction=None, **paid_out)
    assert told_next(made.tables(), known) == {one.finding_id: one for one in known}
    assert told_next(made.tables(), []) == {}


def test_a_document_named_like_a_currency_is_linked_to_no_sum_of_it():
    """The sum was told, kept as well and counted twice in its week; and not resolved when money came."""
    made = Books()
    made.sell("x")
    made.rows["balance_transactions"]["txn_x"]["available_at"] = AS_OF - 6 * DAY
    known = flags_of(made.tables())
    assert kinds(known) == [("payout_missing", "usd")]
    unread = {"materials_orders": [QuarantinedDocument("usd", "totalCents", "does not fit into 64 bits")]}
    assert told_next(made.tables(), known, unread) == {one.finding_id: one for one in known}
    made.rows["balance_transactions"]["txn_x"]["available_at"] = AS_OF
    assert told_next(made.tables(), known, unread) == {}


def test_sums_over_many_rows_are_still_refused_by_name():
    """No single row of them is at fault, so none is set aside."""
    rows = [{"document_id": f"d{place:04d}", "total_cents": MOST_CENTS} for place in range(1200)]
    tables = {"materials_orders": table_of("materials_orders", rows)}
    countable, aside = set_aside(tables)
    assert len(aside) == 0
    with pytest.raises(TooMuchToCountError, match="total_cents of materials_orders adds up to about"):
        reconciled(countable)


def test_each_document_is_told_with_field_and_next_step_and_no_value():
    """One finding each, by itself; ids that might be somebody's address are told as hashes."""
    rows = [{"document_id": name, "total_cents": 10**16} for name in ("m1", "someone@example.com")]
    tables = {"materials_orders": table_of("materials_orders", rows)}
    unread = {"charges": [QuarantinedDocument("ch_1", "amount", "does not fit into 64 bits")]}
    _, aside = set_aside(tables, unread)
    told = aside_findings(aside, {"materials_orders": "2026-03-01.2"})
    assert [(one.subject_kind, one.subject_id[:5]) for one in told] == [
        *(("charge", "ch_1"), ("materials_order", "m1")),
        ("materials_order", "hash-"),
    ]
    of_order = told[1]
    assert of_order.detector != "reconciliation"
    assert of_order.capability_id is None
    assert of_order.likely_cause.startswith("totalCents is above the allowed maximum. Nothing is counted")
    assert of_order.next_step.startswith("Correct totalCents")
    assert (of_order.evidence[0].asset, of_order.evidence[0].row) == ("cloud_truth/materials_orders", "m1")
    for one in told:
        assert "someone" not in repr(one)
        assert (
            pc.match_substring_regex(pa.array([one.likely_cause + one.next_step]), CONTACT)[0].as_py()
            is False
        )


def test_the_check_passes_only_where_nothing_was_set_aside(monkeypatch):
    """It warns, counts all and names so many as a person reads."""
    _, nothing = set_aside({})
    assert every_row_check(KEY, nothing, 0).passed
    monkeypatch.setattr(aside_told, "MOST_TOLD", 2)
    rows = [{"document_id": f"m{place}", "total_cents": 10**16} for place in range(5)]
    _, aside = set_aside({"materials_orders": table_of("materials_orders", rows)})
    result = every_row_check(KEY, aside, 3)
    assert (result.passed, result.severity.value) == (False, "WARN")
    assert "5 documents were set aside" in result.description
    assert "3 discrepancies" in result.description
    assert [record.data["document"] for record in result.metadata["documents"].records] == ["m0", "m1"]
    assert len(aside_findings(aside, {})) == 2


def test_a_document_that_was_told_is_told_until_it_is_counted_again(monkeypatch):
    """Though others come that stand before it: only the first are told, and of the rest none is resolved."""
    monkeypatch.setattr(aside_told, "MOST_TOLD", 2)
    rows = [{"document_id": f"m{place}", "total_cents": 10**16} for place in range(5)]
    before, after = (
        set_aside({"materials_orders": table_of("materials_orders", some)})[1] for some in (rows[2:4], rows)
    )
    told = {one.finding_id for one in aside_findings(before, {})}
    assert told.isdisjoint(one.finding_id for one in aside_findings(after, {}))
    assert told < aside_ids(after)
    assert len(aside_ids(after)) == 5
    assert aside_ids(before) == told
