"""anchordrug atlas add | list | remove, with every kind of source."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.sparse import csr_matrix
from scipy.stats import norm

from anchordrug.atlas.additions import read_additions
from anchordrug.bench.world import load_world
from anchordrug.errors import AnchorDrugError
from tests.bench.conftest import at_bench, must
from tests.conftest import DEMO, project_at, run_cli
from tests.raw.anndata_made import write_h5ad

NEW_SMILES = {"LAB1": "CCOC(=O)c1ccc(N)cc1F", "LAB2": "CC(C)NCC(O)c1ccc(Cl)c(Cl)c1"}


@pytest.fixture
def home(bench_project: Path, tmp_path: Path) -> Path:
    """A project of the test's own, its features as they are without additions."""
    shutil.copytree(bench_project / "tables", tmp_path / "tables")
    shutil.copy(bench_project / "params.yaml", tmp_path)
    return tmp_path


def refused(home: Path, *arguments: object) -> str:
    """Return the error of `atlas add`, which must leave no addition behind."""
    result = run_cli("atlas", "add", *arguments, folder=home)
    assert isinstance(result.exception, AnchorDrugError), (result.output, result.exception)
    assert not (home / "additions").exists() or not any((home / "additions").iterdir())
    return str(result.exception)


def library_of(home: Path) -> Path:
    """Write a list of four of the atlas' drugs and two new compounds; return it."""
    drugs = pd.read_parquet(home / "tables/curated/drugs.parquet").head(4)
    own = pd.DataFrame({"drug_id": list(NEW_SMILES), "smiles": list(NEW_SMILES.values())})
    table = pd.concat([drugs[["drug_id", "smiles"]], own], ignore_index=True)
    table.to_csv(home / "library.csv", index=False)
    return home / "library.csv"


def z_of(home: Path, share: float = 1.0) -> pd.DataFrame:
    """Return z of every compound of the library, for the first share of the genes."""
    genes = pd.read_parquet(home / "tables/atlas/genes.parquet")["gene"].tolist()
    drugs = pd.read_csv(library_of(home))["drug_id"].tolist()
    z = np.random.default_rng(0).normal(0, 2, (len(drugs), len(genes))).round(3)
    return pd.DataFrame(z, index=pd.Index(drugs, name="drug"), columns=genes).iloc[
        :, : int(share * len(genes))
    ]


def long_of(z: pd.DataFrame, path: Path) -> Path:
    z.stack().rename("z").rename_axis(["drug", "gene"]).reset_index().to_csv(path, index=False)
    return path


def add_z(home: Path, name: str = "lab", line: str = "NEW", *options: object, share: float = 1.0):
    path = long_of(z_of(home, share), home / "z.csv")
    compounds = ("--compounds", library_of(home), "--cell-line", line)
    return must("atlas", "add", name, path, *compounds, *options, folder=home)


def addition(home: Path, name: str = "lab"):
    (found,) = [known for known in read_additions(home / "additions") if known.name == name]
    return found


def test_z_scores_are_taken_as_they_are(home):
    shown = add_z(home, share=0.6).output
    z = z_of(home, 0.6)
    found = addition(home)
    assert found.responses["drug_id"].tolist() == z.index.tolist()
    assert set(found.responses["cell_line"]) == {"NEW"}
    assert found.genes == z.columns.tolist()
    np.testing.assert_array_equal(found.z, z.to_numpy(np.float32))
    assert (found.assay, found.dose_um, found.time_h, found.source) == ("z-scores", 10.0, 24.0, "z.csv")
    assert "compounds: 6 of 6 usable; 4 in the atlas (4 by structure), 2 new to it" in shown
    assert "of 94 genes were not measured" in shown
    assert "additions/lab: 6 responses of 6 drugs in NEW; z-scores, 10 uM, 24 h" in shown
    assert str(home) not in (home / "additions/lab/addition.json").read_text()


def test_what_the_user_says_of_the_assay_is_recorded_and_listed(home):
    assert "no additions" in must("atlas", "list", folder=home).output
    add_z(home, "lab", "NEW", "--assay", "DRUG-seq, 3' end", "--dose-um", "2.5", "--time-h", "6")
    about = json.loads((home / "additions/lab/addition.json").read_text())
    assert about == {"assay": "DRUG-seq, 3' end", "dose_um": 2.5, "time_h": 6.0, "source": "z.csv"}
    row = must("atlas", "list", folder=home).output.splitlines()[1]
    assert row.split() == [*("lab", "DRUG-seq,", "3'", "end", "2.5", "6", "NEW", "6", "6", "94", "z.csv")]


