"""What must hold of a stored snapshot, broken one rule at a time."""

from datetime import timedelta

import pytest

from studio_assets.checks.state_rules import PARTS_OF, STATE_RULES, stale_reads
from studio_assets.studio_state.snapshot import content_hash
from tests.unit.studio_assets.studio_state.reads import READ_AT, full_read, full_reads, payload
from tests.unit.studio_assets.studio_state.tables import studio


def good():
    rows = [{"state": "LOADED"}, {"state": "CLOSED_OTHER"}]
    return payload(full_reads(batches=full_read("batches", documents=2)), tables=studio(batches=rows))


def broken(document, stored_hash=None):
    digest = stored_hash or content_hash(document)
    return [rule.name for rule in STATE_RULES if rule.broken(document, digest)]


def test_a_good_snapshot_keeps_every_rule():
    assert broken(good()) == []


def test_every_batch_is_active_or_closed():
    document = good()
    document["counts"]["batchesActive"] += 1
    assert broken(document) == ["batches_are_conserved"]


def test_no_counter_is_below_zero():
    document = good()
    document["ops"]["agentOrdersOpen"] = -1
    assert broken(document) == ["counters_are_not_negative"]


@pytest.mark.parametrize(("part", "whole"), PARTS_OF)
def test_a_part_is_not_above_its_whole(part, whole):
    document = good()
    for path, value in ((part, 2), (whole, 1)):
        section, _, name = path.partition(".")
        document[section][name] = value
    assert "parts_fit_their_whole" in broken(document)


def test_the_stored_hash_is_that_of_the_payload():
    assert broken(good(), "0" * 64) == ["hash_matches_payload"]


@pytest.mark.parametrize("name", ["batches", "payouts"])
def test_every_source_is_there_and_full(name):
    document = good()
    document["sources"][name]["completeness"] = "partial"
    assert broken(document) == ["sources_are_full"]
    if name == "payouts":
        del document["sources"][name]
        assert "sources_are_full" in broken(document)


@pytest.mark.parametrize("what", ["readAt", "hash", "documents", "billedReads", "mode"])
def test_every_source_says_how_it_was_read(what):
    document = good()
    document["sources"]["kilns"][what] = None
    assert "provenance_is_stated" in broken(document)


def test_source_hashes_are_those_of_the_collections():
    document = good()
    document["sources"]["kilns"]["hash"] = "f" * 64
    assert broken(document) == ["provenance_is_stated"]


@pytest.mark.parametrize(("minutes", "stale"), [(59, 0), (60, 0), (61, 2)])
def test_reads_are_fresh_up_to_the_limit(minutes, stale):
    reads = [full_read("kilns"), full_read("batches")]
    assert len(stale_reads(reads, READ_AT + timedelta(minutes=minutes), 60)) == stale
