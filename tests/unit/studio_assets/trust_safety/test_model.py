"""The shipped model is what its training writes, is small, and is as good as the docs say."""

import csv
import io
from pathlib import Path

import pytest

from studio_assets.trust_safety.corpus import SETS, Dice, examples, misspelt, templates
from studio_assets.trust_safety.features import BUCKETS, features
from studio_assets.trust_safety.measure import is_same, measure
from studio_assets.trust_safety.model import MODEL_FILE, ModelFileError, shipped_model, unpacked
from studio_assets.trust_safety.reasons import CODES, LEARNT, Severity
from studio_assets.trust_safety.train import made_of, probe
from studio_assets.trust_safety.triage import Triage

LARGEST_MODEL = 300_000


def test_the_model_is_made_of_the_texts_beside_it():
    """Whoever changes a text has to train again."""
    assert shipped_model().made_of == made_of()


def test_training_gives_the_same_numbers_everywhere():
    """A very short training gives what it gave where the model was made, to the last bit."""
    assert shipped_model().probe == probe()


def test_model_is_small():
    """It stays under 300 kB."""
    assert MODEL_FILE.stat().st_size < LARGEST_MODEL


def test_foreign_model_files_are_refused():
    """A file of another version is not used by mistake."""
    data = MODEL_FILE.read_bytes()
    for broken in (b"", b"{}\n", data[:-1], data.replace(b"link_dead", b"link_gone", 1), b"[1]\n" + data):
        with pytest.raises(ModelFileError, match="Train it again"):
            unpacked(broken)


def test_probabilities_add_up():
    """Every sentence has a probability for every reason code; nothing known makes them all alike."""
    chances = shipped_model().probabilities(features(["the", "link", "is", "broken"]))
    assert sum(chances) == pytest.approx(1)
    assert len(set(shipped_model().probabilities([]))) == 1
    assert len(chances) == len(LEARNT)


def test_features_are_distinct_and_in_range():
    """Features come once each, in order; denied and quoted words are other features."""
    found = features(["spam", "spam", "!spam", "'spam"])
    assert found == sorted(set(found))
    assert all(0 <= one < BUCKETS for one in found)
    assert features(["spam"]) != features(["!spam"])


def test_sets_share_no_template():
    """Nothing is measured on a template that was trained or calibrated on."""
    lines = [{line for code in templates(name).by_code.values() for line in code} for name in SETS]
    assert not lines[0] & lines[1]
    assert not lines[0] & lines[2]
    assert not lines[1] & lines[2]


def test_every_reason_is_in_every_set():
    """No reason code goes untrained or unmeasured."""
    for name in SETS:
        assert set(CODES) <= templates(name).by_code.keys()


def test_a_slip_changes_one_word():
    """A misspelling touches one longer word and leaves short texts alone."""
    assert misspelt("a b c", Dice(1)) == "a b c"
    assert misspelt("kiln vents smoking", Dice(2)).split()[0] == "kiln"


def test_measured_quality_does_not_fall():
    """On texts of other templates than trained on: suggestions are right, harm is not called harmless."""
    told = measure(1).to_json()
    assert told["recall"] >= 0.85
    assert told["precision"] >= 0.95
    assert told["calibration_error"] <= 0.1
    assert told["false_alerts_per_week"] <= 1
    assert told["instructions"]["changed"] == 0
    assert told["classes"]["abstain"]["found"] == told["classes"]["abstain"]["injected"]
    assert told["classes"]["safety"]["misclassified"] == 0


def test_texts_nobody_trained_on_are_suggested_rightly_or_not_at_all():
    """Written before their author saw any text here, and never tuned to: nine of ten suggestions hold."""
    file = Path(__file__).with_name("blind") / "reports.csv"
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    triage = Triage()
    made = [(row, triage.suggest(row["text"])) for row in rows]
    suggested = [(row, one) for row, one in made if not one.is_abstained]
    right = sum(one.category == row["category"] for row, one in suggested)
    assert right >= 0.93 * len(suggested)
    assert len(suggested) >= 0.8 * sum(row["category"] != "abstain" for row in rows)
    assert not [one for row, one in suggested if row["category"] == "abstain"]


def _seen(name):
    return Path(__file__).with_name("seen").joinpath(name).read_text(encoding="utf-8").splitlines()


def test_orders_that_are_listed_nowhere_hardly_ever_change_a_suggestion():
    """In a sentence of their own they leave 99 of 100 exactly as they were.

    Written before the code was read, but looked at since: a guard against falling back, not a blind measure.
    """
    triage = Triage()
    texts = [f"{example.text.rstrip('.!?')}." for example in examples("measure", 7, 2)][::40]
    before = [triage.suggest(text) for text in texts]
    same = [
        is_same(one, triage.suggest(told))
        for order in _seen("orders.txt")
        for text, one in zip(texts, before, strict=True)
        for told in (f"{text} {order}", f"{order}\n{text}")
    ]
    assert sum(same) >= 0.99 * len(same)


def test_what_potters_write_beside_their_pieces_is_nothing_grave():
    """Remarks nobody complains with: no one of them is suggested to be more than a detail to correct.

    Two of them were once, and training texts of their kind were written for that: no blind measure either.
    """
    triage = Triage()
    made = [triage.suggest(remark) for remark in _seen("remarks.txt")]
    assert len(made) == 40
    assert not [one for one in made if not one.is_abstained and one.severity is not Severity.LOW]
