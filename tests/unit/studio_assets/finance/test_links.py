"""What hangs together by ids: the same however it is found, and found by looking everything up once."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_assets.finance import links
from studio_assets.finance.links import hanging_together
from studio_assets.findings.making import safe_id
from tests.unit.studio_assets.finance.ledgers import table_of

COLUMNS = {
    "materials_orders": ("document_id", "stripe_payment_intent_id", "stripe_checkout_session_id"),
    "refunds": ("document_id", "charge", "payment_intent"),
    "payouts": ("document_id", "balance_transaction"),
}
"""Every column that hangs rows of these contracts together."""
ODD = ("a b", "x@y.z", "ü", "a:b", "line\n", "y" * 200, "", " ", "\u3000", "\x1c")
WORDS = (*(f"i{number}" for number in range(8)), *ODD, *map(safe_id, ODD))
ROWS = st.sampled_from(sorted(COLUMNS)).flatmap(
    lambda contract: st.tuples(
        st.just(contract),
        st.fixed_dictionaries(
            {
                column: st.sampled_from(WORDS if column == "document_id" else (*WORDS, None, None))
                for column in COLUMNS[contract]
            }
        ),
    )
)


def tables_of(rows):
    return {name: table_of(name, [row for of, row in rows if of == name]) for name in COLUMNS}


def found_by_hand(ids, rows, known):
    """Return what hangs together, row by row, over and over until nothing more comes."""
    found, before = set(ids), None
    while found != before:
        before = set(found)
        for _, row in rows:
            if before.intersection(row.values()):
                said = {word for word in row.values() if word and word.strip()}
                found |= said | {safe_id(word) for word in said}
        for together in known:
            if before & together:
                found |= together
    return found


@pytest.mark.parametrize("steps", [0, 1, links._STEPS])
@settings(max_examples=40, deadline=None)
@given(
    st.frozensets(st.sampled_from(WORDS), max_size=2),
    st.lists(ROWS, max_size=14),
    st.lists(st.frozensets(st.sampled_from(WORDS), max_size=3), max_size=3),
)
def test_any_rows_and_findings_hang_together_as_by_hand(steps, ids, rows, known):
    """Odd ids go by their hashes, blank ones by nothing; whether columns are asked or all is written down."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(links, "_STEPS", steps)
        assert hanging_together(ids, tables_of(rows), known) == found_by_hand(ids, rows, known)


def chain(length):
    """Return so many orders of which each stores what names the next, and one that nothing hangs on."""
    rows = [
        {"document_id": f"o{place}", "stripe_payment_intent_id": f"n{place}"}
        | {"stripe_checkout_session_id": f"n{place + 1}"}
        for place in range(length)
    ]
    return {"materials_orders": table_of("materials_orders", [*rows, {"document_id": "alone"}])}


def is_hanging(length):
    return {f"o{place}" for place in range(length)} | {f"n{place}" for place in range(length + 1)}


@pytest.mark.parametrize("length", [links._STEPS - 1, links._STEPS, links._STEPS + 1, 3 * links._STEPS])
def test_a_chain_is_found_to_its_end_however_long(length):
    """Below, on and above what asking columns finds; from either end, and from the middle."""
    for start in ("o0", f"n{length}", f"o{length // 2}"):
        assert hanging_together([start], chain(length), []) == is_hanging(length)


def test_of_a_long_chain_everything_is_looked_up_once(monkeypatch):
    """Columns are asked so often and no oftener; then no id and no row comes twice: nothing is quadratic."""
    asked, looked_up = [], Counter()
    near, of = links._near, links._Groups.of

    def counted_near(*said):
        asked.append(said)
        return near(*said)

    def counted_of(self, number):
        looked_up[id(self), number] += 1
        return of(self, number)

    monkeypatch.setattr(links, "_near", counted_near)
    monkeypatch.setattr(links._Groups, "of", counted_of)
    length = 2000
    assert hanging_together(["o0"], chain(length), []) == is_hanging(length)
    assert len(asked) == links._STEPS
    assert set(looked_up.values()) == {1}
    assert length < len(looked_up) <= len(is_hanging(length)) + length


def test_findings_are_links_of_a_chain_too(monkeypatch):
    """Each names two orders that nothing else hangs together; they are looked up once as well."""
    monkeypatch.setattr(links, "_STEPS", 2)
    names = [f"o{place}" for place in range(30)]
    tables = {"payouts": table_of("payouts", [{"document_id": name} for name in names])}
    known = [frozenset(pair) for pair in pairwise(names)]
    assert hanging_together(["o29"], tables, known) == set(names)
    assert hanging_together(["o29"], tables, known[:-1]) == {"o29"}


def test_what_hangs_on_nothing_is_itself_alone():
    """And in the ordinary case columns are all that is asked."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(links, "_written_down", None)
        assert hanging_together([], chain(3), []) == set()
        assert hanging_together(["nobody"], chain(3), []) == {"nobody"}
        assert hanging_together(["alone"], chain(3), []) == {"alone"}
        assert hanging_together(["n1"], chain(3), []) == is_hanging(3)
