"""The trained model: weights of hashed features for every reason code, in one small file beside this module.

The file is a line of JSON that says what it is, a bit for every known word, a byte for what a word tells
of, then the weights as one signed byte each, feature by feature.
``train.py`` writes it, with the same bytes on every machine.
"""

import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from studio_assets.trust_safety.features import BUCKETS
from studio_assets.trust_safety.reasons import LEARNT

MODEL_FILE: Final = Path(__file__).with_name("model.bin")
KNOWN_BITS: Final = 1 << 16
TIES: Final = 1 << 15
_FORMAT: Final = "studio-triage/2"


class ModelFileError(Exception):
    """The model file is not one this code can use; train it again."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Weights and what calibrates them.

    Attributes:
        weights: (BUCKETS, what is learnt) int8.
        unit: What one step of a weight is worth.
        temperature: Scores are divided by it, so that probabilities are as often right as they say.
        threshold: Probability of a category below which nothing is suggested.
        known: One bit for every hash of a word; set for words of the training texts.
        ties: For every other hash of a word the groups of ``evidence`` it is tied to, one bit for each.
        made_of: What it was trained on, as ``train.made_of`` says.
        probe: What ``train.probe`` gave where it was trained.
        digest: SHA-256 of the file.
    """

    weights: npt.NDArray[np.int8]
    unit: float
    temperature: float
    threshold: float
    known: npt.NDArray[np.uint8]
    ties: npt.NDArray[np.uint8]
    made_of: str
    probe: str
    digest: str

    def known_ratio(self, words: Sequence[str]) -> float:
        """Return the share of marked words that are known, 0 to 1; 0 for no words."""
        return sum(bool(self.known[word_bit(word)]) for word in words) / max(1, len(words))

    def ties_of(self, word: str) -> int:
        """Return the groups of ``evidence`` a plain word is tied to, one bit for each."""
        return int(self.ties[_tie_place(word)]) if self.known[word_bit(word)] else 0

    def probabilities(self, found: Sequence[int]) -> list[float]:
        """Return the probability of everything ``LEARNT`` for one sentence's features; they add up to 1."""
        if not found:
            return [1 / len(LEARNT)] * len(LEARNT)
        total = self.weights[list(found)].sum(axis=0, dtype=np.int64)
        factor = self.unit / math.sqrt(len(found)) / self.temperature
        scores = [float(one) * factor for one in total]
        top = max(scores)
        raised = [math.exp(score - top) for score in scores]
        whole = sum(raised)
        return [one / whole for one in raised]


@lru_cache(maxsize=4096)
def word_bit(word: str) -> int:
    """Return the place of a word, without its marks, among the bits of known words."""
    return zlib.crc32(word.lstrip("!'").encode()) % KNOWN_BITS


@lru_cache(maxsize=4096)
def _tie_place(word: str) -> int:
    return (zlib.crc32(word.encode()) >> 17) % TIES


def packed(
    weights: npt.NDArray[np.int8],
    vocabulary: Iterable[str],
    ties: Mapping[str, int],
    about: Mapping[str, Any],
) -> bytes:
    """Return the bytes of a model file."""
    tied = np.zeros(TIES, np.uint8)
    for word, mask in ties.items():
        tied[_tie_place(word)] |= mask
    known = np.zeros(KNOWN_BITS, np.uint8)
    known[[word_bit(word) for word in vocabulary]] = 1
    head = {"format": _FORMAT, "codes": list(LEARNT), "buckets": BUCKETS, **about}
    line = json.dumps(head, sort_keys=True).encode()
    return b"\n".join([line, np.packbits(known).tobytes() + tied.tobytes() + weights.tobytes()])


def unpacked(data: bytes) -> Model:
    """Return the model of a file's bytes; raise ``ModelFileError`` when they are not of this code."""
    line, _, rest = data.partition(b"\n")
    try:
        head = json.loads(line)
    except ValueError:
        head = {}
    if (
        not isinstance(head, dict)
        or (head.get("format"), head.get("codes"), head.get("buckets")) != (_FORMAT, list(LEARNT), BUCKETS)
        or len(rest) != KNOWN_BITS // 8 + TIES + BUCKETS * len(LEARNT)
    ):
        raise ModelFileError(
            "The triage model does not fit this version of the code. "
            "Train it again: python -m studio_assets.trust_safety.train"
        )
    bits = np.frombuffer(rest[: KNOWN_BITS // 8], np.uint8)
    return Model(
        weights=np.frombuffer(rest[KNOWN_BITS // 8 + TIES :], np.int8).reshape(BUCKETS, len(LEARNT)),
        unit=head["unit"],
        temperature=head["temperature"],
        threshold=head["threshold"],
        known=np.unpackbits(bits),
        ties=np.frombuffer(rest[KNOWN_BITS // 8 : KNOWN_BITS // 8 + TIES], np.uint8),
        made_of=head["made_of"],
        probe=head["probe"],
        digest=hashlib.sha256(data).hexdigest(),
    )


@cache
def shipped_model() -> Model:
    """Return the model in this repository; read once."""
    return unpacked(MODEL_FILE.read_bytes())
