"""Seeded volume is deterministic and adds up like any other money."""

import orjson

from twins.stripe.account import Account
from twins.stripe.kinds import BALANCE_TRANSACTIONS, CHARGES, KINDS
from twins.stripe.ledger import Ledger
from twins.stripe.seed import Shares, seed_payments


def test_the_same_seed_gives_the_same_ledger_and_another_seed_another():
    """Benchmarks compare like with like."""
    ledgers = [Ledger() for _ in range(3)]
    ends = [seed_payments(ledger, 300, seed=seed) for ledger, seed in zip(ledgers, (1, 1, 2), strict=True)]
    first, same, other = (
        [orjson.loads(ledger.render(entry, 2_000_000_000)) for entry in ledger] for ledger in ledgers
    )
    assert first == same
    assert first != other
    assert ends[0] == ends[1]


def test_seeded_money_adds_up():
    """Nets equal the balance; every fate occurs."""
    ledger = Ledger()
    end = seed_payments(
        ledger, 3000, spacing_seconds=600, shares=Shares(refunded=0.1, disputed=0.02, declined=0.1)
    )
    available, pending = Account(ledger, lambda: end).balance()
    moves = ledger.entries(BALANCE_TRANSACTIONS)
    assert sum(move["net"] for move in moves) == available["usd"] + pending["usd"]
    assert {path for path, kind in KINDS.items() if not ledger.count(kind)} == {
        "checkout/sessions",
        "events",
        "prices",
    }
    assert {charge["status"] for charge in ledger.entries(CHARGES)} == {"succeeded", "failed"}
