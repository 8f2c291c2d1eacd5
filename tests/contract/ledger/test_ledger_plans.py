"""How the ledger finds its rows: by index, however few rows there were when its statements were planned."""

import itertools

import pytest

from resources.postgres import ledger_statements
from resources.postgres.ledger_engine import ledger_engine
from resources.postgres.ledger_statements import Statement, facts_statement
from tests.contract.ledger.steps import STUDIO

pytestmark = pytest.mark.integration

STATEMENTS = [
    *(found for found in vars(ledger_statements).values() if isinstance(found, Statement)),
    *(
        facts_statement(has_proposal=proposal, has_quotas=quotas, is_for_deed=deed)
        for proposal, quotas, deed in itertools.product((False, True), repeat=3)
    ),
]
READS_WHOLE_TABLES = ("Seq Scan", "Bitmap", "Merge Join", "Hash")


def test_no_statement_reads_a_whole_table(postgres_url):
    """In a database without rows, where reading whole tables looks cheapest; a plan is kept for long.

    A join that sorts or hashes reads all of one side: every quota of the studio for three of them.
    """
    engine = ledger_engine(postgres_url, STUDIO)
    connection = engine.raw_connection()
    cursor = connection.cursor()
    plans = {}
    for statement in STATEMENTS:
        cursor.execute(statement.preparation)
        nulls = ", ".join(["NULL"] * len(statement.types))
        cursor.execute(f"EXPLAIN EXECUTE {statement.name} ({nulls})")
        plans[statement.name] = "\n".join(line for (line,) in cursor.fetchall())
    connection.close()
    engine.dispose()
    assert len(plans) == len(STATEMENTS)
    assert {name: plan for name, plan in plans.items() if any(it in plan for it in READS_WHOLE_TABLES)} == {}
