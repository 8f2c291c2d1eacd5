"""Clauses that speak to the reader of a report, or of the report itself: parted from the account by grammar.

What a clause orders, supposes or prescribes is not an account. Words are known here by what they do in a
sentence (``texts/grammar.txt``), not as phrases: verbs of judging as imperatives, what a judgement consists
of, who judges, the words of the report itself. Nothing here knows what a report is about.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from studio_assets.trust_safety.evidence import ALL, plain, small_words
from studio_assets.trust_safety.word_files import word_file

Ties = Callable[[Sequence[str]], int]
"""Gives the groups of ``evidence`` that plain words are tied to, one bit for each."""
Words = frozenset[str]


def any_tie(words: Sequence[str]) -> int:
    """Return every group for any words: where nobody has learnt yet what is evidence."""
    return ALL if words else 0


_PIECE_END: Final = re.compile(
    r"\s*[,:]\s+|\s+[-\u2013\u2014/|~*>=]+\s+|\s*\u2014\s*|\s*\.{2,}\s*|\s*[()\[\]{}]+\s*"
)
_JOINT: Final = re.compile(r"\s(?:and|but|so|then|or)\s+(?=\S)")
_WORD: Final = re.compile(r"[a-z]+(?:['./][a-z]+)*")
_DIGIT: Final = re.compile(r"\d")
_LOOKED_AHEAD: Final = 60
"""Letters behind a joint in which an order has to begin to be a clause of its own."""
_NEAR: Final = 8
_SOON: Final = 4
_MODIFIED: Final = 2
_THIS: Final = frozenset(
    ["this", "it", "that", "these", "those", "everything", "anything", "them", "such", "all"]
)
_YOU: Final = frozenset(["you", "your", "yours", "yourself", "you're", "you'll", "you've", "u", "ur"])
_YOUR: Final = frozenset(["your", "ur"])
_SELF: Final = frozenset(["yourself", "yourselves"])
_SPEAKER: Final = frozenset(["i", "we"])
_BE: Final = frozenset(
    ["be", "is", "was", "are", "were", "been", "being", "gets", "got", "it's", "as", "not"]
)
_DETERMINERS: Final = frozenset(
    ["the", "this", "that", "these", "those", "my", "our", "your", "all", "each", "every", "any"]
)
_READ: Final = frozenset(
    ["read", "see", "seen", "saw", "got", "received", "are", "were", "wrote", "write", "said"]
)
_PHASES: Final = frozenset(["stop", "start", "begin", "quit", "keep", "avoid", "continue", "finish", "cease"])
_HOW: Final = frozenset(["in", "only", "with", "like", "nothing", "exactly", "as"])
_WHAT: Final = frozenset(["everything", "anything", "all", "what", "whatever"])
_ARTICLES: Final = frozenset(["the", "a", "an", "my", "our", "your", "each", "every"])
_NAMES: Final = frozenset(["i", "i'm", "i've", "i'll", "i'd", "may", "will"])
"""Words with a capital wherever they stand, or that name a month or a man."""
_OF_A_PAGE: Final = frozenset(["button", "form", "function"])


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Words by what they do; ``texts/grammar.txt`` says what each class is."""

    judging: Words
    ambiguous: Words
    speaking: Words
    fields: Words
    weak_fields: Words
    fitting: Words
    grades: Words
    labels: Words
    reports: Words
    texts: Words
    placed: Words
    readers: Words
    roles: Words
    rules: Words
    obliging: Words
    performing: Words
    leading: Words
    calling: Words
    judged: Words = field(init=False)
    """Forms of verbs of judging, the base form among them."""
    used: Words = field(init=False)
    """The same of verbs that have other uses."""
    decided: Words = field(init=False)
    """Past forms of the latter."""
    ongoing: Words = field(init=False)
    handling: Words = field(init=False)
    """Words that are evidence of nothing wherever they stand."""
    objects: Words = field(init=False)
    """What a verb of judging has beside it."""
    prescribed: Words = field(init=False)
    """What makes a verb one of judging."""
    empty: Words = field(init=False)
    only_going_on: Words = field(init=False)
    masked: Words = field(init=False)
    """Words that are no evidence in what was set aside."""
    calls: Words = field(init=False)
    verbs: Words = field(init=False)
    beginning: Words = field(init=False)
    """Words with which a sentence to a reader begins."""
    forms: Words = field(init=False)
    degrees: Words = field(init=False)
    given: Words = field(init=False)
    """What makes a field with other uses one of a judgement."""
    after_placed: Words = field(init=False)
    certain: Words = field(init=False)
    """Words of handling of which one makes those with other uses words of handling too."""
    beside_certain: Words = field(init=False)

    def __post_init__(self) -> None:
        def put(name: str, words: Words) -> None:
            object.__setattr__(self, name, words)

        forms = [form for verb in self.ambiguous for form in _forms(verb)]
        put("judged", frozenset(form for verb in self.judging for form in _forms(verb)))
        put("used", frozenset(forms))
        put("decided", frozenset(form for form in forms if form.endswith("ed")))
        put("ongoing", frozenset(one for one in [*forms, *self.judged] if one.endswith("ing")))
        put("handling", self.fields | self.weak_fields | self.grades | self.reports | self.judged)
        said = (
            self.fields
            | self.weak_fields
            | self.grades
            | self.labels
            | self.reports
            | self.placed
            | self.rules
        )
        put("objects", said | self.texts | _THIS | _YOU)
        put("prescribed", said | self.fitting | self.readers)
        put("empty", self.handling | self.readers | self.placed)
        put("masked", self.handling | self.labels)
        put(
            "beginning",
            self.judging | self.ambiguous | self.speaking | self.leading | self.calling | self.readers
            | self.roles | self.reports | self.fields,
        )  # fmt: skip
        put("calls", self.readers | self.calling | small_words())
        put("verbs", self.judging | self.ambiguous)
        put("forms", self.judged | self.used)
        put("degrees", self.fitting | self.grades)
        put("given", self.grades | self.judged | self.decided)
        put("after_placed", self.texts | self.reports | self.judged | _BE | {"and"})
        put("certain", self.fields | self.weak_fields | self.grades | self.readers)
        put("beside_certain", self.empty | self.ambiguous | self.decided | self.texts)
        put("only_going_on", self.empty | self.ambiguous | small_words())


