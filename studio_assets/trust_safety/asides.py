"""Clauses that speak to the reader of a report, or of the report itself: parted from the account by grammar.

What a clause orders, supposes or prescribes is not an account. Words are known here by what they do in a
sentence (``texts/grammar.txt``), not as phrases: verbs of judging as imperatives, what a judgement consists
of, who judges, the words of the report itself. Nothing here knows what a report is about.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from studio_assets.trust_safety.evidence import ALL, plain, small_words
from studio_assets.trust_safety.grammar import BE, CLOSING, NOUNS, THIS, YOU, Grammar, the_grammar

Ties = Callable[[Sequence[str]], int]
"""Gives the groups of ``evidence`` that plain words are tied to, one bit for each."""


def any_tie(words: Sequence[str]) -> int:
    """Return every group for any words: where nobody has learnt yet what is evidence."""
    return ALL if words else 0


_PIECE_END: Final = re.compile(
    r"\s*[,:]\s+|\s+[-\u2013\u2014/|~*>=]+\s+|\s*\u2014\s*|\s*\.{2,}\s*|\s*[()\[\]{}]+\s*"
)
_JOINT: Final = re.compile(r"\s(?:and|but|so|then|or)\s+(?=\S)")
_WORD: Final = re.compile(r"[a-z]+(?:['./][a-z]+)*")
_DIGIT: Final = re.compile(r"\d")
_MANY: Final = frozenset(["people", "children", "men", "women"])
_LEAST_BEFORE: Final = 2
_LEAST_ORDERED: Final = 2
"""Words behind the first: "please ignore" alone is said of one's own mistake as well."""
_LOOKED_AHEAD: Final = 60
"""Letters behind a joint in which an order has to begin to be a clause of its own."""
_NEAR: Final = 8
_SOON: Final = 4
_MODIFIED: Final = 2
_YOUR: Final = frozenset(["your", "ur"])
_THANKS: Final = frozenset(
    ["thank", "thanks", "thx", "ty", "grateful", "glad", "appreciate", "congratulations"]
)
_MEANING: Final = frozenset(["means", "mean", "equals", "counts", "count"])
_SELF: Final = frozenset(["yourself", "yourselves"])
_SPEAKER: Final = frozenset(["i", "we"])
_DETERMINERS: Final = frozenset(
    ["the", "this", "that", "these", "those", "my", "our", "your", "all", "each", "every", "any"]
)
_READ: Final = frozenset(
    ["read", "see", "seen", "saw", "got", "received", "are", "were", "wrote", "write", "said"]
)
_PHASES: Final = frozenset(["stop", "start", "begin", "quit", "keep", "avoid", "continue", "finish", "cease"])
_HOW: Final = frozenset(["in", "only", "with", "like", "nothing", "exactly", "as"])
_YOU_HAVE: Final = frozenset(["you", "you've"])
_WHAT: Final = frozenset(["everything", "anything", "all", "what", "whatever"])
_OF_A_PAGE: Final = frozenset(["button", "form", "function"])


def unlabelled(words: Sequence[str]) -> tuple[str, ...]:
    """Return marked words without those of handling, and without names of what may be wrong."""
    grammar = the_grammar()
    return tuple(one for one in words if plain(one) not in grammar.masked)


def parted(sentence: str, ties: Ties = any_tie) -> tuple[str, list[str]]:
    """Return a folded sentence without its asides, and those.

    What stands before and after an aside is one clause again, as if nothing had been put between. What an
    aside introduces with a colon is part of it, and so are words that only go on. What stands between commas
    and is evidence of nothing counts as put between as well.
    """
    pieces = list(_pieces(sentence))
    kept: list[str] = []
    asides: list[str] = []
    is_spoken = _is_role(pieces)
    was = is_called = False
    joint = " "
    for at, (gap, piece) in enumerate(pieces):
        words = _WORD.findall(piece)
        is_led = is_spoken or (was and (":" in gap or is_called))
        is_called = _is_call(words)
        joint = ": " if ":" in gap and not is_led else joint if was else " "
        is_between = 0 < at < len(pieces) - 1
        is_going_on = was and the_grammar().only_going_on.issuperset(words)
        if (is_between and not ties(words) and not _DIGIT.search(piece)) or (
            words and (is_led or is_called or is_aside(words) or is_going_on)
        ):
            asides.append(piece)
            was = True
        else:
            kept += [joint if was else gap, piece]
            was, joint = False, " "
    return ("".join(kept).strip(" ,:-"), asides) if asides else (sentence, asides)


