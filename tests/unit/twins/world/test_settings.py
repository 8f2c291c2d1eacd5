"""Promises of what fixes a world."""

import pytest

from twins.world.archive import archive_size
from twins.world.settings import LARGEST_DOCUMENT_COUNT, WorldSettings, parse_size


def test_sizes_have_names_and_numbers():
    """The three names are steps of five; a number of documents becomes a scale, and beyond it an archive."""
    assert [parse_size(name).scale for name in ("small", "MEDIUM", " large ")] == [1.0, 5.0, 25.0]
    assert parse_size("3000").scale == pytest.approx(1.0)
    assert parse_size("1000000").target_documents == LARGEST_DOCUMENT_COUNT


@pytest.mark.parametrize("text", ["", "huge", "0", "-5", "1.5", "1000001", "1e6"])
def test_anything_else_is_refused_with_a_sentence(text):
    """A size that means nothing is refused, naming what would be understood."""
    with pytest.raises(ValueError, match="small, medium, large or a number"):
        parse_size(text)


def test_only_large_numbers_need_an_archive(settings):
    """Up to what busy days bring, nothing is filled up; beyond it the archive brings the rest."""
    for text, archived in (("small", 0), ("large", 0), ("12000", 0), ("15000", 0), ("100000", 85_000)):
        wanted = WorldSettings(1, settings.first_day, parse_size(text))
        assert archive_size(wanted) == archived
