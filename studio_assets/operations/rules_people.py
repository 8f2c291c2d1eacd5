"""Rules about people who wait for an answer, or were there and have not paid."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from resources.findings import Finding, Severity
from studio_assets.operations.case import Case, finding
from studio_assets.studio_state import masks

AGEING, UNPAID = "request_ageing", "unpaid_signups"


def request_ageing(case: Case) -> Iterator[Finding]:
    """Find requests nobody has looked at, or that were looked at and never taken on."""
    table, limits = case.tables["agent_requests"], case.limits
    for status, days, column in (
        ("new", limits.new_request_days, "created_at"),
        ("triaged", limits.triaged_request_open_days, "updated_at"),
    ):
        waits = masks.all_of(
            masks.is_one_of(table, "status", (status,), if_missing=status == "new"),
            masks.is_before(table, column, case.days_ago(days)),
        )
        for row in masks.rows_of(table, waits, column):
            since = row[column]
            if case.open_days_since(since) <= days:
                continue
            yield finding(
                *(AGEING, "request_ageing", "agent_request", row["document_id"]),
                severity=Severity.MEDIUM,
                confidence=0.95,
                since=since,
                expected=f"moved on within {days} open days",
                observed=f"{status} since {case.day_text(since)}",
                cause="Nobody has it on their list.",
                step="Give it to somebody, and answer the member.",
                evidence=case.evidence(f"agent_requests/{row['document_id']}"),
            )


def unpaid_signups(case: Case) -> Iterator[Finding]:
    """Find people checked in to an event days ago for whom nothing was ever paid."""
    signups, charges = case.tables["event_signups"], case.tables["event_charges"]
    paid = charges.filter(masks.is_set(charges, "paid_at"))
    owing = masks.all_of(
        masks.is_one_of(signups, "status", ("checked_in",)),
        masks.not_(masks.is_one_of(signups, "payment_status", ("paid", "waived"))),
        masks.not_(masks.is_found_in(signups, "document_id", masks.combined(paid, "signup_id"))),
        masks.is_before(signups, "checked_in_at", case.days_ago(case.limits.unpaid_days)),
    )
    charged: dict[str, list[str]] = defaultdict(list)
    for row in masks.rows_of(charges, masks.is_set(charges, "signup_id"), "signup_id"):
        charged[row["signup_id"]].append(f"event_charges/{row['document_id']}")
    for row in masks.rows_of(signups, owing, "checked_in_at"):
        due = row["checked_in_at"] + timedelta(days=case.limits.unpaid_days)
        rows = [f"event_signups/{row['document_id']}"]
        rows += charged[row["document_id"]]
        yield finding(
            *(UNPAID, "unpaid_signup", "event_signup", row["document_id"]),
            severity=Severity.MEDIUM,
            confidence=0.95,
            since=due,
            expected=f"paid within {case.limits.unpaid_days} days",
            observed=f"checked in on {case.day_text(row['checked_in_at'])}, nothing paid",
            cause="A payment was begun and not finished."
            if charged[row["document_id"]]
            else "Payment is open to the attendee only after check-in, and was forgotten.",
            step="Send the attendee the link to pay, or note that the seat was free.",
            evidence=case.evidence(*rows),
        )
