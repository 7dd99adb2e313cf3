"""The command line: a user's mistake is one line that names file, place and remedy, and exits 2."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import typer

from anchordrug.errors import AnchorDrugError
from tests.cli.test_screen import run
from tests.conftest import DEMO, copied, run_cli, small_params, write_params

COMMANDS = [
    *("app", "compare", "curate", "doctor", "evaluate", "export", "featurize", "fetch", "finetune", "grow"),
    *(
        "hidden",
        "inspect",
        "pack",
        "panel",
        "predict",
        "pretrain",
        "rank",
        "report",
        "select",
        "simulate",
        "slice",
        "split",
    ),
    "summarise",
]
ATLAS_COMMANDS = ["add", "list", "remove"]
BENCH_COMMANDS = ["finish", "ingest", "new", "next", "rehearse", "status"]
SELECT = ["select", "--target", "SIM-T1"]
FINETUNE = ["finetune", "--target", "SIM-T1"]
PREDICT = ["predict", "--model", "models/onnx/SIM-T1.onnx", "--drugs", "tables/atlas/drugs.parquet"]


def shell(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command line as a user does, in a process of its own."""
    command = [sys.executable, "-c", "from anchordrug.cli import main; main()", *arguments]
    environment = os.environ | {"COLUMNS": "120"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def mistake(folder: Path, *arguments: object) -> str:
    """Run the command line on the project in `folder`; return the line that a user is shown.

    That folder is left out of it.
    """
    result = run_cli(*arguments, folder=folder)
    assert isinstance(result.exception, AnchorDrugError), (result.exception, result.output)
    text = str(result.exception)
    assert text
    assert "\n" not in text
    return text.replace(f"{folder}/", "")


def set_params(folder: Path, change: Callable[[dict], object]) -> None:
    params = small_params()
    change(params)
    write_params(folder, params)


@pytest.fixture
def raw(tmp_path) -> Path:
    """The raw folder, a copy of the demo bundle, of a project in which nothing has run."""
    folder = tmp_path / "data"
    shutil.copytree(DEMO, folder)
    set_params(tmp_path, lambda params: params["raw"].update(dir="data"))
    return folder


@pytest.fixture
def copy(project, tmp_path) -> Path:
    """A copy of the finished project that a test may change."""
    return copied(project, tmp_path)


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def rename_column(path: Path, old: str, new: str) -> None:
    header, rest = path.read_text(encoding="utf-8").split("\n", 1)
    fields = header.split("\t")
    fields[fields.index(old)] = new
    path.write_text("\t".join(fields) + "\n" + rest, encoding="utf-8")


# As a user sees it


MISTAKES = {
    "no params": (["curate"], None, "params.yaml: no such file; .*--params"),
    "no raw folder": (
        ["curate"],
        lambda params: params["raw"].update(dir="nowhere"),
        r"nowhere: no such folder; set raw\.dir",
    ),
    "unknown key": (
        ["curate"],
        lambda params: params["curate"].update(dose=10),
        "params.yaml: unknown key 'curate.dose'; did you mean 'curate.dose_um'",
    ),
    "unknown target": (
        ["select", "--target", "SIM-T9"],
        lambda _: None,
        "--target SIM-T9: not one of 'targets' .*did you mean 'SIM-T1'",
    ),
    "no model": ([*PREDICT, "--out", "out.csv"], lambda _: None, "SIM-T1.onnx: no such model; .*dvc repro"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_prints_one_line_and_exits_2(tmp_path, monkeypatch, capsys, name):
    arguments, change, message = MISTAKES[name]
    if change:
        set_params(tmp_path, change)
    monkeypatch.chdir(tmp_path)
    code, said, told = run(monkeypatch, capsys, *arguments)
    assert code == 2, told
    assert said == ""
    assert told.startswith("anchordrug: ")
    assert told.count("\n") == 1
    assert told.endswith("\n")
    assert re.search(message, told)


def test_a_mistake_in_the_raw_data_prints_one_line_and_exits_2(raw):
    rename_column(raw / "compoundinfo_beta.txt", "canonical_smiles", "canonical_smile")
    done = shell(raw.parent, "curate")
    assert done.returncode == 2
    assert re.fullmatch(
        r"anchordrug: .*compoundinfo_beta\.txt: no column canonical_smiles; .*'canonical_smile'\?\n",
        done.stderr,
    )
    assert not (raw.parent / "tables").exists()


def test_a_mistake_found_in_a_later_stage_ends_with_its_line(copy, monkeypatch, capsys):
    set_params(copy, lambda params: params["select"].update(strategy="badl"))
    code, _, told = run(monkeypatch, capsys, "--project", copy, *SELECT)
    assert code == 2
    assert "Traceback" not in told
    last = told.splitlines()[-1]
    assert last.startswith("anchordrug: select.strategy: 'badl' is unknown; did you mean 'bald'?")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(command):
    result = run_cli(command, "--help")
    assert result.exit_code == 0
    assert f"Example: anchordrug {command}" in " ".join(result.output.split())


@pytest.mark.parametrize("command", BENCH_COMMANDS)
def test_the_help_of_every_command_of_the_bench_shows_an_example(command):
    result = run_cli("campaign", command, "--help")
    assert result.exit_code == 0
    assert f"Example: anchordrug campaign {command}" in " ".join(result.output.split())


@pytest.mark.parametrize("command", ATLAS_COMMANDS)
def test_the_help_of_every_command_of_the_atlas_shows_an_example(command):
    result = run_cli("atlas", command, "--help")
    assert result.exit_code == 0
    assert f"Example: anchordrug atlas {command}" in " ".join(result.output.split())


def test_every_command_is_tested():
    from anchordrug.cli import app, atlas, bench

    assert sorted(typer.main.get_command(app).commands) == sorted(
        # The second of these is what the page starts.
        ["atlas", "app-work", "campaign", *COMMANDS]
    )
    assert sorted(typer.main.get_command(atlas.app).commands) == ATLAS_COMMANDS
    assert sorted(typer.main.get_command(bench.app).commands) == BENCH_COMMANDS


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_without_arguments_the_help_lists_every_command(tmp_path, arguments):
    done = shell(tmp_path, *arguments)
    assert done.returncode == (0 if arguments else 2)
    assert "Usage: " in done.stdout + done.stderr
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.stdout + done.stderr)
    assert "Traceback" not in done.stderr
    assert "anchordrug predict --help" in " ".join((done.stdout + done.stderr).split())


def test_importing_the_command_line_imports_nothing_heavy(tmp_path):
    heavy = ["torch", "pandas", "pandera", "pydantic", "rdkit", "h5py", "onnx", "onnxruntime", "deepchem"]
    code = f"import sys, anchordrug.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# Settings


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("selct", "params.yaml: unknown key 'selct'; did you mean 'select'?"),
        ("zzz", "params.yaml: unknown key 'zzz'"),
    ],
)
def test_an_unknown_key_is_named(raw, key, message):
    set_params(raw.parent, lambda params: params.update({key: 1}))
    assert mistake(raw.parent, "curate").startswith(message)


