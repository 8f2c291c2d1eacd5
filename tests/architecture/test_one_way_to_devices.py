"""Devices are reached one way: a permit of the gateway, the registry's connector, the runner that records."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("policies", "resources", "studio_assets", "sensors", "cockpit", "twins")
# The contract holds connectors to their promises, on twins or by permit on a user's own devices.
_CONTRACT = ("resources/connectors/contract/", "cockpit/cli/connector_subjects.py")
MAY_NAME = {
    "ConnectorRunner": ("resources/connectors/runner.py", "resources/connectors/access.py", *_CONTRACT),
    "HubitatConnector": ("resources/hubitat/live.py", "resources/connectors/registry.py", *_CONTRACT),
    "LiveRoborock": ("resources/roborock/live.py", "resources/connectors/registry.py", *_CONTRACT),
}


@cache
def named_in(source, path):
    """Return everything a module names, in whatever way."""
    return frozenset(
        word
        for node in ast.walk(ast.parse(source, filename=path))
        for word in (
            *([alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []),
            *([node.attr] if isinstance(node, ast.Attribute) else []),
            *([node.id] if isinstance(node, ast.Name) else []),
            # Not by its name as text, either.
            *([node.value] if isinstance(node, ast.Constant) else []),
        )
    )


def strays(name, source, path):
    """Return where a module names something that only others may name."""
    return [path] if name in named_in(source, path) and not path.startswith(MAY_NAME[name]) else []


@pytest.mark.parametrize("name", MAY_NAME)
def test_nobody_else_makes_one(name):
    """Runners and vendors' connectors are made where they belong, and named nowhere else."""
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert modules
    found = [
        stray
        for path in modules
        for stray in strays(name, path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    assert not found


def test_the_door_itself_is_opened_in_one_place():
    """Others are handed the door; only ``live_devices`` makes it."""
    makers = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "DeviceAccess"
    ]
    assert makers == ["studio_assets/doors.py"]


@pytest.mark.parametrize(
    "source",
    [
        "from resources.connectors.runner import ConnectorRunner",
        "import resources.connectors.runner as r\nr.ConnectorRunner(None)",
        "getattr(module, 'ConnectorRunner')",
    ],
)
def test_a_second_way_would_be_seen(source):
    """The test above can fail: each way of naming a runner elsewhere is found."""
    assert strays("ConnectorRunner", source, "sensors/new.py") == ["sensors/new.py"]


def test_every_read_asks_for_a_permit():
    """In the one door, nothing is asked of a runner that was not given out with a permit."""
    tree = ast.parse((ROOT / "resources/connectors/access.py").read_text(encoding="utf-8"))
    access = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "DeviceAccess"
    )
    calls = {
        method.name: {
            node.func.attr
            for node in ast.walk(method)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        for method in access.body
        if isinstance(method, ast.FunctionDef)
    }
    assert "permit_read" in calls["_runner"]
    asking = {name for name, made in calls.items() if made & {"read", "health", "execute"}}
    assert asking == {"read", "health"}
    assert all("_runner" in calls[name] for name in asking)