def test_differential_expression_gets_the_scale_of_the_atlas(home):
    z = z_of(home)
    table = z.stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    table["log2FoldChange"] = 0.25 * table["stat"]
    table["pvalue"] = 2 * norm.sf(table["stat"].abs())
    table.to_csv(home / "de.csv", index=False)
    compounds = ("--compounds", library_of(home), "--cell-line", "NEW")
    must("atlas", "add", "lab", home / "de.csv", *compounds, folder=home)
    found = addition(home)
    assert found.assay == "differential expression"
    curated = project_at(home).curated_atlas()
    known = curated.rows_of(z.index.tolist())
    expected = np.abs(curated.z[np.isin(curated.drug, known)]).mean()
    assert np.abs(found.z).mean() == pytest.approx(expected, rel=1e-4)
    assert np.corrcoef(found.z.ravel(), z.to_numpy().ravel())[0, 1] > 0.99


@pytest.fixture
def plate(waiting: Path, home: Path) -> tuple[Path, Path]:
    """Counts of wells and their plate map, of a line that the atlas lacks."""
    table = pd.read_csv(waiting / "campaign/rounds/01/plate_map.csv").assign(cell_line="NEW")
    table.to_csv(home / "plate_map.csv", index=False)
    return waiting / "counts.csv", home / "plate_map.csv"


def test_counts_with_a_plate_map_take_its_dose_and_count_the_good_wells(home, plate):
    counts, plate_map = plate
    options = ("--compounds", home / "tables/atlas/drugs.parquet", "--cell-line", "NEW")
    must("atlas", "add", "lab", counts, *options, "--plate-map", plate_map, folder=home)
    found, wells = addition(home), pd.read_csv(plate_map).query("pert_type == 'trt'")
    assert found.assay == "RNA counts"
    assert found.dose_um == wells["concentration"].iloc[0]
    assert set(found.responses["drug_id"]) == set(wells["drug_id"])
    assert set(found.responses["replicates"]) == {3}
    assert found.source == "counts.csv"


def test_single_cells_need_no_plate_map(home, plate):
    """Two cells per well, of which only drug, dose and replicate are known."""
    counts, wells = pd.read_csv(plate[0], index_col="gene"), pd.read_csv(plate[1])
    wells = wells.set_index(wells["plate"] + "_" + wells["well_position"]).loc[counts.columns]
    obs = wells[["drug_id", "replicate", "cell_line"]].assign(dose_um=wells["concentration"])
    first = np.random.default_rng(0).binomial(counts.T, 0.5)
    every = [table.set_axis([f"{name}-{k}" for name in table.index]) for k, table in enumerate((obs, obs))]
    x = csr_matrix(np.vstack([first, counts.T - first]).astype(np.float32))
    cells = write_h5ad(home / "cells.h5ad", x, pd.concat(every), pd.DataFrame(index=counts.index))
    options = ("--compounds", home / "tables/atlas/drugs.parquet", "--cell-line", "NEW")
    shown = must("atlas", "add", "lab", cells, *options, folder=home).output
    assert f"{2 * len(obs)} cells are added up to {len(obs)} samples of 2 to 2 cells by" in shown
    found, treated = addition(home), wells[wells["pert_type"] == "trt"]
    assert (found.assay, found.dose_um) == ("RNA counts", treated["concentration"].iloc[0])
    assert found.source == "cells.h5ad"
    assert set(found.responses["drug_id"]) == set(treated["drug_id"])
    assert set(found.responses["replicates"]) == {3}


def test_counts_without_a_plate_map_ask_for_it(home, plate):
    options = ("--compounds", home / "tables/atlas/drugs.parquet", "--cell-line", "NEW")
    assert "counts.csv: holds counts of wells; give their plate map" in refused(
        home, "lab", plate[0], *options
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell_line": "OTHER"}, r"plate_map.csv: has no well of cell line 'NEW' .cell lines: OTHER.; name"),
        ({"concentration": 3.0}, r"NEW has several concentrations .3.0, 10.0 uM., but an addition has one"),
    ],
)
def test_a_plate_map_that_does_not_fit_is_refused(home, plate, change, message):
    counts, plate_map = plate
    table = pd.read_csv(plate_map)
    rows = table["pert_type"] == "trt" if "cell_line" not in change else table.index >= 0
    first = table.loc[rows, "drug_id"].iloc[0]
    if "concentration" in change:
        rows = table["drug_id"] == first
    for name, value in change.items():
        table.loc[rows, name] = value
    table.to_csv(plate_map, index=False)
    options = ("--compounds", home / "tables/atlas/drugs.parquet", "--cell-line", "NEW")
    said = refused(home, "lab", counts, *options, "--plate-map", plate_map)
    assert re.search(message, said), said


