"""The functions every history table relies on: whose rows are visible, and that rows only ever arrive.

Schemas and roles exist before the first migration (``roles.py``), because Alembic keeps its own version
table in the schema.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the functions."""
    op.execute(
        # INVARIANT: an analyst's login decides the studio; only the runtime and administrators choose it.
        """
        CREATE FUNCTION studio.current_studio_id() RETURNS text
        LANGUAGE sql STABLE PARALLEL SAFE
        AS $$
            SELECT CASE
                WHEN pg_catalog.pg_has_role(session_user, 'studio_app', 'MEMBER')
                THEN pg_catalog.current_setting('studio.studio_id', true)
                ELSE pg_catalog.substring(session_user::text, '^studio_analyst_(.+)$')
            END
        $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION studio.refuse_change() RETURNS trigger
        LANGUAGE plpgsql
        AS $$
        BEGIN
            RAISE EXCEPTION 'history is append-only: % on %.% is refused',
                TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation', HINT = 'Write a new revision instead.';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION studio.refuse_repeated_content() RETURNS trigger
        LANGUAGE plpgsql
        AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM studio.studio_state_snapshots AS previous
                WHERE previous.studio_id = NEW.studio_id
                  AND previous.snapshot_date = NEW.snapshot_date
                  AND previous.revision = NEW.revision - 1
                  AND previous.content_hash = NEW.content_hash
            ) THEN
                RAISE EXCEPTION 'revision % says the same as the one before it', NEW.revision
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END
        $$
        """
    )


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
