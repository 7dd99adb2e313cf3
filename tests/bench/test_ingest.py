"""Results of an assay as they come from the bench, mostly wrong: what `campaign ingest` says and does."""

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import norm

from anchordrug.atlas.responses import EXPERIMENT_COLUMNS
from anchordrug.errors import AnchorDrugError
from anchordrug.prediction.inference import load_onnx
from tests.bench.conftest import at_bench, must, rehearsal
from tests.conftest import DEMO, run_cli
from tests.raw.anndata_made import write_folder, write_h5ad

PLATE = "R01-SIM-T1-P1"


def files_of(folder: Path) -> dict[str, str]:
    """Return a hash of every file under `folder` but the lock, which names who has held it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def refused(folder: Path, *arguments: object) -> str:
    """Return what `ingest` says of results that it refuses, which must leave the campaign as it was."""
    before = files_of(folder)
    result = run_cli("campaign", "ingest", folder, *arguments, "--yes", folder=folder.parent)
    assert isinstance(result.exception, AnchorDrugError), (result.output, result.exception)
    assert files_of(folder) == before
    return str(result.exception)


def accepted(folder: Path, *arguments: object) -> str:
    """Return what `ingest` prints of results that it takes."""
    return must("campaign", "ingest", folder, *arguments, "--yes", folder=folder.parent).output


def responses(folder: Path, number: int = 1) -> pd.DataFrame:
    return pd.read_csv(folder / f"rounds/{number:02d}/responses.csv", index_col=["cell_line", "drug_id"])


def outcome(folder: Path, number: int = 1) -> pd.DataFrame:
    return pd.read_csv(folder / f"rounds/{number:02d}/outcome.csv", index_col="drug_id")


def asked(folder: Path, number: int = 1) -> list[str]:
    return pd.read_csv(folder / f"rounds/{number:02d}/selection.csv")["drug_id"].tolist()


def plate_map(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "rounds/01/plate_map.csv")


def write_plate_map(folder: Path, table: pd.DataFrame) -> None:
    table.to_csv(folder / "rounds/01/plate_map.csv", index=False)


def wells_of(folder: Path, drug: str) -> list[str]:
    """Return the columns of the counts that hold `drug`."""
    own = plate_map(folder).query("drug_id == @drug")
    return (own["plate"] + "_" + own["well_position"]).tolist()


def saved(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path)
    return path


def z_of(folder: Path, target: str = "SIM-T1", number: int = 1) -> pd.DataFrame:
    """Return what the atlas measured of the drugs of a round, drugs x genes."""
    table = pd.read_parquet(folder.parent / "tables/atlas/responses.parquet")
    table = table.query("cell_line == @target")
    table = table.set_index("drug_id").drop(columns=["cell_line", *EXPERIMENT_COLUMNS])
    return table.loc[asked(folder, number)]


def long_table(z: pd.DataFrame) -> pd.DataFrame:
    """Return z [drugs, genes] as a table of differential expression."""
    table = z.stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    table["log2FoldChange"] = 0.25 * table["stat"]
    table["pvalue"] = 2 * norm.sf(table["stat"].abs())
    return table


def gene_table() -> pd.DataFrame:
    """Return the release's genes by symbol: gene_id and ensembl_id."""
    return pd.read_csv(DEMO / "geneinfo_beta.txt", sep="\t", dtype=str).set_index("gene_symbol")


