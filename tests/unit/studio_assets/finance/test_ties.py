"""What nothing but amount and time links: a tie is refused, and thousands of ties cost little more than one.

``EACH_AGAINST_EACH`` says it plainly, by holding every payment against every sale. The walk through time that
the product takes must link the same.
"""

import json
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_assets.finance.limits import Limits, micros
from studio_assets.finance.match import links_by_amount
from studio_assets.finance.tables import open_engine
from tests.unit.studio_assets.finance.ledgers import with_tax

LIMITS = Limits()
WINDOW, CLOCK = micros(LIMITS.guess_window), 300_000_000
NOON = 1_770_000_000_000_000

EACH_AGAINST_EACH = """
with sum as (
    select s.*, unnest(list_distinct(list_append(
        case when s.domain = 'a' then []::bigint[]
             else range(s.total + (s.total * 86 + 500) // 1000 - 1,
                        s.total + (s.total * 86 + 500) // 1000 + 2)
        end, s.total::bigint))) as cents
    from case_sale s
    where s.total > 0 and s.state = 'paid' and not s.is_prepaid and s.place not in (select sold from link)
),
fitting as (
    select t.place as taken, s.place as sold
    from nameless t join sum s on s.cents = t.amount and s.currency = t.currency
     and (s.uid = t.uid or t.uid is null)
     and (s.mode is null or (s.mode = 'live') = t.livemode)
     and abs(t.created - coalesce(s.paid, s.created)) <= $window and t.created >= s.created - $clock
     and (t.domain is null or t.domain = s.domain)
)
select taken, sold from fitting
where taken in (select taken from fitting group by taken having count(*) = 1)
  and sold in (select sold from fitting group by sold having count(*) = 1)
"""

SALE = pa.schema(
    {"place": pa.int32(), "domain": pa.string(), "uid": pa.string(), "currency": pa.string()}
    | {"total": pa.int64(), "mode": pa.string(), "paid": pa.int64(), "created": pa.int64()}
    | {"state": pa.string(), "is_prepaid": pa.bool_()}
)
TAKING = pa.schema(
    {"place": pa.int32(), "amount": pa.int64(), "currency": pa.string(), "livemode": pa.bool_()}
    | {"domain": pa.string(), "uid": pa.string(), "created": pa.int64()}
)
LINK = pa.schema({"taken": pa.int32(), "sold": pa.int32(), "how": pa.string()})


def books_of(sales, takings, links=()):
    """Return an engine as linking by amount finds it; linked before are sales that have their money."""
    engine = open_engine()
    for name, rows, schema in (
        ("case_sale", sales, SALE),
        ("nameless", takings, TAKING),
        ("link", [{"taken": -1, "sold": sold, "how": "named"} for sold in links], LINK),
    ):
        engine.from_arrow(pa.Table.from_pylist(rows, schema=schema)).create(name)
    return engine


def linked(sales, takings, links=()):
    """Return what is linked each against each, and what the product links: takings and their sales."""
    with books_of(sales, takings, links) as engine:
        plainly = engine.execute(EACH_AGAINST_EACH, {"window": WINDOW, "clock": CLOCK}).fetchall()
        engine.execute(links_by_amount(LIMITS))
        found = engine.execute("select taken, sold from link where how = 'fitting'").fetchall()
    return sorted(plainly), sorted(found)


def sale(place, **more):
    plain = {"domain": "m", "uid": "ann", "currency": "usd", "total": 4000, "mode": "test", "paid": NOON}
    return {"place": place, **plain, "created": NOON, "state": "paid", "is_prepaid": False} | more


def taking(place, **more):
    plain = {"amount": with_tax(4000), "currency": "usd", "livemode": False, "domain": None, "uid": "ann"}
    return {"place": place, **plain, "created": NOON} | more


