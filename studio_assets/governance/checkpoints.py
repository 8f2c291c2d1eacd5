"""Signed checkpoints of the audit log: made when it grew, held against it when all is recomputed."""

from datetime import datetime

from policies.actors import system_actor
from policies.audit_verify import verify_log
from resources.audit_checkpoints import SignedCheckpoint, sign_checkpoint, trusted_checkpoints
from resources.audit_destinations import Destinations
from resources.audit_signing import public_key, signing_key
from resources.postgres.audit_log import AuditLog
from resources.settings import Settings

ACTOR = "notary"
SIGNED = "checkpoint_signed"


def has_grown(log: AuditLog) -> bool:
    """Say whether the log has entries that no checkpoint covers, besides the news of the last one."""
    with log.view() as view:
        covered = max((kept.tree_size for kept in view.checkpoints()), default=0)
        head, _ = view.head()
        if head <= covered:
            return False
        first = view.entry(covered + 1)
        return head > covered + 1 or first is None or not first.name.endswith(f":{SIGNED}")


def sign(log: AuditLog, settings: Settings, now: datetime) -> SignedCheckpoint | None:
    """Verify the whole log, sign it as it is, and tell in the log itself that it was signed.

    Raises:
        ForkRefusedError: The log is not what was signed before; nothing was signed.
        DestinationError: Too few destinations took it.
        SigningKeyError: The key cannot be used.
    """
    key, actor = signing_key(settings.home, settings.studio_id), system_actor(ACTOR, settings.studio_id)
    return sign_checkpoint(log, key, destinations_of(settings), now, actor)


def problem_with_checkpoints(log: AuditLog, settings: Settings) -> str:
    """Return how the log, or a copy of a checkpoint, contradicts what was signed; empty when all agree.

    A destination that cannot be reached now is no contradiction. A log that nobody signed agrees with all.
    """
    key = public_key(settings.home)
    if key is None:
        return ""
    with log.view() as view:
        trusted = trusted_checkpoints(view, destinations_of(settings).read(), key)
        report = verify_log(view, trusted.anchors, known_entries=view.known_entries())
    found = [*trusted.problems, *([report.fault.sentence] if report.fault else [])]
    return " ".join(found)


def destinations_of(settings: Settings) -> Destinations:
    """Return where a studio's checkpoints lie."""
    return Destinations(settings.checkpoint_roots, settings.studio_id)
