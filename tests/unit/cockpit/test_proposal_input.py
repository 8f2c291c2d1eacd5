"""Promises of what a proposal is made from: text stays text, and nothing is understood in two ways."""

import click
import pytest

from cockpit.cli.proposal_input import MOST_INPUT_BYTES, evidence_of, input_of
from cockpit.errors import CockpitError
from policies.proposals import Evidence

ADJUST = "finance.reconciliation.adjust"


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (["memo=a=b"], {"memo": "a=b"}),
        (["memo="], {"memo": ""}),
        (["memo=12"], {"memo": "12"}),
        (["adjustmentCents=-250"], {"adjustmentCents": -250}),
        (["adjustmentCents=2.50"], {"adjustmentCents": "2.50"}),
        (["adjustmentCents=٣"], {"adjustmentCents": "٣"}),
        (["adjustmentCents=" + "9" * 5000], {"adjustmentCents": "9" * 5000}),
        (["adjustmentCents=true"], {"adjustmentCents": "true"}),
        (["unheardOf={}"], {"unheardOf": "{}"}),
        ([], None),
    ],
)
def test_only_whole_numbers_of_the_registry_become_numbers(given, understood):
    """What looks like something else stays text, and the gateway says what is wrong with it."""
    assert input_of(ADJUST, given, None) == understood


@pytest.mark.parametrize("given", [["memo"], ["=x"], [""], ["memo=a", "memo=b"]])
def test_a_field_that_cannot_be_meant_is_refused(given):
    with pytest.raises(click.UsageError):
        input_of(ADJUST, given, None)


def test_an_unknown_capability_is_the_gateways_to_refuse():
    assert input_of("no.such", ["a=1"], None) == {"a": "1"}


def test_a_file_is_taken_as_it_is(tmp_path):
    path = tmp_path / "input.json"
    path.write_text('{"memo": "x", "adjustmentCents": "7"}')
    assert input_of(ADJUST, [], path) == {"memo": "x", "adjustmentCents": "7"}
    with pytest.raises(click.UsageError, match="not both"):
        input_of(ADJUST, ["memo=x"], path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b"{} {}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"memo": "seen", "memo": "meant"}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"\xff\xfe\x00",
        b'{"a": "' + b"x" * MOST_INPUT_BYTES + b'"}',
    ],
)
def test_a_file_that_is_not_one_plain_object_is_refused_without_its_content(tmp_path, text):
    """A name that is there twice could be read as either; what JSON does not know is not guessed."""
    path = tmp_path / "input.json"
    path.write_bytes(text)
    with pytest.raises(CockpitError) as caught:
        input_of(ADJUST, [], path)
    assert caught.value.exit_code == 2
    assert "meant" not in f"{caught.value} {caught.value.remedy}"


def test_evidence_names_a_revision_of_an_asset():
    assert evidence_of("studio_state/snapshot@2026-11-20/3") == Evidence(
        "studio_state/snapshot", "2026-11-20/3"
    )
    assert evidence_of("a@b#f1#x") == Evidence("a", "b", "f1#x")
    assert evidence_of("a@b#") == Evidence("a", "b")


@pytest.mark.parametrize("link", ["", "a", "a@", "@b", "a@#f", "a#f@"])
def test_evidence_without_a_revision_is_refused(link):
    with pytest.raises(click.UsageError, match="ASSET@REVISION"):
        evidence_of(link)
