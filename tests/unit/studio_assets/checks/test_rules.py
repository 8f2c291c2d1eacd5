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


def test_schema_uniqueness_completeness_quarantine_and_provenance_block():
    assert set(Check) - BLOCKING == {
        Check.VALUES_ARE_AS_AGREED,
        Check.REFERENCES_RESOLVE,
        Check.READ_IS_FRESH,
    }


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


def test_thresholds_of_the_settings_stand_in_the_rules():
    rules = {(rule.check, rule.arguments.get("max_value")) for rule in fact_rules(0.25, 90)}
    assert (Check.QUARANTINE_IS_SMALL, 0.25) in rules
    assert (Check.READ_IS_FRESH, 90) in rules
