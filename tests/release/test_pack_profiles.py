"""anchordrug pack --table: profiles in any form become a bundle that is curated to the same values."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.curate import Curated, Rules, curate
from anchordrug.errors import AnchorDrugError
from anchordrug.raw.bundle import find_bundle
from tests.conftest import project_at, run_cli, run_stages, small_params, write_params
from tests.raw.anndata_made import write_h5ad

SMILES = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "phenol": "Oc1ccccc1",
    "toluene": "Cc1ccccc1",
    "urea": "NC(N)=O",
}
LINES = ("A549", "5637")
GENES = ("JUN", "MYC", "TP53", "CDK2", "HMOX1", "SERPINE1", "EGFR", "KRAS")
RULES = Rules(10, 24, "gold")


def profiles(seed: int = 0) -> pd.DataFrame:
    """Return z [signatures, genes], labelled by drug and line; drawn once, with a value missing."""
    index = pd.MultiIndex.from_product([SMILES, LINES], names=["drug", "cell_line"])
    z = np.random.default_rng(seed).normal(scale=2, size=(len(index), len(GENES))).astype(np.float32)
    table = pd.DataFrame(z, index, GENES).rename_axis("gene", axis=1)
    table.iloc[3, 2] = np.nan
    return table


def long_table(z: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """Return profiles as a long table, with further columns."""
    table = z.stack(future_stack=True).rename("z").reset_index()
    table.insert(1, "smiles", table["drug"].map(SMILES))
    return table.assign(**{"dose_um": 10, "time_h": 24} | columns)


def written(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    elif path.suffix == ".xlsx":
        table.to_excel(path, index=False)
    else:
        table.to_csv(path, index=False)
    return path


def as_anndata(z: pd.DataFrame, path: Path) -> Path:
    obs = z.index.to_frame(index=False).assign(dose="10 uM", time=24)
    obs["SMILES"] = obs["drug"].map(SMILES)
    obs.index = pd.Index([f"s{number}" for number in range(len(obs))])
    var = pd.DataFrame({"entrez_id": [str(100 + number) for number in range(len(GENES))]}, index=list(GENES))
    return write_h5ad(path, np.zeros(z.shape), obs, var, z=z.to_numpy(float))


def as_contrasts(z: pd.DataFrame, path: Path) -> Path:
    """Write a table of differential expression per row of `z`, as three programs do, and a sheet."""
    rows = []
    for number, ((drug, line), values) in enumerate(z.iterrows()):  # type: ignore[misc]
        name = f"contrast{number}.csv"
        change = values.to_numpy(float)
        by_program = (
            {"baseMean": 9.0, "log2FoldChange": change / 4, "lfcSE": 0.25, "stat": change, "pvalue": 0.5},
            {"logFC": change, "AveExpr": 5.0, "t": change, "P.Value": 0.5, "adj.P.Val": 0.5},
            {"log2FoldChange": change / 2, "lfcSE": 0.5},
        )
        table = pd.DataFrame(by_program[number % 3], index=values.index)
        table.to_csv(path.parent / name)
        rows.append({"file": name, "drug": drug, "SMILES": SMILES[drug], "line": line})
    table = pd.DataFrame(rows).rename(columns={"line": "cell line"})
    return written(table.assign(concentration="10000 nM", time="1 day"), path)


def packed(path: Path, *options: object, out: str = "bundle") -> tuple[Curated, str]:
    """Pack a table, and return what curation makes of it, and what is printed."""
    folder = path.parent / out
    result = run_cli("pack", "--table", path, "--out", folder, *options)
    assert result.exit_code == 0, (result.output, result.exception)
    return curate(find_bundle(folder), RULES), result.output


def refused(path: Path, *options: object) -> str:
    result = run_cli("pack", "--table", path, "--out", path.parent / "refused", *options)
    assert isinstance(result.exception, AnchorDrugError), (result.output, result.exception)
    assert not (path.parent / "refused").exists()
    text = str(result.exception)
    assert "\n" not in text
    return text.replace(f"{path.parent}/", "")


def values_of(curated: Curated) -> pd.DataFrame:
    """Return the curated responses, labelled as `profiles` does."""
    index = pd.MultiIndex.from_frame(curated.responses[["drug_id", "cell_line"]], names=["drug", "cell_line"])
    return pd.DataFrame(curated.z, index, curated.genes["gene"].tolist()).rename_axis("gene", axis=1)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_a_long_table_is_curated_to_the_values_given(tmp_path, suffix):
    z = profiles()
    shuffled = long_table(z).sample(frac=1, random_state=1)
    curated, said = packed(written(shuffled, tmp_path / f"mine.{suffix}"), "--assay", "mine")
    pd.testing.assert_frame_equal(
        values_of(curated)[list(GENES)], z.sort_index(), check_exact=suffix != "csv"
    )
    assert set(curated.responses["assay"]) == {"mine"}
    assert set(curated.responses["dose_um"]) == {10.0}
    assert curated.drugs["name"].tolist() == sorted(SMILES)
    assert "1.0% of the values are missing and stay missing" in said
    assert "12 signatures of 6 drugs in 2 cell lines, 8 genes" in said


def test_long_table_anndata_and_contrasts_give_the_same_responses(tmp_path):
    z = profiles()
    z.iloc[:, 0] *= -1
    expected = values_of(packed(written(long_table(z), tmp_path / "long.csv"), out="a")[0])[list(GENES)]
    from_anndata, said = packed(as_anndata(z, tmp_path / "mine.h5ad"), out="b")
    assert said.startswith("z-scores: z of AnnData\n")
    from_contrasts, _ = packed(as_contrasts(z, tmp_path / "contrasts.csv"), out="c")
    pd.testing.assert_frame_equal(values_of(from_anndata)[list(GENES)], expected)
    pd.testing.assert_frame_equal(values_of(from_contrasts)[list(GENES)], expected, rtol=1e-5)
    assert from_anndata.genes["gene_id"].tolist() == [str(100 + number) for number in range(len(GENES))]
    assert from_contrasts.genes["gene_id"].isna().all()


def test_the_same_table_gives_the_same_bytes_and_replaces_its_bundle(tmp_path):
    path = written(long_table(profiles()), tmp_path / "mine.csv")
    packed(path)
    before = {file.name: file.read_bytes() for file in (tmp_path / "bundle").iterdir()}
    packed(path)
    assert {file.name: file.read_bytes() for file in (tmp_path / "bundle").iterdir()} == before
    assert json.loads(before["SOURCES.json"])["files"][0]["file"] == "mine.csv"
    (tmp_path / "other").mkdir()
    result = run_cli("pack", "--table", path, "--out", tmp_path / "other")
    assert "was not created by 'anchordrug pack'" in str(result.exception)


def test_a_missing_value_stays_missing_in_the_atlas_of_a_project(tmp_path):
    packed(written(long_table(profiles()), tmp_path / "mine.csv"))
    params = small_params() | {"targets": ["A549"], "predictor": "response_gp"}
    params["raw"]["dir"] = "bundle"
    write_params(tmp_path, params)
    run_stages(tmp_path, (["curate"], ["grow"], ["featurize"], ["split"]))
    atlas = project_at(tmp_path).atlas()
    assert np.isnan(atlas.z).sum() == 1
    assert list(atlas.published) == [{"name": "mine.csv", "licence": None, "url": None}]


def test_doses_are_signatures_of_their_own_and_controls_are_left_out(tmp_path):
    z = profiles()
    doses = [long_table(z * factor, dose_um=dose) for dose, factor in ((0, 1), (1, 2), (10, 3))]
    vehicle = long_table(z.loc[["urea"]]).assign(drug="DMSO", smiles="")
    curated, said = packed(written(pd.concat([*doses, vehicle]), tmp_path / "mine.csv"))
    pd.testing.assert_frame_equal(values_of(curated)[list(GENES)], z.sort_index() * 3, rtol=1e-6)
    assert f"left out: {z.size + 16} rows of controls" in said
    assert "10 uM and 24 h (12), 1 uM and 24 h (12)" in said
    assert "curate.dose_um: 10, curate.time_h: 24" in said
    low = curate(find_bundle(tmp_path / "bundle"), Rules(1, 24, "any"))
    pd.testing.assert_frame_equal(values_of(low)[list(GENES)], z.sort_index() * 2, rtol=1e-6)


def test_replicates_are_signatures_and_rows_that_are_there_again_are_averaged(tmp_path):
    z = profiles()
    parts = [long_table(z + shift, replicate=number) for number, shift in enumerate((0, 1, 8))]
    again = parts[0].iloc[:1].assign(z=lambda table: table["z"] + 2)
    curated, said = packed(written(pd.concat([*parts, again]), tmp_path / "mine.csv"))
    expected = z + 1
    pd.testing.assert_frame_equal(values_of(curated)[list(GENES)], expected.sort_index(), rtol=1e-6)
    assert "1 gene is in several rows of a signature (JUN); the rows are averaged" in said
    assert "24 signatures are replicates of another signature; curation takes their median" in said
    both = pd.concat([part.drop(columns="replicate") for part in parts])
    told = refused(written(both, tmp_path / "both.csv"))
    assert "line 10 and line 106 have different values" in told
    assert "of one drug, cell line, dose, time and gene, and so have 100% of that drug's genes" in told


def test_ranks_become_normal_scores_without_what_a_line_does(tmp_path):
    z = profiles().fillna(0.1)
    line = pd.Series(np.arange(len(GENES)) * 10.0, index=GENES)
    ranks = (z + np.where(z.index.get_level_values(1) == "A549", 1, 0)[:, None] * line.to_numpy()).rank(
        axis=1, ascending=False
    )
    path = written(long_table(ranks).rename(columns={"z": "rank"}), tmp_path / "ranks.csv")
    plain, said = packed(path, out="plain")
    assert "--centre-lines takes that out" in said
    one = values_of(plain).loc[("urea", "5637"), list(GENES)]
    assert one.rank(ascending=False).tolist() == ranks.loc[("urea", "5637")].tolist()
    assert one.max() == pytest.approx(1.534, abs=1e-3)
    centred, said = packed(path, "--centre-lines")
    assert "the mean over drugs is subtracted" in said
    means = values_of(centred).groupby("cell_line").mean()
    np.testing.assert_allclose(means, 0, atol=1e-6)


def test_expression_and_annotation_come_along(tmp_path):
    counts = pd.DataFrame(
        {"gene": list(GENES), "A549_1": range(100, 900, 100), "A549_2": range(110, 910, 100), "X": 100}
    )
    counts.to_csv(tmp_path / "counts.csv", index=False)
    (tmp_path / "mine.gmt").write_text("CYCLE\there\tJUN\tMYC\tCDK2\n", encoding="utf-8")
    path = written(long_table(profiles()), tmp_path / "mine.csv")
    options = ("--expression", tmp_path / "counts.csv", "--annotation", tmp_path / "mine.gmt")
    curated, said = packed(path, *options)
    assert "counts of 1 of 2 cell lines; lines without are left out by curation: 5637" in said
    assert curated.genes["gene"].tolist() == ["JUN", "MYC", "CDK2"]
    assert curated.cell_lines["cell_line"].tolist() == ["A549"]


def test_genes_keep_the_ids_that_their_names_have(tmp_path):
    table = long_table(profiles())
    names = {"JUN": "JUN|3725", "MYC": "ENSG00000136997.12", "TP53": "7157", "CDK2": "__no_feature"}
    curated, said = packed(written(table.replace({"gene": names}), tmp_path / "mine.csv"))
    genes = curated.genes.set_index("gene")
    assert genes.loc["JUN", "gene_id"] == "3725"
    assert genes.loc["ENSG00000136997", "ensembl_id"] == "ENSG00000136997"
    assert genes.loc["7157", "gene_id"] == "7157"
    assert "1 row is not a gene; left out: __no_feature" in said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda t: t.drop(columns="drug"),
            "no column of drugs (found smiles, cell_line, gene, z, dose_um, time_h)",
        ),
        (lambda t: t.drop(columns="smiles"), "no column of structures"),
        (lambda t: t.drop(columns="cell_line"), "no column of cell lines"),
        (lambda t: t.drop(columns="gene"), "no column of genes"),
        (lambda t: t.drop(columns="z"), "no column of values"),
        (lambda t: t.drop(columns="dose_um"), "give the dose of all rows with --dose-um"),
        (lambda t: t.drop(columns="time_h"), "give the time of all rows with --time-h"),
        (
            lambda t: t.rename(columns={"dose_um": "dose"}).assign(dose=10000),
            "has 10000 and no unit; name it ",
        ),
        (
            lambda t: t.assign(dose_um="high"),
            "line 2, column 'dose_um' is 'high', which is not a dose; write it as",
        ),
        (
            lambda t: t.assign(time_h="late"),
            "line 2, column 'time_h' is 'late', which is not a time; write it as",
        ),
        (lambda t: t.assign(cell_line=""), "line 2, column 'cell_line' is empty; fill it in"),
        (lambda t: t.assign(z=t["z"].abs()), "column 'z' has almost no negative value"),
        (lambda t: t.assign(z="much"), "line 2, column 'z': 'much' is not a number"),
        (lambda t: t.assign(gene="2-Sep"), "a spreadsheet turned 1 gene name into dates"),
        (lambda t: t.assign(gene="NA"), "names no gene"),
        (lambda t: t.assign(drug="DMSO"), "has only rows of controls (96)"),
        (
            lambda t: t.assign(smiles=["C", *t["smiles"][1:]]),
            "drug 'aspirin' has the SMILES 'C' and 'CC(=O)Oc1ccccc1C(=O)O'; keep one of them",
        ),
        (lambda t: t.drop(columns="z").assign(rank=0), "a rank is 0; count ranks from 1"),
        (lambda t: t.drop(columns="z").assign(rank=1), "has 1 different ranks of 8 genes"),
    ],
)
def test_what_a_table_is_refused_for(tmp_path, change, told):
    assert told in refused(written(change(long_table(profiles())), tmp_path / "mine.csv"))


def test_a_dose_and_a_time_for_all_rows(tmp_path):
    table = long_table(profiles()).drop(columns=["dose_um", "time_h"])
    path = written(table, tmp_path / "mine.csv")
    curated, _ = packed(path, "--dose-um", 10, "--time-h", 24)
    assert len(curated.responses) == 12
    assert "--dose-um: -1 is not a positive number" in refused(path, "--dose-um", -1, "--time-h", 24)


def test_other_refusals(tmp_path):
    path = written(long_table(profiles().loc[["urea", "phenol"]]), tmp_path / "mine.csv")
    assert "5637 has 2 drugs at 10 uM and 24 h, fewer than 5" in refused(path, "--centre-lines")
    assert "is not AnnData, so it has no matrix 'z'" in refused(path, "--layer", "z")
    obs = pd.DataFrame(
        {"drug": ["urea"], "smiles": ["NC(N)=O"], "cell_line": ["X"], "dose_um": [1], "time_h": [1]}
    )
    obs.index = pd.Index(["s"])
    counts = write_h5ad(tmp_path / "c.h5ad", np.array([[3.0, 0.0]]), obs, pd.DataFrame(index=["JUN", "MYC"]))
    assert "has whole numbers, which are counts and no z-scores" in refused(counts)
    told = "column 'dose_um' has the values that --dose-um gives; leave out --dose-um"
    assert told in refused(path, "--dose-um", 3)
    assert "column 'time_h' has the values that --time-h gives" in refused(path, "--time-h", 6)
    positive = as_anndata(profiles().abs(), tmp_path / "p.h5ad")
    assert "p.h5ad: z has almost no negative value" in refused(positive)
    sheet = pd.DataFrame({"file": ["no.csv"], **obs.iloc[0].to_dict()})
    told = refused(written(sheet, tmp_path / "s.csv"))
    assert told == "no.csv: no such file; s.csv, line 2 names it; correct the name"


@pytest.mark.parametrize("arguments", [(), ("lincs2020", "--table", "x.csv")])
def test_a_release_or_a_table(arguments):
    result = run_cli("pack", *arguments)
    assert result.exit_code == 2
    assert "give either the name of a release or --table" in result.output


def test_a_drug_without_a_structure_is_rejected_by_curation_with_its_reason(tmp_path):
    table = long_table(profiles())
    table.loc[table["drug"] == "urea", "smiles"] = ""
    curated, _ = packed(written(table, tmp_path / "mine.csv"))
    assert curated.rejects[["kind", "id", "reason"]].to_numpy().tolist() == [["drug", "urea", "no SMILES"]]


def test_structures_that_cannot_be_used_are_listed_by_pack(tmp_path):
    table = long_table(profiles())
    table["smiles"] = table["drug"].map(SMILES | {"urea": "C(C", "phenol": None})
    _, said = packed(written(table, tmp_path / "t.csv"))
    rejects = pd.read_csv(tmp_path / "bundle/rejects.csv", keep_default_na=False)
    assert rejects.to_dict("list") == {
        "drug_id": ["phenol", "urea"],
        "smiles": ["", "C(C"],
        "reason": ["no SMILES", "not a valid SMILES"],
    }
    assert "2 drugs of 6 without a structure that can be used ('phenol': no SMILES); curation leaves" in said
    table["smiles"] = "C(C"
    assert "no drug has a structure that can be used ('aspirin': not a valid SMILES); give SMILES" in refused(
        written(table, tmp_path / "t.csv")
    )


def test_a_file_that_is_not_there(tmp_path):
    assert refused(tmp_path / "mine.csv") == "mine.csv: no such file; check the name"
