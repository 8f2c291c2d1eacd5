"""The desk of commands: the gateway, the ledger and the audit log of a home, for one verified actor.

Who may look: staff see everything of their studio; an agent sees what it asked for itself; nobody else sees
anything. What may be changed is the gateway's to decide, not the desk's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cockpit.environment import settings_here
from cockpit.errors import CockpitError
from cockpit.home import read_home
from cockpit.session import history_settings
from policies.actors import ADMIN_ROLE, STAFF_ROLE, Actor, ActorKind
from policies.audit_entries import Entry
from policies.gateway import GatewayContract
from policies.gateway_text import MOST_ID
from policies.inputs import text_problem
from policies.ports import Ledger
from policies.proposals import Proposal, ProposalState
from resources.clock import SystemClock
from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import app_engine
from resources.settings import Settings
from studio_assets.doors import live_gateway, live_ledger

NOT_FOUND = 1
_LOOKED_THROUGH = 1000
"""Newest proposals among which an abbreviated id is looked for, and an agent's own."""
_LEAST_OF_AN_ID = 4


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with. Valid inside ``open_desk``."""

    gateway: GatewayContract
    ledger: Ledger
    audit: AuditLog
    settings: Settings
    actor: Actor

    def proposal(self, wanted: str) -> Proposal:
        """Return the proposal of an id, or of the end or beginning of one that is unmistakable.

        A whole id finds any proposal; a part of one only the newest. Raises ``CockpitError`` when there is
        none this actor may see, or several.
        """
        whole = self._known(wanted)
        return whole if whole is not None and self._may_see(whole) else self._abbreviated(wanted)

    def acted_on(self, wanted: str) -> Proposal:
        """Return the proposal that somebody wants to act on; what comes of it is the gateway's to say.

        A whole id finds also what this actor may not see: the gateway's no is in the audit, and ours would
        not be. A part of an id means only what the actor may see; raises as ``proposal`` does.
        """
        return self._known(wanted) or self._abbreviated(wanted)

    def proposals(
        self, *, states: Sequence[ProposalState], capability_id: str | None, limit: int
    ) -> list[Proposal]:
        """Return the newest proposals that this actor may see, newest first; all ``states`` when empty."""
        among = limit if self._is_of_the_house() else _LOOKED_THROUGH
        kept = self.ledger.proposals(states=states, capability_id=capability_id, limit=among)
        return [each for each in kept if self._may_see(each)][:limit]

    def events(self, subject_kind: str, subject_id: str, limit: int = 1000) -> list[Entry]:
        """Return the audit events about one subject, oldest first; the newest ``limit`` of them."""
        with self.audit.view() as view:
            return list(view.search(subject_kind=subject_kind, subject_id=subject_id, limit=limit))[::-1]

    def require_staff(self) -> None:
        """Raise ``CockpitError`` unless the actor is staff of this studio (or its admin)."""
        if not self._is_of_the_house():
            raise CockpitError(
                "Only staff of this studio may look at this; nothing was shown.",
                "Sign in as staff, for the pretend studio: ./studio token --role staff",
                exit_code=NOT_FOUND,
            )

    def _known(self, proposal_id: str) -> Proposal | None:
        if text_problem(proposal_id, most=MOST_ID) is not None:
            return None
        with self.ledger.transaction() as transaction:
            facts = transaction.facts(now=SystemClock().now(), capability_id=None, proposal_id=proposal_id)
        return facts.proposal

    def _abbreviated(self, wanted: str) -> Proposal:
        newest = self.ledger.proposals(limit=_LOOKED_THROUGH) if len(wanted) >= _LEAST_OF_AN_ID else ()
        found = [
            each
            for each in newest
            if each.proposal_id.startswith(wanted) or each.proposal_id.endswith(wanted)
            if self._may_see(each)
        ]
        if len(found) != 1:
            what = f"{len(found)} proposals match that id." if found else "There is no such proposal here."
            raise CockpitError(what, "./studio proposals list shows them.", exit_code=NOT_FOUND)
        return found[0]

    def _is_of_the_house(self) -> bool:
        is_of_studio = self.actor.studio_id == self.settings.studio_id
        return is_of_studio and not self.actor.roles.isdisjoint({STAFF_ROLE, ADMIN_ROLE})

    def _may_see(self, proposal: Proposal) -> bool:
        is_own = self.actor.kind is ActorKind.AGENT and proposal.requester_id == self.actor.actor_id
        return self._is_of_the_house() or (is_own and self.actor.studio_id == proposal.studio_id)


@contextmanager
def open_desk(home: Path | None, actor: Actor) -> Iterator[Desk]:
    """Give the desk of a home; the database server is started for the moment if no instance runs.

    Raises ``CockpitError`` where there is no home, and the errors of settings and of PostgreSQL.
    """
    settings = settings_here(home=home)
    if not settings.home.exists():
        raise CockpitError("There is no home yet, so there is nothing to decide.", "Start with ./studio up.")
    with (
        history_settings(read_home(settings.home), settings) as ready,
        live_gateway(ready) as gateway,
        live_ledger(ready) as ledger,
    ):
        url = ready.database_url
        if url is None:  # history_settings gives none without it
            raise CockpitError("No database is configured.", "Start with ./studio up.")
        engine = app_engine(url.get_secret_value(), ready.studio_id)
        try:
            yield Desk(gateway, ledger, AuditLog(engine, ready.studio_id), ready, actor)
        finally:
            engine.dispose()
