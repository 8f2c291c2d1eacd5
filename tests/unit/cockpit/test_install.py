"""The installer's judgement: what an installation needs, and what its failures mean to a person."""

import errno
import shutil
from types import SimpleNamespace

import pytest

from cockpit import install
from cockpit.install import InstallError


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full."),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE", "not the one that was locked"),
        ("ERROR: No matching distribution found for x==1", "not offered"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "cannot be written"),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError: Connection refused'",
            "cannot be reached",
        ),
        ("some line\nERROR: something new", "ERROR: something new"),
        ("", "Installing failed."),
    ],
)
def test_each_failure_of_pip_is_one_sentence_with_a_remedy(output, what):
    error = install._explain(output, "Installing failed.")
    assert what in error.what
    assert error.remedy
    assert "\n" not in error.what


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_recognised_while_files_are_copied(tmp_path, number):
    assert "disk is full" in install._explain_os_error(OSError(number, "x"), tmp_path).what


def test_a_disk_that_will_not_do_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    """Just under what is needed is refused and leaves nothing."""
    free = SimpleNamespace(free=install.NEEDED_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(InstallError, match="disk is full"):
        install._make_environment(tmp_path / ".venv")
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_installation_is_not_taken_for_one(tmp_path):
    venv = tmp_path / ".venv"
    (venv / ".studio").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    for path in (tmp_path / "requirements" / "runtime.txt", venv / ".studio" / "runtime.txt"):
        path.write_text("same")
    (venv / ".studio" / "incomplete").touch()
    assert not install.is_installed(venv, "runtime", tmp_path)
    (venv / ".studio" / "incomplete").unlink()
    assert not install.is_installed(venv, "runtime", tmp_path)


def test_what_it_needs_is_the_standard_library_only():
    """It runs before anything is installed."""
    import ast
    import sys
    from pathlib import Path

    tree = ast.parse(Path(install.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("version", "has_ensurepip", "gets_pip"),
    [
        ("22.3", True, False),
        ("22.2.9", True, True),
        ("9.0.1", True, True),
        (None, True, True),
        (None, False, False),
    ],
)
def test_an_environment_gets_a_pip_of_its_own_only_where_it_needs_one(
    tmp_path, monkeypatch, version, has_ensurepip, gets_pip
):
    """This Python's pip serves it from 22.3 on; an older one, or none, does not, if another can be had."""
    asked = []

    def known(_):
        if version is None:
            raise install.importlib.metadata.PackageNotFoundError
        return version

    def run(command, **_):
        asked.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(install.importlib.metadata, "version", known)
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda _: object() if has_ensurepip else None)
    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "NEEDED_BYTES", 0)
    install._make_environment(tmp_path / ".venv")
    (command,) = asked
    assert ("--without-pip" not in command) is gets_pip
