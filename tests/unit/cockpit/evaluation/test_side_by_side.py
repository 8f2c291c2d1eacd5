"""Many looks reconciled in one go say what each of them says alone."""

from datetime import timedelta
from itertools import islice

import pytest

from cockpit.cli.evaluation.side_by_side import reconcile_all
from cockpit.cli.evaluation.year import TIMEZONE, simulate
from studio_assets.finance.reconcile import reconcile
from studio_assets.finance.tables import SOURCES
from tests.unit.studio_assets.finance.ledgers import AS_OF, Books


def test_side_by_side_every_look_says_what_it_says_alone():
    """To the cent and to the evidence; looks far apart, so that few are enough to hold much."""
    days = list(islice(simulate(11, 60, only=SOURCES), 3, None, 14))
    looks = [(day.tables, day.as_of) for day in days]
    alone = [reconcile(tables, as_of=as_of, timezone=TIMEZONE) for tables, as_of in looks]
    assert reconcile_all(looks, timezone=TIMEZONE) == alone
    assert sum(len(found.discrepancies) for found in alone) > 20


def test_orders_without_a_currency_are_added_up_with_their_own_look():
    """They add up under one name, unknown, whichever look they are of: no look's cents get lost or shared."""
    looks = []
    for cents, currency in ((4000, None), (3000, ""), (2000, "usd"), (1000, None)):
        made = Books()
        made.sell("x", cents=cents)
        made.order("x", currency=currency)
        looks.append((made.tables(), AS_OF))
    found = reconcile_all(looks, timezone=TIMEZONE)
    unknown = [each.conservation.differences.get("unknown") for each in found]
    assert unknown == [-4000, -3000, None, -1000]
    assert [each.conservation.error_cents for each in found] == [0] * 4
    assert [[one.kind.value for one in each.discrepancies] for each in found] == [
        *[["currency_mismatch"]] * 2,
        [],
        ["currency_mismatch"],
    ]


def test_looks_at_different_hours_are_refused():
    day = next(simulate(11, 1, only=SOURCES))
    looks = [(day.tables, day.as_of), (day.tables, day.as_of + timedelta(hours=1))]
    with pytest.raises(ValueError, match="whole days apart"):
        reconcile_all(looks, timezone=TIMEZONE)
    assert reconcile_all([], timezone=TIMEZONE) == []
