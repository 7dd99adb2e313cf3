"""The tutorial of the page in a browser, with a server that is killed at each step: nothing is lost."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import LIBRARY, Served, end, serve
from tests.app.test_same_bytes import files_in
from tests.processes import wait_until

NAME = "rehearsal"
# Of a run, in milliseconds.
LONG = 300_000


class Visitor:
    """Somebody with a browser; the server can be killed under them."""

    def __init__(self, browser, home: Path) -> None:
        self.home = home
        self.served: Served = serve(home)
        self.page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        self.page.set_default_timeout(LONG)
        self.page.goto(self.served.address)
        self.page.wait_for_url(f"{self.served.base}/")

    def kill(self) -> None:
        """Kill the server, start it again, and open the campaign."""
        end(self.served)
        self.served = serve(self.home)
        self.page.goto(self.served.address)
        self.page.wait_for_url(f"{self.served.base}/")
        self.page.get_by_role("link", name=NAME, exact=True).click()
        self.page.get_by_role("heading", name=NAME, exact=True).wait_for()

    def press(self, name: str) -> None:
        """Press a button when it can be pressed."""
        self.page.locator("button:enabled", has_text=name).click()

    def sees(self, text: str) -> None:
        """Wait until a text is there."""
        self.page.get_by_text(text).first.wait_for()

    def has_kept(self, text: str) -> None:
        """Wait until the server has written down what was filled in."""
        form = self.home / f"campaigns/{NAME}.app/form.json"
        wait_until(lambda: text in form.read_text(encoding="utf-8"))

    def begins(self, what: str) -> None:
        """Wait until a run is shown, and kill the server in the middle of it."""
        self.page.get_by_role("heading", name=f"{what} ...").wait_for()
        self.kill()


@pytest.fixture
def visitor(browser, home: Path) -> Iterator[Visitor]:
    """A visitor of the page of the project."""
    visitor = Visitor(browser, home)
    yield visitor
    end(visitor.served)


@pytest.mark.long
def test_the_tutorial_by_page_with_a_server_that_is_killed_at_each_step(visitor, home, tmp_path):
    page = visitor.page
    page.get_by_label("Its name").fill(NAME)
    visitor.press("Begin")
    page.get_by_label("Name of the cell line").fill("SIM-T1")
    page.get_by_role("checkbox", name="Rehearse").click()
    page.get_by_label("Name of the cell line").press("Tab")
    visitor.has_kept('"target": "SIM-T1"')
    visitor.kill()
    assert page.get_by_label("Name of the cell line").input_value() == "SIM-T1"
    page.get_by_label("Compounds for sale", exact=True).set_input_files(home / LIBRARY)
    visitor.begins("Reading the files")
    visitor.sees("How your files were read, for SIM-T1")
    page.get_by_label("Drugs in total").fill("12")
    page.get_by_label("Rounds", exact=True).fill("2")
    visitor.has_kept('"rounds": 2')
    visitor.kill()
    visitor.press("Learn, and make the campaign")
    visitor.begins("Learning from other cell lines")
    for number in (1, 2):
        visitor.press("Choose the next drugs")
        visitor.begins("Choosing drugs and laying out their plates")
        visitor.sees(f"Round {number}: waiting for results")
        visitor.press("Simulate the assay")
        visitor.begins("Simulating the assay")
        visitor.press("Judge the results")
        visitor.begins("Judging wells and replicates")
        visitor.press("Accept these results")
        visitor.begins("Accepting the results")
        visitor.sees(f"Round {number}: accepted")
    visitor.press("Predict the library")
    visitor.begins("Fitting, predicting the library, writing the report")
    page.get_by_role("heading", name="Drugs and genes").wait_for()
    by_page = files_in(home / "campaigns" / NAME)
    by_command = files_in(by_commands(home, tmp_path))
    assert by_page.keys() == by_command.keys()
    assert [name for name, content in by_page.items() if content != by_command[name]] == []


def by_commands(home: Path, other: Path) -> Path:
    """Play the same in another folder by the commands of the tutorial; return the campaign."""
    (other / "tables").symlink_to(home / "tables")
    shutil.copy(home / "params.yaml", other)
    campaign = f"campaigns/{NAME}"
    asked = ("--target", "SIM-T1", "--library", home / LIBRARY, "--budget", 12, "--rounds", 2, "--rehearsal")
    lines: list[tuple] = [("new", campaign, *asked)]
    for number in (1, 2):
        counts = f"counts-{number}.csv"
        lines += [("next", campaign), ("rehearse", campaign, "--out", counts)]
        lines += [("ingest", campaign, counts, "--yes")]
    # The tests' own processes learn from less than those that the page starts.
    for line in (*lines, ("finish", campaign)):
        words = [sys.executable, "-c", "from anchordrug.cli import main; main()", "campaign", *map(str, line)]
        subprocess.run(words, cwd=other, check=True, stdout=subprocess.DEVNULL)
    return other / campaign
