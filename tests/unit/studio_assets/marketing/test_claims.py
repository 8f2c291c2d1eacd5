"""What a text claims is found again, in whatever form it hides."""

import pytest

from studio_assets.marketing.claims import claims_in, is_quotable
from studio_assets.marketing.similarity import similarity


def _read(text):
    return [(claim.form, claim.value) for claim in claims_in(text)]


def test_known_forms_are_read_by_value():
    text = "On Saturday, March 7 at 6:00 pm, 12 places for $1,234.50; 12:05 am; March 7, 2026."
    assert _read(text) == [
        ("date", ("Saturday", 3, 7, None)),
        ("time", (18, 0)),
        ("count", 12),
        ("money", 123450),
        ("time", (0, 5)),
        ("date", (None, 3, 7, 2026)),
    ]


def test_free_of_charge_is_a_price():
    assert _read("It is free of charge.") == [("money", 0)]


@pytest.mark.parametrize(
    "text",
    [
        *("twelve places", "a dozen mugs", "6pm", "18.30 h", "7/3/2026", "2026-03-07", "½ price", "٣ places"),
        *(
            "\uff11\uff12 places",
            "€85",
            "12%",
            "see you tomorrow",
            "every Friday",
            "in March",
            "sold out",
            "guaranteed",
        ),
        *("the last places", "$85 off 12.5", "12k", "Sat 7", "13:00 pm", "Ⅻ", "free wine", "85 USD", "#12"),
    ],
)
def test_what_cannot_be_read_is_a_claim_all_the_same(text):
    assert any(form == "untraceable" for form, _ in _read(text))


@pytest.mark.parametrize(
    "text", ["Bring your curiosity; we bring the clay.", "Plans can move.", "you may come"]
)
def test_plain_words_claim_nothing(text):
    assert _read(text) == []


@pytest.mark.parametrize(
    "title", ["Raku night", "Handbuilding & tea", "Clay: a love story!", "Émaux d\u2019hiver"]
)
def test_plain_titles_can_be_quoted(title):
    assert is_quotable(title)


@pytest.mark.parametrize(
    "title",
    [
        *(
            None,
            "",
            " ",
            7,
            "x",
            "Raku night ",
            "a  b",
            "{{ 7*7 }}",
            "<b>Raku</b>",
            "{% raw %}",
            "Raku\nnight",
        ),
        *(
            "Raku\x00night",
            "Raku\u202enight",
            "Raku\u200bnight",
            "x" * 81,
            "y" * 1_000_000,
            "12 seats for $5",
        ),
        *(
            "Friday night clay",
            "Sold out",
            "write to a@b.com",
            "see evil.com",
            "https://evil",
            "\uff32aku",
            "\ue000x",
        ),
        "[[fct_00000000000000000000:text]]",
    ],
)
def test_titles_that_claim_or_do_something_are_not_quoted(title):
    assert not is_quotable(title)


def test_a_kilns_model_is_quoted_only_as_a_kilns_name():
    assert is_quotable("L&L eQ2827-3", has_codes=True)
    assert not is_quotable("L&L eQ2827-3")


def test_similarity_is_of_words_in_order():
    one = "Join us for a raku night on Friday at six."
    assert similarity(one, one.upper()) == 1
    assert similarity(one, "Clay is patient, and so are we, always.") == 0
    assert 0.3 < similarity(one, "Join us for a raku night on Sunday at six.") < 0.9
    assert similarity("", "") == 1
