"""The page in a browser: what it shows of a folder, for everyone, whatever names are in it."""

import os

import pytest

from anchordrug.app.beside import LIBRARY as ROLE
from anchordrug.app.place import after_drop
from anchordrug.files.lock import hold
from tests.app.conftest import Served, do_at_once, end, new_place, serve
from tests.processes import MOST_SECONDS

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
ROWS = f"""name,smiles,moa
"{HOSTILE.replace('"', '""')}",CCO,
aspirin,CC(=O)Oc1ccccc1C(=O)O,=cmd()
bad,C1CC(,
"""


@pytest.fixture(scope="module")
def hostile(home):
    """A campaign of which only a file was dropped, whose name and names are HTML."""
    table = home / "<b>names.csv"
    table.write_text(ROWS, encoding="utf-8")
    place = new_place(home, "hostile", {"target": "SIM-T1"}, table)
    with pytest.MonkeyPatch.context() as patch:
        do_at_once(patch)
        after_drop(place, ROLE)
    return place


@pytest.fixture(scope="module")
def served(by_page, hostile, home):
    server = serve(home)
    yield server
    end(server)


@pytest.fixture
def open_page(browser, served: Served):
    """Open an address of the server; whatever goes wrong in a page, the test fails in the end."""
    troubles, contexts = [], []

    def opened(path: str, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(1000 * MOST_SECONDS)
        page = context.new_page()
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((served.base, "data:")) else troubles.append(asked.url)
            ),
        )
        page.goto(served.address)
        page.wait_for_url(f"{served.base}/")
        page.goto(served.base + path)
        page.locator("h1").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_anyone_can_read_it(open_page, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page("/campaign/one", width, scheme)
    page.get_by_role("heading", name="Drugs and genes").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}
    ] == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(246, 247, 249)"
    assert dark == (scheme == "dark")


def test_a_table_is_sorted_and_searched_and_its_files_are_there(open_page, by_page):
    page = open_page("/campaign/one")
    table = page.get_by_role("region", name="Predicted drugs in SIM-T1")
    page.get_by_label("Find a drug or gene").fill("SIM-D0001")
    page.get_by_text("1 row, page 1 of 1").wait_for()
    opener = table.locator("tbody button")
    # By the keyboard.
    opener.focus()
    opener.press("Enter")
    table.locator("svg").wait_for()
    page.get_by_label("Find a drug or gene").fill("")
    page.get_by_text("page 1 of 8").wait_for()
    table.get_by_role("button", name="up", exact=True).press("Enter")
    table.locator('th[aria-sort="descending"]').wait_for()
    shown = [int(cell) for cell in table.locator("tbody td:nth-child(6)").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="SIM-T1.onnx", exact=True).click()
    saved = download.value.path().read_bytes()
    assert saved == (by_page.campaign / "finish/SIM-T1.onnx").read_bytes()


def test_hostile_names_are_text(open_page):
    page = open_page("/campaign/hostile")
    page.get_by_text("How your files were read, for SIM-T1").wait_for()
    page.get_by_text("rejected compounds, with reasons").click()
    page.get_by_text("bad", exact=True).wait_for()
    assert page.get_by_text("Compounds: <b>names.csv").count() == 1
    assert page.title() == "AnchorDrug"
    assert page.locator("img").count() == 0


def test_two_tabs_show_the_same_and_a_second_run_is_refused(open_page, by_page):
    pages = [open_page("/campaign/one") for _ in range(2)]
    held = hold(by_page.beside)
    try:
        for page in pages:
            page.locator("button:disabled", has_text="Predict again").wait_for()
    finally:
        os.close(held)
    for page in pages:
        page.locator("button:enabled", has_text="Predict again").wait_for()


def test_a_field_says_what_is_wrong_with_it_and_the_button_what_to_correct(open_page):
    page = open_page("/campaign/hostile")
    page.get_by_label("Drugs in total").fill("-1")
    page.get_by_label("Drugs in total").press("Tab")
    page.get_by_text("Must be at least 1", exact=True).wait_for()
    page.get_by_text("First correct: Drugs in total.").wait_for()
    assert page.get_by_role("button", name="Learn, and make the campaign").is_disabled()
    assert page.get_by_label("Drugs in total").input_value() == "-1"
    page.get_by_label("Drugs in total").fill("1")
    page.get_by_text("1 drug; ask for fewer rounds").wait_for()
    page.get_by_label("Rounds", exact=True).fill("1")
    page.locator("button:enabled", has_text="Learn, and make the campaign").wait_for()


def test_links_of_a_report_work_and_it_cannot_reach_the_page(open_page, by_page):
    page = open_page("/campaign/one")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    report.get_by_role("heading", name="Predictions to believe first").wait_for()
    with pytest.raises(Exception, match="cookie"):
        report.evaluate("document.cookie")
    for name in ("SIM-T1.onnx", "rounds/01/outcome.csv"):
        with report.expect_download() as download:
            report.get_by_role("link", name=name, exact=True).click()
        path = by_page.campaign / ("finish/SIM-T1.onnx" if name.endswith(".onnx") else name)
        assert download.value.path().read_bytes() == path.read_bytes()
    # A term says its definition to the keyboard, and Escape closes it.
    for here in (page, report):
        # A page that is not in front gets no focus.
        here.bring_to_front()
        term = here.get_by_role("button", name="evidence group").first
        term.focus()
        here.locator("#tip", has_text="The basis of a drug's prediction").wait_for()
        term.press("Escape")
        here.locator("#tip").wait_for(state="hidden")
