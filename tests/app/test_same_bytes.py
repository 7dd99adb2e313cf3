"""A campaign by page and by commands: the same functions, the same folder, the same bytes."""

import shutil

import pytest

from anchordrug.app import jobs
from anchordrug.app.beside import JUDGED, read_form, results_role
from anchordrug.app.place import after_drop, of_results
from anchordrug.app.plan import order
from anchordrug.app.summary import is_summarised
from anchordrug.files.tables import read_json
from tests.app.conftest import FORM, LIBRARY, by_commands, fewer_genes, new_place

# What a process leaves that tells of itself.
OWN = {".lock"}


def ended(place, kind: str) -> jobs.Job:
    """Return the last run, which is of this kind and went well."""
    job = jobs.latest(place.beside)
    assert job is not None
    assert (job.kind, job.state, job.error) == (kind, "done", ""), job
    return job


def files_in(folder) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in OWN
    }


@pytest.mark.usefixtures("at_once")
def test_page_and_commands_end_in_the_same_bytes(home, tmp_path):
    place = new_place(home, "one", FORM, home / LIBRARY)
    after_drop(place, "library")
    ended(place, "look")
    seen = read_json(place.beside / "look.json")
    assert seen["columns"]["smiles"] == "smiles"
    assert sum(seen["groups"].values()) == seen["usable"] == seen["to_predict"]
    place.start("new", **order(place, read_form(place.beside)))
    ended(place, "new")
    place.start("next")
    ended(place, "next")
    place.start("rehearse", round=1)
    ended(place, "rehearse")
    fewer_genes(place.beside / results_role(1) / "counts-1.csv")
    after_drop(place, results_role(1))
    ended(place, "judge")
    judged = read_json(place.beside / JUDGED)
    assert {drug["status"] for drug in judged["lines"][0]["drugs"]} == {"ok"}
    assert not (place.campaign / "rounds/01/ingest.json").exists()
    place.start("accept", **of_results(place, 1))
    ended(place, "accept")
    place.start("finish", also=[])
    ended(place, "finish")
    assert is_summarised(place.beside, place.campaign)
    # The name of a campaign is on the cards of its models.
    (tmp_path / "tables").symlink_to(home / "tables")
    shutil.copy(home / "params.yaml", tmp_path)
    by_page, by_command = files_in(place.campaign), files_in(by_commands(tmp_path))
    assert by_page.keys() == by_command.keys()
    assert [name for name, content in by_page.items() if content != by_command[name]] == []
