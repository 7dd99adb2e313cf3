"""The pipeline through DVC, on a fresh clone of what is in the working tree."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pandas as pd
import pytest
import yaml

from scripts.dvc_dependencies import FILES, CodeGraph, code_of, rewritten
from scripts.dvc_dependencies import commands as commands_of
from tests.conftest import ROOT, run_cli, small_params, write_params
from tests.documents import PIPELINE_STORY, TEAM_STORY, commands, play
from tests.forks import environment
from tests.tiny import tiny_params, write_tiny_bundle

# How the tutorial compares experiments.
(COMPARE,) = (
    line for line in commands(ROOT / "docs/tutorial_strategies.md") if line.startswith("dvc exp show")
)
# Modules and data files deep in five rooms of the code.
EDITED = (
    "chem/structures.py",
    "files/formulas.py",
    "predictors/response/gp.py",
    "raw/gene_aliases.csv",
    "report/macros.html",
)
# What a command does before it calls its stage.
OPEN_PROJECT = "import anchordrug.cli.options as o; o.project_of(None)"
# Entries of dvc.lock for cells of the matrix that the small clone does not have.
OTHER_CELLS = re.compile(r"^  \S+@(?!SIM-T1(?:-0)?:).*\n(?:    .*\n)*", re.M)
# Columns that the templates in .dvc/plots read by name.
PLOTTED = {
    "pre-training": {"target"},
    "learning curve": {"strategy"},
    "predictors": {"target", "predictor", "low", "high"},
    "reliability": {"target"},
    "risk and coverage": {"target"},
}


NAMES = {f"GIT_{role}_NAME": "test" for role in ("AUTHOR", "COMMITTER")}
MAILS = {f"GIT_{role}_EMAIL": "test@example.org" for role in ("AUTHOR", "COMMITTER")}


def run(folder: Path, *command: str, forked: bool = True) -> str:
    """Run a command that has to end well; return what it printed."""
    programs = environment(forked) | NAMES | MAILS
    done = subprocess.run(command, cwd=folder, env=programs, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def clone(folder: Path) -> Path:
    """Copy what git tracks (or would track) into a repository of its own, without any ignored file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "clone")
    return folder


def stages_run(output: str) -> set[str]:
    """Return the names of the stages that `dvc repro` or `dvc exp run` executed, without matrix cells."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage")]
    return {line.split("'")[1].split("@")[0] for line in lines}


def test_lock_file_agrees_with_code_and_params(tmp_path):
    """Whoever changes code or params that a stage depends on runs `dvc repro` and commits dvc.lock."""
    folder = clone(tmp_path)
    # DVC takes these folders whole. Without data, git gives a part of them: changed rather than missing.
    for part in ("models/onnx", "tables/predictions"):
        shutil.rmtree(folder / part)
    output = run(folder, "dvc", "repro", "--dry", "--allow-missing")
    assert stages_run(output) == set(), output


def stages_of(path: Path) -> dict[str, dict]:
    """Return the stages of a dvc.yaml that have commands of their own in it, by name."""
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def naming(stages: dict[str, dict], file: str) -> set[str]:
    """Return the stages that name a file of the code, or a folder that it is in."""
    code = Path("${code}") / file
    return {name for name, stage in stages.items() for dep in stage["deps"] if code.is_relative_to(dep)}


@pytest.fixture(scope="module")
def graph() -> CodeGraph:
    return CodeGraph()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_dvc_yaml_names_the_code_that_the_graph_has(path, graph):
    text = path.read_text(encoding="utf-8")
    assert rewritten(text, graph, folders=FILES[path]) == text, "run make deps"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_all_but_the_code_stays_as_it_was_written(path, graph):
    """Comments, data and order remain when the code is taken out and put in again."""
    text = path.read_text(encoding="utf-8")
    other = "".join(line for line in text.splitlines(keepends=True) if "- ${code}/" not in line)
    assert other != text
    assert rewritten(other, graph, folders=FILES[path]) == text


def test_every_stage_names_every_file_that_it_reaches(graph):
    stages = stages_of(ROOT / "dvc.yaml")
    assert set(commands_of((ROOT / "dvc.yaml").read_text(encoding="utf-8"))) == set(stages)
    for name, stage in stages.items():
        reached = code_of(stage["cmd"], graph)
        assert len(reached) > 5, name
        for file in reached:
            assert name in naming(stages, file.as_posix()), (name, file)


def reproduced(folder: Path, params: dict) -> Path:
    """Write params.yaml into a clone, run every stage and commit what they make.

    What every stage imports is printed among the lines that DVC writes. The first one runs as for a user; the
    others come from one process, as importing takes most of the time.
    """
    write_params(folder, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        patch.setenv("PYTHONUNBUFFERED", "1")
        said = [
            run(folder, "bash", "-c", f"dvc repro {stage} 2>&1", forked=not stage) for stage in ("curate", "")
        ]
    (folder / ".dvc/tmp/imports.txt").write_text("".join(said))
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "small run")
    return folder


@pytest.fixture(scope="module")
def small_clone(tmp_path_factory) -> Path:
    """A clone with a tiny bundle in the place of the demo, in which all stages have run."""
    folder = clone(tmp_path_factory.mktemp("clone"))
    shutil.rmtree(folder / "datasets/demo")
    write_tiny_bundle(folder / "datasets/demo")
    # DVC reads and writes the whole file for each stage, which takes longer than a tiny stage.
    lock = folder / "dvc.lock"
    lock.write_text(OTHER_CELLS.sub("", lock.read_text(encoding="utf-8")), encoding="utf-8")
    params = tiny_params(small_params())
    return reproduced(folder, params)


@pytest.fixture(scope="module")
def demo_clone(tmp_path_factory) -> Path:
    """A clone in which all stages have run on the demo."""
    params = small_params()
    params["raw"]["dir"] = "data"
    return reproduced(clone(tmp_path_factory.mktemp("clone")), params)


def test_a_fresh_clone_runs_without_any_remote(small_clone):
    for path in (
        "models/onnx/SIM-T1.onnx",
        "tables/predictions/SIM-T1.parquet",
        "tables/selections/SIM-T1-0.csv",
        "metrics/summary.json",
    ):
        assert (small_clone / path).is_file(), path
    assert not (small_clone / "models/onnx/SIM-T2.onnx").exists()


def modules_in(output: str) -> set[str]:
    """Return the modules of anchordrug among Python's lines about imports."""
    return set(re.findall(r"^import time:.*\| +(anchordrug(?:\.\w+)*)$", output, re.M))


