"""The house rules that a reader could only check by reading everything."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("policies", "resources", "studio_assets", "sensors", "cockpit", "twins")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
LONGEST_MODULE = 400
FORBIDDEN_NAMES = {"utils", "helpers", "common", "lib", "misc"}


@pytest.fixture(scope="module", autouse=True)
def _trees_are_let_go():
    """Every module is parsed once for all rules, and no test of another file carries the trees along."""
    yield
    _tree.cache_clear()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_rooms_import_only_what_they_may():
    """The import law of the design holds, for rooms and for vendors."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_vendor_libraries_stay_behind_their_own_door():
    """A vendor's library is imported only inside its own folder, or by the twin that answers it."""
    allowed = {
        "google": ("resources/firestore/", "resources/identity/google_access.py", "twins/"),
        "grpc": ("resources/firestore/", "twins/"),
        "stripe": ("resources/stripe/", "twins/"),
        "sqlalchemy": (
            "resources/postgres/",
            "resources/dagster_storage.py",
            "resources/dagster_event_log.py",
            "resources/dagster_check_rows.py",
            "resources/dagster_log_faults.py",
        ),
        "psycopg2": ("resources/postgres/",),
        "great_expectations": ("studio_assets/checks/",),
        "httpx": ("resources/hubitat/",),
        "httpcore": ("resources/hubitat/",),
        "purgatory": ("resources/connectors/",),
        "roborock": ("resources/roborock/", "twins/roborock/"),
        "aiohttp": ("resources/roborock/", "twins/roborock/"),
        "aiomqtt": ("resources/roborock/", "twins/roborock/"),
    }
    strays = [
        f"{_name(path)} imports {module}"
        for path in MODULES
        for module in _imported_roots(path)
        if module in allowed and not _name(path).startswith(allowed[module])
    ]
    assert not strays


def _imported_roots(path: Path) -> set[str]:
    roots: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            roots.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module.partition(".")[0])
    return roots


def test_no_module_has_a_name_that_means_anything():
    """Modules are nouns or verbs of the domain; never a drawer for odds and ends."""
    assert not [
        _name(path) for path in MODULES if FORBIDDEN_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)
    ]


def test_long_modules_say_why():
    """A module over the limit states its reason in its docstring."""
    long = [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_MODULE]
    assert not [_name(path) for path in long if "lines because" not in (ast.get_docstring(_tree(path)) or "")]


def test_every_module_says_what_belongs_in_it():
    """Every module opens with a docstring."""
    assert not [_name(path) for path in MODULES if not ast.get_docstring(_tree(path))]


def test_annotations_are_never_postponed():
    """Dagster reads annotations at run time; postponed ones break its definitions."""
    postponed = re.compile(r"^from __future__ import .*annotations", re.MULTILINE)
    assert not [_name(path) for path in MODULES if postponed.search(path.read_text(encoding="utf-8"))]


def test_every_exception_from_the_linters_carries_its_reason():
    """A silenced rule names itself and says why on the same line."""
    bare = re.compile(r"#\s*(noqa|type:\s*ignore|pragma: no cover)(?P<rest>.*)$")
    places = []
    for path in MODULES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = bare.search(line)
            if match and not re.search(r"[-—#] \S+ \S+", match["rest"]):
                places.append(f"{_name(path)}:{number}")
    assert not places


@pytest.mark.parametrize("lock", ["requirements/runtime.txt", "requirements/dev.txt"])
def test_locks_pin_every_package_with_hashes_and_name_no_index(lock):
    """Lock files work with whatever index a machine is set up for, and accept only known files."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "--hash=sha256:" in text
    assert not re.search(r"https?://|--\S*index|--find|@ file:", text)
    pins = [line for line in text.splitlines() if re.match(r"^[A-Za-z0-9]", line)]
    assert pins
    assert all("==" in line for line in pins)


def test_the_runtime_lock_is_part_of_the_development_lock():
    """What is tested is what is shipped: both locks pin the same versions."""
    pin = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)
    runtime, dev = (
        set(pin.findall((ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")))
        for name in ("runtime", "dev")
    )
    assert runtime <= dev


def test_importing_every_module_touches_nothing():
    """Importing a module of ours opens no socket and starts no process (libraries answer for themselves)."""
    names = [_name(path)[:-3].replace("/", ".").removesuffix(".__init__") for path in MODULES]
    names = [name for name in names if not name.endswith("__main__") and ".migrations" not in name]
    script = f"""
import importlib, socket, subprocess, sys
ROOT = {str(ROOT)!r} + "/"
connect, start = socket.socket.connect, subprocess.Popen.__init__
def ours():
    frame = sys._getframe(2)
    while frame and frame.f_code.co_filename.startswith(("<frozen", sys.base_prefix, sys.prefix)):
        if "site-packages" in frame.f_code.co_filename: return False
        frame = frame.f_back
    return bool(frame) and frame.f_code.co_filename.startswith(ROOT)
def guarded(original):
    def call(*args, **kwargs):
        if ours(): raise SystemExit("touched the outside")
        return original(*args, **kwargs)
    return call
socket.socket.connect, subprocess.Popen.__init__ = guarded(connect), guarded(start)
for name in {names!r}: importlib.import_module(name)
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_no_module_reads_the_environment_or_the_clock_while_it_is_imported():
    """Settings and time are handed in; a module that asked for them itself could not be tested."""
    asking = {"environ", "getenv", "now", "utcnow", "today", "time_ns"}
    places = [
        f"{_name(path)}:{node.lineno}"
        for path in MODULES
        if path.name != "__main__.py"
        for statement in _tree(path).body
        for node in _executed_on_import(statement)
        if isinstance(node, ast.Attribute)
        and node.attr in asking
        and ast.unparse(node.value) not in {"func", "sa.func"}
    ]
    assert not places


def _executed_on_import(statement: ast.stmt) -> list[ast.AST]:
    """Return every node of a statement except the bodies of functions, which run later."""
    found: list[ast.AST] = []
    queue: list[ast.AST] = [statement]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and "__main__" in ast.dump(node.test):
            continue
        found.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            queue.extend(ast.iter_child_nodes(node.args))
        else:
            queue.extend(ast.iter_child_nodes(node))
    return found
