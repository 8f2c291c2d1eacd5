"""The state page in a browser: on a phone and on a desk, in every state, with and without script."""

import shutil
import threading

import pytest
import uvicorn

from cockpit.app import create_app
from resources.rows import Completeness
from tests.acceptance.house import free_port
from tests.unit.cockpit.facts_of import NAMES, facts_of, read_of, snapshot_of
from tests.unit.cockpit.test_app import dagster

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine"),
]
LONG = "Permission was denied by Firestore. " * 4
FAILED = read_of("firestore", "batches", 0, completeness=Completeness.FAILED, reason=LONG)
STARTING_PARTS = [
    {"name": "twins", "label": "Pretend studio", "phase": "starting", "detail": "day 31 of 60"},
    {"name": "daemon", "label": "Dagster daemon", "phase": "waiting", "detail": ""},
]
STATES = {
    "fresh": {},
    "stale": {"minutes_ago": 200},
    "partial": {"newest_reads": [FAILED, *(read_of(*name) for name in NAMES[1:])]},
    "starting": {"snapshot": None, "newest_reads": [], "parts": STARTING_PARTS},
    "empty": {"snapshot": snapshot_of(documents=0)},
    "error": {"problem": "x"},
}


class SwitchableDesk:
    """Gives whatever facts a test puts on it."""

    facts = facts_of()

    def gather(self):
        return self.facts


@pytest.fixture(scope="module")
def desk():
    """Serve the application on a port of this machine."""
    made = SwitchableDesk()
    made.port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(made, dagster=dagster), port=made.port, log_config=None)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield made
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def open_page(desk, browser):
    """Open the page in a state, with a given width, and collect what the browser complains about."""
    contexts = []

    def make(state, width, **options):
        desk.facts = facts_of(**STATES[state])
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.goto(f"http://127.0.0.1:{desk.port}/")
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("state", STATES)
def test_nothing_runs_over_the_edge_and_the_browser_has_no_complaint(open_page, state, width):
    """No sideways scrolling at any width, nothing refused by the content policy, texts do not overlap."""
    page = open_page(state, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    assert page.locator(f".banner.{state}").is_visible()
    overlaps = page.evaluate(
        "[...document.querySelectorAll('.tile')].filter(tile => {"
        " const [dt, dd] = [...tile.children].map(each => each.getBoundingClientRect());"
        " return dt.right > dd.left + 1 && dt.bottom > dd.top + 1 && dd.bottom > dt.top + 1; }).length"
    )
    assert overlaps == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_text_can_be_read_in_light_and_dark(open_page, state, scheme):
    """Every text has a contrast of at least 4.5 against what lies behind it."""
    page = open_page(state, 1280, color_scheme=scheme)
    assert page.evaluate(CONTRASTS) == []


def test_it_is_whole_without_script(open_page):
    page = open_page("fresh", 390, java_script_enabled=False)
    assert page.locator(".tile").count() == 25
    assert page.get_by_text("Derived from cloud, as of").is_visible()
    page.get_by_role("link", name="Lineage and runs").click()
    assert page.url.endswith("/dagster")


def test_it_can_be_used_with_the_keyboard(open_page):
    """The first stop is the way past the navigation; every stop can be seen."""
    page = open_page("fresh", 390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the numbers"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_headings_and_tables_are_told_to_those_who_do_not_see_them(open_page):
    page = open_page("fresh", 390)
    assert page.locator("h1").count() == 1
    assert page.locator("html[lang=en]").count() == 1
    assert page.locator("th:not([scope])").count() == 0
    assert page.get_by_role("status").count() == 1
    assert page.get_by_role("progressbar", name="Past days rebuilt").count() == 1


CONTRASTS = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest('.hidden, progress')) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) bad.push(`${element.textContent.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return bad;
})()
"""
