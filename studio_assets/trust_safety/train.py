"""Training the triage model: multinomial logistic regression over hashed features of generated sentences.

``python -m studio_assets.trust_safety.train`` writes ``model.bin``. All sums are of whole numbers and all
else is single IEEE operations or a table, so every machine writes the same bytes.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from policies.intake_text import fold
from studio_assets.trust_safety import evidence
from studio_assets.trust_safety.calibrate import PER_TEMPLATE as CALIBRATING_TEXTS
from studio_assets.trust_safety.calibrate import SEED as CALIBRATING_SEED
from studio_assets.trust_safety.calibrate import calibrated
from studio_assets.trust_safety.corpus import Dice, examples, instructions
from studio_assets.trust_safety.features import BUCKETS, features
from studio_assets.trust_safety.languages import small_words
from studio_assets.trust_safety.model import MODEL_FILE, packed
from studio_assets.trust_safety.reading import read_report, words_of
from studio_assets.trust_safety.reasons import INSTRUCTION, LEARNT
from studio_assets.trust_safety.word_files import FOLDER

SEED: Final = 5
PER_TEMPLATE: Final = 14
EPOCHS: Final = 40
BATCH: Final = 256
RATE: Final = 1.2
DECAY: Final = 2e-4
_TEXTS: Final = ("train", "calibrate", "words", "instructions", "languages", "grammar")
_LEAST_TIE: Final = 4
"""A word is tied to where at least one in so many of its uses is."""
_ONE: Final = 1 << 16
_CLASSES: Final = len(LEARNT)
# e to minus d/64, times 2**20; by repeated multiplication, which is the same everywhere.
_STEP: Final = 0.984496437005408405986988829697  # e to minus 1/64

Weights = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Sentences of equal standing: which features are in which, and the right answers.

    ``places`` are rows of ``used``; by sentence they start at ``starts``. ``order`` sorts them by feature,
    whose groups start at ``groups``.
    """

    used: Whole
    places: Whole
    starts: Whole
    rows: Whole
    order: Whole
    groups: Whole
    shares: Whole
    right: Whole


