"""A data directory is used only if it is ours, whole, and of this version; otherwise nothing is written."""

import json

import pytest

from resources.postgres.cluster import is_our_cluster
from resources.postgres.errors import DataDirectoryError


def _cluster(folder, *, version="18", marker='{"format": 1}', control=True):
    folder.mkdir()
    if version:
        (folder / "PG_VERSION").write_text(f"{version}\n")
    if marker:
        (folder / "studio_os.json").write_text(marker)
    (folder / "global").mkdir()
    if control:
        (folder / "global" / "pg_control").write_bytes(b"x")
    return folder


def _listing(folder):
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_a_whole_cluster_of_ours_is_used(tmp_path):
    assert is_our_cluster(_cluster(tmp_path / "data"), 18)


def test_an_absent_or_empty_directory_may_become_one(tmp_path):
    (tmp_path / "empty").mkdir()
    assert not is_our_cluster(tmp_path / "absent", 18)
    assert not is_our_cluster(tmp_path / "empty", 18)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"marker": None}, "Studio OS did not make"),
        ({"marker": None, "version": None}, "Studio OS did not make"),
        ({"marker": "not json"}, "is damaged"),
        ({"marker": json.dumps([1])}, "is damaged"),
        ({"marker": '{"format": 2}'}, "newer version of Studio OS"),
        ({"version": None}, "is damaged"),
        ({"control": False}, "is damaged"),
        ({"version": "17"}, "made by PostgreSQL 17, this is PostgreSQL 18"),
        ({"version": "19"}, "made by PostgreSQL 19, this is PostgreSQL 18"),
    ],
)
def test_anything_else_is_refused_with_a_remedy_and_untouched(tmp_path, given, words):
    """Foreign, damaged, older and newer data are told apart, and nothing is overwritten."""
    folder = _cluster(tmp_path / "data", **given)
    before = _listing(folder)
    with pytest.raises(DataDirectoryError, match=words) as refused:
        is_our_cluster(folder, 18)
    assert "Nothing was changed" in str(refused.value)
    assert "--home" in str(refused.value)
    assert _listing(folder) == before


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "data").write_text("mine")
    with pytest.raises(DataDirectoryError, match="not a directory"):
        is_our_cluster(tmp_path / "data", 18)
    assert (tmp_path / "data").read_text() == "mine"


def test_a_link_to_nowhere_is_refused(tmp_path):
    (tmp_path / "data").symlink_to(tmp_path / "gone")
    with pytest.raises(DataDirectoryError, match="link to nowhere"):
        is_our_cluster(tmp_path / "data", 18)
