"""A campaign by page and by commands: the same functions, the same folder, the same bytes."""

import shutil
from pathlib import Path

from tests.app.conftest import LIBRARY, Z_SCORES
from tests.bench.conftest import must

# What a process leaves that tells by itself.
OWN = {".lock"}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in OWN
    }


def test_page_and_commands_end_in_the_same_bytes(home, by_page, tmp_path):
    # The name of a campaign is on the cards of its models.
    (tmp_path / "tables").symlink_to(home / "tables")
    shutil.copy(home / "params.yaml", tmp_path)
    campaign = tmp_path / "campaigns" / by_page.name
    asked = ("--target", "SIM-T1", "--library", home / LIBRARY, "--budget", 6, "--rounds", 1, "--rehearsal")
    must("campaign", "new", campaign, *asked, folder=tmp_path)
    must("campaign", "next", campaign, folder=tmp_path)
    (results,) = (by_page.beside / "results-01").iterdir()
    assert results.name == Z_SCORES
    must("campaign", "ingest", campaign, results, "--yes", folder=tmp_path)
    must("campaign", "finish", campaign, folder=tmp_path)
    page, command = files_in(by_page.campaign), files_in(campaign)
    assert page.keys() == command.keys()
    assert [name for name, content in page.items() if content != command[name]] == []