@pytest.fixture(scope="module")
def taken(waiting: Path, bench_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The campaign of `waiting` with its counts taken up. Tests must leave it as it is."""
    folder = Path(shutil.copytree(waiting / "campaign", tmp_path_factory.mktemp("taken") / "campaign"))
    must("campaign", "ingest", folder, waiting / "counts.csv", "--yes", folder=bench_project)
    return folder


@pytest.fixture
def again(taken: Path, bench_project: Path, tmp_path: Path) -> Path:
    """A copy of `taken` that a test may change, in the folder of its project."""
    return at_bench(taken, bench_project, tmp_path)


@pytest.fixture(scope="module")
def full_plate(waiting: Path, bench_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign whose round fills all inner wells of a plate, and its counts."""
    home, model = tmp_path_factory.mktemp("full_plate"), waiting / "campaign/model"
    return rehearsal(bench_project, home, budget=18, rounds=1, model=model)


@pytest.fixture(scope="module")
def two_lines(bench_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign in two cell lines, and its counts."""
    home = tmp_path_factory.mktemp("two_lines")
    return rehearsal(bench_project, home, budget=4, rounds=1, targets=("SIM-T1", "SIM-T2"))


@pytest.fixture
def two(two_lines: Path, bench_project: Path, tmp_path: Path) -> Path:
    """A copy of the campaign in two cell lines, in the folder of its project."""
    return at_bench(two_lines / "campaign", bench_project, tmp_path)


# ---- wells and layouts ----


def test_a_well_that_is_on_no_plate(played, counts, tmp_path):
    table = counts.rename(columns={counts.columns[3]: f"{PLATE}_Q27"})
    message = refused(played, saved(table, tmp_path / "bad.csv"))
    assert "bad.csv" in message
    assert "Q27" in message
    assert "A01 to P24" in message


def test_reads_in_a_well_that_the_plate_map_leaves_empty(played, counts, tmp_path):
    table = counts.rename(columns={counts.columns[3]: f"{PLATE}_H12"})
    message = refused(played, saved(table, tmp_path / "bad.csv"))
    assert "bad.csv" in message
    assert PLATE in message
    assert "leaves empty" in message
    assert f"H12 with {table[f'{PLATE}_H12'].sum()}" in message


def test_stray_reads_in_an_empty_well_change_nothing(played, taken, counts, tmp_path):
    accepted(played, saved(counts.assign(**{f"{PLATE}_H12": counts.iloc[:, 0] // 100}), tmp_path / "x.csv"))
    pd.testing.assert_frame_equal(responses(played), responses(taken))


def test_a_plate_that_is_not_in_the_plate_map(played, counts, tmp_path):
    table = counts.rename(columns=lambda name: name.replace("R01", "R02"))
    message = refused(played, saved(table, tmp_path / "bad.csv"))
    assert "bad.csv" in message
    assert "R02-SIM-T1-P1" in message
    assert f"did you mean '{PLATE}'" in message


def by_columns(wells: list[str]) -> dict[str, str]:
    """Return where the wells come to lie if the n-th in reading order is taken for the n-th by columns."""
    return dict(zip(sorted(wells), sorted(wells, key=lambda well: (well[1:], well[0])), strict=True))


def rotated(wells: list[str]) -> dict[str, str]:
    return {well: f"{'HGFEDCBA'['ABCDEFGH'.index(well[0])]}{13 - int(well[1:]):02d}" for well in wells}


def mirrored(wells: list[str]) -> dict[str, str]:
    return {well: f"{well[0]}{13 - int(well[1:]):02d}" for well in wells}


def upside_down(wells: list[str]) -> dict[str, str]:
    return {well: f"{'HGFEDCBA'['ABCDEFGH'.index(well[0])]}{well[1:]}" for well in wells}


def moved(counts: pd.DataFrame, layout: Callable[[list[str]], dict[str, str]]) -> pd.DataFrame:
    """Return counts whose wells go by the names of other wells."""
    names = layout([name.rpartition("_")[2] for name in counts.columns])
    return counts.rename(columns=lambda name: f"{PLATE}_{names[name.rpartition('_')[2]]}")


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (by_columns, "filled by "),
        (rotated, "rotated by 180 degrees"),
        (mirrored, "mirrored left to right"),
        (upside_down, "rows in reverse order"),
    ],
)
def test_a_full_plate_in_another_layout_is_told_by_its_controls(
    full_plate, bench_project, tmp_path, layout, words
):
    counts = pd.read_csv(full_plate / "counts.csv", index_col="gene")
    folder = at_bench(full_plate / "campaign", bench_project, tmp_path)
    message = refused(folder, saved(moved(counts, layout), tmp_path / "bad.csv"))
    assert PLATE in message
    assert words in message
    assert "correct the wells' names" in message


def test_the_used_wells_of_a_plate_read_by_columns(played, counts, tmp_path):
    message = refused(played, saved(moved(counts, by_columns), tmp_path / "bad.csv"))
    assert PLATE in message
    assert "filled by " in message


@pytest.mark.parametrize("layout", [rotated, mirrored, upside_down])
def test_a_half_empty_plate_in_another_layout(played, counts, tmp_path, layout):
    message = refused(played, saved(moved(counts, layout), tmp_path / "bad.csv"))
    assert "bad.csv" in message
    assert "do not agree with the plate map" in message


# ---- the plate map ----


def test_two_drugs_in_one_well_of_an_edited_plate_map(played, waiting):
    table = plate_map(played)
    table.loc[5, "well_position"] = table.loc[0, "well_position"]
    write_plate_map(played, table)
    message = refused(played, waiting / "counts.csv")
    assert "plate_map.csv: line 7" in message
    assert f"well {table.loc[0, 'well_position']}" in message
    assert f"'{table.loc[0, 'drug_id']}' (line 2)" in message
    assert f"'{table.loc[5, 'drug_id']}'" in message


def test_units_missing_in_an_edited_plate_map(played, waiting):
    write_plate_map(played, plate_map(played).drop(columns="unit"))
    message = refused(played, waiting / "counts.csv")
    assert "plate_map.csv: line 2" in message
    assert "units missing" in message
    assert "'10.0'" in message
    assert "column 'unit'" in message


def test_a_drug_of_an_edited_plate_map_that_the_library_does_not_have(played, waiting):
    write_plate_map(played, plate_map(played).replace({"drug_id": {asked(played)[0]: "SIM-D9999"}}))
    result = run_cli("campaign", "ingest", played, waiting / "counts.csv", "--yes", folder=played.parent)
    assert "SIM-D9999" in f"{result.output} {result.exception}"


@pytest.mark.parametrize("wells", [24, 1])
def test_a_cell_line_of_an_edited_plate_map_that_is_no_target(played, waiting, wells):
    table = plate_map(played)
    table.loc[: wells - 1, "cell_line"] = "SIM-T9"
    write_plate_map(played, table)
    message = refused(played, waiting / "counts.csv")
    assert "plate_map.csv" in message
    assert "SIM-T9" in message
    assert "SIM-T1" in message


def swapped_drugs(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Return the plate map with two drugs in each other's wells."""
    about = ["drug_id", "name", "InChIKey", "SMILES"]
    first, second = table["drug_id"] == one, table["drug_id"] == other
    result = table.copy()
    result.loc[first, about] = table.loc[second, about].to_numpy()
    result.loc[second, about] = table.loc[first, about].to_numpy()
    return result


def test_a_plate_map_corrected_before_the_results_come(played, taken, waiting):
    one, other = asked(played)[:2]
    write_plate_map(played, swapped_drugs(plate_map(played), one, other))
    accepted(played, waiting / "counts.csv")
    found, before = responses(played).loc["SIM-T1"], responses(taken).loc["SIM-T1"]
    np.testing.assert_allclose(found.loc[one], before.loc[other], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.loc[other], before.loc[one], rtol=1e-3, atol=1e-3)


def test_a_plate_map_corrected_after_the_results_came(again, taken):
    one, other = asked(again)[:2]
    write_plate_map(again, swapped_drugs(plate_map(again), one, other))
    accepted(again)
    found, before = responses(again).loc["SIM-T1"], responses(taken).loc["SIM-T1"]
    np.testing.assert_allclose(found.loc[one], before.loc[other], rtol=1e-3, atol=1e-3)


# ---- wells and drugs that fail ----


def test_a_missing_replicate_leaves_its_drug_in(played, counts, tmp_path):
    drug = asked(played)[0]
    shown = accepted(played, saved(counts.drop(columns=wells_of(played, drug)[1]), tmp_path / "x.csv"))
    assert "1 well failed: no column in the results" in shown
    assert outcome(played).loc[drug, ["status", "wells", "wells_failed"]].tolist() == ["ok", 3, 1]
    assert ("SIM-T1", drug) in responses(played).index


def test_a_well_without_reads_is_as_a_well_that_is_not_there(played, counts, tmp_path):
    drug = asked(played)[1]
    well = wells_of(played, drug)[0]
    shown = accepted(played, saved(counts.assign(**{well: 0}), tmp_path / "x.csv"))
    assert "1 well failed: no reads" in shown
    wells = pd.read_csv(played / "rounds/01/wells.csv").query("failed")
    assert (wells["plate"] + "_" + wells["well_position"]).tolist() == [well]
    assert outcome(played).loc[drug, ["status", "wells_failed"]].tolist() == ["ok", 1]
    assert len(responses(played)) == 6


def test_a_drug_without_a_good_well_fails_and_its_share_of_the_budget_is_spent_again(
    played, counts, tmp_path
):
    drug = asked(played)[2]
    shown = accepted(
        played, saved(counts.assign(**dict.fromkeys(wells_of(played, drug), 0)), tmp_path / "x.csv")
    )
    assert "5 ok, 1 failed, 0 missing" in shown
    assert outcome(played).loc[drug, ["status", "reason"]].tolist() == ["failed", "0 good wells of 3"]
    assert responses(played).index.tolist() == [("SIM-T1", one) for one in asked(played) if one != drug]
    assert "5 of 12 drugs measured" in must("campaign", "status", played).output

    must("campaign", "next", played, folder=played.parent)
    panel = pd.read_csv(played / "rounds/02/panel.csv")
    assert len(panel) == 7
    assert not set(panel["drug_id"]) & set(asked(played))
    accepted(played, wide(z_of(played, number=2), tmp_path / "2"))
    assert "11 of 12 drugs measured" in must("campaign", "status", played).output
    assert "round 3: 1 drug" in must("campaign", "next", played, folder=played.parent).output


def test_no_drug_left_is_a_round_for_nothing_and_the_budget_is_spent_on_others(played, counts, tmp_path):
    treated = [well for drug in asked(played) for well in wells_of(played, drug)]
    path = saved(counts.assign(**dict.fromkeys(treated, 0)), tmp_path / "bad.csv")
    output = accepted(played, path)
    assert "0 ok, 6 failed, 0 missing" in output
    assert "0 good wells of 3" in output
    first = asked(played)
    assert "round 2: 6 drugs" in must("campaign", "next", played, folder=played.parent).output
    second = pd.read_csv(played / "rounds/02/selection.csv")["drug_id"]
    assert not set(second) & set(first)


def test_no_control_left(played, counts, tmp_path):
    message = refused(played, saved(counts.drop(columns=wells_of(played, "DMSO")), tmp_path / "bad.csv"))
    assert PLATE in message
    assert "no control well" in message


# ---- names of genes ----


@pytest.mark.parametrize("naming", ["Ensembl", "Ensembl with version", "Entrez"])
def test_counts_by_another_naming_of_genes_give_the_same_responses(played, taken, counts, tmp_path, naming):
    info = gene_table()
    column = "gene_id" if naming == "Entrez" else "ensembl_id"
    version = ".7" if "version" in naming else ""
    names = {symbol: one + version for symbol, one in info[column].items()}
    accepted(played, saved(counts.rename(index=names), tmp_path / "x.csv"))
    np.testing.assert_allclose(responses(played), responses(taken), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("naming", ["ensembl_id", "gene_id"])
def test_z_scores_by_another_naming_of_genes_give_the_same_responses(played, tmp_path, naming):
    z = z_of(played)
    names = gene_table()[naming].to_dict()
    accepted(played, saved(z.rename(columns=names).T.rename_axis("gene"), tmp_path / "z.csv"))
    np.testing.assert_array_equal(responses(played).to_numpy(np.float32), z.to_numpy(np.float32))


@pytest.fixture(scope="module")
def renamed(bench_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose first genes have real symbols."""
    project = Path(shutil.copytree(bench_project, tmp_path_factory.mktemp("renamed") / "project"))
    names = dict(zip(gene_names(project), aliases()["current"], strict=False))
    responses = pd.read_parquet(project / "tables/atlas/responses.parquet").rename(columns=names)
    responses.to_parquet(project / "tables/atlas/responses.parquet")
    for path in ("tables/atlas/genes.parquet", "tables/features/genes.parquet"):
        pd.read_parquet(project / path).replace({"gene": names}).to_parquet(project / path)
    return project


def aliases() -> pd.DataFrame:
    """Return previous and current symbols of genes, those that the package ships."""
    with files("anchordrug.raw").joinpath("gene_aliases.csv").open() as file:
        return pd.read_csv(file, comment="#")


def gene_names(project: Path) -> list[str]:
    return pd.read_parquet(project / "tables/atlas/genes.parquet")["gene"].tolist()


def test_genes_by_their_old_symbols_are_found(renamed, played, tmp_path):
    z = z_of(played)
    old = dict(zip(z.columns, aliases()["previous"], strict=False))
    assert len(old) == len(aliases()) > 10
    (played.parent / "tables").unlink()
    (played.parent / "tables").symlink_to(renamed / "tables")
    shutil.rmtree(played / "model")  # of the symbols before
    assert "not measured" not in accepted(played, wide(z.rename(columns=old), tmp_path / "z"))
    found = responses(played)
    assert found.columns[: len(old)].tolist() == aliases()["current"].tolist()
    np.testing.assert_array_equal(found.to_numpy(np.float32), z.to_numpy(np.float32))


def test_fewer_than_twenty_genes(played, tmp_path):
    message = refused(played, saved(z_of(played).iloc[:, :19].T.rename_axis("gene"), tmp_path / "bad.csv"))
    assert "bad.csv" in message
    assert "19 of the atlas' 94 genes" in message
    assert "Ensembl" in message


def test_a_campaign_goes_on_and_finishes_without_two_fifths_of_the_genes(played, tmp_path):
    z = z_of(played).iloc[:, :56]
    shown = accepted(played, saved(z.T.rename_axis("gene"), tmp_path / "z.csv"))
    assert "38 of 94 genes were not measured" in shown
    assert "they are predicted from source lines and from the genes that were" in " ".join(shown.split())
    assert responses(played).isna().all().sum() == 38
    must("campaign", "next", played, folder=played.parent)
    accepted(played, wide(z_of(played, number=2), tmp_path / "2"))
    must("campaign", "finish", played, folder=played.parent)
    predicted = pd.read_parquet(played / "finish/SIM-T1.parquet")
    assert predicted["gene"].nunique() == 94
    assert predicted.drop(columns="name", errors="ignore").notna().all(axis=None)


def test_a_campaign_finished_from_elsewhere_has_the_same_bytes(again, taken, bench_project, tmp_path):
    """Whether its project is next to it or in another folder; models name the tables they learned from."""
    elsewhere = Path(shutil.copytree(taken, tmp_path / "elsewhere/campaign"))
    must("campaign", "finish", again, folder=again.parent)
    must("campaign", "finish", elsewhere, folder=bench_project)
    assert files_of(elsewhere) == files_of(again)
    model = load_onnx(elsewhere / "finish/SIM-T1.onnx")
    own = ("campaign/library.csv", "campaign/rounds/01/responses.csv")
    assert list(model.card["training_data"]) == ["tables/atlas/responses.parquet", *own]


def test_counts_without_two_fifths_of_the_genes(played, taken, counts, tmp_path):
    lost = gene_names(played.parent)[:38]
    shown = accepted(played, saved(counts.drop(index=lost), tmp_path / "x.csv"))
    assert "38 of 94 genes were not measured" in shown
    found = responses(played)
    assert found[lost].isna().all(axis=None)
    kept = found.drop(columns=lost)
    assert (
        np.corrcoef(kept.to_numpy().ravel(), responses(taken)[kept.columns].to_numpy().ravel())[0, 1] > 0.99
    )


# ---- kinds of files ----


def wide(z: pd.DataFrame, path: Path) -> Path:
    return saved(z.T.rename_axis("gene"), path.with_suffix(".csv"))


def transposed(z: pd.DataFrame, path: Path) -> Path:
    return saved(z.rename_axis("drug_id"), path.with_suffix(".csv"))


def long(z: pd.DataFrame, path: Path) -> Path:
    table = z.stack().rename("z").rename_axis(["drug_id", "gene"]).reset_index()
    table.to_csv(path.with_suffix(".tsv"), sep="\t", index=False)
    return path.with_suffix(".tsv")


def gct(z: pd.DataFrame, path: Path) -> Path:
    lines = [f"{gene}\t" + "\t".join(map(repr, values.tolist())) for gene, values in z.items()]
    head = ["#1.3", f"{z.shape[1]}\t{len(z)}\t0\t0", "id\t" + "\t".join(z.index)]
    path.with_suffix(".gct").write_text("\n".join([*head, *lines]) + "\n")
    return path.with_suffix(".gct")


def gctx(z: pd.DataFrame, path: Path) -> Path:
    with h5py.File(path.with_suffix(".gctx"), "w") as file:
        file.create_dataset("0/DATA/0/matrix", data=z.to_numpy(np.float32))
        file["0/META/COL/id"] = np.array([f"profile {n}" for n in range(len(z))], dtype="S20")
        file["0/META/COL/pert_id"] = np.array(z.index.tolist(), dtype="S20")
        file["0/META/ROW/id"] = np.array(gene_table().loc[z.columns, "gene_id"].tolist(), dtype="S20")
    return path.with_suffix(".gctx")


def xlsx(z: pd.DataFrame, path: Path) -> Path:
    z.T.rename_axis("gene").to_excel(path.with_suffix(".xlsx"))
    return path.with_suffix(".xlsx")


@pytest.mark.parametrize("write", [wide, transposed, long, gct, gctx, xlsx])
def test_z_scores_in_every_format_are_taken_as_they_are(played, tmp_path, write):
    z = z_of(played)
    shown = accepted(played, write(z.sample(frac=1, random_state=0), tmp_path / "z"))
    assert "6 ok, 0 failed, 0 missing; factor to the atlas' scale 1\n" in shown
    found = responses(played)
    assert found.index.tolist() == [("SIM-T1", drug) for drug in asked(played)]
    np.testing.assert_array_equal(found[z.columns].to_numpy(np.float32), z.to_numpy(np.float32))


def mean_size_elsewhere(folder: Path) -> float:
    """Return the mean absolute response to the drugs of round 1 in the source cell lines."""
    table = pd.read_parquet(folder.parent / "tables/atlas/responses.parquet")
    other = table[table["drug_id"].isin(asked(folder)) & (table["cell_line"] != "SIM-T1")]
    return other.drop(columns=["drug_id", "cell_line", *EXPERIMENT_COLUMNS]).abs().to_numpy().mean()


@pytest.mark.parametrize(
    ("columns", "correlation"),
    [
        (["log2FoldChange", "pvalue"], 0.9999),
        (["stat"], 0.9999),
        (["log2FoldChange", "stat"], 0.9999),
        (["log2FoldChange", "lfcSE"], 0.98),
    ],
)
def test_a_table_of_differential_expression(played, tmp_path, columns, correlation):
    z = z_of(played)
    table = long_table(z).assign(lfcSE=0.25)[["drug", "gene", *columns]]
    table.to_csv(tmp_path / "de.csv", index=False)
    assert "6 ok" in accepted(played, tmp_path / "de.csv")
    found = responses(played)[z.columns].to_numpy()
    assert np.corrcoef(found.ravel(), z.to_numpy().ravel())[0, 1] > correlation
    assert np.abs(found).mean() == pytest.approx(mean_size_elsewhere(played), rel=1e-3)


def test_a_gene_that_could_not_be_tested_for_a_drug_is_missing_for_that_drug(played, tmp_path):
    z = z_of(played)
    table = long_table(z)[["drug", "gene", "log2FoldChange", "pvalue"]]
    table.loc[7, "pvalue"] = np.nan
    table.to_csv(tmp_path / "de.csv", index=False)
    shown = accepted(played, tmp_path / "de.csv")
    assert f"1 genes were not measured for some drugs ({table.loc[7, 'gene']})" in shown
    found = responses(played)
    assert found.isna().to_numpy().sum() == 1
    assert found.xs(table.loc[7, "drug"], level="drug_id")[table.loc[7, "gene"]].isna().all()


def test_a_table_of_fold_changes_alone(played, tmp_path):
    long_table(z_of(played))[["drug", "gene", "log2FoldChange"]].to_csv(tmp_path / "bad.csv", index=False)
    message = refused(played, tmp_path / "bad.csv")
    assert "bad.csv" in message
    assert "no p-value" in message
    assert "add the column 'pvalue'" in message


@pytest.mark.parametrize("name", ["2-Sep", pd.Timestamp(2026, 9, 2)], ids=["text", "date"])
def test_a_gene_that_a_spreadsheet_made_a_date(played, tmp_path, name):
    table = z_of(played).T
    table.index = pd.Index([*table.index[:4], name, *table.index[5:]], name="gene")
    table.to_excel(tmp_path / "bad.xlsx")
    message = refused(played, tmp_path / "bad.xlsx")
    assert "bad.xlsx" in message
    assert "row 6" in message
    assert "SEPT2" in message
    assert "as Text" in message
    assert ("2-Sep" if name == "2-Sep" else "2026-09-02") in message


def test_a_table_of_text(played, tmp_path):
    (tmp_path / "bad.csv").write_text("When,Who,What\nMonday,Ann,pipetted the plate\nTuesday,Ben,read it\n")
    message = refused(played, tmp_path / "bad.csv")
    assert "bad.csv" in message
    assert "Monday" in message
    assert "name genes by symbol" in message


def test_words_among_the_numbers(played, counts, tmp_path):
    table = counts.astype(object)
    table.iloc[4, 2] = "overflow"
    message = refused(played, saved(table, tmp_path / "bad.csv"))
    assert "bad.csv: line 6" in message
    assert f"'{counts.columns[2]}'" in message
    assert "'overflow'" in message


@pytest.mark.parametrize("name", ["bad.csv", "bad.xlsx", "bad.gct", "bad.gctx", "bad.parquet"])
def test_an_empty_file(played, tmp_path, name):
    (tmp_path / name).touch()
    assert name in refused(played, tmp_path / name)


def test_a_file_that_is_not_there(played, tmp_path):
    message = refused(played, tmp_path / "none.csv")
    assert "none.csv: no such file" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table / 2, "is not a whole number"),
        (lambda table: table.where(table > 0, -1), "is negative"),
        (lambda table: np.log2(1 + table), "give raw counts"),
    ],
    ids=["fractions", "negative", "log2"],
)
def test_numbers_that_are_no_counts(played, counts, tmp_path, change, words):
    message = refused(played, saved(change(counts), tmp_path / "bad.csv"))
    assert "bad.csv: gene" in message
    assert words in message


# ---- drugs that were not asked for ----


def stranger(folder: Path) -> str:
    """Return a drug of the library that no round asked for."""
    library = pd.read_csv(folder / "library.csv")["drug_id"]
    return library[~library.isin(asked(folder))].iloc[0]


def test_results_of_a_drug_nobody_asked_for_are_left_out_by_name(played, tmp_path):
    z = z_of(played)
    other = stranger(played)
    table = pd.concat([z, z.iloc[:2].set_axis([other, "aspirin"])])
    shown = accepted(played, wide(table, tmp_path / "z"))
    assert f"2 drugs not asked for, left out: {other}, aspirin" in shown
    assert responses(played).loc["SIM-T1"].index.tolist() == asked(played)


def test_results_of_nothing_but_drugs_nobody_asked_for(played, tmp_path):
    z = z_of(played).iloc[:2].set_axis([stranger(played), "aspirin"])
    message = refused(played, wide(z, tmp_path / "bad"))
    assert "bad.csv" in message
    assert f"({stranger(played)}, aspirin)" in message
    assert asked(played)[0] in message
    assert "selection.csv" in message


def test_counts_of_a_drug_nobody_asked_for_are_left_out_by_name(played, waiting):
    other = stranger(played)
    replaced = asked(played)[0]
    write_plate_map(played, plate_map(played).replace({"drug_id": {replaced: other}}))
    shown = accepted(played, waiting / "counts.csv")
    assert "5 ok, 0 failed, 1 missing" in shown
    assert other in shown
    assert outcome(played).loc[replaced, "status"] == "missing"
    assert responses(played).loc["SIM-T1"].index.tolist() == asked(played)[1:]


def test_drugs_by_name_and_inchikey(played, tmp_path):
    z = z_of(played)
    chosen = pd.read_csv(played / "rounds/01/selection.csv")
    names = [*chosen["name"][:3].str.upper(), *chosen["inchikey"][3:]]
    accepted(played, wide(z.set_axis(names), tmp_path / "z"))
    np.testing.assert_array_equal(responses(played).to_numpy(np.float32), z.to_numpy(np.float32))


# ---- the same file again, more files, no file ----


def test_the_same_file_again_changes_nothing(again, waiting):
    before = files_of(again)
    shown = accepted(again, waiting / "counts.csv")
    assert "was given before; counted once" in shown
    assert "nothing to do" in shown
    assert files_of(again) == before


def test_the_same_file_under_another_name_changes_nothing(again, waiting, tmp_path):
    before = files_of(again)
    shutil.copyfile(waiting / "counts.csv", tmp_path / "other.csv")
    assert "other.csv: was given before" in accepted(again, tmp_path / "other.csv")
    assert files_of(again) == before


def test_the_same_file_twice_in_one_command_counts_once(played, waiting, tmp_path):
    shutil.copyfile(waiting / "counts.csv", tmp_path / "other.csv")
    assert "counted once" in accepted(played, waiting / "counts.csv", tmp_path / "other.csv")
    assert [path.name for path in (played / "results/01").iterdir()] == ["counts.csv"]


def test_the_file_of_another_round(again, waiting):
    must("campaign", "next", again, folder=again.parent)
    message = refused(again, waiting / "counts.csv")
    assert "counts.csv: is the file that gave the results of round 1" in message
    assert "give the file of round 2" in message


def test_another_file_of_the_same_name(again, tmp_path):
    message = refused(again, wide(z_of(again), tmp_path / "counts"))
    assert "counts.csv: round 1 has another file of this name" in message
    assert "rename it" in message
    assert str(again / "results/01") in message


def test_another_file_of_the_same_name_and_plate(played, tmp_path):
    z = z_of(played)
    accepted(played, wide(z.iloc[:3], tmp_path / "z"), "--of", "SIM-T1")
    message = refused(played, wide(z.iloc[3:], tmp_path / "z"), "--of", "SIM-T1")
    assert "z.csv: round 1 has another file of this name" in message


def test_results_that_replace_others_leave_nothing_of_them(again, tmp_path):
    z = z_of(again)
    (again / "results/01/counts.csv").unlink()  # as the message about a file of the same name says
    accepted(again, wide(z, tmp_path / "counts"))
    np.testing.assert_array_equal(responses(again).to_numpy(np.float32), z.to_numpy(np.float32))
    assert not (again / "rounds/01/wells.csv").exists()


def test_late_results_of_an_earlier_round(played, tmp_path):
    z = z_of(played)
    accepted(played, wide(z.iloc[:4], tmp_path / "first"))
    must("campaign", "next", played, folder=played.parent)
    late = wide(z.iloc[4:], tmp_path / "late")
    message = refused(played, late)
    assert "late.csv: none of its drugs" in message
    assert "was asked for in " in message
    assert "rounds/02/selection.csv" in message
    assert "6 ok" in accepted(played, late, "--round", 1)
    np.testing.assert_array_equal(responses(played).to_numpy(np.float32), z.to_numpy(np.float32))


def test_a_second_file_with_the_rest_of_the_drugs(played, tmp_path):
    z = z_of(played)
    assert "2 ok, 0 failed, 4 missing" in accepted(played, wide(z.iloc[:2], tmp_path / "first"))
    assert outcome(played)["status"].tolist() == ["ok"] * 2 + ["missing"] * 4
    assert "6 ok, 0 failed, 0 missing" in accepted(played, wide(z.iloc[2:], tmp_path / "rest"))
    np.testing.assert_array_equal(responses(played).to_numpy(np.float32), z.to_numpy(np.float32))


def test_a_drug_in_two_files(played, tmp_path):
    z = z_of(played)
    accepted(played, wide(z.iloc[:3], tmp_path / "first"))
    message = refused(played, wide(z.iloc[2:], tmp_path / "rest"))
    assert asked(played)[2] in message
    assert "two files" in message
    assert "remove it from one" in message
    assert "first.csv" in message or "rest.csv" in message


def test_a_well_in_two_files(played, counts, tmp_path):
    first, rest = (
        saved(counts.iloc[:, :13], tmp_path / "1.csv"),
        saved(counts.iloc[:, 12:], tmp_path / "2.csv"),
    )
    message = refused(played, first, rest)
    assert counts.columns[12].rpartition("_")[2] in message
    assert "both have well" in message
    assert "1.csv" in message or "2.csv" in message


def test_counts_in_two_files_are_as_in_one(played, taken, counts, tmp_path):
    accepted(
        played, saved(counts.iloc[:, :13], tmp_path / "1.csv"), saved(counts.iloc[:, 13:], tmp_path / "2.csv")
    )
    pd.testing.assert_frame_equal(responses(played), responses(taken))


def short_well(name: str) -> str:
    """Return the well of a column as people write it: c7."""
    well = name.rpartition("_")[2].lower()
    return f"{well[0]}{int(well[1:])}"


def test_wells_that_do_not_name_their_plate(played, taken, counts, tmp_path):
    table = counts.rename(columns=short_well)
    accepted(played, saved(table, tmp_path / "x.csv"))
    pd.testing.assert_frame_equal(responses(played), responses(taken))


def test_without_a_file_what_lies_in_the_folder_of_results_is_taken(played, waiting, taken):
    (played / "results/01").mkdir(parents=True)
    shutil.copyfile(waiting / "counts.csv", played / "results/01/plate1.csv")
    (played / "results/01/.DS_Store").write_bytes(bytes(8))
    assert "6 ok" in accepted(played)
    pd.testing.assert_frame_equal(responses(played), responses(taken))


def test_without_any_file_it_says_where_one_belongs(played):
    before = files_of(played)
    shown = accepted(played)
    assert "no results yet" in shown
    assert str(played / "results/01") in shown
    assert files_of(played) == before


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_results_that_are_not_accepted_change_nothing(played, waiting, answer):
    before = files_of(played)
    words = ("campaign", "ingest", played, waiting / "counts.csv")
    result = run_cli(*words, folder=played.parent, answer=answer)
    assert "6 ok" in result.output
    assert "accept these results?" in result.output
    told = result.output if answer else str(result.exception)
    assert "nothing was changed" in told
    # Without a terminal there is no answer.
    assert isinstance(result.exception, AnchorDrugError) == (answer == "") == ("add --yes" in told)
    assert files_of(played) == before


def test_results_of_a_round_that_there_is_not(played, waiting):
    message = refused(played, waiting / "counts.csv", "--round", 7)
    assert "--round 7" in message
    assert "give one of: 1" in message


def test_results_before_any_round(played, waiting):
    shutil.rmtree(played / "rounds")
    assert "campaign next" in refused(played, waiting / "counts.csv")


# ---- two cell lines ----


def test_z_scores_that_do_not_say_of_which_cell_line_they_are(two, tmp_path):
    message = refused(two, wide(z_of(two), tmp_path / "bad"))
    assert "bad.csv" in message
    assert "does not say of which cell line it is; name one of them: SIM-T1, SIM-T2 (with --of" in message
    assert str(two / "results/01") in message


def test_z_scores_of_a_cell_line_that_is_no_target(two, tmp_path):
    message = refused(two, wide(z_of(two), tmp_path / "bad"), "--of", "SIM-T3")
    assert "SIM-T1, SIM-T2" in message
    assert "SIM-T3" in message


@pytest.mark.parametrize("of", ["SIM-T2", "R01-SIM-T2-P1"])
def test_z_scores_of_one_cell_line_and_then_of_the_other(two, tmp_path, of):
    first, second = z_of(two), z_of(two, "SIM-T2")
    accepted(two, wide(second, tmp_path / "z"), "--of", of)
    assert responses(two).index.tolist() == [("SIM-T2", drug) for drug in asked(two)]
    accepted(two, wide(first, tmp_path / "z"), "--of", "SIM-T1")
    np.testing.assert_array_equal(
        responses(two).loc["SIM-T1"].to_numpy(np.float32), first.to_numpy(np.float32)
    )
    np.testing.assert_array_equal(
        responses(two).loc["SIM-T2"].to_numpy(np.float32), second.to_numpy(np.float32)
    )


def test_z_scores_in_the_folder_of_their_cell_line(two, tmp_path):
    (two / "results/01/SIM-T2").mkdir(parents=True)
    wide(z_of(two, "SIM-T2"), two / "results/01/SIM-T2/z")
    accepted(two)
    assert responses(two).index.tolist() == [("SIM-T2", drug) for drug in asked(two)]


@pytest.mark.parametrize("of", ["../../../elsewhere", "SIM-T3", "R01-SIM-T1-P9"])
def test_results_of_what_the_campaign_does_not_have(played, tmp_path, of):
    path = wide(z_of(played), tmp_path / "bad")
    message = refused(played, path, "--of", of)
    assert of in message
    assert "SIM-T1" in message
    assert not (tmp_path / "elsewhere").exists()


def test_counts_of_two_cell_lines_go_by_their_plates(two, two_lines):
    shown = accepted(two, two_lines / "counts.csv")
    assert "round 1, SIM-T1: 4 ok" in shown
    assert "round 1, SIM-T2: 4 ok" in shown
    assert responses(two).groupby("cell_line").size().to_dict() == {"SIM-T1": 4, "SIM-T2": 4}


def test_wells_that_could_be_of_either_cell_line(two, two_lines, tmp_path):
    counts = pd.read_csv(two_lines / "counts.csv", index_col="gene")
    own = counts[[name for name in counts.columns if "SIM-T2" in name]]
    path = saved(own.rename(columns=lambda name: name.rpartition("_")[2]), tmp_path / "plate.csv")
    message = refused(two, path)
    assert "plate.csv" in message
    assert "--of" in message
    assert "R01-SIM-T1-P1" in message
    accepted(two, path, "--of", "R01-SIM-T2-P1")
    assert responses(two).index.tolist() == [("SIM-T2", drug) for drug in asked(two)]


# ---- AnnData and folders of matrices ----


def test_every_form_of_the_same_counts_gives_the_same_responses(taken, played, counts, tmp_path):
    expected = (taken / "rounds/01/responses.csv").read_bytes()
    obs = pd.DataFrame(index=counts.columns)
    var = pd.DataFrame(index=counts.index.rename("gene\x1b[31m"))
    x = csr_matrix(counts.T.to_numpy(np.float32))
    path = write_h5ad(tmp_path / "counts.h5ad", np.log1p(x), obs, var, umi=x, counts=x * 2)
    folder = write_folder(tmp_path / "counts", counts, packed=True)
    shown = accepted(played, path, "--layer", "umi")
    assert "genes by 'gene [31m'" in shown
    assert "read umi of " in shown
    assert "\x1b" not in shown
    assert (played / "rounds/01/responses.csv").read_bytes() == expected
    record = json.loads((played / "rounds/01/ingest.json").read_text())
    assert record["layers"] == {"counts.h5ad": "umi"}
    assert "taken up already; nothing to do" in accepted(played)
    (played / "results/01/counts.h5ad").unlink()
    assert "read matrix of " in accepted(played, folder)
    assert (played / "rounds/01/responses.csv").read_bytes() == expected
    kept = sorted(file.name for file in (played / "results/01/counts").iterdir())
    assert kept == ["barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz"]
    assert "layers" not in json.loads((played / "rounds/01/ingest.json").read_text())
    assert "taken up already; nothing to do" in accepted(played, folder)
