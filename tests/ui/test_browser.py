"""The main tasks by clicks and keys, in a real browser (headless Chromium)."""

import shutil
import tempfile
from pathlib import Path

import pytest
from flywheel.store import Project, run_query
from support import wait_for
from support_ui import QUOTE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PAGES = (
    "/",
    "/samples",
    "/samples/smp_a",
    "/pairs",
    "/judges",
    "/evals",
    "/evals/compare?a=score_0&b=score_1",
    "/documents",
    "/documents/doc_1",
    "/sql",
)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--window-size=1280,800",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("selenium", reason="selenium is not installed: pip install llm-flywheel[dev]")
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium or chromedriver is not on this machine")
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    folder = tempfile.mkdtemp(prefix="flywheel-chromium-")
    options = Options()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = Chrome(options=options, service=Service(DRIVER))
    opened.implicitly_wait(10)  # what a page that is just loading will have
    yield opened
    opened.quit()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def visit(browser, page):
    def go(path):
        browser.get(page.url + path)
        return browser

    browser.get_log("browser")
    return go


def press(browser, keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(keys).perform()


def find(browser, selector):
    return browser.find_element("css selector", selector)


def settle(condition, seconds=15):
    """Wait until a condition holds of a page that may be on its way: what is asked of the one before is no answer."""
    from selenium.common.exceptions import WebDriverException

    def holds():
        try:
            return condition()
        except WebDriverException:
            return False

    wait_for(holds, seconds)


def said(page, sample_id):
    sql = f"SELECT passed, reason FROM verdicts WHERE sample_id = '{sample_id}' AND judge = 'human:ada' ORDER BY created_at"
    return run_query(Project(page.root), sql).rows


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_renders_without_a_fault_and_fits(visit, path, scheme):
    browser = visit("/live")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get_log("browser")
    visit(path)
    assert find(browser, "h1").text
    assert [line["message"] for line in browser.get_log("browser")] == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.execute_script(CONTRAST) == []
    assert browser.execute_script(UNNAMED) == []


CONTRAST = """
const light = (c) => { const [r, g, b] = c.match(/[0-9.]+/g).slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return .2126 * r + .7152 * g + .0722 * b; };
const under = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; } return "rgb(255,255,255)"; };
const bad = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.checkVisibility() || e.closest("svg") || e.closest("option")) continue;
  const [a, b] = [light(getComputedStyle(e).color), light(under(e))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5) bad.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)} ${e.textContent.slice(0, 30)}`);
}
return bad;
"""
"""Texts whose contrast is below WCAG AA's 4.5:1."""
UNNAMED = """
const bad = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter((e) => !e.labels.length && !e.ariaLabel);
const headless = [...document.querySelectorAll("table")].filter((t) => !t.querySelector("thead th[scope=col]"));
return [...bad, ...headless].map((e) => e.outerHTML.slice(0, 80));
"""
"""Fields without a label, and tables without headers."""


def test_samples_are_filtered_and_lineage_is_opened_by_clicks(visit):
    from selenium.webdriver.support.select import Select

    browser = visit("/samples")
    Select(find(browser, "#f1")).select_by_visible_text("step")
    find(browser, "#v1").send_keys("attempted")
    find(browser, ".filters button").click()
    settle(lambda: "attempted" in browser.current_url and find(browser, "h1 .dim").text.strip() == "1")
    find(browser, "#rows tbody a").click()
    settle(lambda: find(browser, "h1").text == "smp_a")
    assert find(browser, "mark#cited").text == QUOTE
    assert browser.title == "Sample · small"  # the script in the completion did nothing
    assert "<script>" in find(browser, "pre.completion").text


def test_rows_are_rejected_accepted_and_labelled_by_keys(visit, page):
    browser = visit("/samples?sort=stored&dir=asc")
    press(browser, "jjjkk")
    assert browser.switch_to.active_element.get_attribute("data-id") == "smp_00_0"
    press(browser, "r")
    settle(lambda: "rejected" in find(browser, "#said").text)  # first: it goes after five seconds
    wait_for(lambda: said(page, "smp_00_0") == [(False, "rejected")], 15)
    settle(lambda: "✗ ada" in find(browser, "tr[data-id=smp_00_0] .verdicts").text)
    press(browser, "ja")
    wait_for(lambda: said(page, "smp_00_1") == [(True, "accepted")], 15)
    press(browser, "k")
    press(browser, "l")
    press(browser, "off topic\ue007")
    wait_for(lambda: (None, "off topic") in said(page, "smp_00_0"), 15)


def test_a_completion_is_edited_by_keys(visit, page):
    browser = visit("/samples?q=number+5+is&sort=stored&dir=asc")
    press(browser, "je")
    settle(lambda: "#edit" in browser.current_url and browser.switch_to.active_element == find(browser, "#completion"))
    box = find(browser, "#completion")
    box.clear()
    box.send_keys("Five and five make 10.")
    find(browser, "#edit button").click()
    settle(lambda: len(said(page, "smp_05_0")) == 1 and "#edit" not in browser.current_url)
    browser.get(browser.current_url)
    assert find(browser, "pre.completion").text == "Five and five make 10."
    assert said(page, "smp_05_0") == [(False, "edited")]


def test_keys_in_a_field_are_text_and_can_be_turned_off(visit, page):
    browser = visit("/samples?sort=stored&dir=asc&q=number+9+is")
    press(browser, "/")
    press(browser, "r")
    assert find(browser, "#q").get_attribute("value") == "r"
    browser = visit("/samples?sort=stored&dir=asc&q=number+9+is")
    press(browser, "?")
    assert find(browser, "#help").is_displayed()
    find(browser, "#keys-on").click()
    press(browser, "\ue00c")
    press(browser, "jr")
    browser.execute_script("localStorage.clear()")
    assert said(page, "smp_09_0") == []


def test_the_skip_link_is_the_first_stop_and_every_stop_is_visible(visit):
    browser = visit("/samples")
    press(browser, "\ue004")
    assert browser.switch_to.active_element.text == "Skip to the content"
    for _ in range(12):
        press(browser, "\ue004")
        style = browser.execute_script(
            "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]"
        )
        assert style[0] != "none" and style[1] >= 2


def test_sql_is_run_by_keys_and_drawn(visit):
    from selenium.webdriver.support.select import Select

    browser = visit("/sql")
    box = find(browser, "#query")
    box.send_keys("SELECT step, count(*) AS n FROM samples GROUP BY step ORDER BY n")
    Select(find(browser, "#chart")).select_by_visible_text("bar")
    box.click()
    from selenium.webdriver import ActionChains, Keys

    ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    settle(lambda: browser.find_elements("css selector", "svg.chart rect.fill"), 30)
    assert "solve" in find(browser, ".scroll table").text


def test_tags_stay_whole_and_a_long_label_stays_in_its_card(visit, page):
    page.post("/samples/smp_11_0/decide", {"action": "label", "words": "x" * 400})
    browser = visit("/judges")
    wide = "return [...document.querySelectorAll('.card *')].filter((e) => e.getBoundingClientRect().right > e.closest('.card').getBoundingClientRect().right).length"
    settle(lambda: "x" * 400 in find(browser, ".cards").text)
    assert browser.execute_script(wide) == 0
    lines = "return [...document.querySelectorAll('td > .tag')].filter((e) => e.getClientRects()[0].height > 30).map((e) => e.textContent)"
    assert browser.execute_script(lines) == []
    visit("/")
    assert find(browser, "details[open] td > .tag").text == "promoted"
    assert browser.execute_script(lines) == []


def test_the_dialog_says_that_a_label_is_too_long(visit, page):
    browser = visit("/samples?sort=stored&dir=asc&q=number+13+is")
    press(browser, "jl")
    browser.execute_script("document.getElementById('label-words').value = 'x'.repeat(501)")
    press(browser, "\ue007")
    settle(lambda: "at most 500 characters" in find(browser, "#said").text)
    assert said(page, "smp_13_0") == []


def test_no_request_leaves_the_server(visit, page):
    browser = visit("/")
    urls = browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert urls and all(u.startswith(page.url) for u in urls)
    assert Path(page.root).exists()
