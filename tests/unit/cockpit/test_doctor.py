"""The doctor: healthy is said plainly, and every fault has its own words and a remedy."""

import socket

import pytest

from cockpit.doctor import machine
from cockpit.home import open_home
from resources.settings import load_settings


def test_packages_that_differ_from_the_lock_are_named(tmp_path):
    lock = tmp_path / "runtime.txt"
    lock.write_text(
        "pytest==0.0.1 \\\n    --hash=sha256:x\nnot-there==1.0\nnever==1 ; sys_platform == 'atari' \\\n"
    )
    found = machine.check_packages(lock)
    assert not found.ok
    assert "pytest is" in found.problem
    assert "not-there is missing" in found.problem
    assert "never" not in found.problem
    assert "rm -rf" in found.remedy


def test_the_packages_of_this_environment_are_as_locked():
    assert machine.check_packages(machine.CHECKOUT / "requirements" / "runtime.txt").ok


def test_a_new_home_and_a_used_one_are_fine(tmp_path):
    assert machine.check_home(tmp_path / "new").ok
    assert machine.check_home(open_home(tmp_path / "used").path).ok


def test_a_foreign_directory_is_no_home(tmp_path):
    (tmp_path / "letters").write_text("")
    found = machine.check_home(tmp_path)
    assert not found.ok
    assert found.is_needed


def test_a_home_that_everybody_may_read_is_worth_a_note(tmp_path):
    home = open_home(tmp_path / "home")
    home.path.chmod(0o755)
    found = machine.check_home(home.path)
    assert (found.ok, found.is_needed) == (False, False)
    assert found.remedy.startswith("chmod")


@pytest.mark.parametrize(("missing", "ok"), [(-1, True), (0, True), (1, False)])
def test_the_disk_must_have_room(tmp_path, monkeypatch, missing, ok):
    from types import SimpleNamespace

    free = SimpleNamespace(free=machine.NEEDED_BYTES - missing)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: free)
    assert machine.check_disk(tmp_path).ok is ok


def test_a_taken_port_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = load_settings({"STUDIO_PORT": port, "STUDIO_HOME": str(tmp_path / "home")})
        found = machine.check_port(settings)
    assert not found.ok
    assert port in found.problem
