"""Words by what they do in a sentence: the classes of ``texts/grammar.txt``, and what follows from them."""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from studio_assets.trust_safety.evidence import small_words
from studio_assets.trust_safety.word_files import word_file

Words = frozenset[str]

THIS: Final = frozenset(
    ["this", "it", "that", "these", "those", "everything", "anything", "them", "such", "all"]
)
YOU: Final = frozenset(["you", "your", "yours", "yourself", "you're", "you'll", "you've", "u", "ur"])
BE: Final = frozenset(["be", "is", "was", "are", "were", "been", "being", "gets", "got", "it's", "as", "not"])
ARTICLES: Final = frozenset(["the", "a", "an", "my", "our", "your", "each", "every"])
CLOSING: Final = frozenset(word for line in word_file("grammar")["closing"] for word in line.split())
"""Small words that a clause may end with."""
NOUNS: Final = frozenset(["rate", "grade", "rank", "label", "output", "reply", "triage"])
_NO_CLASSES: Final = frozenset(["small", "closing", "leading on"])
_NAMES: Final = frozenset(["i", "i'm", "i've", "i'll", "i'd", "may", "will"])
"""Words with a capital wherever they stand, or that name a month or a man."""


@dataclass(frozen=True, slots=True)
class Grammar:
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
    treating: Words
    bidding: Words
    claiming: Words
    proper: Words
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
    opening: Words = field(init=False)
    """What an order begins with that no sign parts from what stands before it."""
    vowing: Words = field(init=False)
    thanked: Words = field(init=False)
    told: Words = field(init=False)
    """Words with which a sentence that is no account begins."""
    bearing: Words = field(init=False)
    """Words that a sentence to a reader has."""
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
        put("objects", said | self.texts | THIS | YOU)
        put("prescribed", said | self.fitting | self.readers)
        put("empty", self.handling | self.readers | self.placed)
        put("masked", self.handling | self.labels)
        put(
            "beginning",
            self.judging | self.ambiguous | self.speaking | self.leading | self.calling | self.readers
            | self.roles | self.reports | self.fields | self.bidding | self.claiming | self.rules,
        )  # fmt: skip
        put("calls", self.readers | self.calling | small_words())
        put("verbs", self.judging | self.ambiguous)
        put("forms", self.judged | self.used | self.treating)
        put("opening", self.judging | {"please", "pls", "plz", "kindly", "thank", "thanks"})
        put(
            "vowing",
            self.performing - {"say", "think", "believe", "feel", "wonder", "ask", "order"} | {"hereby"},
        )
        put("thanked", self.ongoing | {one for one in self.treating if one.endswith("ing")})
        put("told", self.judging | self.ambiguous | self.speaking | self.bidding)
        put("bearing", self.fields | self.readers | self.rules | self.claiming)
        put("degrees", self.fitting | self.grades)
        put("given", self.grades | self.judged | self.decided)
        put("after_placed", self.texts | self.reports | self.judged | BE | {"and"})
        put("certain", self.fields | self.weak_fields | self.grades | self.readers)
        put("beside_certain", self.empty | self.ambiguous | self.decided | self.texts)
        put("only_going_on", self.empty | self.ambiguous | small_words())


def is_beginning(word: str, before: str, *, is_shouted: bool = False) -> bool:
    """Say whether a plain word that has a capital begins a sentence, after a word without one.

    A small word in capitals is only stressed; after an article nothing begins.
    """
    grammar = the_grammar()
    if before in ARTICLES or word in _NAMES:
        return False
    return word in grammar.beginning or (not is_shouted and word in small_words())


def is_common(word: str) -> bool:
    """Say whether a word is of the closed classes, or one that orders are made of."""
    grammar = the_grammar()
    return word in small_words() or word in grammar.beginning or word in grammar.handling


def is_handling(word: str) -> bool:
    """Say whether a word is of what a report is made of or judged by, and so evidence of nothing."""
    return word in the_grammar().handling


def _forms(verb: str) -> frozenset[str]:
    """Return a verb's regular forms, also some that do not exist."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return frozenset([verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"])
    stem = verb.removesuffix("e")
    endings = ("s", "es", verb[-1] + "ed", verb[-1] + "ing")
    return frozenset([verb, f"{stem}ed", f"{stem}ing", *(verb + ending for ending in endings)])


@cache
def the_grammar() -> Grammar:
    """Return the classes of words; read once."""
    found = {
        heading: frozenset(word for line in lines for word in line.split())
        for heading, lines in word_file("grammar").items()
    }
    return Grammar(
        **{name.replace(" ", "_"): words for name, words in found.items() if name not in _NO_CLASSES}
    )
