"""What must hold for every collection, as plain data built from its contract. Nothing here runs anything.

A *check* is a named property staff see in Dagster; it holds when all its *rules* hold. A rule is one Great
Expectations expectation with its arguments. Contracts own columns, so a new column is checked by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from studio_assets.contracts import catalog
from studio_assets.contracts.model import Collection, Column, Kind

KNOWN_ENOUGH_RATIO = 0.9
"""Share of an enum's values that must be known. Some free words at the source are expected."""
RESOLVED_ENOUGH_RATIO = 0.9
"""Share of references that must resolve. Documents are deleted at the source and their references stay."""


class Check(StrEnum):
    """The property that holds. Names are stable: they are the names of Dagster's asset checks.

    Few on purpose: each costs a run a dozen statements, and what broke inside one is said in its result.
    """

    READ_IS_COMPLETE = "read_is_complete"
    ROWS_MATCH_CONTRACT = "rows_match_contract"
    VALUES_ARE_AS_AGREED = "values_are_as_agreed"
    REFERENCES_RESOLVE = "references_resolve"


BLOCKING = frozenset({Check.READ_IS_COMPLETE, Check.ROWS_MATCH_CONTRACT})
"""Checks without which nothing may be derived; the others warn."""

SENTENCES: Mapping[Check, str] = {
    Check.READ_IS_COMPLETE: "Rows kept and documents set aside add up to the source's own count.",
    Check.ROWS_MATCH_CONTRACT: "The file holds the contract's columns without gaps in required ones, every "
    "document once, no more and no fewer rows than were read; few documents were set aside.",
    Check.VALUES_ARE_AS_AGREED: "Numbers lie in the contract's ranges and words are mostly known ones.",
    Check.REFERENCES_RESOLVE: "Ids that point to other collections are mostly found there.",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation that belongs to a check; ``arguments`` are Great Expectations' own."""

    check: str
    expectation: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose values are document ids of another collection."""

    collection: str
    column: str
    target: str


REFERENCES: tuple[Reference, ...] = (
    Reference("reservations", "linked_batch_id", "batches"),
    Reference("agent_requests", "linked_batch_id", "batches"),
    Reference("agent_requests", "commission_order_id", "agent_orders"),
    Reference("agent_orders", "agent_request_id", "agent_requests"),
    Reference("event_signups", "event_id", "events"),
    Reference("event_charges", "event_id", "events"),
    Reference("event_charges", "signup_id", "event_signups"),
    Reference("charges", "payment_intent", "payment_intents"),
    Reference("charges", "balance_transaction", "balance_transactions"),
    Reference("refunds", "charge", "charges"),
    Reference("disputes", "charge", "charges"),
)


def checks_of(collection: str) -> tuple[Check, ...]:
    """Return the checks of a collection, in the order staff see them."""
    has_references = any(reference.collection == collection for reference in REFERENCES)
    return tuple(check for check in Check if has_references or check is not Check.REFERENCES_RESOLVE)


def references_of(collection: str) -> tuple[Reference, ...]:
    """Return where a collection points to."""
    return tuple(reference for reference in REFERENCES if reference.collection == collection)


def resolves(reference: Reference) -> str:
    """Return the name of the derived column that says whether a reference is found."""
    return f"{reference.column} resolves"


def row_rules(collection: str) -> tuple[Rule, ...]:
    """Return the rules over the rows of a collection, derived ``… resolves`` columns included."""
    contract = catalog.collection(collection)
    found = [*_schema_rules(contract)]
    for column in contract.columns:
        found.extend(_value_rules(column))
    found.extend(
        Rule(
            Check.REFERENCES_RESOLVE,
            "expect_column_values_to_be_in_set",
            {"column": resolves(reference), "value_set": [True], "mostly": RESOLVED_ENOUGH_RATIO},
        )
        for reference in references_of(collection)
    )
    return tuple(found)


def needed_columns(collection: str) -> tuple[str, ...]:
    """Return the contract columns the row rules look at; the rest of a file need not be loaded."""
    contract = catalog.collection(collection)
    ruled = {str(rule.arguments["column"]) for rule in row_rules(collection) if "column" in rule.arguments}
    ruled |= {reference.column for reference in references_of(collection)}
    return ("document_id", *(column.name for column in contract.columns if column.name in ruled))


def fact_rules(quarantine_limit_ratio: float) -> tuple[Rule, ...]:
    """Return the rules over what each read says of itself: one row per collection.

    In order: schema, uniqueness, quarantine, provenance (a hash, and as many rows in the file as were read).
    """
    between = "expect_column_values_to_be_between"
    in_set = "expect_column_values_to_be_in_set"
    check = Check.ROWS_MATCH_CONTRACT
    return (
        Rule(check, in_set, {"column": "has_agreed_columns", "value_set": [True]}),
        Rule(check, between, {"column": "duplicate_ids", "max_value": 0}),
        Rule(check, between, {"column": "quarantined_ratio", "max_value": quarantine_limit_ratio}),
        Rule(check, in_set, {"column": "has_hash", "value_set": [True]}),
        Rule(check, between, {"column": "missing_rows", "min_value": 0, "max_value": 0}),
    )


def _schema_rules(contract: Collection) -> tuple[Rule, ...]:
    required = ["document_id", *(column.name for column in contract.columns if column.is_required)]
    return tuple(
        Rule(Check.ROWS_MATCH_CONTRACT, "expect_column_values_to_not_be_null", {"column": name})
        for name in required
    )


def _value_rules(column: Column) -> tuple[Rule, ...]:
    if column.kind is Kind.ENUM and column.values:
        arguments: dict[str, Any] = {"column": column.name, "value_set": list(column.values)}
        arguments["mostly"] = KNOWN_ENOUGH_RATIO
        return (Rule(Check.VALUES_ARE_AS_AGREED, "expect_column_values_to_be_in_set", arguments),)
    if column.minimum is None and column.maximum is None:
        return ()
    arguments = {"column": column.name, "min_value": column.minimum, "max_value": column.maximum}
    return (Rule(Check.VALUES_ARE_AS_AGREED, "expect_column_values_to_be_between", arguments),)
