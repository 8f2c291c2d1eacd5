"""Stripe's form encoding is read as the SDK writes it, and what is wrong is refused by name."""

from urllib.parse import urlencode

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from twins.stripe.errors import ApiError
from twins.stripe.params import Params, decode_form


def test_brackets_become_nested_values():
    """Sections, lists and lists of sections are rebuilt; empty brackets append."""
    assert decode_form("a=1&b[c]=2&b[d][e]=3&f[0]=x&f[1]=y&g[]=p&g[]=q&h[0][i]=z") == {
        "a": "1",
        "b": {"c": "2", "d": {"e": "3"}},
        "f": ["x", "y"],
        "g": ["p", "q"],
        "h": [{"i": "z"}],
    }


def test_lists_longer_than_nine_keep_their_order():
    """Indexes count as numbers, not as text."""
    assert decode_form("&".join(f"a[{i}]={i}" for i in range(12))) == {"a": [str(i) for i in range(12)]}


_leaves = st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable())
_names = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.dictionaries(_names, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(_names, _values, max_size=4))
def test_what_the_sdk_encodes_is_decoded_to_the_same(params):
    """The SDK's own encoder and our decoder are inverse to each other."""
    from stripe._encode import _api_encode

    assert decode_form(urlencode(list(_api_encode(params)))) == params


def test_a_name_that_is_both_value_and_section_is_refused():
    """Contradictory encoding is an error of the caller, not a crash."""
    with pytest.raises(ApiError, match="Invalid parameter"):
        decode_form("a=1&a[b]=2")


@pytest.mark.parametrize("text", ["", "1.5", "x", "1e3", " 1", "9" * 19, "٣"])
def test_whole_numbers_are_digits_only(text):
    """Anything but plain digits is refused, also what Python would take for a number."""
    with pytest.raises(ApiError) as refusal:
        Params({"amount": text}).integer("amount")
    assert refusal.value.error["code"] == "parameter_invalid_integer"


def test_errors_name_the_parameter_with_its_section():
    """A person can find the parameter at fault."""
    section = Params({"a": {"b": "x"}}).section("a")
    with pytest.raises(ApiError) as refusal:
        section.required_integer("b")
    assert refusal.value.error["param"] == "a[b]"
    with pytest.raises(ApiError) as missing:
        section.required_text("c")
    assert (missing.value.error["code"], missing.value.error["param"]) == ("parameter_missing", "a[c]")
    with pytest.raises(ApiError) as unknown:
        section.refuse_unknown("c")
    assert (unknown.value.error["code"], unknown.value.error["param"]) == ("parameter_unknown", "a[b]")


@pytest.mark.parametrize(
    "metadata",
    [{"k" * 41: "v"}, {"k": "v" * 501}, {f"k{i}": "v" for i in range(51)}, {"k": {"n": "v"}}, "text"],
)
def test_metadata_keeps_stripes_limits(metadata):
    """50 keys, 40 characters a key, 500 a value, texts only."""
    with pytest.raises(ApiError):
        Params({"metadata": metadata}).metadata()


def test_an_error_body_is_what_the_sdk_expects():
    """Type, code, parameter and message stand where the SDK looks for them; null fields are left out."""
    body = stripe.StripeObject.construct_from(
        {"raw": ApiError("No", code="resource_missing", param="id").body().decode()}, "k"
    )
    assert '"code":"resource_missing"' in body["raw"]
    assert "null" not in body["raw"]