def test_stages_import_no_module_that_they_do_not_reach(small_clone, graph):
    """The graph against what Python really imports, worker processes included.

    What every command imports to read the settings is left out.
    """
    output = (small_clone / ".dvc/tmp/imports.txt").read_text()
    shell = modules_in(
        run(small_clone, "bash", "-c", f"{sys.executable} -X importtime -c '{OPEN_PROJECT}' 2>&1")
    )
    stages = stages_of(small_clone / "dvc.yaml")
    runs = re.split(r"^Running stage '([\w-]+)\S*':$", output, flags=re.M)[1:]
    assert set(runs[::2]) == set(stages)
    for name, text in zip(runs[::2], runs[1::2], strict=True):
        imported = {module for module in modules_in(text) - shell if ".cli" not in module}
        assert f"anchordrug.{'prediction.engine' if name == 'predict' else f'stages.{name}'}" in imported
        files = {graph.path_of[module] for module in imported} & set(graph.files)
        assert files <= code_of(stages[name]["cmd"], graph), name


def changed_deps(folder: Path) -> dict[str, dict]:
    """Return what each stage reads that differs from what it has read: paths, and params in params.yaml."""
    status = json.loads(run(folder, "dvc", "status", "--json"))
    changed = {}
    for cell, notes in status.items():
        found = next((note["changed deps"] for note in notes if "changed deps" in note), {})
        changed.setdefault(cell.split("@")[0], {}).update(found)
    return changed


def test_an_edit_is_noticed_by_every_stage_that_reaches_the_file(small_clone, graph):
    """All files are edited at once: as they are in five rooms, no stage names two of them by one folder."""
    stages = stages_of(small_clone / "dvc.yaml")
    paths = [small_clone / "src/anchordrug" / file for file in EDITED]
    before = [path.read_bytes() for path in paths]
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(content + b"\n")
    try:
        changed = changed_deps(small_clone)
    finally:
        for path, content in zip(paths, before, strict=True):
            path.write_bytes(content)
    for file in EDITED:
        reaching = {name for name, stage in stages.items() if Path(file) in code_of(stage["cmd"], graph)}
        code = Path("src/anchordrug") / file
        noticed = {name for name, deps in changed.items() if any(code.is_relative_to(dep) for dep in deps)}
        assert reaching
        assert reaching <= noticed == naming(stages, file), file


