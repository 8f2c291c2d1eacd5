"""Ledgers for tests, and every way to tamper with them that the suite knows."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from policies.actors import Actor, ActorKind
from policies.audit import GENESIS, payload_of
from policies.audit_entries import entry_of
from policies.audit_tree import Tree
from policies.audit_verify import Anchor
from policies.ports import AuditDraft

STUDIO = "monsoonfire"
START = datetime(2026, 11, 21, 15, tzinfo=UTC)
GENESIS_BYTES = bytes.fromhex(GENESIS)
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
# Made once, not for every event of every ledger.
_KINDS = st.sampled_from(list(ActorKind))
_NAMES = st.sampled_from(["created", "approved", "failed"])
_MICROSECONDS = st.integers(0, 999_999)
_PEOPLE = st.integers(1, 5)
_STATES = st.sampled_from([None, None, "draft", "approved"])
_NUMBERS = st.lists(st.integers(-(2**53) + 1, 2**53 - 1), max_size=2)


@st.composite
def drafts(draw, number=0):
    """Return a draft of an event, all kinds of text in its details; different for every number."""
    kind = draw(_KINDS)
    return AuditDraft(
        name=f"proposal:firestore.ops_note.append:{draw(_NAMES)}",
        at=START + timedelta(seconds=number, microseconds=draw(_MICROSECONDS)),
        actor=Actor(kind, f"uid-{draw(_PEOPLE)}", STUDIO, owner_id="own" if kind == "agent" else None),
        subject_kind="proposal",
        subject_id=f"prp_{number:026d}",
        state=draw(_STATES),
        details={
            "note_hash": "ab" * 32,
            "words": draw(TEXT),
            "more": draw(_NUMBERS),
        },
    )


def chained(payloads, first=1, prev=GENESIS_BYTES):
    """Return true rows of these payloads, from a place on."""
    rows = []
    for seq, payload in enumerate(payloads, first):
        rows.append(entry_of(seq, prev, payload))
        prev = rows[-1].hash
    return rows


def numbered(rows, first, at=None, jump=0):
    """Return the rows written anew from a number on, one after the other but for a jump behind a place.

    Their hashes go on from each other where their numbers do not.
    """
    found, prev = [], GENESIS_BYTES
    for place, row in enumerate(rows):
        seq = first + place + (jump if at is not None and place > at else 0)
        found.append(entry_of(seq, prev, row.payload))
        prev = found[-1].hash
    return found


def ledger(count, salt=""):
    """Return a true ledger of plain events; quick for large ones."""
    actor = Actor(ActorKind.STAFF, "uid-1", STUDIO)
    return chained(
        payload_of(
            AuditDraft(
                "proposal:firestore.ops_note.append:created",
                START + timedelta(seconds=number),
                actor,
                "proposal",
                f"prp_{number:026d}",
                "draft",
                {"salt": salt},
            ),
            STUDIO,
        )
        for number in range(1, count + 1)
    )


@st.composite
def ledgers(draw, least=1, most=24):
    """Return a true ledger of drawn events."""
    count = draw(st.integers(least, most))
    return chained([payload_of(draw(drafts(number)), STUDIO) for number in range(1, count + 1)])


def anchor(rows, size=None, *, since=None):
    """Return a checkpoint of a ledger, with the leaves a witness keeps if ``since`` says from where."""
    size = len(rows) if size is None else size
    leaves = b"".join(row.hash for row in rows[:size])
    return Anchor(size, Tree(leaves).root(), b"" if since is None else leaves[since * 32 :])
