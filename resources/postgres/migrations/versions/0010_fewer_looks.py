"""The same rules with fewer looks: one CHECK a table, one question for an event and what goes with it.

Much of what a cycle of the gateway (propose, approve, execute) cost the server was making ready: reading the
text of up to 17 CHECKs for each statement, starting queries, and preparing expressions, which PL/pgSQL does
anew in every transaction. What is refused, by which name and code, is what it was.
"""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"

_SCRIPTS = Path(__file__).parent.parent / "governance"
_SCRIPT_ORDER = ("well_formed", "rules_in_one_look")


def upgrade() -> None:
    """Add the new CHECKs and drop the old ones, then replace the rules; rows stay as they are."""
    for name in _SCRIPT_ORDER:
        script = (_SCRIPTS / f"{name}.sql").read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Refuse: history is never taken back."""
    raise NotImplementedError("History is append-only; restore a backup instead.")
