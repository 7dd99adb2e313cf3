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


def test_made_up_counts_overwrite_nothing_of_campaign_and_project(played):
    campaign, before = played / "campaign", contents(played)
    for name in ("library.csv", "predict.csv", "rounds/01/plate_map.csv", "new/counts.csv"):
        out = campaign / name
        assert refused("rehearse", campaign, "--out", out, folder=played) == (
            f"{out}: is in the campaign's folder, which keeps its own files; name another --out, or one in "
            f"{campaign / 'results'}"
        )
    (played / "hard.csv").hardlink_to(campaign / "library.csv")
    for out in (played / "hard.csv", played / "tables/atlas/responses.parquet"):
        assert refused("rehearse", campaign, "--out", out, folder=played).startswith(f"{out}: is an input")
    (played / "hard.csv").unlink()
    assert contents(played) == before


def test_counts_go_where_results_are_looked_for(played):
    campaign = played / "campaign"
    out = campaign / "results/01/counts.csv"
    result = run_cli("campaign", "rehearse", campaign, "--out", out, folder=played)
    assert result.exit_code == 0, result.exception
    assert out.is_file()


@pytest.mark.parametrize("name", ["library.csv", "predict.csv", "expression.csv", "library.rejects.csv"])
def test_a_campaign_does_not_overwrite_what_it_is_made_of(played, name):
    """The files of an unfinished or another campaign, say."""
    folder = played / "other"
    folder.mkdir()
    shutil.copy(played / "campaign/library.csv", folder / name)
    before = contents(played)
    option = "--expression" if name.startswith("expression") else "--library"
    given = {"--library": played / "campaign/library.csv"} | {option: folder / name}
    words = [word for pair in given.items() for word in pair]
    line = refused("new", folder, "--target", "SIM-T1", *words, folder=played)
    assert line == f"{folder / name}: is an input, and would be overwritten; name another FOLDER"
    assert contents(played) == before


def test_results_are_not_the_files_that_are_made_of_them(played):
    campaign = played / "campaign"
    given = campaign / "rounds/01/responses.csv"
    given.write_text("drug_id,SIM\n")
    before = contents(played)
    line = refused("ingest", campaign, given, "--yes", folder=played)
    assert line == f"{given}: is an input, and would be overwritten; name another file of results"
    assert contents(played) == before
