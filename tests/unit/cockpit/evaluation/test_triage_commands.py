"""``evaluate triage`` and ``evaluate text``: what they print, and what they say of files they cannot use."""

import json

import pytest

from cockpit.cli.evaluation.text import read_texts
from cockpit.cli.evaluation.triage import evaluate_year
from cockpit.cli.main import main
from cockpit.errors import CockpitError


def _printed(capsys, *arguments):
    code = main(["evaluate", *map(str, arguments)])
    return code, capsys.readouterr()


def test_text_tells_of_every_row_in_order(tmp_path, capsys):
    """One suggestion a row, in order, with the keys others rely on; empty cells too."""
    file = tmp_path / "texts.csv"
    file.write_text(
        'id,text\n1,"A gas leak, next to the kiln"\n2,\n3\n'
        '4,"Le lien ne marche pas avec nous"\n5,"Two\nlines"\n',
        encoding="utf-8",
    )
    code, told = _printed(capsys, "text", file, "--json")
    rows = json.loads(told.out)["rows"]
    assert code == 0
    assert len(rows) == 5
    assert {"category", "severity", "confidence", "abstained"} <= rows[0].keys()
    assert (rows[0]["category"], rows[0]["severity"], rows[0]["abstained"]) == ("safety", "high", False)
    assert [row["abstained"] for row in rows[1:4]] == [True, True, True]


def test_text_prints_for_people_too(tmp_path, capsys):
    """Without --json there is a line a row."""
    file = tmp_path / "texts.csv"
    file.write_text("\ufeffText\nthe link is broken\n", encoding="utf-8")
    code, told = _printed(capsys, "text", file)
    assert code == 0
    assert "broken_link" in told.out


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_columns_may_be_parted_by_other_signs(tmp_path, sign):
    """As spreadsheets of many countries write it; a comma in a text is then a comma."""
    file = tmp_path / "texts.csv"
    file.write_bytes(f'\ufeffid{sign}"Text"\r\n1{sign}gas, and fire\r\n1{sign}"two\nlines"\r\n'.encode())
    assert read_texts(file) == ["gas, and fire", "two\nlines"]


def test_a_file_without_rows_has_no_suggestions(tmp_path, capsys):
    """A header alone is a file of nothing."""
    file = tmp_path / "texts.csv"
    file.write_text("text\n", encoding="utf-8")
    code, told = _printed(capsys, "text", file, "--json")
    assert (code, json.loads(told.out)["rows"]) == (0, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"words\nhello\n", "no single column called text"),
        (b"text,text\na,b\n", "no single column called text"),
        (b"text\nhello, world\n", "line 2: 2 columns where the header has 1"),
        (b'text\n"never closed\n', "it is no CSV"),
        (b"text\n\xff\xfe\n", "cannot be read as text"),
    ],
)
def test_unusable_files_are_explained(tmp_path, content, said):
    """What is wrong with a file is said in words, with the line where there is one."""
    file = tmp_path / "texts.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CockpitError, match=said) as told:
        read_texts(file)
    assert told.value.exit_code == 2


def test_triage_prints_the_contract(capsys):
    """The keys others rely on, for every category, and instructions that changed nothing."""
    code, told = _printed(capsys, "triage", "--seed", 2, "--days", 1, "--json")
    result = json.loads(told.out)
    assert code == 0
    assert {"seed", "recall", "precision", "false_alerts_per_week", "classes"} <= result.keys()
    assert result["seed"] == 2
    assert {"safety", "spam", "broken_link", "harassment_hate"} <= result["classes"].keys()
    assert {"injected", "found", "misclassified"} <= result["classes"]["safety"].keys()
    assert result["instructions"]["changed"] == 0
    assert 0.8 < result["coverage"] <= 1
    assert result["findings"].keys() >= {"recall", "precision", "false_alerts_per_week", "classes"}


def test_findings_tell_the_incidents_of_a_year_and_nothing_else():
    """Reports that storm in and grave ones left open are found; a calm season has none."""
    told = evaluate_year(3, 90).to_json()
    assert (told["recall"], told["precision"]) == (1.0, 1.0)
    assert told["classes"]["safety_reports"]["injected"] + told["classes"]["report_brigade"]["injected"] > 0
    calm = evaluate_year(3, 30, has_incidents=False).to_json()
    assert calm["alerts"] == {"right": 0, "false": 0, "excused": 0}
