"""One event of the audit tells of one review of a draft, as it does of every other word of a person."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the rule; the gateway has always written an event for each."""
    op.create_unique_constraint(
        "draft_reviews_one_event", "draft_reviews", ["studio_id", "audit_seq"], schema="studio"
    )


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