def test_an_unknown_strategy_is_named_with_a_near_one_and_all_there_are(copy):
    set_params(copy, lambda params: params["select"].update(strategy="randm"))
    text = mistake(copy, *SELECT)
    assert text.startswith("select.strategy: 'randm' is unknown; did you mean 'random'? (there are ")
    assert "bald" in text
    assert "least_confidence" in text


def test_a_budget_larger_than_the_pool_says_how_large_the_pool_is(copy):
    set_params(copy, lambda params: params["select"].update(budget=[10, 1000]))
    pool = pd.read_csv(copy / "tables/splits/splits.csv").query("target == 'SIM-T1' and role == 'pool'")
    text = mistake(copy, *SELECT)
    assert text.startswith("select.budget: a budget of 1,000 drugs exceeds the pool of ")
    assert re.search(rf"\b{len(pool)}\b", text)


def test_a_budget_larger_than_the_selection_is_not_fitted_to_fewer_drugs(copy):
    """The settings ask for 30 drugs, but select has chosen 20: 'drugs-30' must not be a fit to 20."""
    set_params(copy, lambda params: params["select"].update(budget=[30]))
    text = mistake(copy, *FINETUNE)
    assert re.search(r"run .*\bselect\b", text)
    assert not (copy / "models/finetuned/SIM-T1-0/drugs-30").exists()


@pytest.mark.parametrize("command", [["split"], ["pretrain", "--target", "SIM-T22"]])
def test_a_target_that_is_not_in_the_data_is_named_with_a_near_one(copy, command):
    set_params(copy, lambda params: params.update(targets=["SIM-T1", "SIM-T22"]))
    text = mistake(copy, *command)
    assert text.startswith("targets: 'SIM-T22' has no response in the atlas; did you mean 'SIM-T2'?")
    assert "SIM-A01" in text


@pytest.mark.parametrize("command", ["select", "finetune", "export"])
def test_a_target_that_is_not_in_the_settings_is_named_with_a_near_one(raw, command):
    text = mistake(raw.parent, command, "--target", "SIM-T11")
    assert text.startswith("--target SIM-T11: not one of 'targets' in the settings (SIM-T1)")
    assert text.endswith("did you mean 'SIM-T1'?")


