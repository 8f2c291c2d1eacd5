"""Whether a sentence may speak to its reader: then only many words of evidence make it an account.

Broader than ``asides``: what is meant here is not set aside, for members also ask for something in what they
tell. But a single word that is evidence somewhere makes no account of such a sentence.
"""

from collections.abc import Sequence
from typing import Final

from studio_assets.trust_safety.grammar import BE, the_grammar

_IF: Final = frozenset(["if", "unless", "whoever", "whenever", "provided", "should", "when"])
_FINITE: Final = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "does",
        "did",
        "has",
        "isn't",
        "aren't",
        "wasn't",
        "doesn't",
        "didn't",
        "hasn't",
    ]
)
_SUBORDINATE: Final = frozenset(
    [
        "that",
        "which",
        "who",
        "what",
        "whatever",
        "if",
        "as",
        "because",
        "when",
        "where",
        "how",
        "nothing",
        "all",
    ]
)
_ASKING: Final = frozenset(
    ["is", "are", "was", "were", "will", "do", "does", "did", "can", "could", "would", "should", "i", "we"]
)
"""Behind a word that may begin a condition, these make it a question."""
_NO_VERBS: Final = frozenset(["as", "not"])
_MINE: Final = frozenset(["me", "my", "mine", "our", "ours", "us"])
_LED: Final = 3
"""So many words that lead in may stand before a request."""


def is_addressed(words: Sequence[str]) -> bool:
    """Say whether plain words ask for something, suppose it, or are of judging, rules and texts."""
    return is_bidding(words) or is_claiming(words)


def is_bidding(words: Sequence[str]) -> bool:
    """Say whether plain words begin as a request or a condition does, of nothing of the speaker's own."""
    grammar = the_grammar()
    if not _MINE.isdisjoint(words):
        return False
    at = 0
    while at < min(_LED, len(words) - 1) and words[at] in grammar.leading:
        at += 1
    if not words or words[0] in _IF:
        return bool(words) and not _ASKING.intersection(words[1:2])
    return words[at] in grammar.told and not _has_subject(words[at + 1 :])


def _has_subject(after: Sequence[str]) -> bool:
    """Say whether what looks like a verb is part of a subject: "open studio is over" orders nothing."""
    for word in after:
        if word in _SUBORDINATE:
            return False
        if word in _FINITE:
            return True
    return False


def is_claiming(words: Sequence[str]) -> bool:
    """Say whether plain words are of judging, of rules, or of what is said and not of what happened."""
    return not the_grammar().bearing.isdisjoint(words)


def is_bare_label(words: Sequence[str], content: Sequence[str]) -> bool:
    """Say whether a sentence only names what may be wrong, and says of nothing that it is so.

    Args:
        words: Plain words of the sentence.
        content: Those that say something.
    """
    labels = the_grammar().labels
    if not content or not labels.issuperset(content):
        return False
    first = min(words.index(one) for one in content)
    return (BE - _NO_VERBS).isdisjoint(words[:first])
