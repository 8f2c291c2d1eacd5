"""The launcher from outside: any directory, any interruption, and one plain line for what it cannot do.

A small checkout with one tiny package stands in for the real one, so that nothing is downloaded.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance
CHECKOUT = Path(__file__).resolve().parents[2]
# What this environment was made from. It has a pip, as most have; where none is, one is unpacked every time.
PYTHON = sys._base_executable
COMMAND = "import sys, tiny; print('ran', tiny.VERSION, *sys.argv[1:])"


def wheel(folder, version):
    """Write a wheel of the package ``tiny`` and return its SHA-256."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(
                zipfile.ZipInfo(name), text
            )  # without the time, so that its hash is always the same
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Copy:
    """A small checkout in a path with a space."""

    def __init__(self, base):
        self.root = base / "a check out"
        self.wheels = base / "wheels"
        (self.root / "cockpit" / "cli").mkdir(parents=True)
        (self.root / "requirements").mkdir()
        self.wheels.mkdir()
        for name in ("studio", "cockpit/install.py"):
            shutil.copy(CHECKOUT / name, self.root / name)
        (self.root / "cockpit" / "__init__.py").write_text("")
        (self.root / "cockpit" / "cli" / "__init__.py").write_text("")
        (self.root / "cockpit" / "cli" / "__main__.py").write_text(COMMAND)
        self.lock("1.0")

    def lock(self, version):
        """Lock the package at a version."""
        digest = wheel(self.wheels, version)
        for kind in ("runtime", "dev"):
            (self.root / "requirements" / f"{kind}.txt").write_text(
                f"tiny=={version} \\\n    --hash=sha256:{digest}\n"
            )

    def environment(self, **more):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "STUDIO_PYTHON": PYTHON}
        return environment | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)} | more

    def run(self, *arguments, program=None, cwd="/", **more):
        command = [str(program or self.root / "studio"), *arguments]
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the environment of a copy that was installed once, for those that begin where that ends."""
    made = Copy(tmp_path_factory.mktemp("finished"))
    assert made.run().returncode == 0
    return made.root / ".venv"


@pytest.fixture
def installed(copy, finished):
    """Give a copy with its environment there."""
    shutil.copytree(finished, copy.root / ".venv", symlinks=True)
    return copy


def test_a_finished_environment_is_taken_as_it_is(installed):
    """What the tests below begin with is what an installation leaves."""
    found = installed.run("status")
    assert (found.returncode, found.stdout, found.stderr) == (0, "ran 1.0 status\n", "")


def test_it_installs_once_and_runs_from_anywhere(copy, tmp_path):
    """First from another directory, then through a link, from a directory whose modules would shadow ours.

    The Python is that of an environment, which may have no pip.
    """
    first = copy.run("up", "--json", "two words", STUDIO_PYTHON=sys.executable)
    assert (first.returncode, first.stdout) == (0, "ran 1.0 up --json two words\n"), first.stderr
    assert "making" in first.stderr
    shadow = tmp_path / "shadow"
    (shadow / "cockpit").mkdir(parents=True)
    (shadow / "cockpit" / "__init__.py").write_text("raise SystemExit('shadowed')")
    link = tmp_path / "link"
    link.symlink_to(copy.root / "studio")
    second = copy.run("status", program=link, cwd=shadow)
    assert (second.returncode, second.stdout, second.stderr) == (0, "ran 1.0 status\n", "")


def test_a_changed_lock_is_installed_again(installed):
    installed.lock("2.0")
    assert installed.run().stdout.startswith("ran 2.0")


@pytest.mark.parametrize("damage", ["killed", "no python", "nothing in it"])
def test_a_broken_environment_is_made_again(installed, damage):
    """Whatever a killed installation left behind, the next start repairs it."""
    venv = installed.root / ".venv"
    if damage == "killed":
        (venv / ".studio" / "incomplete").touch()
        shutil.rmtree(next((venv / "lib").glob("python*/site-packages")))
    elif damage == "no python":
        (venv / "bin" / "python").unlink()
    else:
        shutil.rmtree(venv)
        venv.mkdir()
    again = installed.run()
    assert (again.returncode, again.stdout.split()[:2]) == (0, ["ran", "1.0"]), again.stderr


def test_a_directory_of_somebody_else_is_not_deleted(copy):
    venv = copy.root / ".venv"
    venv.mkdir()
    (venv / "letters.txt").write_text("dear")
    refused = copy.run()
    assert refused.returncode == 1
    assert "no virtual environment" in refused.stderr
    assert (venv / "letters.txt").read_text() == "dear"


def test_two_at_once_do_not_fight(copy):
    """One installs, the other waits, both run."""
    command = [str(copy.root / "studio"), "status"]
    processes = [
        subprocess.Popen(
            command, env=copy.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    assert sum("making" in err for _, err in outcomes) == 1


def test_a_package_that_is_not_the_locked_one_is_refused(installed):
    installed.lock("2.0")
    lock = installed.root / "requirements" / "runtime.txt"
    lock.write_text(lock.read_text()[:-10] + "0123456789"[:9] + "\n")
    refused = installed.run()
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-2].startswith(
        "studio: A downloaded package is not the one that was locked."
    )
    assert installed.run().returncode == 1


def test_a_package_that_is_not_offered_is_named_with_the_remedy(installed):
    installed.lock("2.0")
    for each in installed.wheels.iterdir():
        each.unlink()
    refused = installed.run()
    assert refused.returncode == 1
    assert "not offered" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_python_that_is_too_old_is_told_with_the_remedy(copy, tmp_path):
    """One line says which was found, one what to do."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "readlink", "head", "sed"):
        (tools / name).symlink_to(shutil.which(name))
    old = tools / "python3"
    old.write_text("#!/bin/bash\nif [ \"$1\" = -V ]; then echo 'Python 3.8.2'; exit 0; fi\nexit 1\n")
    old.chmod(0o755)
    refused = copy.run(PATH=str(tools), STUDIO_PYTHON="")
    assert refused.returncode == 1
    what, remedy = refused.stderr.splitlines()
    assert "3.11 or newer" in what
    assert "3.8.2" in what
    assert "Install" in remedy
    old.unlink()
    assert "was not found" in copy.run(PATH=str(tools), STUDIO_PYTHON="").stderr


