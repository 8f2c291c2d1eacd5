"""The audit log only grows at its end: what is left on its old pages stays unknown to those who append.

Entries differ in size, so most pages end with some room. VACUUM, which PostgreSQL runs by itself after many
inserts, takes note of all that room, and from then on every small entry goes to an old page: one page to
read, and to write in full after a checkpoint, for each. With a million entries that was a tenth of what an
append costs with eight writers, and it scatters new entries over the log, which verification reads in order.

No entry is ever deleted, so there is nothing else to clean. Statistics are gathered as before, rows of
transactions that were undone are still cleaned when there are many, and PostgreSQL still freezes the table
in time.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Let inserts alone be no reason to vacuum the log; entries stay as they are."""
    op.execute("ALTER TABLE studio.audit_events SET (autovacuum_vacuum_insert_threshold = -1)")


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
