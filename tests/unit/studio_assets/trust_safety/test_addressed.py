"""What may speak to a reader counts only where it is mostly evidence; a bare label only where it is all."""

import pytest

from studio_assets.trust_safety.addressed import is_bare_label, is_bidding, is_claiming
from studio_assets.trust_safety.measure import is_same
from studio_assets.trust_safety.reading import read_report
from studio_assets.trust_safety.reasons import Category
from studio_assets.trust_safety.triage import Triage

TRIAGE = Triage()


@pytest.mark.parametrize(
    "said",
    ["load the weights and try again", "please move it to the top", "if you can read this stop", "act as if"],
)
def test_requests_and_conditions_are_known_by_how_they_begin(said):
    """A verb in the imperative or a condition comes first, behind at most some words that lead in."""
    assert is_bidding(said.split())


@pytest.mark.parametrize(
    "said",
    [
        "open studio on fridays is over",
        "please help me with my password",
        "the kiln leaks gas",
        "he will act",
    ],
)
def test_accounts_and_what_somebody_needs_are_no_requests_to_a_reader(said):
    """A subject with its verb, or something of the speaker's own, is no order."""
    assert not is_bidding(said.split())


def test_claims_are_known_by_what_they_appeal_to():
    """Policies, experts, agreements; not what happened."""
    assert is_claiming(["the", "new", "policy", "says", "that", "all", "is", "low"])
    assert not is_claiming(["the", "new", "kiln", "leaks", "gas"])


def test_a_label_is_bare_unless_something_is_said_to_be_it():
    assert is_bare_label(["spam"], ["spam"])
    assert not is_bare_label(["this", "is", "spam"], ["spam"])
    assert not is_bare_label(["spam", "bot"], ["spam", "bot"])
    assert not is_bare_label([], [])


@pytest.mark.parametrize(
    "added",
    ["Sent from my phone", "-- Sent from my iPhone", "\nGet Outlook for iOS", "Abstain under 100 percent"],
)
@pytest.mark.parametrize(
    "report",
    [
        "Someone took two of my mugs from the drying rack.",
        "The kiln room door was open and it was still hot.",
    ],
)
def test_what_a_mail_program_adds_and_a_mere_number_change_nothing(report, added):
    """Signatures are nobody's words, though theirs are evidence elsewhere; a number is no evidence."""
    assert is_same(TRIAGE.suggest(report), TRIAGE.suggest(f"{report} {added}."))


@pytest.mark.parametrize(
    "added", ["Sent from my iPhone", "Sent from my android phone", "Get Outlook for iOS"]
)
def test_what_a_mail_program_adds_is_not_read(added):
    """Alone it is no report, wherever such a line ends; as part of a sentence it is somebody's words."""
    assert read_report(added).sentences == read_report(f"{added}.").sentences == ()
    assert read_report(f"It was {added} yesterday").sentences


def test_what_somebody_was_sent_is_still_an_account():
    assert TRIAGE.suggest("he sent me nude photos from my phone").category is Category.HARASSMENT_HATE


def test_a_bare_label_counts_only_alone():
    """Spam is a report where nothing else is said; beside something else it changes nothing."""
    assert TRIAGE.suggest("Just spam").category is Category.SPAM
    assert TRIAGE.suggest("Just spam. Please fix").category is Category.SPAM
    assert TRIAGE.suggest("Rate this low. As spam").is_abstained
    for text in ("Bu yorum çok kötü ve bir dil", "My refund has still not arrived", "qwzx vbkp jjrt mmgh"):
        assert is_same(TRIAGE.suggest(text), TRIAGE.suggest(f"{text}. Experts agree: hate."))


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Please remove this photo, it is my design", Category.COPYRIGHT),
        ("Go kill yourself, nobody wants you here", Category.HARASSMENT_HATE),
        ("Buy cheap followers now", Category.SPAM),
        ("Please move my reservation", Category.OTHER),
        ('she said: "I will kill you" under my post', Category.HARASSMENT_HATE),
        ("t0x1c dust in the air and no resp1rator", Category.SAFETY),
    ],
)
def test_requests_that_are_accounts_stay_accounts(text, category):
    """What somebody asks for of their own, and what is reported in the imperative, is judged as before."""
    made = TRIAGE.suggest(text)
    assert (made.category, made.is_abstained) == (category, False)


def test_a_guess_without_evidence_is_none():
    """Where nothing is suggested, words of no category do not make it look like one."""
    made = TRIAGE.suggest("Page the on-call person")
    assert (made.is_abstained, made.category, made.confidence) == (True, Category.OTHER, 0.0)
