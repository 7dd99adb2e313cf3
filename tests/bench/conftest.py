"""Fixtures of campaigns at the bench: a project with a fast predictor, and a round that waits for results."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from anchordrug.bench.plates.drawing import new_page
from tests.conftest import made_once, run_cli, write_params

LIBRARY = "tables/atlas/drugs.parquet"
# The demo's 128 genes and enough others for a trend of dispersions; a fit takes time by the gene.
GENES_OF_COUNTS = 228


def must(*arguments: object, folder: Path | None = None):
    """Run a command, on the project in `folder` if given, that has to succeed; return its result."""
    result = run_cli(*arguments, folder=folder)
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result


def copy_of(folder: Path, copy: Path) -> Path:
    """Copy the tables of a project whose splits are made, with predictor response_gp."""
    for name in ("curated", "atlas", "features", "splits"):
        shutil.copytree(folder / "tables" / name, copy / "tables" / name)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    write_params(copy, params | {"predictor": "response_gp"})
    return copy


def play_bench(campaign: Path, out: Path, *, folder: Path) -> Path:
    """Write to `out` the counts that the bench of a rehearsal gives, of fewer genes; return it."""
    must("campaign", "rehearse", campaign, "--out", out, folder=folder)
    pd.read_csv(out, index_col="gene").iloc[:GENES_OF_COUNTS].to_csv(out)
    return out


def rehearsal(
    project: Path, home: Path, *, budget: int, rounds: int, targets=("SIM-T1",), model: Path | None = None
) -> Path:
    """Make home/campaign, a rehearsal whose round 1 waits, and home/counts.csv, what its bench gives.

    A `model` of the same targets and tables need not be learned.
    """
    campaign = home / "campaign"
    if model is not None:
        shutil.copytree(model, campaign / "model")
    lines = [word for target in targets for word in ("--target", target)]
    size = ("--budget", budget, "--rounds", rounds)
    library = ("--library", project / LIBRARY, "--rehearsal")
    must("campaign", "new", campaign, *lines, *library, *size, folder=project)
    must("campaign", "next", campaign, folder=project)
    play_bench(campaign, home / "counts.csv", folder=project)
    return home


def at_bench(campaign: Path, project: Path, home: Path) -> Path:
    """Make `home` a project of its own, with a copy of a campaign; return that.

    Its tables are those of `project` and must stay as they are.
    """
    (home / "tables").symlink_to(project / "tables")
    shutil.copy(project / "params.yaml", home)
    return Path(shutil.copytree(campaign, home / "campaign"))


def blank_pages(patch: pytest.MonkeyPatch) -> None:
    """Have `write_pack` give each plate an empty page, and the PDF these pages alone."""

    def plate_pages(plate_map: pd.DataFrame, *_: object) -> dict:
        return {str(plate): new_page().figure for plate in plate_map["plate"].unique()}

    def pack_pages(_pack: object, plates: list, _looks: object) -> list:
        return plates

    patch.setattr("anchordrug.bench.plates.pack_files.plate_pages", plate_pages)
    patch.setattr("anchordrug.bench.plates.pack_files.pack_pages", pack_pages)


def without_figures(patch: pytest.MonkeyPatch) -> None:
    """Have reports show neither map nor heat map, as those of few drugs do."""
    patch.setattr("anchordrug.report.drug_panel._map", lambda *_: None)
    patch.setattr("anchordrug.report.drug_panel.heatmap", lambda *_: None)


@pytest.fixture(scope="module", autouse=True)
def _few_draws() -> Iterator[None]:
    """Let a forecast take a tenth of the time; its numbers have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchordrug.predictors.response.forecast.DRAWS", 4)
        yield


@pytest.fixture
def drawn() -> None:
    """Packs and reports are drawn and filled: what they show is the subject of the test."""


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, which takes longer than choice and predictions, in tests without `drawn`."""
    if "drawn" not in request.fixturenames:
        blank_pages(monkeypatch)
        without_figures(monkeypatch)
        workbook = "anchordrug.bench.plates.pack_files.write_pack_xlsx"
        monkeypatch.setattr(workbook, lambda _, path: path.touch())


@pytest.fixture(autouse=True)
def _structures(worker_threads: None) -> None:
    """Start no process for structures."""


@pytest.fixture(scope="session")
def bench_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project up to its splits, with predictor response_gp. Tests must leave it as it is."""
    return made_once(tmp_path_factory, "bench_project", lambda folder: copy_of(project, folder))


@pytest.fixture(scope="session")
def waiting(bench_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `campaign` (6 drugs a round, 2 rounds) and `counts.csv`. Tests must leave it as it is."""
    return made_once(
        tmp_path_factory,
        "waiting",
        lambda folder: rehearsal(bench_project, folder, budget=12, rounds=2),
    )


@pytest.fixture
def played(waiting: Path, bench_project: Path, tmp_path: Path) -> Path:
    """A campaign of its own whose round 1 waits for its results, in the folder of its project."""
    return at_bench(waiting / "campaign", bench_project, tmp_path)


@pytest.fixture
def counts(waiting: Path) -> pd.DataFrame:
    """What the bench gives for the round of `played`, genes x wells; wells as R01-SIM-T1-P1_B02."""
    return pd.read_csv(waiting / "counts.csv", index_col="gene")