def test_a_line_of_the_atlas_keeps_its_own_responses(home):
    curated = project_at(home).curated_atlas()
    line = curated.cell_lines[curated.cell_line[0]]
    own = set(curated.drugs["drug_id"].iloc[curated.of(line).drug])
    shared = len(own & set(z_of(home).index))
    assert shared
    shown = add_z(home, "lab", line).output
    assert f"  {shared} of them are in the atlas already, whose own responses stay" in shown
    shown = must("grow", folder=home).output
    assert (
        f"lab: {6 - shared} responses (z-scores); {shared} left out, measured in the atlas already" in shown
    )
    atlas = project_at(home).atlas().of(line)
    assert (atlas.experiments["origin"] == "lab").sum() == 6 - shared


def test_a_line_of_the_atlas_keeps_its_name(home):
    shown = add_z(home, "again", "sim-a01").output
    assert "sim-a01: is SIM-A01 in the atlas, and is called so from here on" in shown
    assert set(addition(home, "again").responses["cell_line"]) == {"SIM-A01"}
    must("atlas", "remove", "again", folder=home)


def test_removing_additions_restores_the_bytes(home):
    tables = sorted((home / "tables/atlas").iterdir())
    before = [path.read_bytes() for path in tables]
    add_z(home, "one")
    add_z(home, "two", "OTHER", share=0.6)
    must("grow", folder=home)
    both = [path.read_bytes() for path in tables]
    must("atlas", "remove", "two", folder=home)
    must("grow", folder=home)
    assert [path.read_bytes() for path in tables] not in (before, both)
    must("atlas", "remove", "one", folder=home)
    must("grow", folder=home)
    assert [path.read_bytes() for path in tables] == before
    assert list((home / "additions").iterdir()) == []
    add_z(home, "two", "OTHER", share=0.6)
    add_z(home, "one")
    must("grow", folder=home)
    assert [path.read_bytes() for path in tables] == both


def test_an_addition_does_not_depend_on_others(home):
    add_z(home, "lab")
    alone = {path.name: path.read_bytes() for path in (home / "additions/lab").iterdir()}
    must("atlas", "remove", "lab", folder=home)
    add_z(home, "first", "OTHER")
    add_z(home, "lab")
    assert {path.name: path.read_bytes() for path in (home / "additions/lab").iterdir()} == alone


def test_untreated_expression_comes_on_the_scale_of_the_bundle(home):
    bundle = pd.read_csv(DEMO / "basal_expression_n60x128.csv.gz", index_col=0)
    own = 2.0 ** bundle.iloc[[0]].rename(index={bundle.index[0]: "NEW"}) - 1
    (own / own.sum(axis=1).iloc[0] * 1e6).to_csv(home / "untreated.csv")
    shown = add_z(home, "lab", "NEW", "--expression", home / "untreated.csv").output
    assert "untreated expression: TPM by symbol, 128 of 128 genes found" in shown
    found = addition(home).expression
    assert found.index.tolist() == ["NEW"]
    assert found.columns.tolist() == bundle.columns.tolist()
    order = np.argsort(own.to_numpy()[0], kind="stable")
    assert (np.diff(found.to_numpy()[0][order]) >= 0).all()


# --- campaigns


