"""The checks of suggestions notice what should not be, and name the report."""

from studio_assets.checks.trust_safety import judge_suggestions
from tests.unit.studio_assets.trust_safety.report_rows import suggested


def test_checks_notice_what_should_not_be():
    """An unknown word, an abstention that suggests after all, a word of a report among the codes."""
    rows = [
        suggested("r1"),
        suggested("r2", category="weather"),
        suggested("r3", code="because"),
        suggested("r4", code="unsure", is_abstained=True),
        suggested("r5", confidence=1.2),
        suggested("r6", text_hash="he called me names"),
    ]
    broken = {name: " ".join(said) for name, said in judge_suggestions(rows).items()}
    assert {
        name: [one for one in ("r1", "r2", "r3", "r4", "r5", "r6") if one in said]
        for name, said in broken.items()
    } == {
        "suggestions_are_of_known_words": ["r2", "r3"],
        "abstentions_suggest_nothing": ["r4"],
        "confidence_is_in_range": ["r5"],
        "holds_no_words_of_members": ["r6"],
    }
    assert "names" not in repr(broken)