@pytest.mark.parametrize("command", ["pretrain", "select", "finetune"])
def test_a_device_that_is_not_there_is_named(raw, command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    text = mistake(raw.parent, command, "--target", "SIM-T1", "--device", "cuda")
    assert text.startswith("--device cuda: torch finds no GPU here; give --device cpu or auto")
    text = mistake(raw.parent, command, "--target", "SIM-T1", "--device", "gpu")
    assert text.startswith("--device gpu: not one of auto, cpu, cuda")


# Raw data


FILES = {
    "level5_beta_trt_cp_*.gctx": "level5_beta_trt_cp_",
    "siginfo_beta.txt": "siginfo_beta.txt",
    "compoundinfo_beta.txt": "compoundinfo_beta.txt",
    "geneinfo_beta.txt": "geneinfo_beta.txt",
}


@pytest.mark.parametrize("pattern", FILES)
def test_a_missing_file_is_named(raw, pattern):
    only(raw, pattern).unlink()
    text = mistake(raw.parent, "curate")
    assert text.startswith("data")
    assert FILES[pattern] in text


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("compoundinfo_beta.txt", "compoundinfo.txt"),
        ("geneinfo_beta.txt", "geneinfo_beta.tsv"),
        ("basal_expression*.csv.gz", "basal_expresion.csv"),
    ],
)
def test_a_file_under_a_near_name_is_named(raw, pattern, name):
    only(raw, pattern).rename(raw / name)
    assert f"; did you mean '{name}'?" in mistake(raw.parent, "curate")


@pytest.mark.parametrize(
    ("file", "column", "written"),
    [
        ("siginfo_beta.txt", "pert_id", "pert_ids"),
        ("siginfo_beta.txt", "cell_iname", "cell_name"),
        ("siginfo_beta.txt", "sig_id", "sigid"),
        ("compoundinfo_beta.txt", "canonical_smiles", "canonical_SMILES"),
        ("compoundinfo_beta.txt", "pert_id", "pertid"),
        ("geneinfo_beta.txt", "gene_symbol", "gene_symbols"),
    ],
)
def test_a_column_under_another_name_is_named_with_the_near_one(raw, file, column, written):
    rename_column(raw / file, column, written)
    text = mistake(raw.parent, "curate")
    assert re.match(rf"data/{re.escape(file)}: no column {column}\b", text)
    assert text.endswith(f"did you mean '{written}'?")


@pytest.mark.parametrize("part", [0.5, 0.05, 0.99])
def test_a_matrix_that_was_cut_is_called_damaged(raw, part):
    matrix = only(raw, "*.gctx")
    content = matrix.read_bytes()
    matrix.write_bytes(content[: int(part * len(content))])
    text = mistake(raw.parent, "curate")
    assert text.startswith(f"data/{matrix.name}: cannot be read (")
    assert text.endswith("the file is damaged or cut, download it again")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_signatures_with_bad_z_scores_are_rejected_and_the_run_goes_on(raw, project, value):
    curated = project / "tables/curated"
    responses = pd.read_parquet(curated / "responses.parquet")
    alone = responses[responses["replicates"] == 1].iloc[[0, -1]]
    drugs = pd.read_parquet(curated / "drugs.parquet").set_index("drug_id")
    names = alone["drug_id"].map(drugs["name"]).to_numpy()
    table = pd.read_csv(raw / "siginfo_beta.txt", sep="\t")
    wanted = pd.MultiIndex.from_arrays([names, alone["cell_line"]])
    chosen = table[pd.MultiIndex.from_frame(table[["cmap_name", "cell_iname"]]).isin(wanted)]["sig_id"]
    assert len(chosen) >= 2  # with those that another rule drops
    with h5py.File(only(raw, "*.gctx"), "r+") as file:
        sig_ids = file["0/META/COL/id"].asstr()[:].tolist()
        for sig_id in chosen:
            if sig_id in sig_ids:
                file["0/DATA/0/matrix"][sig_ids.index(sig_id), 2] = value
    result = run_cli("curate", folder=raw.parent)
    assert result.exit_code == 0, result.exception
    own = raw.parent / "tables/curated"
    rejects, before = (pd.read_csv(folder / "rejects.csv") for folder in (own, curated))
    new = rejects[~rejects["id"].isin(before["id"])]
    assert len(new) == 2
    assert set(new["id"]) <= set(chosen)
    assert (new["kind"] == "signature").all()
    assert new["reason"].str.contains("not finite").all()
    after = pd.read_parquet(own / "responses.parquet")
    assert len(after) == len(responses) - 2
    keys = ["drug_id", "cell_line"]
    assert set(map(tuple, responses[keys].to_numpy())) - set(map(tuple, after[keys].to_numpy())) == set(
        map(tuple, alone[keys].to_numpy())
    )
    kept = pd.read_csv(own / "funnel.csv").iloc[-1]
    assert kept["kept"] == len(after)
    assert re.search(r"rejected .*\n(.*\n)* +\d+ signature: z-scores missing or not finite", result.output)