def train() -> bytes:
    """Return the bytes of the model file; takes some fifteen seconds of one core."""
    sentences = list(_sentences(PER_TEMPLATE))
    weights = _learn(list(_batches(_counted(sentences))), EPOCHS)
    # Clipping a few far-out weights leaves finer steps for all others.
    largest = float(np.sort(np.abs(weights), axis=None)[-(weights.size // 2000)])
    unit = largest / 127
    small = np.clip(np.rint(weights / unit), -127, 127).astype(np.int8)
    about: dict[str, Any] = {"seed": SEED, "unit": unit, "temperature": 1.0, "threshold": 0.5}
    about |= {"made_of": made_of(), "probe": probe()}
    vocabulary = {word for words, _ in sentences for word in words} | small_words()
    ties = ties_of(sentences)
    return packed(small, vocabulary, ties, about | calibrated(packed(small, vocabulary, ties, about)))


def ties_of(sentences: Iterable[tuple[Sequence[str], int]]) -> dict[str, int]:
    """Return content word -> the groups of ``evidence`` it is tied to, one bit for each.

    A word is tied to a group when a quarter of its use is there, every code counted as equally common.
    """
    seen: dict[str, Counter[int]] = {}
    whole: Counter[int] = Counter()
    for words, code in sentences:
        whole[code] += 1
        for word in {evidence.plain(one) for one in words}:
            seen.setdefault(word, Counter())[code] += 1
    ties = {}
    for word, counts in seen.items():
        if word in evidence.small_words():
            continue
        shares: Counter[int | None] = Counter()
        for code, count in counts.items():
            shares[evidence.group_of(code)] += count * _ONE // whole[code]
        tied = [group for group, share in shares.items() if share * _LEAST_TIE >= shares.total()]
        mask = sum(1 << group for group in tied if group is not None)
        if mask:
            ties[word] = mask
    return ties


def made_of() -> str:
    """Return the SHA-256 of what a model is made of: the texts, and how long is learnt from them."""
    texts = [FOLDER.joinpath(f"{name}.txt").read_bytes() for name in _TEXTS]
    numbers = [SEED, PER_TEMPLATE, EPOCHS, BATCH, RATE, DECAY, CALIBRATING_SEED, CALIBRATING_TEXTS]
    return hashlib.sha256(repr([*texts, *numbers]).encode()).hexdigest()


def probe() -> str:
    """Return the SHA-256 of the weights of a very short training: the same wherever the long one is."""
    weights = _learn(list(_batches(_counted(_sentences(1)))), 1)
    return hashlib.sha256(weights.tobytes()).hexdigest()


def _sentences(per_template: int) -> Iterator[tuple[list[str], int]]:
    for example in examples("train", per_template, SEED):
        reading = read_report(example.text)
        words = [word for sentence in reading.sentences for word in sentence]
        if words:
            yield words, LEARNT.index(example.code)
    for turn in range(per_template):
        for text in instructions("train", SEED + turn):
            # As they are said: what the patterns would cut is learnt too.
            yield words_of(fold(text)), LEARNT.index(INSTRUCTION)


def _counted(sentences: Iterable[tuple[list[str], int]]) -> list[tuple[list[int], int]]:
    """Return the features of sentences, those that look the same once."""
    found: dict[tuple[int, ...], int] = {}
    for words, code in sentences:
        found.setdefault(tuple(features(words)), code)
    return [(list(key), code) for key, code in found.items()]


def _batches(sentences: Sequence[tuple[list[int], int]]) -> Iterator[_Batch]:
    dice = Dice("order", SEED)
    mixed = sorted(sentences, key=lambda _: dice.below(1 << 60))
    for at in range(0, len(mixed), BATCH):
        part = mixed[at : at + BATCH]
        lengths = np.array([len(found) for found, _ in part], np.int64)
        flat = np.concatenate([np.array(found, np.int64) for found, _ in part])
        used, places = np.unique(flat, return_inverse=True)
        order = np.argsort(places, kind="stable")
        yield _Batch(
            used=used,
            places=places.astype(np.int64),
            starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
            rows=np.repeat(np.arange(len(part)), lengths),
            order=order,
            groups=np.searchsorted(places[order], np.arange(len(used))).astype(np.int64),
            shares=np.rint(_ONE / np.sqrt(lengths)).astype(np.int64),
            right=np.array([code for _, code in part], np.int64),
        )


def _learn(batches: Sequence[_Batch], epochs: int) -> Weights:
    weights = np.zeros((BUCKETS, _CLASSES))
    squares = np.full((BUCKETS, _CLASSES), 1e-4)
    table = _table()
    # A class with many templates must not win for that.
    counts = np.bincount(np.concatenate([batch.right for batch in batches]), minlength=_CLASSES)
    balance = np.rint(_ONE * np.sqrt(counts.sum() / (_CLASSES * np.maximum(counts, 1)))).astype(np.int64)
    for _ in range(epochs):
        for batch in batches:
            whole = np.rint(weights[batch.used] * _ONE).astype(np.int64)
            scores = (
                np.add.reduceat(whole[batch.places], batch.starts, axis=0) * batch.shares[:, None] // _ONE
            )
            error = _shares_of(scores, table)
            error[np.arange(len(error)), batch.right] -= _ONE
            error = error * batch.shares[:, None] // _ONE * balance[batch.right][:, None] // _ONE
            summed = np.add.reduceat(error[batch.rows[batch.order]], batch.groups, axis=0)
            slope = summed / (_ONE * len(batch.right)) + DECAY / 8 * weights[batch.used]
            squares[batch.used] += slope * slope
            weights[batch.used] -= RATE * slope / np.sqrt(squares[batch.used])
    return weights


def _shares_of(scores: Whole, table: Whole) -> Whole:
    """Return the softmax of scores in units of 1/2**16, by whole numbers alone."""
    distance = (scores.max(axis=1, keepdims=True) - scores) >> 10
    raised = table[np.minimum(distance, len(table) - 1)]
    shares: Whole = raised * _ONE // raised.sum(axis=1, keepdims=True)
    return shares


def _table() -> Whole:
    value, found = float(1 << 20), []
    for _ in range(1024):
        found.append(round(value))
        value *= _STEP
    return np.array([*found, 0], np.int64)


if __name__ == "__main__":
    MODEL_FILE.write_bytes(train())
