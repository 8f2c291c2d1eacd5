"""Whether somebody may read through a capability: it only reads, and staff or our own processes ask."""

from policies.actors import ActorKind
from policies.cases import Case, is_staff
from policies.decisions import Decision
from policies.rules import deny


def only_reads(case: Case) -> Decision | None:
    """The capability changes nothing; whatever does goes by a proposal."""
    return None if case.capability.is_read_only else deny("only-reads")


def reader_kind(case: Case) -> Decision | None:
    """Staff, by kind and by role, or one of our own processes, as the capability lists; agents never."""
    actor = case.actor
    may = is_staff(actor) or actor.kind is ActorKind.SYSTEM
    return None if may and actor.kind.value in case.capability.requester_kinds else deny("reader-kind")