def test_a_second_repro_changes_nothing_and_says_so(small_clone):
    output = run(small_clone, "dvc", "repro")
    assert stages_run(output) == set()
    assert "Data and pipelines are up to date." in output
    assert run(small_clone, "git", "status", "--porcelain") == ""


# Each change of a param, and the stages that read it.
READERS = {
    "finetune.whole_pool=false": {"finetune", "evaluate"},
    "split.seed=1": {"split", "hidden"},
    "curate.threshold=1.4": {"pretrain", "select", "compare", "finetune", "export", "evaluate", "hidden"},
    "predictors.ensemble.pretrain.epochs=5": {"pretrain", "finetune", "hidden"},
    "predictors.ensemble.fit.epochs=5": {"select", "compare", "finetune", "export", "evaluate", "hidden"},
    "predictors.mlp.fit.epochs=5": set(),
    "select.batch=5": {"select", "compare"},
    "select.strategy=moa": {"select", "summarise"},
}


def test_a_changed_param_touches_only_the_stages_that_read_it(small_clone):
    """All are changed at once; DVC names for each stage the params that changed, by the section it reads.

    What follows from the stages is run further below. The report shows all params, so it is in all of them.
    """
    before = (small_clone / "params.yaml").read_text(encoding="utf-8")
    params = yaml.safe_load(before)
    for change in READERS:
        path, value = change.split("=")
        *above, key = path.split(".")
        section = reduce(dict.__getitem__, above, params)
        assert section[key] != yaml.safe_load(value)
        section[key] = yaml.safe_load(value)
    write_params(small_clone, params)
    try:
        changed = {name: deps.get("params.yaml", {}) for name, deps in changed_deps(small_clone).items()}
    finally:
        (small_clone / "params.yaml").write_text(before, encoding="utf-8")
    for change, readers in READERS.items():
        param = change.split("=")[0]
        noticed = {
            name for name, keys in changed.items() if any(f"{param}.".startswith(f"{key}.") for key in keys)
        }
        assert noticed == readers | {"report"}, change


def test_a_changed_set_of_additions_is_noticed_by_grow_alone(small_clone):
    """What follows runs when grow has written other tables."""
    path = small_clone / "additions/lab/addition.json"
    path.parent.mkdir()
    path.write_text("{}")
    try:
        assert stages_run(run(small_clone, "dvc", "repro", "--dry")) == {"grow"}
    finally:
        shutil.rmtree(path.parent)


def refused(folder: Path, *command: str) -> str:
    """Run a command that has to fail; return what it printed."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0, f"{command}\n{done.stdout[-3000:]}"
    return done.stderr


def problems(folder: Path) -> set[str]:
    """Return what anchordrug doctor has a problem with."""
    found = json.loads(run_cli("doctor", "--json", folder=folder).stdout)["findings"]
    return {finding["what"] for finding in found if finding["state"] == "problem"}


def test_a_missing_input_takes_nothing_away(small_clone):
    """The raw bundle, the library, the additions: DVC removes outputs before it looks for what it reads."""
    made = [path for name in ("tables", "models", "metrics") for path in (small_clone / name).rglob("*.*")]
    assert len(made) > 30
    told = refused(small_clone, "dvc", "exp", "run", "-S", "raw.dir=/missing", "-S", "select.budget=10")
    assert "/missing" in told
    assert problems(small_clone) == {"raw bundle"}
    run(small_clone, "git", "checkout", "--quiet", "params.yaml")
    params = yaml.safe_load((small_clone / "params.yaml").read_text(encoding="utf-8"))
    params["predict"]["library"] = "missing.csv"
    write_params(small_clone, params)
    assert "missing.csv" in refused(small_clone, "dvc", "repro", "predict")
    assert problems(small_clone) == {"library"}
    run(small_clone, "git", "checkout", "--quiet", "params.yaml")
    additions = small_clone / "additions"
    additions.rename(small_clone / "elsewhere")
    assert str(additions) in refused(small_clone, "dvc", "repro", "grow")
    assert problems(small_clone) == {"additions"}
    (small_clone / "elsewhere").rename(additions)
    assert [path for path in made if not path.exists()] == []
    assert problems(small_clone) == set()
    assert stages_run(run(small_clone, "dvc", "repro")) == set()
    assert run(small_clone, "git", "status", "--porcelain") == ""


def test_status_saved_and_queued_experiments_know_the_pipeline_alone(small_clone):
    """The release of sources/lincs, which nobody has fetched here, and the paper's benchmark are apart."""
    assert run(small_clone, "dvc", "status").strip() == "Data and pipelines are up to date."
    run(small_clone, "dvc", "exp", "save", "--name", "saved")
    run(small_clone, "dvc", "exp", "run", "--queue", "--name", "queued", "-S", "select.strategy=random")
    assert "queued" in run(small_clone, "dvc", "queue", "status")
    run(small_clone, "dvc", "queue", "remove", "--queued")
    run(small_clone, "dvc", "exp", "remove", "saved")
    assert run(small_clone, "git", "status", "--porcelain") == ""


