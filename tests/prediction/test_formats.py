"""Predictions as AnnData and as Excel workbooks, from the command line and from Python."""

import errno
import resource
import warnings
from dataclasses import replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import onnx
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

import anchordrug
from anchordrug import errors
from anchordrug.chem.structures import standardise
from anchordrug.prediction import engine
from anchordrug.prediction.formats import h5ad, xlsx
from anchordrug.prediction.inference import load_onnx
from anchordrug.prediction.tables import OF_DRUG, TableShape, tables
from anchordrug.prediction.writers import FORMATS, Contents, write_tables
from tests.conftest import run_cli
from tests.prediction.small_models import write_model

MODEL = Path("models/onnx/SIM-T1.onnx")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
LIBRARY = f"""id,Compound name,smiles,CAS/No,MW
a,aspirin,{ASPIRIN},50-78-2,180
=1+1,,CCO,,46
#N/A,"am\x01\x0bine",CCN,75-04-7,45
bad,=x,C(C,1,2
again,,OCC,,46
"""
LAYERS = ["z", "p_down", "p_none", "p_up"]
ANSWERS = ["down", "none", "up", "unknown"]


@pytest.fixture
def predict(project, tmp_path):
    """Runs the command on a library; returns its result and the file asked for."""

    def run(*options, out, models=(MODEL,), text=LIBRARY):
        (tmp_path / "drugs.csv").write_text(text, encoding="utf-8")
        given = [word for model in models for word in ("--model", project / model)]
        result = run_cli(
            "predict", *given, "--drugs", tmp_path / "drugs.csv", "--out", tmp_path / out, *options
        )
        return result, tmp_path / out

    return run


def written(outcome) -> Path:
    result, out = outcome
    assert result.exit_code == 0, (result.output, result.exception)
    return out


@pytest.fixture
def odd_model(mlp_project, tmp_path):
    """A model without z, of another target, which lacks the first gene and has one of its own."""
    model = onnx.load(mlp_project / MODEL)
    for entry in model.metadata_props:
        if entry.key == "target":
            entry.value = '"SIM-OTHER"'
        if entry.key == "genes":
            entry.value = entry.value.replace('["', '["OTHER-', 1)
    onnx.save(model, tmp_path / "odd.onnx")
    return tmp_path / "odd.onnx"


def test_several_formats_of_one_run_are_those_of_runs_of_their_own(predict, project, tmp_path, monkeypatch):
    alone = {name: written(predict(out=name)).read_bytes() for name in ("a.csv", "a.xlsx", "a.h5ad")}
    first, *more = (tmp_path / name.replace("a.", "b.") for name in alone)
    calls = []
    each = engine.predict_each
    monkeypatch.setattr(engine, "predict_each", lambda *given: calls.append(1) or each(*given))
    engine.run([project / MODEL], tmp_path / "drugs.csv", first, also=more)
    assert len(calls) == 1
    for path, (name, content) in zip((first, *more), alone.items(), strict=True):
        rejects = [tmp_path / f"{stem}.rejects.csv" for stem in (name, path.name)]
        assert rejects[0].read_bytes() == rejects[1].read_bytes()
        if path.suffix == ".h5ad":
            assert h5_values(path) == h5_values(tmp_path / name)
        else:
            assert path.read_bytes() == content
    assert not list(tmp_path.glob("*.part"))


