"""Promises of the recount."""

from datetime import timedelta

from twins.world import almanac
from twins.world.operations import apply_write
from twins.world.plan import Plan, opening_of
from twins.world.truth import Truth


def test_any_instant_is_the_replay_up_to_it(truth, settings):
    """A document at an instant is what the steps up to that instant left, no more and no less."""
    instant = almanac.local(settings.first_day + timedelta(days=11), 14)
    documents = {}
    for step in Plan(settings).steps():
        if step.at > instant:
            break
        for write in step.writes:
            apply_write(documents, write)
    assert truth.documents(instant) == documents


def test_versions_begin_with_the_opening(truth, settings):
    """Before the studio was in the cloud there is nothing, at that instant everything."""
    opening = opening_of(settings)
    assert truth.documents(opening - timedelta(microseconds=1)) == {}
    assert truth.counts(opening)["kilns"] == 2
    assert truth.document("kilns/none", opening) is None


def test_deleted_documents_are_gone_from_then_on(busy_truth):
    """Some entries of the firing calendar are mistakes and deleted; they are seen before, not after."""
    gone = [
        (path, versions)
        for path, versions in busy_truth._versions.items()
        if versions[-1][1] is None and len(versions) > 1
    ]
    assert gone
    for path, versions in gone:
        deleted_at = versions[-1][0]
        assert path.startswith("kilnFirings/")
        assert busy_truth.document(path, deleted_at - timedelta(microseconds=1)) is not None
        assert busy_truth.document(path, deleted_at) is None


def test_counts_and_collections_agree(truth):
    """Documents per collection add up to all documents; sub-collections are counted apart."""
    at = truth.until
    counts = truth.counts(at)
    assert sum(counts.values()) == len(truth.documents(at))
    assert counts["batches"] == len(truth.collection("batches", at))
    assert counts["timeline"] > counts["batches"]


def test_a_shorter_recount_agrees_with_a_longer_one(truth, settings):
    """How far a recount looks does not change what it says of the past."""
    at = almanac.day_end(settings.first_day + timedelta(days=5))
    shorter = Truth(settings, at)
    assert shorter.documents(at) == truth.documents(at)
    assert shorter.call_counts(at) == truth.call_counts(at)
