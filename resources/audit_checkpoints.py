"""Signs checkpoints of the audit log, and gathers those that can be believed.

A checkpoint is signed only after the whole log was verified against every earlier one: a fork is refused,
never signed. It counts once at least two destinations hold it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.actors import Actor
from policies.audit import payload_of
from policies.audit_checkpoint import Checkpoint, NoteError, PublicKey, open_checkpoint, sign_checkpoint_text
from policies.audit_faults import Fault
from policies.audit_tree import HASH_BYTES, Tree, verify_consistency
from policies.audit_verify import Anchor, verify_log
from policies.ports import AuditDraft
from resources.audit_destinations import Copy, Destinations
from resources.audit_signing import SigningKey, verify_signature
from resources.postgres.audit_log import AuditLog, AuditView, KeptCheckpoint


class ForkRefusedError(Exception):
    """The log is not what was signed before: nothing was signed. ``fault`` names the first bad entry."""

    def __init__(self, fault: Fault | None, problem: str) -> None:
        super().__init__(
            f"No checkpoint was signed. {problem} Keep the database and the destinations as they are, and run"
            " ./studio audit verify."
        )
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Trusted:
    """Checkpoints with good signatures, from every place that keeps them.

    Attributes:
        anchors: To verify a log against, smallest first; one size may occur more than once.
        notes: A signed note by size.
        problems: What is wrong with a copy, one sentence each: damaged, missing or contradicting.
        unreachable: Destinations that could not be asked, one sentence each.
        emptied: Destinations that hold nothing although there are checkpoints: new ones, or emptied by
            somebody. The next signing fills them from the other places.
    """

    anchors: Sequence[Anchor]
    notes: Mapping[int, str]
    problems: Sequence[str]
    unreachable: Sequence[str]
    emptied: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """What signing did.

    Attributes:
        checkpoint: Origin, size and root.
        note: The signed note.
        is_new: False when the log has not grown since the last one.
        failed: Destination -> problem, for those that did not take it.
    """

    checkpoint: Checkpoint
    note: str
    is_new: bool
    failed: Mapping[str, str]


def sign_checkpoint(
    log: AuditLog,
    key: SigningKey,
    destinations: Destinations,
    now: datetime,
    actor: Actor | None = None,
) -> SignedCheckpoint | None:
    """Sign the log as it is now and put the checkpoint at its destinations; null when the log is empty.

    Args:
        log: The studio's log.
        key: Signs for this studio.
        destinations: Take the signed note; two must.
        now: Instant of signing, UTC.
        actor: Who signs: the signing is then told as an event, beside the row that keeps the checkpoint. That
            event belongs to the next checkpoint, and is no reason for one when nothing else happened.

    Raises:
        ForkRefusedError: The log, or a copy of an earlier checkpoint, is not what was signed.
        DestinationError: Fewer than two destinations took it, or one that holds nothing cannot be filled.
            Trying again is right.
        ServerUnreachableError: PostgreSQL does not answer.
    """
    with log.view() as view:
        trusted = trusted_checkpoints(view, destinations.read(), key.public)
        if trusted.problems:
            raise ForkRefusedError(None, " ".join(trusted.problems))
        report = verify_log(view, trusted.anchors, known_entries=view.known_entries())
        if report.fault is not None:
            raise ForkRefusedError(report.fault, report.fault.sentence)
        leaves = view.hashes()
        kept = {checkpoint.tree_size for checkpoint in view.checkpoints()}
        newest = view.tail(1)
    size = report.entries
    last = trusted.anchors[-1] if trusted.anchors else None
    if last is not None and size == last.size + 1 and newest[0].name == _event_name(log.studio_id):
        size = last.size  # nothing but the event of the last signing
    if size == 0:
        return None
    before = max((anchor.size for anchor in trusted.anchors if anchor.size < size), default=0)
    tree = Tree(leaves[: size * HASH_BYTES])
    checkpoint = Checkpoint(key.public.name, size, tree.root())
    if last is not None:
        # Apart from verification: prove that the new tree goes on from the last signed one.
        proof = tree.consistency_proof(last.size)
        if not verify_consistency(last.size, size, last.root, checkpoint.root, proof):
            raise ForkRefusedError(None, f"It would not go on from the checkpoint of {last.size} entries.")
    note = trusted.notes.get(size) or sign_checkpoint_text(checkpoint, key.public, key.sign)
    new_leaves = leaves[before * HASH_BYTES : size * HASH_BYTES]
    _refill(destinations, trusted, leaves, key.public)
    failed = destinations.write(size, note, new_leaves, key.public.text + "\n")
    is_new = size not in kept
    if is_new:
        event = None if actor is None else _event(log.studio_id, actor, checkpoint, now)
        log.keep_checkpoint(KeptCheckpoint(size, checkpoint.root, note, now), event)
    return SignedCheckpoint(checkpoint, note, is_new, failed)


def trusted_checkpoints(view: AuditView, copies: Sequence[Copy], key: PublicKey) -> Trusted:
    """Gather the checkpoints that the database and the destinations keep, and what is wrong with them."""
    problems, unreachable = [], [f"{copy.url}: {copy.problem}" for copy in copies if copy.problem]
    anchors: dict[tuple[int, bytes, bytes], Anchor] = {}
    notes: dict[int, str] = {}
    readable = [copy for copy in copies if not copy.problem]
    for copy in readable:
        if copy.public_key is not None and copy.public_key.strip() != key.text:
            problems.append(f"{copy.url} was given another public key than the one used here.")
        for size, note in copy.notes.items():
            opened = _opened(note, key)
            if opened is None or opened.size != size:
                problems.append(f"The checkpoint of {size} entries at {copy.url} is damaged.")
                continue
            leaves = copy.leaves.get(size, b"")
            anchors[size, opened.root, leaves] = Anchor(size, opened.root, leaves)
            notes[size] = note
    for kept in view.checkpoints():
        opened = _opened(kept.note, key)
        if opened is None or (opened.size, opened.root) != (kept.tree_size, kept.root_hash):
            problems.append(f"The checkpoint of {kept.tree_size} entries in the database is damaged.")
            continue
        anchors.setdefault((opened.size, opened.root, b""), Anchor(opened.size, opened.root))
        notes.setdefault(opened.size, kept.note)
    problems += [
        f"{len(missing)} checkpoints are missing at {copy.url}, such as the one of {min(missing)} entries."
        for copy in readable
        if copy.notes and (missing := notes.keys() - copy.notes.keys())
    ]
    ordered = sorted(anchors.values(), key=lambda anchor: (anchor.size, -len(anchor.leaves)))
    emptied = [copy.url for copy in readable if notes and not copy.notes]
    return Trusted(ordered, notes, problems, unreachable, emptied)


def _refill(destinations: Destinations, trusted: Trusted, leaves: bytes, key: PublicKey) -> None:
    """Give destinations that hold nothing every earlier checkpoint; all were verified against the log.

    With the newest alone they would be called incomplete from then on, and nothing could be signed.
    """
    for url in trusted.emptied:
        before = 0
        for size, note in sorted(trusted.notes.items()):
            hashes = leaves[before * HASH_BYTES : size * HASH_BYTES]
            destinations.refill(url, size, note, hashes, key.text + "\n")
            before = size


def _opened(note: str, key: PublicKey) -> Checkpoint | None:
    try:
        return open_checkpoint(note, key, verify_signature)
    except NoteError:
        return None


def _event_name(studio_id: str) -> str:
    return f"audit:{studio_id}:checkpoint_signed"


def _event(studio_id: str, actor: Actor, checkpoint: Checkpoint, now: datetime) -> str:
    return payload_of(
        AuditDraft(
            name=_event_name(studio_id),
            at=now,
            actor=actor,
            subject_kind="audit",
            subject_id=studio_id,
            state=None,
            details={"size": checkpoint.size, "root": checkpoint.root.hex()},
        ),
        studio_id,
    )
