"""The commands of a campaign overwrite neither what they are given nor what the campaign keeps."""

import shutil

import pytest

from anchordrug.errors import OutputError
from tests.conftest import run_cli


def refused(*words, folder):
    """Run a command that is to be refused; return the line that it says."""
    result = run_cli("campaign", *words, folder=folder)
    assert isinstance(result.exception, OutputError), (result.output, result.exception)
    return str(result.exception)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture
def home(played):
    """The folder of a project, whose campaign waits for its results."""
    return played.parent


def test_made_up_counts_overwrite_nothing_of_campaign_and_project(home):
    campaign, before = home / "campaign", contents(home)
    for name in ("library.csv", "predict.csv", "rounds/01/plate_map.csv", "new/counts.csv"):
        out = campaign / name
        assert refused("rehearse", campaign, "--out", out, folder=home) == (
            f"{out}: is in the campaign's folder, which keeps its own files; name another --out, or one in "
            f"{campaign / 'results'}"
        )
    (home / "hard.csv").hardlink_to(campaign / "library.csv")
    for out in (home / "hard.csv", home / "tables/atlas/responses.parquet"):
        assert refused("rehearse", campaign, "--out", out, folder=home).startswith(f"{out}: is an input")
    (home / "hard.csv").unlink()
    assert contents(home) == before


def test_counts_go_where_results_are_looked_for(home):
    campaign = home / "campaign"
    out = campaign / "results/01/counts.csv"
    result = run_cli("campaign", "rehearse", campaign, "--out", out, folder=home)
    assert result.exit_code == 0, result.exception
    assert out.is_file()


@pytest.mark.parametrize("name", ["library.csv", "predict.csv", "expression.csv", "library.rejects.csv"])
def test_a_campaign_does_not_overwrite_what_it_is_made_of(home, name):
    """The files of an unfinished or another campaign, say."""
    folder = home / "other"
    folder.mkdir()
    shutil.copy(home / "campaign/library.csv", folder / name)
    before = contents(home)
    option = "--expression" if name.startswith("expression") else "--library"
    given = {"--library": home / "campaign/library.csv"} | {option: folder / name}
    words = [word for pair in given.items() for word in pair]
    line = refused("new", folder, "--target", "SIM-T1", *words, folder=home)
    assert line == f"{folder / name}: is an input, and would be overwritten; name another FOLDER"
    assert contents(home) == before


def test_results_are_not_the_files_that_are_made_of_them(home):
    campaign = home / "campaign"
    given = campaign / "rounds/01/responses.csv"
    given.write_text("drug_id,SIM\n")
    before = contents(home)
    line = refused("ingest", campaign, given, "--yes", folder=home)
    assert line == f"{given}: is an input, and would be overwritten; name another file of results"
    assert contents(home) == before