def test_a_bundle_of_the_release_is_read_in_its_place(small_clone):
    bundle = small_clone / "sources/lincs/bundles/lincs2020"
    shutil.copytree(small_clone / "datasets/demo", bundle)
    params = yaml.safe_load((small_clone / "params.yaml").read_text(encoding="utf-8"))
    params["raw"]["dir"] = "sources/lincs/bundles/lincs2020"
    write_params(small_clone, params)
    try:
        run(small_clone, "dvc", "commit", "--force", "curate")
        assert "curate" not in json.loads(run(small_clone, "dvc", "status", "--json"))
        (bundle / "siginfo_beta.txt").write_text("another")
        assert "curate" in stages_run(run(small_clone, "dvc", "repro", "--dry"))
    finally:
        shutil.rmtree(bundle.parent)
        run(small_clone, "git", "checkout", "--quiet", ".")


def test_a_colleague_pulls_and_runs_nothing(small_clone, tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    folder = tmp_path / "mine"
    shutil.copytree(small_clone, folder, symlinks=True)
    said = play(TEAM_STORY, folder)
    assert stages_run(said) == set()
    # The colleague's `dvc status` and `dvc repro`.
    assert said.count("Data and pipelines are up to date.") == 2
    colleague = tmp_path / "colleague"
    for name in ("models/onnx/SIM-T1.onnx", "tables/atlas/responses.parquet"):
        assert (colleague / name).read_bytes() == (small_clone / name).read_bytes()
    assert run(colleague, "git", "status", "--porcelain") == ""


def test_metrics_plots_and_experiments_tell_the_story(small_clone):
    metrics = json.loads(run(small_clone, "dvc", "metrics", "show", "--json"))
    (told,) = metrics[""]["data"].values()
    assert set(told["data"]["macro_f1"]) == {"consensus", "pretrained", "drugs-3", "drugs-6", "whole-pool"}
    plots = json.loads(run(small_clone, "dvc", "plots", "show", "--json"))
    assert {"pre-training", "learning curve", "predictors"} <= set(plots["data"])
    # Each of our templates finds the columns that it names next to x and y.
    for plot, columns in PLOTTED.items():
        (drawn,) = plots["data"][plot]
        assert columns <= set(drawn["content"]["data"]["values"][0]), plot


@pytest.mark.long
def test_the_tutorials_of_the_demo_and_of_the_strategies(demo_clone):
    """Last, as they change the clone."""
    said = play(PIPELINE_STORY, demo_clone)
    assert "Data and pipelines are up to date." in said
    assert set(pd.read_csv(demo_clone / "my_predictions.csv")["drug_id"]) == {
        "aspirin",
        "caffeine",
        "ibuprofen",
    }
    other_library, queue = said.split("Following logs for all queued experiments")
    assert stages_run(other_library) == {"predict", "report"}
    expected = {"select", "finetune", "export", "predict", "evaluate", "hidden", "summarise", "report"}
    assert stages_run(queue) == expected
    table = run(demo_clone, *shlex.split(COMPARE), "--csv")
    header, *rows = table.splitlines()
    columns = header.split(",")
    assert {"macro_f1.drugs-10", "select.strategy"} < set(columns)
    # It fits a screen, which does not show these four, and no column is of a file.
    assert len(set(columns) - {"rev", "typ", "State", "Executor"}) <= 10
    assert "/" not in header
    for name, strategy in {"by-design": "a_optimal", "by-lottery": "random"}.items():
        assert any(name in row and strategy in row for row in rows), name
    # All is as it was.
    assert run(demo_clone, "git", "diff", "--name-only") == ""
    assert len(pd.read_parquet(demo_clone / "tables/predictions/SIM-T1.parquet")["drug_id"].unique()) > 300