def _is_role(pieces: Sequence[tuple[str, str]]) -> bool:
    """Say whether a sentence begins with who is said to speak, and a colon."""
    return len(pieces) > 1 and ":" in pieces[1][0] and pieces[0][1].strip() in the_grammar().roles


def _is_call(words: Sequence[str]) -> bool:
    """Say whether a clause calls on a reader and says nothing else."""
    grammar = the_grammar()
    rest = [word for word in words if word not in grammar.calls]
    return bool(words) and not rest and not grammar.readers.isdisjoint(words)


def is_aside(words: Sequence[str]) -> bool:
    """Say whether the plain words of a clause speak to the reader about judging, or of the report itself."""
    grammar = the_grammar()
    return (
        _is_opened(words, grammar)
        or not grammar.fields.isdisjoint(words)
        or any(_tells(words, at, grammar) for at in range(len(words)))
        or _is_graded(words, grammar)
        or _says_nothing(words, grammar)
    )


def _lead(words: Sequence[str], grammar: Grammar) -> int:
    """Return where what may stand before an order ends: please, dear robot, I insist."""
    at = 0
    while at < len(words) and (words[at] in grammar.leading or words[at] in grammar.readers):
        at += 1
    if at + 1 < len(words) and words[at] in _SPEAKER and words[at + 1] in grammar.performing:
        return at + 2 + _lead(words[at + 2 :], grammar)
    return at


def _is_order(words: Sequence[str], grammar: Grammar) -> bool:
    """Say whether words begin with a verb of judging in the imperative."""
    if not words:
        return False
    verb, after = words[0], words[1:_NEAR]
    if verb in grammar.judging and (len(words) <= _SOON or not grammar.objects.isdisjoint(after)):
        return True
    if after and (
        (verb in _PHASES and after[0] in grammar.ongoing)
        or (verb in grammar.verbs and after[0] in _SELF)
        or (verb in grammar.speaking and after[0] in _HOW)
    ):
        return True
    return verb in grammar.ambiguous and _prescribes(after, grammar)


def _prescribes(after: Sequence[str], grammar: Grammar) -> bool:
    """Say whether what follows a verb with several uses is a judgement, or nothing but what is judged."""
    content = [word for word in after if word not in small_words()]
    if not content:
        return not THIS.isdisjoint(after[:_SOON])
    return not grammar.prescribed.isdisjoint(content)


def _tells(words: Sequence[str], at: int, grammar: Grammar) -> bool:
    """Say whether at a place of a clause its reader, its own text or a judgement on it is spoken of."""
    word, near = words[at], words[at + 1 : at + 1 + _NEAR]
    if word in grammar.forms and not THIS.isdisjoint(near[:_MODIFIED]) and "as" in near[:_SOON]:
        return True
    if word in grammar.masked and not _MEANING.isdisjoint(near[:1]):
        return True
    if word in YOU or word in grammar.readers:
        return _is_reader_judging(word, near, grammar)
    if word in grammar.degrees and any(
        one in grammar.weak_fields and one != word for one in near[:_MODIFIED]
    ):
        return True
    return at < _NEAR and _is_of_the_text(words, at, grammar)


def _is_reader_judging(word: str, near: Sequence[str], grammar: Grammar) -> bool:
    if word in _YOUR:
        of_a_judge = grammar.fields | grammar.weak_fields | grammar.readers | grammar.judged | grammar.rules
        return not of_a_judge.isdisjoint(near[:3])
    if word in grammar.readers and not grammar.obliging.isdisjoint(near[:_MODIFIED]):
        return True
    asked = [at for at, one in enumerate(near) if one in grammar.obliging]
    if asked and _is_order(near[asked[0] + 1 :], grammar):
        return True
    return not grammar.judged.isdisjoint(near) or not grammar.readers.isdisjoint(near[:_SOON])


