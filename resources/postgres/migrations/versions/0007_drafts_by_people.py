"""A draft is a draft until a person says otherwise: asking for its review is a person's act like the review.

Until here the database let a machine write a draft that waits for review, though nothing ever did.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

# INVARIANT: whatever is not a draft any more follows from a review, which a person gave with its event.
_RULE = """
CREATE OR REPLACE FUNCTION studio.marketing_drafts_rule() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    previous studio.marketing_drafts%ROWTYPE;
    is_reviewed boolean;
BEGIN
    SELECT * INTO previous FROM studio.marketing_drafts AS t
    WHERE t.studio_id = NEW.studio_id AND t.draft_id = NEW.draft_id AND t.revision = NEW.revision - 1;
    is_reviewed := EXISTS (SELECT FROM studio.draft_reviews AS r
        WHERE r.studio_id = NEW.studio_id AND r.draft_id = NEW.draft_id AND r.revision = NEW.revision - 1
            AND r.to_status = NEW.status AND r.after_hash = NEW.content_hash);
    IF NOT is_reviewed AND NEW.status <> 'draft' THEN
        PERFORM studio.refuse('draft-reviewed', 'Only a review makes a draft anything but a draft.');
    END IF;
    IF NOT is_reviewed AND previous.content_hash = NEW.content_hash THEN
        PERFORM studio.refuse('draft-says-something-new',
            'The revision says what the one before it says, and no review changed its status.');
    END IF;
    IF previous.at > NEW.at OR previous.channel <> NEW.channel THEN
        PERFORM studio.refuse('draft-follows',
            'The revision is older than the one before it, or of another channel.');
    END IF;
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Replace the rule; rows that are there stay as they are."""
    op.get_bind().exec_driver_sql(_RULE, execution_options={"no_parameters": True})
