"""The SDK's module-level calls go around the guarded transport, so no source of ours may use them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SOURCES = sorted(
    path
    for room in ("policies", "resources", "studio_assets", "sensors", "cockpit", "twins")
    for path in (ROOT / room).rglob("*.py")
)
ALLOWED = {"HTTPClient", "StripeClient", "ca_bundle_path", "enable_telemetry"}


def stray_uses(source):
    """Return every use of the SDK in a source other than its client, transport and error classes."""
    tree = ast.parse(source)
    strays = []
    names = {"stripe"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or "stripe" for alias in node.names if alias.name == "stripe"}
            strays += [alias.name for alias in node.names if alias.name.startswith("stripe.")]
        elif (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").split(".")[0] == "stripe"
        ):
            strays += [alias.name if node.module == "stripe" else node.module for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            strays.append(node.attr)
    return [stray for stray in strays if stray not in ALLOWED and not stray.endswith("Error")]


def test_our_sources_use_only_the_client():
    """No ``stripe.api_key``, no ``stripe.Customer.create``, no private module, anywhere but in tests."""
    strays = {str(path.relative_to(ROOT)): stray_uses(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: found for path, found in strays.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import stripe\nstripe.api_key = 'x'",
        "import stripe\nstripe.Customer.create(email='x')",
        "import stripe as s\ns.Refund.create()",
        "from stripe import Charge",
        "from stripe import api_key",
        "from stripe._http_client import RequestsClient",
        "import stripe.checkout",
        "import stripe\nstripe.default_http_client = None",
        "import stripe\nstripe.RequestsClient()",
    ],
)
def test_every_way_around_the_guard_is_found(source):
    """The rule itself is tested: each of these must be caught."""
    assert stray_uses(source)