def h5_values(path):
    """Return every array of an .h5ad file by its place."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: repr(item[()])} if hasattr(item, "shape") else {})
        )
    return found


def test_anndata_has_what_the_long_table_has(predict, project):
    long = pd.read_parquet(written(predict(out="long.parquet")))
    path = written(predict(out="out.h5ad"))
    found = anndata.read_h5ad(path)
    genes = load_onnx(project / MODEL).genes
    assert found.shape == (3, len(genes))
    assert found.obs_names.tolist() == ["a", "=1+1", "#N/A"]
    assert found.var_names.tolist() == found.var["symbol"].tolist() == genes
    for name in LAYERS:
        np.testing.assert_array_equal(found.layers[name].ravel(), long[name])
    labels = found.uns["anchordrug"]["labels"]
    assert labels.tolist() == ANSWERS
    assert labels[found.layers["label"].ravel()].tolist() == long["label"].tolist()
    np.testing.assert_array_equal(found.X, found.layers["z"])
    assert found.uns["anchordrug"]["X"] == "z"
    first = long.drop_duplicates("drug_id")
    for name in ("target", *(name for name, _ in OF_DRUG)):
        assert found.obs[name].tolist() == first[name].tolist()
    drugs = [standardise(smiles) for smiles in (ASPIRIN, "CCO", "CCN")]
    assert found.obs["smiles"].tolist() == [drug.smiles for drug in drugs]
    assert found.obs["inchikey"].tolist() == [drug.inchikey for drug in drugs]
    assert found.obs["name"].astype(object).where(found.obs["name"].notna(), None).tolist() == [
        *("aspirin", None, "am\x01\x0bine")
    ]
    # HDF5 takes a slash for a folder.
    assert found.obs["CAS_No"].astype(object).fillna("").tolist() == ["50-78-2", "", "75-04-7"]
    assert found.uns["rejects"][["drug_id", "reason", "name"]].to_numpy().tolist() == [
        ["bad", "not a valid SMILES", "=x"]
    ]
    before = path.read_bytes()
    assert written(predict(out="out.h5ad")).read_bytes() == before


def test_anndata_of_several_models(predict, odd_model, project, monkeypatch):
    # Tables end between the rows of a drug.
    monkeypatch.setattr("anchordrug.prediction.writers.CELLS_A_TABLE", 1000)
    models = (MODEL, odd_model)
    long = pd.read_parquet(written(predict(out="long.parquet", models=models)))
    found = anndata.read_h5ad(written(predict(out="out.h5ad", models=models)))
    assert found.obs_names.tolist()[:3] == ["a in SIM-T1", "a in SIM-OTHER", "=1+1 in SIM-T1"]
    genes, others = (load_onnx(project / model).genes for model in models)
    assert found.var_names.tolist() == [*genes, others[0]]
    assert found.uns["anchordrug"]["X"] == "p_up - p_down"
    np.testing.assert_array_equal(found.X, found.layers["p_up"] - found.layers["p_down"])
    for (target, drug), own in long.groupby(["target", "drug_id"], sort=False, observed=True):
        row = found.obs_names.get_loc(f"{drug} in {target}")
        places = found.var_names.get_indexer(pd.Index(own["gene"]))
        for name in LAYERS:
            np.testing.assert_array_equal(found.layers[name][row, places], own[name])
        missing = np.setdiff1d(np.arange(found.n_vars), places)
        assert len(missing) == 1
        assert np.isnan(found.layers["p_up"][row, missing]).all()
        assert found.layers["label"][row, missing] == [-1]


def test_anndata_of_a_predictor_without_z_has_probabilities(tmp_path):
    model = write_model(tmp_path / "m.onnx", answers={"z": None})
    found = anchordrug.predict_anndata(model, ["CCO"])
    assert sorted(found.layers) == ["label", "p_down", "p_none", "p_up"]
    assert found.uns["anchordrug"]["X"] == "p_up - p_down"
    np.testing.assert_allclose(found.X, [[0.3 - 0.2, 0.1 - 0.6]], rtol=1e-6)


def test_genes_have_the_ids_of_the_card(tmp_path):
    predictor = load_onnx(write_model(tmp_path / "m.onnx"))
    ids = {"ensembl": ["ENSG00000141510", None], "entrez": ["7157", "4609"]}
    found = anchordrug.predict_anndata(replace(predictor, card=predictor.card | {"gene_ids": ids}), ["CCO"])
    found.write_h5ad(tmp_path / "x.h5ad", convert_strings_to_categoricals=False)
    var = anndata.read_h5ad(tmp_path / "x.h5ad").var
    assert var.loc["TP53"].tolist() == ["TP53", "ENSG00000141510", "7157"]
    assert var.loc["MYC", "entrez"] == "4609"
    assert pd.isna(var.loc["MYC", "ensembl"])


def test_python_gives_what_the_command_writes(predict, project, tmp_path):
    path = written(predict("--coverage", 0.6, out="out.h5ad", text=LIBRARY.replace("again,,OCC,,46\n", "")))
    expected = anndata.read_h5ad(path)
    table = pd.read_csv(tmp_path / "drugs.csv", keep_default_na=False)
    with pytest.warns(UserWarning, match=r"1 of 4 structures cannot be read; see uns\['rejects'\]"):
        found = anchordrug.predict_anndata(project / MODEL, table, coverage=0.6)
    found.write_h5ad(tmp_path / "own.h5ad", convert_strings_to_categoricals=False)
    found = anndata.read_h5ad(tmp_path / "own.h5ad")
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    pd.testing.assert_frame_equal(found.var, expected.var)
    for name in [*LAYERS, "label"]:
        np.testing.assert_array_equal(found.layers[name], expected.layers[name])
    assert anchordrug.predict_anndata(project / MODEL, []).n_obs == 0


def test_python_keeps_names_and_ids(project):
    drugs = pd.DataFrame({"SMILES": [ASPIRIN, "CCO", "C(C"], "Name": ["aspirin", None, "bad"]})
    drugs = drugs.assign(CAS=["50-78-2", None, "7"], ChEMBL_ID=["C25", None, None], weight=1)
    with pytest.warns(UserWarning, match="1 of 3 structures"):
        found = anchordrug.predict(project / MODEL, drugs).drop_duplicates("drug_id")
    shown = found[["drug_id", "name", "CAS"]].astype(object).where(found.notna(), None).to_numpy().tolist()
    # Who has neither id nor name is called by the structure.
    assert shown == [["C25", "aspirin", "50-78-2"], ["CCO", None, None], ["bad", "bad", "7"]]
    assert found["reason"].tolist() == [None, None, "not a valid SMILES"]
    by_index = anchordrug.predict(project / MODEL, drugs.iloc[:1].set_index("ChEMBL_ID"))
    assert by_index["drug_id"].unique().tolist() == ["C25"]
    with pytest.raises(errors.LibraryError, match="a table of compounds has its own"):
        anchordrug.predict(project / MODEL, drugs, ids=["a", "b", "c"])
    with pytest.raises(errors.LibraryError, match="table: no SMILES column"):
        anchordrug.predict(project / MODEL, drugs.drop(columns="SMILES"))


def test_scanpy_runs_on_it(project, tmp_path):
    scanpy = pytest.importorskip("scanpy")
    drugs = pd.read_parquet(project / "tables/atlas/drugs.parquet").iloc[:40]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = anchordrug.predict_anndata(project / MODEL, drugs)
        scanpy.pp.pca(found, n_comps=5)
        found.obs["half"] = pd.Categorical(np.repeat(["first", "second"], 20))
        scanpy.tl.rank_genes_groups(found, "half", method="t-test")
        axes = scanpy.pl.heatmap(found, found.var_names[:4].tolist(), "half", show=False)
        assert "heatmap_ax" in axes
    assert found.obsm["X_pca"].shape == (40, 5)
    best = scanpy.get.rank_genes_groups_df(found, "first").iloc[0]
    gain = found[:20, best["names"]].X.mean() - found[20:, best["names"]].X.mean()
    assert gain * best["scores"] > 0


def test_pertpy_measures_distances_on_it(project):
    # Not among the packages that developers install: it brings jax.
    pertpy = pytest.importorskip("pertpy")
    drugs = pd.read_parquet(project / "tables/atlas/drugs.parquet").iloc[:40]
    found = anchordrug.predict_anndata(project / MODEL, drugs)
    found.obs["half"] = pd.Categorical(np.repeat(["first", "second"], 20))
    found.obsm["z"] = found.layers["z"]
    distances = pertpy.tl.Distance("euclidean", obsm_key="z").pairwise(found, groupby="half")
    z = found.layers["z"]
    between = np.linalg.norm(z[:20].mean(axis=0) - z[20:].mean(axis=0))
    assert distances.loc["first", "second"] == pytest.approx(between, rel=1e-5)


def sheets(path: Path) -> dict[str, list[list]]:
    book = openpyxl.load_workbook(path)
    return {sheet.title: [[cell.value for cell in row] for row in sheet.rows] for sheet in book}


def test_a_workbook_has_drugs_predictions_and_rejects(predict):
    long = pd.read_parquet(written(predict(out="long.parquet")))
    path = written(predict(out="out.xlsx"))
    found = sheets(path)
    assert list(found) == ["drugs", "predictions", "rejects"]
    header, *drugs = found["drugs"]
    assert header[:6] == ["target", "drug_id", "name", "CAS/No", "smiles", "inchikey"]
    assert header[-2:] == ["up", "down"]
    assert [row[:4] for row in drugs] == [
        ["SIM-T1", "a", "aspirin", "50-78-2"],
        ["SIM-T1", "'=1+1", None, None],
        ["SIM-T1", "'#N/A", "am\ufffd\ufffdine", "75-04-7"],
    ]
    for (_, own), row in zip(long.groupby("drug_id", sort=False), drugs, strict=True):
        for place, name in ((-2, "up"), (-1, "down")):
            best = own[own["label"] == name].sort_values(f"p_{name}", ascending=False, kind="stable")[:10]
            said = ", ".join(
                f"{gene} {chance:.2f}" for gene, chance in zip(best["gene"], best[f"p_{name}"], strict=True)
            )
            assert (row[place] or "") == said
    header, *rows = found["predictions"]
    assert header == ["target", "drug_id", "name", "gene", "label", "p_down", "p_none", "p_up", "z"]
    assert len(rows) == len(long)
    table = pd.DataFrame(rows, columns=header)
    for name in ("gene", "label"):
        assert table[name].tolist() == long[name].tolist()
    np.testing.assert_allclose(table[LAYERS].astype(float), long[LAYERS], atol=6e-7)
    assert found["rejects"][0] == ["place", "drug_id", "structure", "reason", "name", "CAS/No"]
    assert found["rejects"][1] == ["line 5", "bad", "C(C", "not a valid SMILES", "'=x", "1"]
    # Nothing is a formula or an error of Excel.
    kinds = {cell.data_type for sheet in openpyxl.load_workbook(path) for row in sheet.rows for cell in row}
    assert kinds == {"s", "n"}
    before = path.read_bytes()
    assert written(predict(out="out.xlsx")).read_bytes() == before


def test_a_workbook_of_several_models_block_by_block(predict, odd_model, monkeypatch):
    monkeypatch.setattr("anchordrug.prediction.writers.CELLS_A_TABLE", 1000)
    found = sheets(written(predict(out="out.xlsx", models=(MODEL, odd_model))))
    assert [row[:2] for row in found["drugs"][1:5]] == [
        *(["SIM-T1", "a"], ["SIM-OTHER", "a"], ["SIM-T1", "'=1+1"], ["SIM-OTHER", "'=1+1"])
    ]
    assert len(found["drugs"]) == 7


def test_a_wide_workbook(predict, project):
    found = sheets(written(predict("--layout", "wide", "--values", "p_up", out="out.xlsx")))
    header, *rows = found["predictions"]
    assert header == ["target", "drug_id", "name", *load_onnx(project / MODEL).genes]
    assert len(rows) == 3


def test_a_ranking_as_a_workbook(project, tmp_path):
    (tmp_path / "drugs.csv").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "up.txt").write_text("\n".join(load_onnx(project / MODEL).genes[:12]), encoding="utf-8")
    words = (
        "rank",
        "--model",
        project / MODEL,
        "--drugs",
        tmp_path / "drugs.csv",
        "--up",
        tmp_path / "up.txt",
    )
    for out in ("r.xlsx", "r.csv"):
        assert run_cli(*words, "--out", tmp_path / out).exit_code == 0
    found, table = sheets(tmp_path / "r.xlsx"), pd.read_csv(tmp_path / "r.csv", keep_default_na=False)
    assert list(found) == ["drugs", "rejects"]
    header, *rows = found["drugs"]
    assert set(table.columns) | {"smiles", "inchikey", "up", "down"} == set(header)
    assert [row[header.index("rank")] for row in rows] == [1, 2, 3]
    assert [row[header.index("cosine")] for row in rows] == pytest.approx(table["cosine"].tolist())
    assert found["rejects"][1][1] == "bad"


@pytest.mark.parametrize(
    ("module", "out", "words"),
    [
        (xlsx, "out.xlsx", "give predict --layout wide or --top, or write .parquet instead"),
        (h5ad, "out.h5ad", "write .parquet instead"),
    ],
)
def test_more_than_a_file_can_hold_is_refused(predict, monkeypatch, project, module, out, words):
    genes = len(load_onnx(project / MODEL).genes)
    kind = FORMATS.get(Path(out).suffix)
    monkeypatch.setitem(FORMATS._things, Path(out).suffix, replace(kind, most_rows=3 * genes - 1))
    result, path = predict(out=out)
    most, library = f"{3 * genes - 1:,}", path.with_name("drugs.csv")
    told = f"holds at most {most} rows, and {library} has more than 2 drugs, of {genes:,} rows each; {words}"
    assert str(result.exception) == f"{path}: {told}"
    # Nothing is left of what could not be finished.
    assert [entry.name for entry in path.parent.iterdir()] == ["drugs.csv"]
    monkeypatch.setitem(FORMATS._things, Path(out).suffix, replace(kind, most_rows=3 * genes))
    assert written(predict(out=out))


def test_options_that_do_not_go_with_a_format(predict, monkeypatch):
    for options in (("--layout", "wide"), ("--top", 3)):
        result, path = predict(*options, out="out.h5ad")
        told = "holds every value of every drug and gene; leave out --layout wide and --top"
        assert str(result.exception) == f"{path}: {told}"
    monkeypatch.setitem(FORMATS._things, ".xlsx", replace(FORMATS.get(".xlsx"), most_genes=5))
    result, path = predict("--layout", "wide", out="out.xlsx")
    assert str(result.exception).startswith(f"{path}: holds at most 5 columns of genes, and there are ")


@pytest.mark.parametrize(("package", "suffix"), [("anndata", "h5ad"), ("openpyxl", "xlsx")])
def test_a_package_that_is_missing_is_said_in_one_line(predict, project, monkeypatch, package, suffix):
    real = errors.find_spec
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name == package else real(name))
    result, path = predict(out=f"out.{suffix}")
    told = f"needs {package}, which is not installed; run: pip install 'anchordrug[formats]'"
    assert str(result.exception) == f"{path}: '.{suffix}' {told}"
    assert not path.with_name(f"{path.name}.part").exists()
    if package == "anndata":
        with pytest.raises(errors.AnchorDrugError, match=r"^predict_anndata needs anndata, which is not"):
            anchordrug.predict_anndata(project / MODEL, ["CCO"])


@pytest.mark.parametrize("suffix", [".h5ad", ".xlsx"])
def test_a_full_disk_is_an_error_of_the_system_and_leaves_nothing(tmp_path, suffix):
    predictor = load_onnx(write_model(tmp_path / "m.onnx"))
    drugs = pa.table({name: ["a"] for name in ("drug_id", "name", "smiles", "inchikey")})
    prediction = predictor.predict(np.zeros((1, 64)), [""])
    shape = TableShape()
    table = tables(shape, [predictor], drugs, [prediction])
    contents = Contents(table.schema, tuple(shape.of_drug(drugs.schema).names), [predictor.card])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_tables(tmp_path / f"out{suffix}", contents, iter([table]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    write_tables(tmp_path / f"out{suffix}", contents, iter([table]))
