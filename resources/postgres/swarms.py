"""What swarms have to know before they propose, and what people made of their findings. Reads only.

What people decide is written by the gateway, with its event.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from policies.gateway_ids import PROPOSAL, earliest_id
from policies.marks import FindingMark, SwarmControl, SwarmState, Verdict
from policies.proposals import ProposalState
from resources.findings import FindingState
from resources.postgres.tables_findings import FINDINGS
from resources.postgres.tables_governance import PROPOSALS
from resources.postgres.tables_swarms import FINDING_DISPOSITIONS, SWARM_CONTROLS
from resources.postgres.transactions import kept


@dataclass(frozen=True, slots=True)
class Proposed:
    """The newest proposal a swarm made of a finding: which, where it stands, and when it was made, UTC."""

    proposal_id: str
    state: ProposalState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How people marked the findings of one kind, by the newest mark of each finding."""

    department: str
    detector: str
    kind: str
    useful: int
    noise: int
    wrong: int

    @property
    def marked(self) -> int:
        """How many findings were marked at all; never none."""
        return self.useful + self.noise + self.wrong

    @property
    def rate(self) -> float:
        """Useful ones among the marked, 0 to 1."""
        return self.useful / self.marked


class Swarms:
    """What is kept of one studio's swarms, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient).
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    def controls(self) -> dict[str, SwarmControl]:
        """Return the newest pause or resumption by department; those nobody ever paused are not in it."""
        columns = SWARM_CONTROLS.c
        query = (
            select(SWARM_CONTROLS)
            .ext(distinct_on(columns.department))
            .where(columns.studio_id == self.studio_id)
            .order_by(columns.department, columns.audit_seq.desc())
        )
        with kept(self._engine, "a look at the swarms") as connection:
            return {
                row["department"]: SwarmControl(
                    row["department"], SwarmState(row["kind"]), row["by"], row["reason"], row["at"]
                )
                for row in connection.execute(query).mappings()
            }

    def proposed(self, finding_ids: Collection[str], requester_id: str) -> dict[str, Proposed]:
        """Return the newest proposal that a requester made of each finding, by finding id."""
        columns = PROPOSALS.c
        query = (
            select(columns.dedupe_key, columns.proposal_id, columns.state, columns.created_at)
            .ext(distinct_on(columns.dedupe_key))
            .where(columns.studio_id == self.studio_id, columns.dedupe_key.in_(list(finding_ids)))
            .where(columns.requester_id == requester_id)
            .order_by(columns.dedupe_key, columns.proposal_id.desc())
        )
        if not finding_ids:
            return {}
        with kept(self._engine, "a look at what was proposed") as connection:
            return {
                key: Proposed(proposal_id, ProposalState(state), created_at)
                for key, proposal_id, state, created_at in connection.execute(query)
            }

    def opened_at(self, finding_ids: Collection[str]) -> dict[str, datetime]:
        """Return since when each finding has been open without a break, by finding id."""
        among = FINDINGS.c
        of_these = (among.studio_id == self.studio_id, among.finding_id.in_(list(finding_ids)))
        # The newest resolution is looked up once per finding: one that flaps has thousands of revisions.
        resolved = (
            select(among.finding_id, func.max(among.revision).label("revision"))
            .where(*of_these, among.state == FindingState.RESOLVED)
            .group_by(among.finding_id)
            .subquery()
        )
        query = (
            select(among.finding_id, func.min(among.observed_at))
            .join_from(FINDINGS, resolved, among.finding_id == resolved.c.finding_id, isouter=True)
            .where(*of_these, among.revision > func.coalesce(resolved.c.revision, 0))
            .group_by(among.finding_id)
        )
        if not finding_ids:
            return {}
        with kept(self._engine, "a look at the findings") as connection:
            return {finding_id: at for finding_id, at in connection.execute(query)}  # noqa: C416 - rows to a dict

    def proposals_since(self, requester_id: str, at: datetime) -> int:
        """Return how many proposals a requester has made since an instant."""
        columns = PROPOSALS.c
        query = (
            select(func.count())
            .where(columns.studio_id == self.studio_id, columns.requester_id == requester_id)
            # The key begins with the time: only proposals made since are looked at.
            .where(columns.proposal_id >= earliest_id(PROPOSAL, at), columns.created_at >= at)
        )
        with kept(self._engine, "a look at what was proposed") as connection:
            return int(connection.scalar(query) or 0)

    def newest_proposal_at(self, requester_id: str, nth: int) -> datetime | None:
        """Return when a requester made the n-th newest of its proposals, from 1; null if it made fewer."""
        columns = PROPOSALS.c
        query = (
            select(columns.created_at)
            .where(columns.studio_id == self.studio_id, columns.requester_id == requester_id)
            .order_by(columns.created_at.desc())
            .offset(nth - 1)
            .limit(1)
        )
        with kept(self._engine, "a look at what was proposed") as connection:
            return connection.scalar(query)

    def marks(self, finding_id: str) -> list[FindingMark]:
        """Return what people made of a finding, oldest first."""
        columns = FINDING_DISPOSITIONS.c
        query = (
            select(FINDING_DISPOSITIONS)
            .where(columns.studio_id == self.studio_id, columns.finding_id == finding_id)
            .order_by(columns.audit_seq)
        )
        with kept(self._engine, "a look at the marks") as connection:
            return [
                FindingMark(
                    row["finding_id"],
                    row["revision"],
                    Verdict(row["verdict"]),
                    row["by"],
                    row["reason"],
                    row["at"],
                )
                for row in connection.execute(query).mappings()
            ]

    def acceptance(self) -> list[Acceptance]:
        """Return how findings were marked, by department, detector and kind; only where any was."""
        columns, found = FINDING_DISPOSITIONS.c, FINDINGS.c
        newest = (
            select(columns.finding_id, columns.revision, columns.verdict)
            .ext(distinct_on(columns.finding_id))
            .where(columns.studio_id == self.studio_id)
            .order_by(columns.finding_id, columns.audit_seq.desc())
            .subquery()
        )
        counts = [func.count().filter(newest.c.verdict == verdict.value) for verdict in Verdict]
        query = (
            select(found.department, found.detector, found.kind, *counts)
            .join(
                newest,
                and_(found.finding_id == newest.c.finding_id, found.revision == newest.c.revision),
            )
            .where(found.studio_id == self.studio_id)
            .group_by(found.department, found.detector, found.kind)
            .order_by(found.department, found.detector, found.kind)
        )
        with kept(self._engine, "a look at the marks") as connection:
            return [Acceptance(*row) for row in connection.execute(query)]
