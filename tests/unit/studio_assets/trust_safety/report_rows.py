"""Reports as tables, for tests: an open one of today, of low severity, unless told otherwise."""

from datetime import UTC, datetime

import pyarrow as pa

from resources.postgres.triage import NewSuggestion, StoredSuggestion
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.contracts.community import COMMUNITY_REPORTS

NOON = datetime(2026, 3, 2, 19, tzinfo=UTC)  # a Monday in Phoenix


def reports_table(*rows):
    """Return rows of the contract, with what is not given filled in."""
    plain = {"status": "open", "severity": "low", "category": "other", "created_at": NOON}
    schema = arrow_schema(COMMUNITY_REPORTS)
    whole = [dict.fromkeys(schema.names) | plain | row for row in rows]
    return pa.Table.from_pylist(whole, schema=schema)


def suggested(report_id, severity="high", code="hazard_equipment", confidence=0.97, **changes):
    """Return a kept suggestion."""
    values = {
        "report_id": report_id,
        "category": "safety",
        "severity": severity,
        "reason_code": code,
        "confidence": confidence,
        "is_abstained": False,
        "classifier": "triage-1+abc",
        "text_hash": "a" * 64,
    }
    return StoredSuggestion(NewSuggestion(**(values | changes)), 2, NOON, "run-1")
