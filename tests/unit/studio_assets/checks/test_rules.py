"""Checks are data built from contracts: complete, well formed, blocking where the design says so."""

from studio_assets.checks.rules import (
    BLOCKING,
    REFERENCES,
    SENTENCES,
    Check,
    checks_of,
    fact_rules,
    needed_columns,
    row_rules,
)
from studio_assets.contracts import catalog
from studio_assets.contracts.model import Kind


def test_every_check_has_a_sentence_for_staff():
    assert set(SENTENCES) == set(Check)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_completeness_schema_uniqueness_quarantine_and_provenance_block():
    assert set(Check) - BLOCKING == {Check.VALUES_ARE_AS_AGREED, Check.REFERENCES_RESOLVE}


def test_every_collection_has_every_check_that_applies_to_it():
    """Only references depend on the collection."""
    pointing = {reference.collection for reference in REFERENCES}
    for contract in catalog.ALL:
        missing = set(Check) - set(checks_of(contract.name))
        assert missing == (set() if contract.name in pointing else {Check.REFERENCES_RESOLVE})


def test_every_rule_belongs_to_a_check_of_its_collection_and_names_a_real_column():
    for contract in catalog.ALL:
        columns = {"document_id", *(column.name for column in contract.columns)}
        for rule in row_rules(contract.name):
            assert rule.check in checks_of(contract.name)
            assert rule.arguments["column"].removesuffix(" resolves") in columns


def test_every_enum_and_every_range_of_a_contract_is_checked():
    """A column added to a contract is checked without anybody thinking of it."""
    for contract in catalog.ALL:
        ruled = {rule.arguments["column"] for rule in row_rules(contract.name)}
        for column in contract.columns:
            is_ranged = column.minimum is not None or column.maximum is not None
            if (column.kind is Kind.ENUM and column.values) or is_ranged or column.is_required:
                assert column.name in ruled
                assert column.name in needed_columns(contract.name)


def test_references_point_from_text_columns_to_collections_there_are():
    for reference in REFERENCES:
        assert catalog.collection(reference.collection).column(reference.column).kind is Kind.TEXT
        assert catalog.collection(reference.target)


def test_facts_cover_schema_uniqueness_quarantine_and_provenance():
    """The limit of the settings stands in the rule."""
    rules = {rule.arguments["column"]: rule for rule in fact_rules(0.25)}
    assert set(rules) == {
        *("has_agreed_columns", "duplicate_ids", "quarantined_ratio", "has_hash", "missing_rows")
    }
    assert {rule.check for rule in rules.values()} == {Check.ROWS_MATCH_CONTRACT}
    assert rules["quarantined_ratio"].arguments["max_value"] == 0.25