class _Market:
    """Small groups that could fit each other, side by side: a currency of its own keeps each apart."""

    def __init__(self, dice: Random) -> None:
        self.dice, self.sales, self.takings = dice, [], []

    def around(self):
        edge = self.dice.choice((0, 0, 0, 0, CLOCK, WINDOW, WINDOW // 2, 2 * WINDOW))
        return NOON + self.dice.choice((1, -1)) * edge + self.dice.choice((0, 0, 0, 1, -1))

    def group(self, number):
        dice, coin = self.dice, f"c{number}"
        people = ("ann", "bob")[: dice.randint(1, 2)]
        for _ in range(dice.randint(1, 3)):
            made = self.around()
            self.sales.append(
                sale(
                    len(self.sales),
                    domain=dice.choice("mmea"),
                    uid=dice.choice((*people, *people, None)),
                    currency=dice.choice((*[coin] * 7, None)),
                    total=dice.choice((4000, 4000, 4000, 4000, with_tax(4000), 4001, 3, 0)),
                    mode=dice.choice(("test", "test", "test", "live", None)),
                    paid=dice.choice((None, made, self.around())),
                    created=dice.choice((*[made] * 7, None)),
                    state=dice.choice(("paid", "paid", "paid", "paid", "pending")),
                    is_prepaid=dice.random() < 0.1,
                )
            )
        for _ in range(dice.randint(1, 3)):
            self.takings.append(
                taking(
                    len(self.takings),
                    amount=dice.choice((4000, *[with_tax(4000)] * 4, with_tax(4000) + 1, 3, 4)),
                    currency=coin,
                    livemode=dice.random() < 0.2,
                    domain=dice.choice((None, None, "m", "e", "a")),
                    uid=dice.choice((*people, None, None)),
                    created=self.around(),
                )
            )


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**9))
def test_the_walk_through_time_links_what_holding_each_against_each_links(seed):
    """Of four hundred groups at the edges of window, customer, kind, mode, price; some sales have money."""
    dice = Random(seed)
    market = _Market(dice)
    for number in range(400):
        market.group(number)
    dice.shuffle(market.sales)
    dice.shuffle(market.takings)
    plainly, found = linked(market.sales, market.takings, links=range(0, len(market.sales), 9))
    assert found == plainly
    assert len(found) > 20


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10**9))
def test_in_one_crowd_the_walk_links_what_stands_alone(seed):
    """Hundreds of one price spread over months: a few stand alone in their window, most do not."""
    dice = Random(seed)
    at = [NOON + dice.randrange(200 * WINDOW) for _ in range(120)]
    sales = [sale(place, paid=each, created=each) for place, each in enumerate(at)]
    takings = [
        taking(place, uid=dice.choice(("ann", None)), created=each + dice.randrange(-CLOCK, WINDOW))
        for place, each in enumerate(at)
        if dice.random() < 0.9
    ]
    plainly, found = linked(sales, takings)
    assert found == plainly
    assert found


@pytest.mark.parametrize("customer", ["ann", None])
@pytest.mark.parametrize(
    ("after", "is_linked"),
    [(WINDOW, True), (WINDOW + 1, False), (-CLOCK, True), (-CLOCK - 1, False)],
    ids=["at-the-end", "too-late", "at-the-start", "too-early"],
)
def test_both_ends_of_the_window_belong_to_it(after, is_linked, customer):
    plainly, found = linked([sale(7)], [taking(3, created=NOON + after, uid=customer)])
    assert found == plainly == ([(3, 7)] if is_linked else [])


def test_thousands_of_one_price_in_one_window_are_refused_without_looking_at_every_pair():
    """Two thousand of each are four million pairs; no step hands on more rows than there are of them."""
    many = 2000
    sales = [sale(place, uid=f"u{place}") for place in range(many)]
    takings = [taking(place, uid=None) for place in range(many)]
    with books_of(
        [*sales, sale(many, paid=NOON + 3 * WINDOW, created=NOON + 3 * WINDOW)],
        [*takings, taking(many, uid=None, created=NOON + 3 * WINDOW)],
    ) as engine:
        ((_, told),) = engine.execute(f"explain (analyze, format json) {links_by_amount(LIMITS)}").fetchall()
        assert engine.execute("select taken, sold from link").fetchall() == [(many, many)]
    assert 2 * many < max(rows_handed_on(json.loads(told)["operator"])) < 10 * many


def rows_handed_on(steps):
    """Yield how many rows each step of a plan handed on."""
    for step in steps:
        yield step["intermediate_rows"]
        yield from rows_handed_on(step.get("children", ()))
