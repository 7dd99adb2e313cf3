"""Fixtures of the local page: campaigns made by page and by command, a server, and a browser."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from anchordrug.app import jobs
from anchordrug.app.beside import JUDGED, SEEN, beside, read_form, results_role, write_form
from anchordrug.app.place import Place, after_drop, of_results
from anchordrug.app.plan import order
from anchordrug.bench.measurements import read_selection
from anchordrug.files.tables import read_json
from tests.bench.conftest import copy_of
from tests.conftest import project_at, run_cli

pytest.importorskip("nicegui", reason="the page needs the extra 'app'")
LIBRARY, Z_SCORES = "tables/atlas/drugs.parquet", "results.csv"
FORM = {"target": "SIM-T1", "rehearsal": True, "budget": 6, "rounds": 1}


@pytest.fixture(scope="session")
def home(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project up to its splits, with predictor response_gp, and the campaigns that tests make in it."""
    return copy_of(project, tmp_path_factory.mktemp("page"))


def do_at_once(patch: pytest.MonkeyPatch) -> None:
    """Have runs of a page done in this process, when they are started."""

    def spawn(folder: Path, root: Path, log, descriptor: int) -> None:
        ended = run_cli("app-work", folder, folder=root)
        log.write(ended.output.encode())
        if ended.exception is not None:
            log.write(f"anchordrug: {ended.exception}\n".encode())

    patch.setattr(jobs, "spawn", spawn)


def new_place(home: Path, name: str, form: dict, library: Path) -> Place:
    """Return a campaign whose form is filled in and whose library is dropped."""
    campaign = home / "campaigns" / name
    write_form(beside(campaign), form)
    place = Place(name, campaign, home)
    (place.beside / "library").mkdir()
    shutil.copy(library, place.beside / "library")
    return place


def z_scores(home: Path, campaign: Path, out: Path) -> Path:
    """Write what is measured of the drugs of round 1 as z-scores, a row per drug; return the file."""
    atlas = project_at(home).atlas()
    ids = read_selection(campaign, 1)["drug_id"]
    rows = pd.Index(atlas.drugs["drug_id"]).get_indexer(ids)
    z = atlas.of("SIM-T1").responses_of(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(z, pd.Index(ids, name="drug_id"), pd.Index(atlas.genes)).to_csv(out)
    return out


def ended(place: Place, kind: str) -> jobs.Job:
    """Return the last run, which is of this kind and went well."""
    job = jobs.latest(place.beside)
    assert job is not None
    assert (job.kind, job.state, job.error) == (kind, "done", ""), job
    return job


@pytest.fixture(scope="session")
def by_page(home: Path) -> Place:
    """A campaign of one round by the runs of the page, from a dropped library to predictions."""
    with pytest.MonkeyPatch.context() as patch:
        do_at_once(patch)
        place = new_place(home, "one", FORM, home / LIBRARY)
        after_drop(place, "library")
        ended(place, "look")
        seen = read_json(place.beside / SEEN)
        assert seen["columns"]["smiles"] == "smiles"
        assert sum(seen["groups"].values()) == seen["usable"] == seen["to_predict"]
        place.start("new", **order(place, read_form(place.beside)))
        ended(place, "new")
        place.start("next")
        ended(place, "next")
        z_scores(home, place.campaign, place.beside / results_role(1) / Z_SCORES)
        after_drop(place, results_role(1))
        ended(place, "judge")
        judged = read_json(place.beside / JUDGED)
        assert {drug["status"] for drug in judged["lines"][0]["drugs"]} == {"ok"}
        assert not (place.campaign / "rounds/01/ingest.json").exists()
        place.start("accept", **of_results(place, 1))
        ended(place, "accept")
        place.start("finish", also=[])
        ended(place, "finish")
    return place


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
