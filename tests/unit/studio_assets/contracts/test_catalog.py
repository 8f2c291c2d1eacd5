"""The contracts are well formed: one spelling rule, known kinds, folded values, honest change columns."""

import re
from dataclasses import replace

import pyarrow as pa
import pytest

from studio_assets.contracts.arrow import arrow_schema, fingerprint
from studio_assets.contracts.catalog import ALL, FIRESTORE, STRIPE, collection
from studio_assets.contracts.model import Case, Kind

EVERY_CONTRACT = pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)


def snake(path):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", path.replace(".", "_")).lower()


def test_every_collection_operations_need_is_described():
    """The list of sources is complete: a missing one would be silently unread."""
    assert {contract.name for contract in FIRESTORE} == {
        "batches",
        "reservations",
        "kilns",
        "kiln_firings",
        "community_reports",
        "agent_requests",
        "materials_orders",
        "materials_products",
        "events",
        "event_signups",
        "event_charges",
        "agent_orders",
        "support_requests",
        "library_loans",
        "studio_space_reservations",
    }
    assert {contract.name for contract in STRIPE} == {
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "payouts",
        "balance_transactions",
    }


def test_a_contract_is_found_by_its_name():
    assert collection("kiln_firings").path == "kilnFirings"
    with pytest.raises(KeyError, match="no contract is called 'pieces'"):
        collection("pieces")


@EVERY_CONTRACT
def test_names_follow_the_path_and_the_unit(contract):
    """A column is named after its path; only money and Stripe's instants add their unit."""
    assert contract.name == snake(contract.path)
    assert len({column.name for column in contract.columns}) == len(contract.columns)
    for column in contract.columns:
        expected = snake(column.path)
        if column.kind is Kind.DOLLARS or (contract.source == "stripe" and column.kind is Kind.CENTS):
            expected += "_cents"
        if contract.source == "stripe" and column.path in {"created", "available_on"}:
            expected = {"created": "created_at", "available_on": "available_at"}[column.path]
        assert column.name == expected


@EVERY_CONTRACT
def test_descriptions_are_there(contract):
    assert contract.grain.startswith("One row per ")
    assert all(column.meaning.endswith(".") for column in contract.columns)
    assert (contract.source == "stripe") == bool(contract.documentation)


@EVERY_CONTRACT
def test_values_stand_in_their_folded_form(contract):
    """A known value that folding changes could never be met, and an alias must lead to a known value."""
    for column in contract.columns:
        assert bool(column.values) == (column.kind is Kind.ENUM)
        fold = {Case.UPPER: str.upper, Case.LOWER: str.lower, Case.KEEP: str}[column.case]
        assert all(value == fold(value) for value in column.values)
        assert all(source == fold(source) and target in column.values for source, target in column.aliases)


@EVERY_CONTRACT
def test_money_has_a_currency_beside_it(contract):
    """Amounts are integer cents, with a currency except in batches and reservations (always dollars)."""
    has_money = any(column.kind in {Kind.CENTS, Kind.DOLLARS} for column in contract.columns)
    has_currency = any(column.name == "currency" for column in contract.columns)
    assert has_currency == (has_money and contract.name not in {"batches", "reservations"})


@EVERY_CONTRACT
def test_change_columns_are_instants_and_explained(contract):
    """Where changes can be read alone the contract says why, and where they cannot it says why not."""
    if contract.source == "stripe":
        assert contract.change_column is None
        return
    if contract.change_column is not None:
        assert contract.column(contract.change_column).kind is Kind.INSTANT
    assert any("change_column" in note for note in contract.notes)


@EVERY_CONTRACT
def test_schema_begins_with_the_document_id(contract):
    """The stored schema has the id, then every column in order, with its source path beside it."""
    schema = arrow_schema(contract)
    assert schema.names == ["document_id", *(column.name for column in contract.columns)]
    assert not schema.field("document_id").nullable
    for column in contract.columns:
        field = schema.field(column.name)
        assert field.metadata[b"path"].decode() == column.path
        assert field.nullable != column.is_required
        if column.kind in {Kind.CENTS, Kind.DOLLARS}:
            assert field.type == pa.int64()
            assert column.unit == "cents"


def test_fingerprint_tells_contracts_that_read_differently_apart():
    """Rows read under another rule are never taken for rows of this one; mere words do not matter."""
    batches = collection("batches")
    first = batches.columns[0]
    stricter = replace(batches, columns=(replace(first, is_required=True), *batches.columns[1:]))
    reworded = replace(batches, columns=(replace(first, meaning="Another sentence."), *batches.columns[1:]))
    assert fingerprint(stricter) != fingerprint(batches)
    assert fingerprint(reworded) == fingerprint(batches)
