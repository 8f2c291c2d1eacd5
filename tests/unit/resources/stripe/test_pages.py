"""Only a whole list page is a page; its address asks for exactly one window."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.stripe.guard import PageBody
from resources.stripe.pages import Page, _BadPageError, page_url, parse_page
from resources.stripe.windows import Window

WHOLE = orjson.dumps(
    {"object": "list", "data": [{"id": "ch_1", "created": 5}], "has_more": False, "url": "/v1/charges"}
)


def test_a_whole_page_is_read_from_its_bytes():
    """The records and whether more follow."""
    assert parse_page(PageBody.holding(WHOLE)) == Page([{"id": "ch_1", "created": 5}], has_more=False)


@given(st.integers(0, len(WHOLE) - 1))
def test_no_part_of_a_page_is_a_page(length):
    """Cut anywhere, it is an error, never an empty or shorter list."""
    with pytest.raises(_BadPageError):
        parse_page(PageBody.holding(WHOLE[:length]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"{}",
        b'{"object":"list"}',
        b'{"object":"list","data":[]}',
        b'{"object":"list","data":{},"has_more":false}',
        b'{"object":"list","data":[],"has_more":"false"}',
        b'{"object":"list","data":[1],"has_more":false}',
        b'{"object":"charge","data":[],"has_more":false}',
        b'{"object":"list","data":[],"has_more":false}garbage',
    ],
)
def test_anything_else_is_no_page(body):
    """A stranger's answer with status 200 is not taken for an empty list."""
    with pytest.raises(_BadPageError):
        parse_page(PageBody.holding(body))


@pytest.mark.parametrize(
    ("window", "url"),
    [
        (Window(None, 20), "/v1/charges?limit=100&created[lt]=20"),
        (Window(10, 20), "/v1/charges?limit=100&created[gte]=10&created[lt]=20"),
        (
            Window(10, 20, cursor="ch_1"),
            "/v1/charges?limit=100&created[gte]=10&created[lt]=20&starting_after=ch_1",
        ),
        (
            Window(None, 20, cursor="ch&limit=1"),
            "/v1/charges?limit=100&created[lt]=20&starting_after=ch%26limit%3D1",
        ),
    ],
)
def test_the_address_of_a_page(window, url):
    """Half-open window, cursor, largest page; an id can never become a parameter."""
    assert page_url("charges", window) == url


def test_the_sdk_sees_nothing_of_the_page():
    """Its parser and its debug log get an empty object."""
    body = PageBody.holding(WHOLE)
    assert str(body) == "{}"
    assert body.raw == WHOLE
