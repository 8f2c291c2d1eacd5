"""Reading the words of a proposal for screening: folding, disguises, slips, denial, other languages.

Pure. Everything here can only add ways in which a text is read; what is found by one of them is found.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

# Letters of other scripts that look like Latin ones, and signs and digits that stand in for letters.
_LOOK_ALIKES: Final = str.maketrans(
    "аеіјорсухвнкмтгѕԁԛԝαβεικνορτυχωɑɡıłøđɩɪոսԍһցӏᴀʙᴄᴅᴇɢʜᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "aeijopcyxbhkmtrsdqwabeiknoptuxwagilodiinughglabcdeghjklmnoprstuvwyz",
)
_STAND_INS: Final = tuple(
    str.maketrans(signs, letters)
    for signs, letters in (
        ("013457@$!|", "oieastasil"),
        ("012345678+@$!|€(", "oizeasgtbtasilec"),
        ("0134579@$!|", "oleastgasll"),
    )
)
_SIGN: Final = re.compile(r"[0-9@$!|+€(]")
_INVISIBLE: Final = frozenset({"Cf", "Mn", "Me", "Cc"})
_ASCII_VISIBLE: Final = {code: " " if chr(code) in "\n\r\t" else "" for code in (*range(32), 127)}
_SPELT_APART: Final = re.compile(r"\b(?:[^\W\d_][\W_]+){2,}[^\W\d_]\b")
_WITHIN_WORDS: Final = re.compile(r"(?<=[^\W_])[^\w\s]{1,3}(?=[^\W_])")
_REPEATED: Final = re.compile(r"(.)\1\1+")
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_LONGEST_FOREIGN_RUN: Final = 1
"""Letters of another script that may stand side by side, as in units; more are words nobody has read."""
_STOP: Final = re.compile(r"[.!?;\n]+(?=\s|$)|\n")
_STOP_WORD: Final = " qzq "
"""Stands between sentences; no word, and of none."""
_LOOKED_BACK: Final = 60

_SHORTEST_MISSPELT: Final = 6
_LONGEST_MISSPELT: Final = 18

_DENIAL: Final = re.compile(
    r"\b(?:no|not|never|without|non|nor|neither|isnt|arent|wasnt|anti|ban|bans|banned|prohibit\w*|forbid\w*)"
    r"(?! only| just| merely)(?: (?:a|an|any|the|such|these|those|of|this|real|kind)){0,2} $"
)

_SENTENCE_END: Final = re.compile(r"[.!?;\n]+")
_PLAIN_WORD: Final = re.compile(r"[^\W\d_]+")
_LEAST_FOREIGN: Final = 2
_WINDOW: Final = 6
"""Words in a row that are a language by themselves."""
_ENGLISH_WORDS: Final = """
the of and to in is it that for on with as this at by be are was from or an have has not but they
you we he she his her its our your their will would can could should which what when who how all any
some there been were had if about after before because than then into out up no so only just my me i
a
"""
_FOREIGN_WORDS: Final = """
der das und ist nicht ich wir sie ein eine einen mit auf fur von dem zu im am auch bei nach wird
werden haben habe hat sind oder aber wenn uber alles bitte kann el los las una unos que por para del
esta este estan pero como mas muy fue sus donde cuando porque le les est une dans pour sur avec sont
nous vous ils elle elles mais ou cette ces etre fait leur il gli di che sono della dei nel questo
questa anche piu molto essere ao uma com nao foi sao mas seu sua pelo pela voce het een niet zijn
voor aan ook maar wij deze dit naar jest nie sie na ze tak jak czy och att det inte med ett av har
jag vi til ikke og paa bir bu icin ile degil jsem je se neni yang ini itu tidak dengan untuk mga
hindi
"""
_ENGLISH: Final = frozenset(_ENGLISH_WORDS.split())
_FOREIGN: Final = frozenset(_FOREIGN_WORDS.split()) - _ENGLISH


def fold(text: str) -> str:
    """Return text in plain lower-case Latin letters, digits and single spaces, as far as it can be."""
    if text.isascii():  # the same, shorter: nothing to decompose, only control characters are invisible
        return text.lower().translate(_ASCII_VISIBLE)
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    visible = "".join(
        " " if letter in "\n\r\t" else letter
        for letter in decomposed
        if letter in "\n\r\t" or unicodedata.category(letter) not in _INVISIBLE
    )
    return visible.translate(_LOOK_ALIKES)


def spellings(text: str) -> list[str]:
    """Return the ways a text may be meant to be read, each as words with single spaces, and each once."""
    folded, stopped = fold(text), fold(apart(text))
    found = [words(folded)]
    seen = set()
    for signs in _STAND_INS if _SIGN.search(folded) else _STAND_INS[:1]:
        translated = folded.translate(signs)
        if translated in seen:  # another reading of signs that are not there
            continue
        seen.add(translated)
        meant = _REPEATED.sub(_first, translated)
        found.append(words(meant))
        joined, count = _SPELT_APART.subn(_joined, meant)
        if count:
            found.append(words(joined))
        if stopped != folded:  # letters of the sentence before are none of the word
            begun = _REPEATED.sub(_first, stopped.translate(signs))
            found.append(words(_SPELT_APART.sub(_joined, begun)))
        bare, count = _WITHIN_WORDS.subn("", meant)
        if count:
            found.append(words(bare))
    return list(dict.fromkeys(found))


def words(text: str) -> str:
    """Return folded text as words with single spaces."""
    return _BETWEEN_WORDS.sub(" ", text).strip()


def apart(text: str) -> str:
    """Return a text whose sentences stay apart when it is read as words.

    What one sentence ends with then neither denies nor explains away what the next begins with.
    """
    return _STOP.sub(_STOP_WORD, text)


def is_denied(before: str) -> bool:
    """Say whether what stands right before a word, with its last space, denies it."""
    return _DENIAL.search(before[-_LOOKED_BACK:]) is not None


def is_readable(text: str) -> bool:
    """Say whether a text has letters, at least half of them Latin, and no word of another script.

    So no Latin words put beside make a text readable that was not.
    """
    if text.isascii():
        return any(letter.isalpha() for letter in text)
    # Not of the folded text, in which look-alikes have become Latin.
    latin = others = run = longest = 0
    for letter in unicodedata.normalize("NFKC", text):
        is_other = letter.isalpha() and not unicodedata.name(letter, "").startswith("LATIN")
        latin += letter.isalpha() and not is_other
        others += is_other
        run = run + 1 if is_other else 0
        longest = max(longest, run)
    return latin > 0 and latin >= others and longest <= _LONGEST_FOREIGN_RUN


def is_foreign(text: str) -> bool:
    """Say whether a sentence of a text has more small words of another language than English ones.

    Some words in a row are enough, so that no English words put beside them hide them.
    """
    for sentence in _SENTENCE_END.split(fold(text)):
        heard = _PLAIN_WORD.findall(sentence)
        if _FOREIGN.isdisjoint(heard):
            continue
        said = [(word in _FOREIGN) - (word in _ENGLISH) for word in heard]
        windows = [said, *(said[at : at + _WINDOW] for at in range(len(said) - _WINDOW + 1))]
        if any(window.count(1) >= _LEAST_FOREIGN and sum(window) > 0 for window in windows):
            return True
    return False


class Misspellings:
    """Finds words that are one slip of the finger away from known ones.

    A slip is a letter too many, too few, other or swapped. The first letter has to be right, and short words
    are not guessed at.
    """

    def __init__(self, known: Iterable[str], ordinary: Iterable[str]) -> None:
        known = frozenset(known)
        self._not_slips = known | frozenset(ordinary)
        # A slip leaves the three letters before it as they were, or the two after it; the first is always.
        self._starts = frozenset(word[:3] for word in known)
        self._ends = frozenset(word[0] + word[-2:] for word in known)
        self._by_deletion: dict[str, set[str]] = {}
        for word in known:
            for key in _deletions(word):
                self._by_deletion.setdefault(key, set()).add(word)

    def meant(self, text: str) -> Iterator[str]:
        """Give the known words that words of a text (folded, single spaces) are slips of."""
        for word in set(text.split(" ")):
            if (
                _SHORTEST_MISSPELT <= len(word) <= _LONGEST_MISSPELT
                and (word[:3] in self._starts or word[0] + word[-2:] in self._ends)
                and word not in self._not_slips
            ):
                near = {known for key in _deletions(word) for known in self._by_deletion.get(key, ())}
                yield from (known for known in sorted(near) if _is_one_slip(word, known))


def _deletions(word: str) -> frozenset[str]:
    return frozenset([word, *(word[:at] + word[at + 1 :] for at in range(1, len(word)))])


def _is_one_slip(word: str, known: str) -> bool:
    if word == known or word[0] != known[0]:
        return False
    start = 0
    while start < min(len(word), len(known)) and word[start] == known[start]:
        start += 1
    one, other = word[start:], known[start:]
    return (
        one[1:] == other[1:]
        or one[1:] == other
        or one == other[1:]
        or (len(one) > 1 and one[:2] == other[1::-1] and one[2:] == other[2:])
    )


def _first(repeated: re.Match[str]) -> str:
    return repeated[1]


def _joined(letters: re.Match[str]) -> str:
    """Return letters spelt apart as a word; also without the first or last, which may be its own word."""
    word = _BETWEEN_WORDS.sub("", letters[0])
    return f"{word} {word[1:]} {word[:-1]}"
