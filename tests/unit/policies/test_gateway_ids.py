"""Ids sort by time, never meet, and are letters and digits; keys follow from the proposal alone."""

import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from policies.gateway_ids import execute_key, random_id, rollback_key
from tests.unit.policies.stage import START

SECONDS = st.integers(min_value=0, max_value=10**9)


@given(SECONDS)
def test_ids_have_the_form_that_the_database_wants(seconds):
    """The prefix and 26 lower-case letters and digits, whenever they are given."""
    found = random_id("prp", START + timedelta(seconds=seconds))
    assert re.fullmatch(r"prp_[0-9a-hjkmnp-tv-z]{26}", found)


@given(SECONDS, SECONDS)
def test_ids_sort_by_their_instant(one, other):
    """A later one is greater, so that pages of proposals are pages of time."""
    early, late = sorted((one, other))
    if early < late:
        before = random_id("prp", START + timedelta(seconds=early))
        assert before < random_id("prp", START + timedelta(seconds=late))


@given(SECONDS, st.integers(min_value=0, max_value=999))
def test_an_id_says_when_it_was_given(seconds, milliseconds):
    """Its first ten digits are the milliseconds of the instant in Crockford's base 32."""
    at = START + timedelta(seconds=seconds, milliseconds=milliseconds)
    number = 0
    for digit in random_id("prp", at)[4:14]:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
    assert number == int(at.timestamp() * 1000)


def test_ids_of_one_instant_differ():
    """Eighty random bits."""
    assert len({random_id("prp", START) for _ in range(1000)}) == 1000


def test_keys_follow_from_the_proposal():
    """Every attempt has the same, and undoing another that begins with it; the target takes both."""
    proposal_id = random_id("prp", START)
    assert execute_key(proposal_id) == execute_key(proposal_id) == proposal_id
    assert rollback_key(proposal_id).startswith(proposal_id)
    for key in (execute_key(proposal_id), rollback_key(proposal_id)):
        assert re.fullmatch(r"[A-Za-z0-9_-]{8,80}", key)
