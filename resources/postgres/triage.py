"""Triage suggestions for reports, and how often people agreed. Rows are appended, never changed.

Decisions go through the gateway, which writes them with their audit event; here they are read. A suggestion
holds a classification and a hash of the text, never the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, Select, desc, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from policies.marks import TriageVerdict
from resources.postgres.tables_swarms import TRIAGE_DECISIONS, TRIAGE_SUGGESTIONS
from resources.postgres.transactions import kept

# "STTR": held while the newest suggestions of a studio are compared and new ones kept.
TRIAGE_LOCK: Final = 0x5354_5452


@dataclass(frozen=True, slots=True)
class NewSuggestion:
    """What is suggested for a report; category and severity are null where nothing is."""

    report_id: str
    category: str | None
    severity: str | None
    reason_code: str
    confidence: float
    is_abstained: bool
    classifier: str
    text_hash: str


@dataclass(frozen=True, slots=True)
class StoredSuggestion:
    """One revision of a suggestion as it was kept; revisions count from 1 per report."""

    suggestion: NewSuggestion
    revision: int
    at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """What a person said a report is about: of which suggestion, and as which event of the audit."""

    report_id: str
    revision: int
    category: str
    severity: str
    verdict: str
    by: str
    reason: str
    at: datetime
    audit_seq: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How people decided on reports of one suggested category; the newest decision of each report counts."""

    category: str | None
    confirmed: int
    edited: int

    @property
    def mismatch_rate(self) -> float:
        """Share of decisions that were another than suggested, 0 to 1."""
        return self.edited / (self.confirmed + self.edited)


class TriageSuggestions:
    """The suggestions of one studio, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient) and
    ``HistoryRefusedError`` when a rule of the database is broken (permanent); either way nothing is kept.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    def keep(
        self, suggestions: Sequence[NewSuggestion], *, at: datetime, run_id: str
    ) -> list[StoredSuggestion]:
        """Keep suggestions as new revisions, in one transaction.

        One that says what the newest revision says is not kept again, and none is kept behind a revision that
        is newer than ``at``. So keeping the same again changes nothing.

        Returns:
            What was kept.

        Raises:
            ValueError: when ``at`` has no time zone, or a report is there twice.
        """
        if at.tzinfo is None:
            raise ValueError("The instant of a suggestion needs a time zone.")
        report_ids = [one.report_id for one in suggestions]
        if len(set(report_ids)) != len(report_ids):
            raise ValueError("There are two suggestions for one report.")
        with kept(self._engine, "the triage suggestions") as connection:
            connection.execute(select(func.pg_advisory_xact_lock(TRIAGE_LOCK, func.hashtext(self.studio_id))))
            found = connection.execute(self._newest(report_ids)).mappings()
            known = {row["report_id"]: _stored(row) for row in found}
            new: list[StoredSuggestion] = []
            for one in suggestions:
                before = known.get(one.report_id)
                if before is None or (before.suggestion != one and before.at <= at):
                    revision = 1 if before is None else before.revision + 1
                    new.append(StoredSuggestion(one, revision, at, run_id))
            if new:
                connection.execute(insert(TRIAGE_SUGGESTIONS), [self._row(one) for one in new])
        return new

    def newest(self) -> list[StoredSuggestion]:
        """Return the newest suggestion for every report, latest first."""
        newest = self._newest(None).subquery()
        query = select(newest).order_by(desc(newest.c.at), newest.c.report_id)
        with kept(self._engine, "a look at the triage suggestions") as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]

    def revisions(self, report_id: str) -> list[StoredSuggestion]:
        """Return all that was ever suggested for a report, oldest first."""
        mine = TRIAGE_SUGGESTIONS.c
        query = (
            select(TRIAGE_SUGGESTIONS)
            .where(mine.studio_id == self.studio_id, mine.report_id == report_id)
            .order_by(mine.revision)
        )
        with kept(self._engine, "a look at the triage suggestions") as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]

    def decisions(self, report_id: str | None = None) -> list[StoredDecision]:
        """Return the newest decision on every report, in order of report; or all on one, oldest first."""
        made = TRIAGE_DECISIONS.c
        query = select(TRIAGE_DECISIONS).where(made.studio_id == self.studio_id)
        if report_id is None:
            query = query.ext(distinct_on(made.report_id)).order_by(made.report_id, desc(made.audit_seq))
        else:
            query = query.where(made.report_id == report_id).order_by(made.audit_seq)
        with kept(self._engine, "a look at the triage decisions") as connection:
            found = connection.execute(query).mappings()
            return [
                StoredDecision(**{name: row[name] for name in StoredDecision.__dataclass_fields__})
                for row in found
            ]

    def agreement(self) -> list[Agreement]:
        """Return how people decided, per category that had been suggested, in order of category."""
        decided, said = TRIAGE_DECISIONS.c, TRIAGE_SUGGESTIONS.c
        newest = (
            select(decided.report_id, decided.revision, decided.verdict)
            .ext(distinct_on(decided.report_id))
            .where(decided.studio_id == self.studio_id)
            .order_by(decided.report_id, desc(decided.audit_seq))
            .subquery()
        )
        confirmed = func.count().filter(newest.c.verdict == TriageVerdict.CONFIRMED.value)
        query = (
            select(said.category, confirmed, func.count() - confirmed)
            .join_from(
                newest,
                TRIAGE_SUGGESTIONS,
                (said.report_id == newest.c.report_id) & (said.revision == newest.c.revision),
            )
            .where(said.studio_id == self.studio_id)
            .group_by(said.category)
            .order_by(said.category)
        )
        with kept(self._engine, "a look at the triage decisions") as connection:
            return [Agreement(*row) for row in connection.execute(query)]

    def _row(self, one: StoredSuggestion) -> dict[str, Any]:
        told = {name: getattr(one.suggestion, name) for name in NewSuggestion.__dataclass_fields__}
        about = {"revision": one.revision, "at": one.at, "run_id": one.run_id}
        return {"studio_id": self.studio_id} | told | about

    def _newest(self, report_ids: Sequence[str] | None) -> Select[Any]:
        columns = TRIAGE_SUGGESTIONS.c
        query = select(TRIAGE_SUGGESTIONS).where(columns.studio_id == self.studio_id)
        if report_ids is not None:
            query = query.where(columns.report_id.in_(report_ids))
        return query.ext(distinct_on(columns.report_id)).order_by(columns.report_id, desc(columns.revision))


def _stored(row: Any) -> StoredSuggestion:
    return StoredSuggestion(
        suggestion=NewSuggestion(**{name: row[name] for name in NewSuggestion.__dataclass_fields__}),
        revision=row["revision"],
        at=row["at"],
        run_id=row["run_id"],
    )