def test_without_permission_to_write_it_says_so(copy, tmp_path):
    """A checkout of somebody else cannot get an environment; nothing is written."""
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    copy.root.chmod(0o555)
    as_other = {"user": "nobody"} if os.geteuid() == 0 else {}
    # The interpreter must be one that the other account can reach.
    python = "/usr/bin/python3" if as_other else sys.executable
    if (
        as_other
        and subprocess.run(
            [python, "-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"], check=False
        ).returncode
    ):
        pytest.skip("no Python 3.11 that another account could use")
    refused = subprocess.run(
        [str(copy.root / "studio")],
        env=copy.environment(STUDIO_PYTHON=python),
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        **as_other,
    )
    copy.root.chmod(0o755)
    assert refused.returncode == 1
    assert "No permission to write" in refused.stderr
    assert not (copy.root / ".venv").exists()


def test_the_locks_pin_everything_by_hash_and_name_no_index():
    """Locked files work with whatever index pip is configured to use, and only with the packages we saw."""
    for kind in ("runtime", "dev"):
        lock = (CHECKOUT / "requirements" / f"{kind}.txt").read_text()
        assert "://" not in lock
        pinned = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned)
        assert lock.count("--hash=sha256:") >= len(pinned)


def test_both_locks_agree_on_the_versions_they_share():
    def versions(kind):
        lines = (CHECKOUT / "requirements" / f"{kind}.txt").read_text().splitlines()
        return {line.split(" ")[0] for line in lines if line and not line.startswith((" ", "#"))}

    assert versions("runtime") <= versions("dev")
