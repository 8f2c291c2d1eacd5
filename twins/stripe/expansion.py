"""``expand``: an id replaced by the object it names, one field inside another up to four levels deep.

Source: https://docs.stripe.com/api/expanding_objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from twins.stripe.account import Account
from twins.stripe.errors import ApiError
from twins.stripe.kinds import CHECKOUT_SESSIONS, ObjectKind
from twins.stripe.ledger import Entry

DEEPEST = 4

Tree = dict[str, Any]


def line_items(entry: Entry) -> dict[str, Any]:
    """Return the list of a checkout session's lines, as its own endpoint and ``expand`` show it."""
    return {
        "object": "list",
        "data": entry.aside["line_items"],
        "has_more": False,
        "url": f"/v1/checkout/sessions/{entry.id}/line_items",
    }


@dataclass(frozen=True, slots=True)
class Expansion:
    """Which fields to expand: a tree of field names. False when nothing is to be expanded."""

    tree: Tree

    def __bool__(self) -> bool:
        return bool(self.tree)

    @classmethod
    def parse(cls, wanted: Sequence[str], kind: ObjectKind, *, within_list: bool = False) -> "Expansion":
        """Read the ``expand`` parameter; in a list every path starts with ``data``."""
        tree: Tree = {}
        for path in wanted:
            steps = path.split(".")
            if len(steps) > DEEPEST:
                raise ApiError(f"You cannot expand more than {DEEPEST} levels of a property.", param="expand")
            if within_list:
                if steps[0] != "data":
                    raise _not_expandable(path, hint=" You may want to try expanding 'data' instead.")
                steps = steps[1:]
            if steps and steps[0] not in _expandable(kind):
                raise _not_expandable(path)
            place = tree
            for step in steps:
                place = place.setdefault(step, {})
        return cls(tree)

    def render(self, account: Account, entry: Entry, now: int) -> bytes:
        """Return the object's JSON at ``now`` with its fields expanded."""
        return orjson.dumps(_expanded(account, entry, self.tree, now))


def _expandable(kind: ObjectKind) -> frozenset[str]:
    return kind.references | ({"line_items"} if kind is CHECKOUT_SESSIONS else frozenset())


def _expanded(account: Account, entry: Entry, tree: Mapping[str, Any], now: int) -> dict[str, Any]:
    shown = dict(account.ledger.shown(entry, now))
    for name, below in tree.items():
        if name not in _expandable(entry.kind):
            raise _not_expandable(name)
        if name == "line_items":
            shown[name] = line_items(entry)
        elif shown.get(name) is not None:
            inner = account.ledger.get(shown[name])
            if inner is not None:
                shown[name] = _expanded(account, inner, below, now)
    return shown


def _not_expandable(path: str, *, hint: str = "") -> ApiError:
    return ApiError(f"This property cannot be expanded ({path}).{hint}", param="expand")
