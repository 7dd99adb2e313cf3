"""Fixtures: the real LINCS subset, the demo bundle, and a small project whose stages have run."""

import fcntl
import gc
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import hypothesis
import pytest
import yaml
from typer.testing import CliRunner

from tests.worker_threads import workers_as_threads

# How long an example takes says more of what else the machine does than of the code.
# make test-long gives --hypothesis-profile=thorough.
hypothesis.settings.register_profile("anchordrug", deadline=None, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=500)
hypothesis.settings.load_profile("anchordrug")

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "datasets/demo"
# The files that take minutes. Whole files go to one process or the other, and a long one at the end would
# keep one of them waiting.
LONGEST_FIRST = (
    "bench/test_campaign_commands.py",
    "test_dvc.py",
    "test_tutorial.py",
    "bench/test_ingest.py",
    "app/test_page.py",
    "report/test_run.py",
    "test_paper_benchmark.py",
    "bench/additions/test_command.py",
    "prediction/test_ray.py",
    "app/test_same_bytes.py",
    "prediction/test_predict_only.py",
    "test_faults.py",
    "real/test_real_campaign.py",
    "release/test_slice.py",
    "chem/test_workers.py",
    "prediction/test_engine.py",
    "prediction/test_engine_hostile.py",
    "test_api.py",
    "bench/assays/test_intake.py",
    "test_contributing.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all others stay in their order."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Spare the collector of garbage the objects of all modules and tests, which stay to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def learn_from_little() -> None:
    """Let what the default predictor and its rival learn from source lines in this process take less time.

    The regression of labels is fitted to a tenth of the rows, the rival has a tenth of its trees, and the
    forecasts that source lines play have a fifth of the draws.
    """
    from anchordrug.predictors import extra_trees
    from anchordrug.predictors.response import played_forecasts, pseudo_targets

    pseudo_targets.ROWS, extra_trees.TREES = 30_000, 6
    played_forecasts.DRAWS, played_forecasts.MOST_QUERIES = 4, 20


@pytest.fixture(scope="session", autouse=True)
def _little() -> None:
    learn_from_little()


@pytest.fixture
def worker_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Structures are read by a thread, not by processes, which are no part of what the test is about."""
    workers_as_threads(monkeypatch)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` has filled, once for all processes of pytest-xdist."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder.with_suffix(".made")
        if not made.exists():
            # What a failure has left.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def lincs() -> Path:
    """The folder of the real LINCS subset; without it the test is skipped."""
    folder = Path(os.environ.get("ANCHORDRUG_LINCS", ROOT.parent / "shared/lincs"))
    if not folder.is_dir():
        pytest.skip(f"no real LINCS subset at {folder}; set ANCHORDRUG_LINCS to run this test")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium, or the test is skipped; Playwright runs once in a process."""
    sync = pytest.importorskip("playwright.sync_api")
    names = (os.environ.get("ANCHORDRUG_BROWSER"), "chromium", "chromium-browser", "google-chrome")
    program = next((found for found in map(shutil.which, filter(None, names)) if found), None)
    if program is None:
        pytest.skip("no Chromium; install it or set ANCHORDRUG_BROWSER to run this test")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def small_params() -> dict:
    """The shipped params.yaml on the demo bundle with a small network and few epochs."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["raw"]["dir"] = str(DEMO)
    params["targets"], params["seeds"] = ["SIM-T1"], [0]
    params["featurize"]["cell"] |= {"dim": 16, "epochs": 20}
    small_predictors(params)
    params["select"] |= {"budget": [10, 20], "batch": 10}
    return params


def small_predictors(params: dict) -> None:
    """Give every network of `params` few units and epochs."""
    blocks = params["predictors"]
    for name in ("mlp", "mlp_response"):
        blocks[name]["pretrain"] |= {"hidden": [64, 32, 16], "epochs": 2}
        blocks[name]["fit"] |= {"epochs": 2}
    for name in ("response_net", "ensemble"):
        blocks[name]["pretrain"] |= {"hidden": [32, 16], "epochs": 2}
        blocks[name]["fit"] |= {"epochs": 3}


def write_params(folder: Path, params: dict) -> None:
    """Write `params` as the params.yaml of `folder`."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def run_cli(*arguments: object, folder: Path | None = None, answer: str = ""):
    """Run the command line in this process, on the project in `folder` if one is given.

    `answer` is typed when it asks. Errors of the project come out as `result.exception`.
    """
    from anchordrug.cli import app

    project = () if folder is None else ("--project", folder)
    return CliRunner().invoke(app, [str(argument) for argument in (*project, *arguments)], input=answer)


FROM_PRETRAIN = (
    ["pretrain", "--target", "SIM-T1"],
    ["select", "--target", "SIM-T1", "--seed", "0"],
    ["compare", "--target", "SIM-T1", "--seed", "0"],
    ["finetune", "--target", "SIM-T1", "--seed", "0"],
    ["evaluate", "--target", "SIM-T1", "--seed", "0"],
    ["hidden", "--target", "SIM-T1"],
    ["export", "--target", "SIM-T1"],
    ["summarise"],
    ["report"],
)


def run_stages(folder: Path, commands: Iterable[list[str]]) -> None:
    """Run commands, which have to succeed, on the project in `folder`."""
    for command in commands:
        result = run_cli(*command, folder=folder)
        assert result.exit_code == 0, (command, result.output, result.exception)


def run_from_pretrain(folder: Path) -> None:
    """Run every stage from pretrain on, and predict, on the project in `folder`."""
    run_stages(folder, FROM_PRETRAIN[:-1])
    model, drugs = folder / "models/onnx/SIM-T1.onnx", folder / "tables/atlas/drugs.parquet"
    out = folder / "tables/predictions/SIM-T1.parquet"
    result = run_cli("predict", "--model", model, "--drugs", drugs, "--out", out)
    assert result.exit_code == 0, (result.output, result.exception)
    run_stages(folder, FROM_PRETRAIN[-1:])


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which every stage has run once. Tests must leave it as it is."""

    def make(folder: Path) -> None:
        write_params(folder, small_params())
        run_stages(folder, (["curate"], ["grow"], ["featurize"], ["split"]))
        run_from_pretrain(folder)

    return made_once(tmp_path_factory, "project", make)


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on a tiny bundle, with the default predictor. Tests must leave it as it is."""
    from tests.tiny import tiny_params, write_tiny_bundle

    def make(folder: Path) -> None:
        write_tiny_bundle(folder / "data")
        write_params(folder, tiny_params(small_params()))
        run_stages(folder, (["curate"], ["grow"], ["featurize"], ["split"]))
        run_from_pretrain(folder)

    return made_once(tmp_path_factory, "tiny", make)


def project_with(predictor: str, strategy: str, project: Path, folder: Path) -> None:
    """Run every stage from pretrain on in a new folder, with another predictor."""
    for name in ("curated", "atlas", "features", "splits"):
        shutil.copytree(project / "tables" / name, folder / "tables" / name)
    params = small_params()
    params["predictor"] = predictor
    params["select"]["strategy"] = strategy
    write_params(folder, params)
    run_from_pretrain(folder)


@pytest.fixture(scope="session")
def mlp_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the paper's network and BALD. Tests must leave it as it is."""
    return made_once(tmp_path_factory, "mlp", lambda folder: project_with("mlp", "bald", project, folder))


@pytest.fixture(scope="session")
def mlp_response_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the paper's network on prior responses too. Tests must leave it as it is."""
    return made_once(
        tmp_path_factory,
        "mlp_response",
        lambda folder: project_with("mlp_response", "random", project, folder),
    )


def copied(folder: Path, copy: Path) -> Path:
    """Copy `folder` into `copy`, which a test may change; return that."""
    return Path(shutil.copytree(folder, copy, dirs_exist_ok=True))


@pytest.fixture(params=["project", "mlp_project", "mlp_response_project"])
def either_project(request: pytest.FixtureRequest) -> Path:
    """The finished project, and those with the paper's network. Tests must leave them as they are."""
    return request.getfixturevalue(request.param)


def project_at(root: Path):
    """Return the project in `root`."""
    from anchordrug.project.project import Project
    from anchordrug.settings import read_settings

    return Project(root, read_settings(root / "params.yaml"))


def load_fitted(root: Path, budget: str):
    """Return the fitted predictor of SIM-T1, seed 0, of the project in `root`, and its atlas."""
    from anchordrug.predictors.loading import load_predictor, task_of

    project = project_at(root)
    atlas = project.atlas()
    task = task_of(project.settings, atlas, project.features(atlas), "SIM-T1")
    predictor = load_predictor(project.settings, task, project.pretrained("SIM-T1"))
    return predictor.load(project.finetuned("SIM-T1", 0, budget)), atlas
