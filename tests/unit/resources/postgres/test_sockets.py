"""The socket lies where the kernel and libpq can reach it, in a directory nobody else can enter."""

import os
import stat
from pathlib import Path

import pytest

from resources.postgres.errors import DataDirectoryError
from resources.postgres.sockets import make_private_dir, quoted_for_setting, reachable_socket_dir, socket_path


def test_a_short_home_keeps_its_socket(tmp_path):
    assert reachable_socket_dir(tmp_path / "run") == tmp_path / "run"


@pytest.mark.parametrize("name", ["x" * 120, "é" * 60, "a,b"])
def test_a_home_that_no_socket_path_can_name_gets_a_short_directory(name):
    """107 bytes is the kernel's limit, and libpq splits at commas; the answer is always the same one."""
    short = reachable_socket_dir(Path("/home") / name)
    assert len(os.fsencode(socket_path(short))) <= 103
    assert "," not in str(short)
    assert short == reachable_socket_dir(Path("/home") / name)
    assert short != reachable_socket_dir(Path("/home") / f"{name}2")


def test_the_limit_is_exact():
    """107 bytes still work, 108 do not."""
    for length, is_kept in ((107, True), (108, False)):
        directory = Path("/" + "d" * (length - len("//.s.PGSQL.5432")))
        assert len(str(socket_path(directory))) == length
        assert (reachable_socket_dir(directory) == directory) is is_kept


def test_the_directory_is_private_and_its_parents_are_left_alone(tmp_path):
    tmp_path.chmod(0o711)
    make_private_dir(tmp_path / "run", os.getuid(), os.getgid())
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711
    make_private_dir(tmp_path / "run", os.getuid(), os.getgid())  # repeating is harmless


def test_a_directory_that_others_can_enter_is_refused_and_left_as_it_is(tmp_path):
    """Somebody else could have put a socket there."""
    (tmp_path / "run").mkdir(mode=0o755)
    with pytest.raises(DataDirectoryError, match="left as it is"):
        make_private_dir(tmp_path / "run", os.getuid(), os.getgid())
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o755


def test_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with pytest.raises(DataDirectoryError):
        make_private_dir(tmp_path / "run", os.getuid(), os.getgid())


def test_a_path_is_one_item_of_the_servers_list():
    assert quoted_for_setting(Path('/a b,"c')) == '"/a b,""c"'