def is_beginning(word: str, before: str, *, is_shouted: bool = False) -> bool:
    """Say whether a plain word that has a capital begins a sentence, after a word without one.

    A small word in capitals is only stressed; after an article nothing begins.
    """
    grammar = _grammar()
    if before in _ARTICLES or word in _NAMES:
        return False
    return word in grammar.beginning or (not is_shouted and word in small_words())


def is_handling(word: str) -> bool:
    """Say whether a word is of what a report is made of or judged by, and so evidence of nothing."""
    return word in _grammar().handling


def unlabelled(words: Sequence[str]) -> tuple[str, ...]:
    """Return marked words without those of handling, and without names of what may be wrong."""
    grammar = _grammar()
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
        is_going_on = was and _grammar().only_going_on.issuperset(words)
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
    return len(pieces) > 1 and ":" in pieces[1][0] and pieces[0][1].strip() in _grammar().roles


def _is_call(words: Sequence[str]) -> bool:
    """Say whether a clause calls on a reader and says nothing else."""
    grammar = _grammar()
    rest = [word for word in words if word not in grammar.calls]
    return bool(words) and not rest and not grammar.readers.isdisjoint(words)


def is_aside(words: Sequence[str]) -> bool:
    """Say whether the plain words of a clause speak to the reader about judging, or of the report itself."""
    grammar = _grammar()
    return (
        _is_order(words[_lead(words, grammar) :], grammar)
        or not grammar.fields.isdisjoint(words)
        or any(_tells(words, at, grammar) for at in range(len(words)))
        or _is_graded(words, grammar)
        or _says_nothing(words, grammar)
    )


def _lead(words: Sequence[str], grammar: _Grammar) -> int:
    """Return where what may stand before an order ends: please, dear robot, I insist."""
    at = 0
    while at < len(words) and (words[at] in grammar.leading or words[at] in grammar.readers):
        at += 1
    if at + 1 < len(words) and words[at] in _SPEAKER and words[at + 1] in grammar.performing:
        return at + 2 + _lead(words[at + 2 :], grammar)
    return at


