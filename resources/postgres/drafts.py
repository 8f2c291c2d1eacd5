"""Marketing drafts and their reviews. Rows are appended, never changed; a review writes the next revision.

Reviews themselves go through the gateway, which writes them with their audit event; here they are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, Select, desc, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from policies.marks import DraftStatus
from resources.postgres.tables_swarms import DRAFT_REVIEWS, MARKETING_DRAFTS
from resources.postgres.transactions import kept

# "STDR": held while the newest revisions of a studio's drafts are compared and new ones kept.
DRAFTS_LOCK: Final = 0x5354_4452


@dataclass(frozen=True, slots=True)
class NewDraft:
    """A text to keep. ``facts`` is what each claim rests on; ``subject`` is null where there is none."""

    draft_id: str
    channel: str
    variant: str
    subject: str | None
    body: str
    facts: Mapping[str, Any]
    template: str
    template_version: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """One revision of a draft as it was kept.

    Attributes:
        draft: The text.
        revision: Counts from 1 per draft.
        status: ``draft``, ``needs_review``, ``approved_for_publish`` or ``rejected``.
        snapshot_date: Studio-local day of the snapshot its facts are from.
        snapshot_revision: Revision of that snapshot.
        at: When it was drafted or reviewed, UTC.
        run_id: Dagster run, or ``review`` and the number of the audit event.
        code_version: Of the code that drafted it.
    """

    draft: NewDraft
    revision: int
    status: str
    snapshot_date: date
    snapshot_revision: int
    at: datetime
    run_id: str
    code_version: str


@dataclass(frozen=True, slots=True)
class StoredReview:
    """What one person made of one revision; the hashes are those of the words before and after."""

    draft_id: str
    revision: int
    from_status: str
    to_status: str
    before_hash: str
    after_hash: str
    by: str
    reason: str
    at: datetime
    audit_seq: int


class Drafts:
    """The drafts of one studio, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient) and
    ``HistoryRefusedError`` when a rule of the database is broken (permanent); either way nothing is kept.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    def keep(
        self,
        drafts: Sequence[NewDraft],
        *,
        snapshot_date: date,
        snapshot_revision: int,
        at: datetime,
        run_id: str,
        code_version: str,
    ) -> list[StoredDraft]:
        """Keep texts as new revisions with the status ``draft``, in one transaction.

        A text that says what the newest revision says is not kept again, and none is kept behind a revision
        that is newer than ``at``. So keeping the same again changes nothing.

        Returns:
            What was kept.

        Raises:
            ValueError: when ``at`` has no time zone.
        """
        if at.tzinfo is None:
            raise ValueError("The instant of a draft needs a time zone.")
        with kept(self._engine, "the drafts") as connection:
            connection.execute(select(func.pg_advisory_xact_lock(DRAFTS_LOCK, func.hashtext(self.studio_id))))
            found = connection.execute(self._newest([one.draft_id for one in drafts])).mappings()
            known = {row["draft_id"]: row for row in found}
            rows = []
            for draft in drafts:
                before = known.get(draft.draft_id)
                if before is not None and (before["content_hash"] == draft.content_hash or before["at"] > at):
                    continue
                rows.append(
                    {
                        "studio_id": self.studio_id,
                        **{name: getattr(draft, name) for name in NewDraft.__dataclass_fields__},
                        "facts": dict(draft.facts),
                        "revision": 1 if before is None else before["revision"] + 1,
                        "status": DraftStatus.DRAFT.value,
                        "snapshot_date": snapshot_date,
                        "snapshot_revision": snapshot_revision,
                        "at": at,
                        "run_id": run_id,
                        "code_version": code_version,
                    }
                )
            if rows:
                connection.execute(insert(MARKETING_DRAFTS), rows)
            return [_stored(row) for row in rows]

    def newest(self, *, since: datetime | None = None, status: str | None = None) -> list[StoredDraft]:
        """Return the newest revision of every draft, latest first.

        Args:
            since: Only drafts whose newest revision is from then or later; null for all.
            status: Only those that stand there now; null for all.
        """
        newest = self._newest(None).subquery()
        query = select(newest).order_by(desc(newest.c.at), newest.c.draft_id)
        if since is not None:
            query = query.where(newest.c.at >= since)
        if status is not None:
            query = query.where(newest.c.status == status)
        return self._read(query)

    def approved(self, *, since: datetime) -> list[StoredDraft]:
        """Return the newest approved revision of every draft approved since then, also where newer ones are.

        It is what may have been published, whatever was drafted after it.
        """
        columns = MARKETING_DRAFTS.c
        query = self._newest(None).where(columns.status == DraftStatus.APPROVED.value, columns.at >= since)
        return self._read(query)

    def revisions(self, draft_id: str) -> list[StoredDraft]:
        """Return every revision of a draft, oldest first; none when there is no such draft."""
        columns = MARKETING_DRAFTS.c
        query = select(MARKETING_DRAFTS).where(
            columns.studio_id == self.studio_id, columns.draft_id == draft_id
        )
        return self._read(query.order_by(columns.revision))

    def reviews(self, draft_id: str) -> list[StoredReview]:
        """Return every review of a draft, oldest first."""
        columns = DRAFT_REVIEWS.c
        query = select(*(columns[name] for name in StoredReview.__dataclass_fields__)).where(
            columns.studio_id == self.studio_id, columns.draft_id == draft_id
        )
        with kept(self._engine, "a look at the reviews of a draft") as connection:
            return [
                StoredReview(**row) for row in connection.execute(query.order_by(columns.revision)).mappings()
            ]

    def _newest(self, draft_ids: Sequence[str] | None) -> Select[Any]:
        columns = MARKETING_DRAFTS.c
        query = select(MARKETING_DRAFTS).where(columns.studio_id == self.studio_id)
        if draft_ids is not None:
            query = query.where(columns.draft_id.in_(draft_ids))
        return query.ext(distinct_on(columns.draft_id)).order_by(columns.draft_id, desc(columns.revision))

    def _read(self, query: Select[Any]) -> list[StoredDraft]:
        with kept(self._engine, "a look at the drafts") as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]


def _stored(row: Mapping[str, Any] | RowMapping) -> StoredDraft:
    return StoredDraft(
        draft=NewDraft(**{name: row[name] for name in NewDraft.__dataclass_fields__}),
        **{name: row[name] for name in StoredDraft.__dataclass_fields__ if name != "draft"},
    )