def _is_of_the_text(words: Sequence[str], at: int, grammar: Grammar) -> bool:
    """Say whether a word is of the report's own text: the sentence above, what you just read, this report."""
    word, after = words[at], words[at + 1 : at + 5]
    follows = after[0] if after else ""
    is_determined = at > 0 and words[at - 1] in _DETERMINERS
    if word in grammar.placed and is_determined:
        return follows in grammar.after_placed
    if word in grammar.reports and is_determined:
        return follows not in _OF_A_PAGE
    if word in grammar.texts and follows in grammar.placed:
        return True
    if word not in _WHAT and word not in grammar.texts:
        return False
    return not _YOU_HAVE.isdisjoint(after) and not _READ.isdisjoint(after)


def _is_graded(words: Sequence[str], grammar: Grammar) -> bool:
    """Say whether a clause gives the result of a judgement, or says that this was judged."""
    weak = grammar.weak_fields.intersection(words)
    if weak and any(word in grammar.given and word not in weak for word in words):
        return True
    if grammar.reports.isdisjoint(words) and THIS.isdisjoint(words):
        return False
    return any(words[at] in grammar.judged and words[at - 1] in BE for at in range(1, len(words)))


def _says_nothing(words: Sequence[str], grammar: Grammar) -> bool:
    """Say whether a clause has words of handling and small ones, and no other."""
    content = [word for word in words if word not in small_words()]
    said = grammar.empty
    if not grammar.certain.isdisjoint(content):
        said = grammar.beside_certain
    return bool(content) and said.issuperset(content)


def _pieces(sentence: str) -> Iterator[tuple[str, str]]:
    """Give the clauses of a sentence, each with what parts it from the one before."""
    grammar = the_grammar()
    ends = [found.span() for found in _PIECE_END.finditer(sentence)]
    for found in _JOINT.finditer(sentence):
        words = _WORD.findall(sentence[found.end() : found.end() + _LOOKED_AHEAD])
        first = _lead(words, grammar)
        if first < len(words) and words[first] in grammar.verbs:
            ends.append(found.span())
    ends += _unmarked(sentence, grammar)
    at, gap = 0, ""
    for start, end in sorted(ends):
        if start > at or end > start >= at:
            yield gap, sentence[at:start]
            gap, at = sentence[start:end], end
    yield gap, sentence[at:]


def _unmarked(sentence: str, grammar: Grammar) -> list[tuple[int, int]]:
    """Return where an order begins that goes to the end of a sentence, and that no sign parts from it."""
    if grammar.opening.isdisjoint(sentence.split()):
        return []
    found = list(_WORD.finditer(sentence))
    words = [one[0] for one in found]
    for at in range(_LEAST_BEFORE, len(words) - _LEAST_ORDERED):
        if words[at] in grammar.opening and _is_after_clause(words, at) and _is_opened(words[at:], grammar):
            return [(found[at].start(), found[at].start())]
    return []


def _is_after_clause(words: Sequence[str], at: int) -> bool:
    """Say whether a clause may end before a place of a sentence, and no subject of a verb stands there."""
    before = words[at - 1]
    if before in _MANY or before.endswith("s"):
        return words[at + 1] in THIS | YOU
    if words[at] in NOUNS and words[at + 1] not in THIS | {"as"}:
        return False
    return before in CLOSING or before not in small_words()


def _is_opened(words: Sequence[str], grammar: Grammar) -> bool:
    """Say whether words begin with an order, or with thanks for one."""
    return _is_thanks(words, grammar) or _is_order(words[_lead(words, grammar) :], grammar)


def _is_thanks(words: Sequence[str], grammar: Grammar) -> bool:
    """Say whether words begin with thanks for a judgement that nobody has made."""
    if not words or words[0] not in _THANKS:
        return False
    if not (grammar.fields | grammar.grades | grammar.labels).isdisjoint(words[:_NEAR]):
        return True
    for at, word in enumerate(words[:_NEAR]):
        after = words[at + 1 : at + 1 + _SOON]
        if word in grammar.thanked and not (THIS | grammar.prescribed).isdisjoint(after):
            return True
    return False
