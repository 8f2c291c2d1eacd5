"""Everything that can be said in JSON and text can be stored; what the server would guess is refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.postgres.values import Instant, dump_json, load_json, storable_text

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON)
def test_json_comes_back_as_it_was_except_what_postgres_cannot_hold(value):
    """No NUL escape ever reaches the server; values without NUL are unchanged."""
    spelled = dump_json(value)
    assert "\x00" not in json.dumps(load_json(spelled), ensure_ascii=False)
    if "\\u0000" not in json.dumps(value):
        assert load_json(spelled) == value


def test_half_a_surrogate_pair_is_spelled_out():
    assert load_json(dump_json({"id\ud800": ["\udfff"]})) == {"id\\xd800": ["\\xdfff"]}


def test_a_read_only_mapping_is_json():
    assert dump_json(MappingProxyType({"a": 1})) == '{"a":1}'


def test_what_json_cannot_say_is_an_error():
    with pytest.raises(TypeError):
        dump_json({"a": object()})


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_storable_text_is_unchanged(value):
    assert storable_text(value) == value


def test_text_with_a_nul_stays_readable():
    assert storable_text("a\x00b") == "a\\x00b"


def test_a_naive_instant_is_refused_and_an_aware_one_comes_back_in_utc():
    column = Instant()
    with pytest.raises(ValueError, match="time zone"):
        column.process_bind_param(datetime(2026, 1, 1), None)  # noqa: DTZ001 - the point of the test
    phoenix = datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=-7)))
    assert column.process_result_value(phoenix, None).tzinfo is UTC
    assert column.process_result_value(phoenix, None) == phoenix