@pytest.fixture(scope="module")
def campaign(bench_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with `campaign`, a real one with results of round 1. Tests must leave it as it is."""
    home = tmp_path_factory.mktemp("campaign")
    shutil.copytree(bench_project / "tables", home / "tables")
    shutil.copy(bench_project / "params.yaml", home)
    folder = home / "campaign"
    library = ("--library", library_of(home), "--budget", 4, "--rounds", 2)
    must("campaign", "new", folder, "--target", "NEW", *library, folder=home)
    settings = yaml.safe_load((folder / "campaign.yaml").read_text(encoding="utf-8"))
    settings["constraints"]["include"] = ["LAB1"]
    (folder / "campaign.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    must("campaign", "next", folder, folder=home)
    z = long_of(z_of(home, 0.8), home / "z.csv")
    must("campaign", "ingest", folder, z, "--yes", folder=home)
    return home


def test_a_campaign_is_added_and_needed_no_more(campaign, home):
    folder = Path(shutil.copytree(campaign / "campaign", home / "my-campaign"))
    must("atlas", "add", "lab", folder, folder=home)
    shutil.rmtree(folder)
    found = addition(home)
    asked = pd.read_csv(campaign / "campaign/rounds/01/selection.csv")["drug_id"].tolist()
    assert sorted(found.responses["drug_id"]) == sorted(asked)
    assert (found.assay, found.dose_um, found.time_h) == ("z-scores", 10.0, 24.0)
    assert found.source == "my-campaign"
    z = z_of(home, 0.8)
    measured = pd.DataFrame(found.z, index=found.responses["drug_id"], columns=found.genes)
    pd.testing.assert_frame_equal(measured, z.loc[measured.index].astype(np.float32), check_names=False)
    must("grow", folder=home)
    assert len(project_at(home).atlas().of("NEW").drug) == len(asked)


def test_a_new_compound_whose_id_is_taken_gets_the_name_of_the_addition(campaign, home):
    """Libraries without ids are numbered, so two campaigns name different compounds alike."""
    folder = Path(shutil.copytree(campaign / "campaign", home / "campaign"))
    asked = pd.read_csv(folder / "rounds/01/selection.csv")
    own = asked[asked["drug_id"].isin(list(NEW_SMILES))]["drug_id"].tolist()
    other = pd.DataFrame({"drug_id": list(NEW_SMILES), "smiles": ["CCCCCCN", "CCCCCCCO"]})
    other.to_csv(home / "other.csv", index=False)
    z = z_of(home).loc[list(NEW_SMILES)]
    compounds = ("--compounds", home / "other.csv", "--cell-line", "OTHER")
    must("atlas", "add", "first", long_of(z, home / "other_z.csv"), *compounds, folder=home)
    must("atlas", "add", "lab", folder, folder=home)
    assert "LAB1" in own
    assert {f"{drug} (lab)" for drug in own} <= set(addition(home).drugs["drug_id"])
    must("grow", folder=home)


def test_a_rehearsal_is_refused(played):
    said = refused(played.parent, "lab", played)
    assert "campaign: is a rehearsal, whose responses come from the atlas itself; add a real campaign" in said


def test_a_campaign_without_results_is_refused(campaign, home):
    folder = Path(shutil.copytree(campaign / "campaign", home / "campaign"))
    (folder / "rounds/01/ingest.json").unlink()
    assert "nothing is measured yet; take up results with" in refused(home, "lab", folder)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("library.csv", "which was measured; restore the file"),
        ("rounds/01/outcome.csv", "is not ok in outcome.csv; restore the file"),
    ],
)
def test_a_campaign_with_a_table_cut_short_is_refused(campaign, home, file, message):
    folder = Path(shutil.copytree(campaign / "campaign", home / "campaign"))
    drug = pd.read_csv(folder / "rounds/01/responses.csv")["drug_id"].iloc[0]
    table = pd.read_csv(folder / file)
    table[table["drug_id"] != drug].to_csv(folder / file, index=False)
    said = refused(home, "lab", folder)
    assert f"drug '{drug}'" in said
    assert message in said


# --- the bench afterwards


def test_an_added_target_counts_as_measured_and_a_rehearsal_hides_it(campaign, home):
    add_z(home, "lab", "NEW", share=0.8)
    must("grow", folder=home)
    must("featurize", folder=home)
    drugs = ("--library", library_of(home), "--budget", 2, "--rounds", 1, "--target", "NEW")
    must("campaign", "new", home / "real", *drugs, folder=home)
    must("campaign", "new", home / "try", *drugs, "--rehearsal", folder=home)
    world = load_world(home / "real", project_at(home))
    measured, z = world.measured_before("NEW")
    assert len(measured) == 6
    assert np.isnan(z).any(axis=0).sum() == 94 - z_of(home, 0.8).shape[1]
    world = load_world(home / "try", project_at(home))
    assert len(world.measured_before("NEW")[0]) == 0
    assert "NEW" not in world.sources.measured_lines()
    must("campaign", "next", home / "try", folder=home)
    result = run_cli("campaign", "rehearse", home / "try", "--out", home / "counts.csv", folder=home)
    assert "counts of NEW cannot be made up without its untreated expression" in str(result.exception)


def test_a_model_learned_before_the_atlas_grew_is_refused(campaign, tmp_path):
    folder = at_bench(campaign / "campaign", campaign, tmp_path)
    (tmp_path / "tables").unlink()
    shutil.copytree(campaign / "tables", tmp_path / "tables")
    add_z(tmp_path, "lab", "OTHER")
    must("grow", folder=tmp_path)
    must("featurize", folder=tmp_path)
    result = run_cli("campaign", "next", folder, folder=tmp_path)
    assert "was learned from other tables or with other settings" in str(result.exception)


def test_a_campaign_learns_from_an_added_line_with_part_of_the_genes(home):
    add_z(home, "lab", "OTHER", share=0.6)
    must("grow", folder=home)
    must("featurize", folder=home)
    folder = home / "campaign"
    drugs = ("--library", library_of(home), "--budget", 4, "--rounds", 1, "--target", "NEW")
    must("campaign", "new", folder, *drugs, folder=home)
    must("campaign", "next", folder, folder=home)
    table = z_of(home).stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    table.to_csv(home / "de.csv", index=False)
    shown = must("campaign", "ingest", folder, home / "de.csv", "--yes", folder=home).output
    assert "4 ok, 0 failed, 0 missing; factor to the atlas' scale " in shown
    must("campaign", "finish", folder, folder=home)
    predicted = pd.read_parquet(folder / "finish/NEW.parquet")
    assert predicted[["p_down", "p_none", "p_up"]].notna().all(axis=None)


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a/b", "z.csv"], "addition 'a/b': cannot be a name"),
        (["lab", "z.csv"], "tables need --compounds and --cell-line; give them, or the folder of a campaign"),
        (["lab", "z.csv", "--cell-line", "NEW"], "tables need --compounds; give them"),
        (
            ["lab", "z.csv", "--compounds", "l.csv", "--cell-line", "a b"],
            "--cell-line 'a b': cannot be a name",
        ),
        (["lab", "z.csv", "--dose-um", "0"], "--dose-um: 0 is not a positive number"),
        (["lab", "z.csv", "--time-h", "-1"], "--time-h: -1 is not a positive number"),
        (["lab", "HOME"], "no campaign there (no campaign.yaml)"),
        (["lab", "HOME", "--compounds", "l.csv"], "--compounds: is for tables;"),
        (["lab", "HOME", "z.csv"], "is a folder; add one campaign at a time"),
        (["lab", "none.csv", "--compounds", "LIBRARY", "--cell-line", "NEW"], "none.csv: no such file"),
        (["lab", "z.csv", "--compounds", "none.csv", "--cell-line", "NEW"], "none.csv: no such file"),
    ],
)
def test_a_mistake_in_the_line_is_told(home, arguments, message):
    places = {"HOME": home, "LIBRARY": library_of(home)}
    assert message in refused(home, *(places.get(word, word) for word in arguments))


def test_a_name_that_is_taken_and_one_that_is_not_there(home):
    add_z(home)
    compounds = ("--compounds", library_of(home), "--cell-line", "NEW")
    again = run_cli("atlas", "add", "lab", home / "z.csv", *compounds, folder=home)
    assert "additions/lab: is there already; give another name, or remove it with" in str(again.exception)
    gone = run_cli("atlas", "remove", "lav", folder=home)
    assert "no addition 'lav'; did you mean 'lab'? (additions: lab)" in str(gone.exception)


def test_compounds_that_cannot_be_used_are_told(home):
    z = long_of(z_of(home), home / "z.csv")
    (home / "bad.csv").write_text("drug_id,smiles\nX1,C(C\n")
    said = refused(home, "lab", z, "--compounds", home / "bad.csv", "--cell-line", "NEW")
    assert "bad.csv: none of its 1 compounds can be used (" in said


def test_results_of_other_drugs_are_refused(home):
    z = z_of(home).rename(index=lambda drug: f"other-{drug}")
    path = long_of(z, home / "z.csv")
    said = refused(home, "lab", path, "--compounds", library_of(home), "--cell-line", "NEW")
    assert "none of its drugs" in said


def test_an_id_of_another_compound_in_an_earlier_addition_is_refused(home):
    add_z(home, "first")
    (home / "other.csv").write_text("drug_id,smiles\nLAB1,CCCCCCN\n")
    z = long_of(z_of(home).loc[["LAB1"]], home / "other_z.csv")
    compounds = ("--compounds", home / "other.csv", "--cell-line", "NEW")
    result = run_cli("atlas", "add", "second", z, *compounds, folder=home)
    assert "addition second: 1 drug_id is taken by other compounds" in str(result.exception)
    assert [path.name for path in (home / "additions").iterdir()] == ["first"]


def test_nothing_can_be_added_before_curate(home):
    z, library = long_of(z_of(home), home / "z.csv"), library_of(home)
    shutil.rmtree(home / "tables/curated")
    said = refused(home, "lab", z, "--compounds", library, "--cell-line", "NEW")
    assert "run 'anchordrug curate' first" in said
