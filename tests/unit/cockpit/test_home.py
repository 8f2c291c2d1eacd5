"""The home directory: ours is recognised, everything else is refused and left as it was."""

import json
import os
import stat

import pytest

from cockpit.errors import CockpitError
from cockpit.home import FORMAT, MARKER, open_home, read_json, write_json
from cockpit.instance import Instance, InstanceLock, is_locked, publish, running_instance, withdraw


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_is_private_and_is_found_again(tmp_path):
    first = open_home(tmp_path / "deep" / "home")
    assert mode(first.path) == 0o700
    assert mode(first.run) == 0o700
    assert open_home(first.path) == first


def test_an_empty_directory_of_somebody_keeps_its_permissions(tmp_path):
    """No directory that we did not create gets other permissions."""
    given = tmp_path / "given"
    given.mkdir()
    given.chmod(0o755)
    before = mode(tmp_path)
    open_home(given)
    assert (mode(given), mode(tmp_path)) == (0o755, before)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("letters.txt", "dear", "not a home"),
        (MARKER, "{half", "damaged"),
        (MARKER, json.dumps({"format": FORMAT}), "damaged"),
        (MARKER, json.dumps({"format": FORMAT + 1, "id": "6f1c1c0e-1111-4222-8333-444455556666"}), "newer"),
    ],
)
def test_a_directory_that_is_not_our_home_is_refused_and_left_alone(tmp_path, name, content, words):
    """Foreign, damaged and newer homes each get their own sentence and remedy; nothing is written."""
    (tmp_path / name).write_text(content)
    with pytest.raises(CockpitError, match=words) as caught:
        open_home(tmp_path)
    assert caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == content


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CockpitError, match="not a directory"):
        open_home(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CockpitError, match="cannot be used"):
        open_home(tmp_path / "home")


def test_json_is_replaced_whole_and_private(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    write_json(tmp_path / "x.json", {"a": 2})
    assert read_json(tmp_path / "x.json") == {"a": 2}
    assert mode(tmp_path / "x.json") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_damaged_json_file_reads_as_nothing(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    assert read_json(tmp_path / "x.json") is None


def test_only_one_instance_holds_a_home(tmp_path):
    """The second is told who the first is; after the first lets go, the next may."""
    home = open_home(tmp_path / "home")
    first, second = InstanceLock(home), InstanceLock(home)
    first.acquire()
    with pytest.raises(CockpitError, match=f"process {os.getpid()}"):
        second.acquire()
    assert is_locked(home)
    first.release()
    second.acquire()
    second.release()
    assert not is_locked(home)


def test_an_instance_is_found_only_while_it_runs(tmp_path):
    """A file that a killed instance left behind does not count."""
    home = open_home(tmp_path / "home")
    instance = Instance(
        os.getpid(), "http://127.0.0.1:3000", "2026-01-01T00:00:00Z", {"STUDIO_STRIPE_KEY": "rk_x"}
    )
    publish(home, instance)
    assert running_instance(home) is None
    lock = InstanceLock(home)
    lock.acquire()
    assert running_instance(home) == instance
    assert mode(home.run / "instance.json") == 0o600
    withdraw(home)
    assert running_instance(home) is None
    lock.release()


def test_the_environment_of_an_instance_is_never_shown():
    assert "canary" not in repr(Instance(1, "u", "t", {"STUDIO_STRIPE_KEY": "canary"}))