def _is_order(words: Sequence[str], grammar: _Grammar) -> bool:
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


def _prescribes(after: Sequence[str], grammar: _Grammar) -> bool:
    """Say whether what follows a verb with several uses is a judgement, or nothing but what is judged."""
    content = [word for word in after if word not in small_words()]
    if not content:
        return not _THIS.isdisjoint(after[:_SOON])
    return not grammar.prescribed.isdisjoint(content)


def _tells(words: Sequence[str], at: int, grammar: _Grammar) -> bool:
    """Say whether at a place of a clause its reader, its own text or a judgement on it is spoken of."""
    word, near = words[at], words[at + 1 : at + 1 + _NEAR]
    if word in grammar.forms and not _THIS.isdisjoint(near[:_MODIFIED]) and "as" in near[:_SOON]:
        return True
    if word in _YOU or word in grammar.readers:
        return _is_reader_judging(word, near, grammar)
    if word in grammar.degrees and any(
        one in grammar.weak_fields and one != word for one in near[:_MODIFIED]
    ):
        return True
    return at < _NEAR and _is_of_the_text(words, at, grammar)


def _is_reader_judging(word: str, near: Sequence[str], grammar: _Grammar) -> bool:
    if word in _YOUR:
        of_a_judge = grammar.fields | grammar.weak_fields | grammar.readers | grammar.judged | grammar.rules
        return not of_a_judge.isdisjoint(near[:3])
    if word in grammar.readers and not grammar.obliging.isdisjoint(near[:_MODIFIED]):
        return True
    asked = [at for at, one in enumerate(near) if one in grammar.obliging]
    if asked and _is_order(near[asked[0] + 1 :], grammar):
        return True
    return not grammar.judged.isdisjoint(near) or not grammar.readers.isdisjoint(near[:_SOON])


def _is_of_the_text(words: Sequence[str], at: int, grammar: _Grammar) -> bool:
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
    is_read = not {"you", "you've"}.isdisjoint(after) and not _READ.isdisjoint(after)
    return word in _WHAT | grammar.texts and is_read


def _is_graded(words: Sequence[str], grammar: _Grammar) -> bool:
    """Say whether a clause gives the result of a judgement, or says that this was judged."""
    weak = grammar.weak_fields.intersection(words)
    if weak and any(word in grammar.given and word not in weak for word in words):
        return True
    if grammar.reports.isdisjoint(words) and _THIS.isdisjoint(words):
        return False
    return any(words[at] in grammar.judged and words[at - 1] in _BE for at in range(1, len(words)))


def _says_nothing(words: Sequence[str], grammar: _Grammar) -> bool:
    """Say whether a clause has words of handling and small ones, and no other."""
    content = [word for word in words if word not in small_words()]
    said = grammar.empty
    if not grammar.certain.isdisjoint(content):
        said = grammar.beside_certain
    return bool(content) and said.issuperset(content)


def _pieces(sentence: str) -> Iterator[tuple[str, str]]:
    """Give the clauses of a sentence, each with what parts it from the one before."""
    grammar = _grammar()
    ends = [found.span() for found in _PIECE_END.finditer(sentence)]
    for found in _JOINT.finditer(sentence):
        words = _WORD.findall(sentence[found.end() : found.end() + _LOOKED_AHEAD])
        first = _lead(words, grammar)
        if first < len(words) and words[first] in grammar.verbs:
            ends.append(found.span())
    at, gap = 0, ""
    for start, end in sorted(ends):
        if start >= at:
            yield gap, sentence[at:start]
            gap, at = sentence[start:end], end
    yield gap, sentence[at:]


def _forms(verb: str) -> frozenset[str]:
    """Return a verb's regular forms, also some that do not exist."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return frozenset([verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"])
    stem = verb.removesuffix("e")
    endings = ("s", "es", verb[-1] + "ed", verb[-1] + "ing")
    return frozenset([verb, f"{stem}ed", f"{stem}ing", *(verb + ending for ending in endings)])


@cache
def _grammar() -> _Grammar:
    found = {
        heading: frozenset(word for line in lines for word in line.split())
        for heading, lines in word_file("grammar").items()
    }
    return _Grammar(**{name.replace(" ", "_"): words for name, words in found.items() if name != "small"})
