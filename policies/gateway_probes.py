"""Named points of the gateway at which a test may kill the process, cut the connection or lose an answer.

A probe is called just before and just after every write and every call of a target. In production it does
nothing. ``PROBES`` lists every name there is: ``<verb>:<what>:<before or after>``, where ``what`` is the last
part of an event's name, ``commit``, ``call`` (the target's effect) or ``look_up``.
"""

from collections.abc import Callable
from typing import Final

Probe = Callable[[str], None]
"""Called with a name of ``PROBES``; whatever it raises goes through the gateway like a crash would."""

_WRITES: Final[dict[str, tuple[str, ...]]] = {
    "open_studio": ("opened", "commit"),
    "propose": ("created", "submitted", "approved", "commit"),
    "submit": ("submitted", "approved", "commit"),
    "edit": ("edited", "approved", "commit"),
    "dry_run": ("dry_run", "commit"),
    "approve": ("approval_given", "approved", "commit"),
    "reject": ("rejected", "commit"),
    "reopen": ("reopened", "approved", "commit"),
    "override_intake": ("intake_overridden", "approved", "commit"),
    "request_rollback": ("rollback_requested", "commit"),
    "execute": ("executing", "commit"),
    "execute_call": ("call", "executed", "failed", "released", "commit"),
    "rollback": ("rolling_back", "commit"),
    "rollback_call": ("call", "rolled_back", "rollback_failed", "released", "commit"),
    "take_over": ("taken_over", "commit"),
    "recover": ("look_up", "executed", "released", "rolled_back", "rollback_failed", "commit"),
    "expire": ("expired", "commit"),
    "halt": ("halted", "commit"),
    "request_resume": ("resume_requested", "commit"),
    "resume": ("resumed", "commit"),
    "grant_exemption": ("granted", "commit"),
    "revoke_exemption": ("revoked", "commit"),
    "reset_quota": ("reset", "commit"),
    "pause_swarm": ("paused", "commit"),
    "resume_swarm": ("resumed", "commit"),
    "mark_finding": ("marked", "commit"),
    "review_draft": ("reviewed", "commit"),
    "decide_triage": ("decided", "commit"),
    "deny": ("denied", "commit"),
}

PROBES: Final = tuple(
    f"{verb}:{what}:{when}"
    for verb, writes in _WRITES.items()
    for what in writes
    for when in ("before", "after")
)
"""Every point, in the order the verbs are listed."""


def no_probe(name: str) -> None:
    """Do nothing: the probe of production."""
    del name
