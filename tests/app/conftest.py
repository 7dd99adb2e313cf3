"""Fixtures of the local page: campaigns made by page and by command, a server, and a browser."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from anchordrug.app import jobs
from anchordrug.app.beside import beside, write_form
from anchordrug.app.place import Place
from tests.bench.conftest import GENES_OF_COUNTS, copy_of, must
from tests.conftest import run_cli

pytest.importorskip("nicegui", reason="the page needs the extra 'app'")
LIBRARY = "tables/atlas/drugs.parquet"
FORM = {"target": "SIM-T1", "rehearsal": True, "budget": 6, "rounds": 1}


@pytest.fixture(scope="session")
def home(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project up to its splits, with predictor response_gp, and the campaigns that tests make in it."""
    return copy_of(project, tmp_path_factory.mktemp("page"))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a page are done in this process, when they are started."""

    def spawn(folder: Path, root: Path, log, descriptor: int) -> None:
        ended = run_cli("app-work", folder, folder=root)
        log.write(ended.output.encode())
        if ended.exception is not None:
            log.write(f"anchordrug: {ended.exception}\n".encode())

    monkeypatch.setattr(jobs, "spawn", spawn)


def new_place(home: Path, name: str, form: dict, library: Path) -> Place:
    """Return a campaign whose form is filled in and whose library is dropped."""
    campaign = home / "campaigns" / name
    write_form(beside(campaign), form)
    place = Place(name, campaign, home)
    (place.beside / "library").mkdir()
    shutil.copy(library, place.beside / "library")
    return place


def fewer_genes(path: Path) -> None:
    """Keep as many genes of a table of counts as tests of campaigns do."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: GENES_OF_COUNTS + 1]), encoding="utf-8")


def by_commands(home: Path) -> Path:
    """Play campaigns/one by commands, as the tutorial does; return its folder."""
    campaign = home / "campaigns/one"
    size = ("--budget", FORM["budget"], "--rounds", FORM["rounds"])
    must(
        *("campaign", "new", campaign, "--target", "SIM-T1", "--library", home / LIBRARY, *size),
        "--rehearsal",
        folder=home,
    )
    counts = home / "counts-1.csv"
    must("campaign", "next", campaign, folder=home)
    must("campaign", "rehearse", campaign, "--out", counts, folder=home)
    fewer_genes(counts)
    must("campaign", "ingest", campaign, counts, "--yes", folder=home)
    must("campaign", "finish", campaign, folder=home)
    return campaign


@dataclass(frozen=True)
class Served:
    """A server of the page: its process, its address with the token, and the folder of its project."""

    process: subprocess.Popen
    address: str
    home: Path

    @property
    def base(self) -> str:
        """The address without the token."""
        return self.address.split("/?")[0]


def serve(home: Path, *words: object) -> Served:
    """Start a server; return it when it has said its address, which waits for the rest."""
    program = "from anchordrug.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program, "app", "--no-browser", *map(str, words)],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", first)
    assert found, first + process.stdout.read()
    return Served(process, found[0], home)


def end(served: Served) -> None:
    """Kill a server as the system would."""
    served.process.kill()
    served.process.communicate()


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium, or the test is skipped."""
    sync = pytest.importorskip("playwright.sync_api")
    names = (os.environ.get("ANCHORDRUG_BROWSER"), "chromium", "chromium-browser", "google-chrome")
    program = next((found for found in map(shutil.which, filter(None, names)) if found), None)
    if program is None:
        pytest.skip("no Chromium; install it or set ANCHORDRUG_BROWSER to run this test")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
