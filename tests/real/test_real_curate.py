"""Curation of the real LINCS subset: its published counts, values and biology."""

import csv
from collections import defaultdict

import h5py
import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.curate import Curated, Rules, curate
from anchordrug.labels import labels_of
from anchordrug.raw.bundle import find_bundle
from tests.atlas.test_curate import assert_consistent

pytestmark = pytest.mark.real
RULES = Rules(10, 24, "gold")


@pytest.fixture(scope="module")
def curated(lincs) -> Curated:
    return curate(find_bundle(lincs), RULES)


@pytest.fixture(scope="module")
def all_genes(lincs, tmp_path_factory) -> Curated:
    """The same bundle without its panel."""
    folder = tmp_path_factory.mktemp("lincs")
    for path in lincs.iterdir():
        if not path.name.startswith("gene_panel"):
            (folder / path.name).symlink_to(path.resolve())
    return curate(find_bundle(folder), RULES)


def text_rows(path):
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_everything_in_the_subset_is_usable(curated):
    assert_consistent(curated)
    assert len(curated.responses) == 3809
    assert curated.z.shape == (3809, 307)
    assert len(curated.cell_lines) == 21
    assert curated.rejects.empty
    assert (curated.funnel["dropped"] == 0).all()
    assert curated.responses["cell_line"].value_counts()[["THP1", "XC.L10", "JURKAT"]].tolist() == [
        398,
        392,
        274,
    ]


def test_the_genes_are_the_panel_with_old_symbols_resolved(curated, lincs):
    panel = (lincs / "gene_panel_307.txt").read_text().split()
    assert sorted(curated.genes["gene"]) == sorted(panel)
    genes = curated.genes.set_index("gene")["annotated_as"]
    assert genes[genes != genes.index].to_dict() == {
        "CIAO3": "NARFL",
        "RXYLT1": "TMEM5",
        "SQOR": "SQRDL",
        "TENT4A": "PAPD7",
        "WASHC5": "KIAA0196",
    }


def test_labels_are_as_frequent_as_in_the_file(curated, lincs):
    """The subset's README says 14.7, 73.2 and 12.1%; its matrix gives 14.79, 73.06 and 12.16%."""
    labels = labels_of(curated.z, 1.5)
    genes = {row["gene_symbol"]: row["gene_id"] for row in text_rows(lincs / "geneinfo_beta.txt")}
    panel = {genes[gene] for gene in (lincs / "gene_panel_307.txt").read_text().split()}
    with h5py.File(lincs / "level5_beta_trt_cp_n3809x978.gctx") as file:
        columns = [gene_id in panel for gene_id in file["0/META/ROW/id"].asstr()[:]]
        z = file["0/DATA/0/matrix"][()][:, columns]
    assert (labels == 0).sum() == (z < -1.5).sum()
    assert (labels == 1).sum() == (np.abs(z) <= 1.5).sum()
    assert (labels == 2).sum() == (z > 1.5).sum()
    for label, percent in enumerate((14.7, 73.2, 12.1)):
        assert 100 * (labels == label).mean() == pytest.approx(percent, abs=0.2)


def test_z_scores_equal_direct_reading(curated, lincs):
    members = defaultdict(list)
    for row in text_rows(lincs / "siginfo_beta.txt"):
        members[row["pert_id"], row["cell_iname"]].append(row["sig_id"])
    others = curated.drugs.set_index("drug_id")["other_ids"].dropna().str.split("|")
    with h5py.File(lincs / "level5_beta_trt_cp_n3809x978.gctx") as file:
        z = file["0/DATA/0/matrix"][()]
        row = {sig_id: i for i, sig_id in enumerate(file["0/META/COL/id"].asstr()[:])}
        column = {gene_id: i for i, gene_id in enumerate(file["0/META/ROW/id"].asstr()[:])}
    symbols = {line["gene_symbol"]: line["gene_id"] for line in text_rows(lincs / "geneinfo_beta.txt")}
    columns = [column[symbols[gene]] for gene in curated.genes["gene"]]
    for position in np.random.default_rng(0).choice(len(curated.responses), 50, replace=False):
        drug, line, replicates = curated.responses.iloc[position, :3]
        ids = [drug, *others.get(drug, [])]
        rows = [row[sig_id] for one in ids for sig_id in members[one, line]]
        assert len(rows) == replicates
        expected = np.median(z[np.ix_(rows, columns)], axis=0)
        np.testing.assert_array_equal(curated.z[position], expected)


@pytest.mark.parametrize(
    ("mechanism", "gene", "mean"),
    [
        ("HSP inhibitor", "HSPA1A", 5.0),
        ("proteasome inhibitor", "HSPA1A", 7.8),
        ("proteasome inhibitor", "HMOX1", 6.4),
        ("HMGCR inhibitor", "HMGCS1", 2.9),
        ("HMGCR inhibitor", "INSIG1", 2.9),
        ("MEK inhibitor", "DUSP6", -4.3),
    ],
)
def test_drugs_of_a_mechanism_do_what_they_are_known_for(curated, mechanism, gene, mean):
    column = curated.genes["gene"].tolist().index(gene)
    has = (
        curated.drugs["moa"].fillna("").str.lower().str.split("|").map(lambda all_: mechanism.lower() in all_)
    )
    acting = curated.responses["drug_id"].isin(curated.drugs.loc[has, "drug_id"]).to_numpy()
    assert acting.sum() >= 10
    assert curated.z[acting, column].mean() == pytest.approx(mean, abs=0.05)
    assert abs(curated.z[~acting, column].mean()) < abs(mean) / 3


def test_a_drug_resembles_itself_in_another_cell_line(all_genes):
    """Rows of z that do not belong to the rows of the table would make the two correlations equal."""
    z = all_genes.z - all_genes.z.mean(axis=1, keepdims=True)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    drug, line = (pd.factorize(all_genes.responses[name])[0] for name in ("drug_id", "cell_line"))
    own = [z[drug == one] @ z[drug == one].T for one in range(drug.max() + 1)]
    own_means = [block[np.triu_indices(len(block), 1)].mean() for block in own if len(block) > 1]
    assert np.mean(own_means) == pytest.approx(0.28, abs=0.01)
    other = (drug[:, None] != drug) & (line[:, None] == line)
    assert (z @ z.T)[other].mean() == pytest.approx(0.11, abs=0.01)


def test_without_the_panel_every_landmark_gene_is_used(all_genes, curated):
    assert_consistent(all_genes)
    assert len(all_genes.genes) == 978
    pd.testing.assert_frame_equal(all_genes.responses, curated.responses)
    pd.testing.assert_frame_equal(all_genes.drugs, curated.drugs)
    positions = all_genes.genes["gene"].tolist()
    columns = [positions.index(gene) for gene in curated.genes["gene"]]
    np.testing.assert_array_equal(all_genes.z[:, columns], curated.z)
