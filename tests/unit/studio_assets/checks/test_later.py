"""Libraries that are loaded when something is first taken from them."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cockpit.home import CHECKOUT
from studio_assets.checks.later import Later, loaded_when_used

ENGINE = """
import json, sys
from studio_assets.checks.expectations import import_engine

import_engine()
from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as user
here = lambda: [name for name in ("altair", "scipy") if name in sys.modules]
before = here()
entropy = float(user.stats.entropy([0.5, 0.5]))
chart = user.alt.Chart.__module__.partition(".")[0]
import altair, scipy.stats
real = [user.stats.entropy is scipy.stats.entropy, user.alt.Chart is altair.Chart]
print(json.dumps([before, round(entropy, 3), chart, real]))
"""

AT_ONCE = """
import json, threading
import pyarrow as pa
from studio_assets.checks.expectations import judge_rows
from studio_assets.checks.findings import column_rule

RULES = (column_rule("few", "be_between", "cups", min_value=0, max_value=2),)
barrier, found = threading.Barrier(4), []

def judge(most):
    barrier.wait()
    found.append([most, judge_rows(pa.table({"cups": [0, most]}), RULES)["few"].holds])

threads = [threading.Thread(target=judge, args=(most,)) for most in range(1, 5)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(json.dumps(sorted(found)))
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Give the name of a library with a part, which nobody has loaded; it is gone afterwards."""
    folder = tmp_path / "kiln_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("from kiln_of_a_test import heat\n")
    (folder / "heat.py").write_text("DEGREES = 1200\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    for name in (folder.name, f"{folder.name}.heat", f"{folder.name}.glaze"):
        sys.modules.pop(name, None)


def test_the_engine_loads_neither_library_and_both_work_where_they_are_used():
    """Checks of this house pay for neither; an expectation that needs one would get the real one."""
    done = subprocess.run(
        [sys.executable, "-c", ENGINE], cwd=CHECKOUT, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], 0.693, "altair", [True, True]]


def test_threads_that_are_first_to_judge_at_once_all_judge():
    """Runs share a process: who came while another imported the engine once found half of it, and failed."""
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[1, True], [2, True], [3, False], [4, False]]


def test_a_stand_in_becomes_the_module_when_something_is_taken(library):
    with loaded_when_used([f"{library}.heat"]):
        namespace = {}
        exec(f"from {library} import heat\nimport {library}.heat as same", namespace)  # noqa: S102 - an import of any name
        assert namespace["heat"] is namespace["same"]
        assert isinstance(namespace["heat"], Later)
    assert library not in sys.modules
    assert f"{library}.heat" not in sys.modules
    assert namespace["heat"].DEGREES == 1200
    assert sys.modules[f"{library}.heat"].DEGREES == 1200
    with pytest.raises(AttributeError):
        namespace["heat"].COLOUR  # noqa: B018 - asking is what is tested


def test_something_may_be_taken_while_modules_are_imported(library):
    with loaded_when_used([library]):
        namespace = {}
        exec(f"import {library}", namespace)  # noqa: S102 - as above
        assert namespace[library].heat.DEGREES == 1200
        assert not isinstance(sys.modules[library], Later)
    assert sys.modules[library].heat.DEGREES == 1200


def test_another_thread_gets_the_module_and_its_parts_meanwhile(library):
    """It knows of no stand-in: a part of the library was not found, and its version not told."""
    (Path(sys.path[0]) / library / "glaze.py").write_text("__version__ = '1.2'\n")
    found = {}
    take = f"import {library}.glaze\nversion = {library}.glaze.__version__"
    with loaded_when_used([f"{library}.heat"]):
        other = threading.Thread(target=exec, args=(take, found))
        other.start()
        other.join()
    assert found["version"] == "1.2"
    assert not isinstance(sys.modules[library], Later)


def test_after_the_imports_a_stand_in_has_every_name_of_the_module(library):
    with loaded_when_used([f"{library}.heat"]):
        namespace = {}
        exec(f"from {library} import heat", namespace)  # noqa: S102 - as above
    assert namespace["heat"].__file__.endswith("heat.py")


def test_what_is_loaded_already_stays(library):
    real = __import__(library)
    with loaded_when_used([f"{library}.heat", library]):
        assert sys.modules[library] is real
        assert sys.modules[f"{library}.heat"] is real.heat
