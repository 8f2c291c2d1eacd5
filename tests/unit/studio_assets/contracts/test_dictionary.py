"""The data dictionary describes everything there is, and the page in ``docs`` is the one the code makes."""

import re
from pathlib import Path

import pytest

from resources.postgres.comments import describe
from studio_assets.contracts.catalog import ALL
from studio_assets.contracts.dictionary import render
from studio_assets.studio_state.counters import COUNTERS

PAGE = Path(__file__).parents[4] / "docs" / "data-dictionary.md"


def test_the_page_is_what_the_code_says_now():
    """Run ``python -m studio_assets.contracts.dictionary > docs/data-dictionary.md`` when this fails."""
    assert PAGE.read_text(encoding="utf-8") == render()


@pytest.mark.parametrize("contract", ALL, ids=lambda contract: contract.name)
def test_every_column_of_every_source_stands_in_its_section(contract):
    section = render().split(f"### {contract.source}: {contract.name}\n")[1].split("\n### ")[0]
    for column in contract.columns:
        assert f"| `{column.name}` | `{column.path}` |" in section
        assert column.meaning.replace("|", "\\|") in section


def test_every_counter_and_every_view_has_its_place():
    page = render()
    for counter in COUNTERS:
        assert f"| `{counter.path}` | {counter.unit} |" in page
    for relation in describe():
        assert f"### {relation.schema}.{relation.name}\n\n{relation.meaning}" in page


def test_every_line_of_a_table_has_as_many_cells_as_its_head():
    """A stray bar in a description would shift the cells of its line."""
    cells = None
    for line in render().splitlines():
        if not line.startswith("|"):
            cells = None
            continue
        count = len(re.findall(r"(?<!\\)\|", line))
        cells = cells or count
        assert count == cells, line
