"""What a capability is asked to do: the check of its fields, its canonical bytes, the hash people approve.

An input is plain JSON data: text, whole numbers, booleans, null, lists and objects. What people write is
kept as they wrote it, whatever it says or does to a terminal; it is data and nothing else. What cannot be
stored and hashed the same way everywhere is refused with a sentence: fractions, numbers beyond 53 bits, NUL
and halves of characters, great size. Names and ids take no character that cannot be seen.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from policies.registry import Capability, InputField

LARGEST_INPUT_BYTES: Final = 64 * 1024
LARGEST_INTEGER: Final = 2**53 - 1  # beyond it JSON readers disagree about the value
DEEPEST_INPUT: Final = 8
LONGEST_WORDS: Final = 1_200_000  # characters of a rationale or reason: a pasted megabyte loses nothing
LONGEST_NAME: Final = 4000
_UNKEEPABLE: Final = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL, JSON and UTF-8 have no place for them
_UNSEEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_REORDERING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class InvalidInputError(Exception):
    """An input or text that cannot be taken. Nothing was kept; ``problems`` are sentences for a person."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


def canonical_bytes(value: Any) -> bytes:
    """Return the one JSON spelling of a value: sorted keys, no whitespace, UTF-8, no fractions.

    Raises ``InvalidInputError`` for anything that has none.
    """
    problems = tuple(_data_problems(value))
    if problems:
        raise InvalidInputError(problems)
    return _dump(value)


def input_hash(capability_id: str, input_: Mapping[str, Any]) -> str:
    """Return SHA-256 hex over the canonical bytes of capability id and input.

    Raises ``InvalidInputError``.
    """
    return hashlib.sha256(canonical_bytes({"capability": capability_id, "input": input_})).hexdigest()


def words_problem(text: object, *, most: int = LONGEST_WORDS) -> str | None:
    """Return why words cannot be kept (not text, too long, a character without bytes); null if they can."""
    if not isinstance(text, str):
        return "Text is wanted."
    if len(text) > most:
        return f"The text has {len(text):,} characters; at most {most:,} are kept."
    if text.isascii() and "\x00" not in text:
        return None  # most are, and looking for one character in a megabyte takes no time
    found = _UNKEEPABLE.search(text)
    return None if found is None else _not_kept(found)


def text_problem(text: object, *, most: int = LONGEST_NAME) -> str | None:
    """Return why a name or an id cannot be kept; null if it can. Every character of it must be seen."""
    if isinstance(text, str) and len(text) <= most and text.isascii() and text.isprintable():
        return None  # most are, and every character of them is seen
    problem = words_problem(text, most=most)
    if problem is not None or not isinstance(text, str):
        return problem
    found = _UNSEEN.search(text)
    if found is not None:
        return _not_kept(found)
    found = _REORDERING.search(text)
    if found is not None:
        # It would show approvers another order of letters than what is stored.
        return f"The text has a character that reorders others (U+{ord(found[0]):04X}); leave it out."
    return None


def _not_kept(found: re.Match[str]) -> str:
    return f"The text has a character that cannot be kept (U+{ord(found[0]):04X}, place {found.start() + 1})."


def input_problems(capability: Capability, input_: Any) -> tuple[str, ...]:
    """Return every reason the input does not fit the capability, as sentences; empty if it fits."""
    if not isinstance(input_, Mapping):
        return ("The input is an object with named fields.",)
    problems = list(_data_problems(input_))
    if not problems and len(_dump(dict(input_))) > LARGEST_INPUT_BYTES:
        problems.append(f"The input is larger than {LARGEST_INPUT_BYTES:,} bytes.")
    if problems:
        return tuple(problems)
    fields = {field.name: field for field in capability.inputs}
    unknown = sorted(set(input_) - set(fields))
    problems += [f"{_shown(name)} is not a field of {capability.capability_id}." for name in unknown]
    for name, field in fields.items():
        if input_.get(name) is None:
            problems += [f"{name} is missing."] if field.is_required else []
            continue
        problem = _field_problem(field, input_[name])
        problems += [f"{name}: {problem}"] if problem is not None else []
    return tuple(problems)


def validate_input(capability: Capability, input_: Any) -> dict[str, Any]:
    """Return the input as a plain dict in the registry's field order, optional nulls left out.

    Raises ``InvalidInputError`` with every problem at once.
    """
    problems = input_problems(capability, input_)
    if problems:
        raise InvalidInputError(problems)
    return {
        field.name: input_[field.name] for field in capability.inputs if input_.get(field.name) is not None
    }


def _field_problem(field: InputField, value: Any) -> str | None:
    if field.kind == "integer":
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        fits = is_whole and field.least <= value <= field.most
        return None if fits else f"a whole number from {field.least} to {field.most} is wanted."
    if not isinstance(value, str):
        return "text is wanted."
    if field.kind == "choice":
        return None if value in field.choices else f"one of {', '.join(field.choices)} is wanted."
    return _text_field_problem(field, value)


def _text_field_problem(field: InputField, value: str) -> str | None:
    if not field.is_free_text and (problem := text_problem(value)) is not None:
        return problem
    # Blanks at the ends do not count towards the least: what counts is what a person reads. The most is
    # counted in UTF-16 units, as targets count: else a text could be approved that they refuse.
    if len(value.strip()) < field.least or len(value.encode("utf-16-le")) // 2 > field.most:
        return f"{field.least} to {field.most} characters are wanted."
    if field.pattern is not None and re.fullmatch(field.pattern, value, re.ASCII) is None:
        return "it has characters this field does not take."
    return None


def _data_problems(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    if len(path) > DEEPEST_INPUT:
        yield f"{_place(path)} is nested deeper than {DEEPEST_INPUT} levels."
    elif isinstance(value, Mapping):
        for name, item in value.items():
            problem = text_problem(name, most=200)
            if problem is None:
                yield from _data_problems(item, (*path, name))
            else:
                yield f"{_place(path)}, a field name: {problem}"
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from _data_problems(item, (*path, number))
    else:
        problem = _scalar_problem(value)
        if problem is not None:
            yield f"{_place(path)}: {problem}"


def _place(path: tuple[str | int, ...]) -> str:
    """Return where in an input something is; only said when something is wrong there."""
    steps = [f"item {step}" if isinstance(step, int) else _shown(step) for step in path]
    return ", ".join(["The input", *steps])


def _scalar_problem(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return words_problem(value, most=LARGEST_INPUT_BYTES)
    if isinstance(value, int):
        return None if abs(value) <= LARGEST_INTEGER else "The number is too large."
    return f"{type(value).__name__} is not data that can be kept; use text or whole numbers."


def _shown(name: str) -> str:
    """Return a name as an error may repeat it: it came from outside."""
    return json.dumps(name[:40])


def _dump(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()