def test_a_panel_with_unknown_genes_names_them_and_a_near_one(raw):
    panel = only(raw, "gene_panel*")
    panel.write_text(panel.read_text() + "SIMG0001\nNOTHING\n")
    text = mistake(raw.parent, "curate")
    assert text.startswith(f"data/{panel.name}: the matrix lacks 2 of 98 genes: SIMG0001, NOTHING")
    assert "did you mean 'SIMG001'?" in text


def test_a_repeated_sig_id_is_named_with_both_rows(raw):
    path = raw / "siginfo_beta.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[3]]) + "\n")
    sig_id = lines[3].split("\t")[0]
    text = mistake(raw.parent, "curate")
    assert text.startswith(
        f"data/siginfo_beta.txt: sig_id '{sig_id}' occurs twice, in data rows 3 and {len(lines)}"
    )


def curated_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "tables/curated").iterdir())}


def with_accents(encode: Callable[[str], bytes], folder: Path) -> dict[str, bytes]:
    """Curate the demo bundle, its drug names with letters beyond ASCII, and return the curated tables."""
    shutil.copytree(DEMO, folder / "data")
    set_params(folder, lambda params: params["raw"].update(dir="data"))
    path = folder / "data/compoundinfo_beta.txt"
    path.write_bytes(encode(path.read_text().replace("SIM-compound-", "SIM-composé-µ-")))
    result = run_cli("curate", folder=folder)
    assert result.exit_code == 0, result.exception
    return curated_files(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, bytes]:
    return with_accents(str.encode, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("latin-1"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r\n").encode("latin-1"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.rstrip("\n").encode(),
    ],
    ids=[
        "Latin-1",
        "Windows line ends",
        "Latin-1 and Windows line ends",
        "byte-order mark",
        "no last newline",
    ],
)
def test_drug_tables_in_any_encoding_give_the_same_curated_tables(tmp_path, plain, encode):
    assert with_accents(encode, tmp_path) == plain
    names = pd.read_parquet(tmp_path / "tables/curated/drugs.parquet")["name"]
    assert names.str.startswith("SIM-composé-µ-").all()


def test_windows_line_ends_in_every_table_change_nothing(raw, project):
    for path in [*raw.glob("*.txt")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    result = run_cli("curate", folder=raw.parent)
    assert result.exit_code == 0, result.exception
    assert curated_files(raw.parent) == curated_files(project)


# Stages out of order


@pytest.mark.parametrize(
    ("command", "missing", "stage"),
    [
        (["grow"], "tables/curated", "curate"),
        (["featurize"], "tables/atlas", "grow"),
        (["split"], "tables/atlas", "grow"),
        (["pretrain", "--target", "SIM-T1"], "tables/features", "featurize"),
        (SELECT, "tables/splits", "split"),
        (SELECT, "models/pretrained", "pretrain"),
        (FINETUNE, "tables/selections", "select"),
        (["export", "--target", "SIM-T1"], "models/finetuned", "finetune"),
        (["evaluate", "--target", "SIM-T1"], "models/finetuned", "finetune"),
        (["summarise"], "metrics/rounds", "select"),
        (["summarise"], "metrics/scores", "evaluate"),
    ],
)
def test_a_stage_before_its_inputs_says_what_is_missing_and_which_stage_to_run(copy, command, missing, stage):
    shutil.rmtree(copy / missing)
    text = mistake(copy, *command)
    assert text.startswith(f"{missing}/")
    assert re.search(rf"\brun\b.*\b{stage}\b", text)


def test_simulate_writes_a_bundle_that_curate_reads(tmp_path, project):
    assert run_cli("simulate", "--out", tmp_path / "bundle", "--seed", "5").exit_code == 0
    set_params(tmp_path, lambda params: params["raw"].update(dir="bundle"))
    result = run_cli("curate", folder=tmp_path)
    assert result.exit_code == 0, result.exception
    ours = pd.read_parquet(tmp_path / "tables/curated/responses.parquet")
    demo = pd.read_parquet(project / "tables/curated/responses.parquet")
    assert len(ours) > 900
    assert ours["cell_line"].nunique() == demo["cell_line"].nunique()
    assert not np.array_equal(ours.iloc[:900, 7:].to_numpy(), demo.iloc[:900, 7:].to_numpy())
