"""The readers on real data, each against what h5py and plain text reading give."""

import csv
import gzip

import h5py
import numpy as np
import pandas as pd
import pytest

from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import find_bundle, read_panel
from anchordrug.raw.expression import read_expression
from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.tables import canonical_signatures, read_compounds, read_genes, read_signatures
from tests.conftest import ROOT

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def stored(lincs):
    """Return what h5py finds in the file that CMap's own software wrote."""
    with h5py.File(lincs / "cmap_modzs_n272x978.gctx") as file:
        fields = {name: dataset[()] for name, dataset in file["0/META/COL"].items()}
        return file["0/DATA/0/matrix"][()], fields, file["0/META/ROW/id"][()]


@pytest.fixture(scope="module")
def cmap(lincs):
    with open_matrix(lincs / "cmap_modzs_n272x978.gctx") as matrix:
        yield matrix


def texts(values):
    return [value.decode("latin-1").strip() for value in values]


def test_cmap_matrix(cmap, stored):
    z, fields, gene_ids = stored
    assert z.shape == (272, 978)
    assert cmap.signature_ids == texts(fields["id"])
    assert cmap.gene_ids == texts(gene_ids)
    read = np.zeros_like(z)
    for positions, block in cmap.blocks(np.arange(272), np.arange(978), 100):
        read[positions] = block
    np.testing.assert_array_equal(read, z)


def test_cmap_metadata(cmap, stored):
    _, fields, _ = stored
    table = canonical_signatures(cmap.signatures, cmap.path)
    assert table["sig_id"].tolist() == texts(fields["id"])
    assert table["drug_id"].tolist() == texts(fields["pert_id"])
    assert table["cell_line"].tolist() == texts(fields["cell_id"])
    np.testing.assert_array_equal(table["is_gold"], fields["is_gold"])
    assert int(table["is_gold"].sum()) == 126

    missing = fields["distil_cc_q75"] == -666
    assert missing.sum() == 3
    np.testing.assert_array_equal(table["cc_q75"].isna(), missing)
    np.testing.assert_allclose(table["cc_q75"][~missing], fields["distil_cc_q75"][~missing], rtol=1e-6)
    np.testing.assert_allclose(table["pct_self_rank_q25"], fields["pct_self_rank_q25"], rtol=1e-6)

    doses = {"10 µM": 10, "3 µM": 3, "1 µM": 1, "500 nM": 0.5, "100 nM": 0.1}
    np.testing.assert_allclose(table["dose_um"], [doses[text] for text in texts(fields["pert_idose"])])
    times = {"24 h": 24, "6 h": 6, "24 h & 4 h": np.nan, "6 h & 4 h": np.nan}
    np.testing.assert_array_equal(table["time_h"], [times[text] for text in texts(fields["pert_itime"])])


def test_cmap_file_survives_our_writer(cmap, tmp_path):
    read = np.zeros((272, 978), dtype=np.float32)
    for positions, block in cmap.blocks(np.arange(272), np.arange(978)):
        read[positions] = block
    write_gctx(tmp_path / "again.gctx", read, cmap.signatures, cmap.genes)
    with open_matrix(tmp_path / "again.gctx") as again:
        pd.testing.assert_frame_equal(again.signatures, cmap.signatures)
        pd.testing.assert_frame_equal(again.genes, cmap.genes)
        ((_, block),) = again.blocks(np.arange(272), np.arange(978))
    np.testing.assert_array_equal(block, read)


def test_blocks_of_the_release_equal_direct_indexing(lincs):
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(3809)[:700], rng.permutation(978)[:307]
    path = find_bundle(lincs).matrix
    with h5py.File(path) as file:
        z = file["0/DATA/0/matrix"][()]
    with open_matrix(path) as matrix:
        for block_rows in (100, 256, 2048):
            read = np.zeros((700, 307), dtype=np.float32)
            for positions, block in matrix.blocks(rows, columns, block_rows):
                read[positions] = block
            np.testing.assert_array_equal(read, z[np.ix_(rows, columns)])


def test_signatures_describe_the_matrix(lincs):
    bundle = find_bundle(lincs)
    table = read_signatures(bundle.siginfo)
    with open_matrix(bundle.matrix) as matrix:
        assert sorted(table["sig_id"]) == sorted(matrix.signature_ids)
    assert table["cell_line"].nunique() == 21
    assert (table["cell_line"] == "THP1").sum() == 398
    assert (table["dose_um"] == 10).all()
    assert (table["time_h"] == 24).all()
    assert (table["is_gold"] == 1).all()
    assert table[["cc_q75", "pct_self_rank_q25"]].isna().all(axis=None)


def test_compounds(lincs):
    bundle = find_bundle(lincs)
    table = read_compounds(bundle.compoundinfo)
    with bundle.compoundinfo.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE))
    for column, ours in (("moa", "moa"), ("target", "target")):
        expected: dict[str, set[str]] = {}
        for row in rows:
            expected.setdefault(row["pert_id"], set()).update({row[column]} - {""})
        merged = [set((value or "").split("|")) - {""} for value in table[ours]]
        assert dict(zip(table["drug_id"], merged, strict=True)) == expected
    assert len(table) == 1355
    assert table["moa"].notna().sum() == 826
    assert table["smiles"].notna().all()
    assert set(read_signatures(bundle.siginfo)["drug_id"]) <= set(table["drug_id"])


def test_genes_and_expression(lincs):
    bundle = find_bundle(lincs)
    genes = read_genes(bundle.geneinfo)
    with open_matrix(bundle.matrix) as matrix:
        assert sorted(genes["gene_id"]) == sorted(matrix.gene_ids)
    assert (genes["feature_space"] == "landmark").all()
    cell_lines, symbols, expression = read_expression(bundle.expression)
    assert expression.shape == (164, 978)
    assert sorted(symbols) == sorted(genes["gene"])
    assert set(read_signatures(bundle.siginfo)["cell_line"]) <= set(cell_lines)
    with gzip.open(bundle.expression, "rt") as text:
        name, *values = list(csv.reader(text))[100]
    assert cell_lines[99] == name
    np.testing.assert_array_equal(expression[99], np.array(values, dtype=np.float32))


def test_every_landmark_gene_is_annotated(lincs):
    bundle = find_bundle(lincs)
    wanted = read_genes(bundle.geneinfo)["gene"].tolist()
    genes, terms, annotation = read_annotation(bundle.annotation)
    assert annotation.shape == (978, len(terms)) == (978, 1107)
    sizes = annotation.sum(axis=0)
    page = " ".join((ROOT / "docs/howto/raw_bundle.md").read_text(encoding="utf-8").split())
    said = f"1,107 terms have {sizes.min():.0f} to {sizes.max():.0f} of the 978 landmark genes"
    assert f"{said}, with a mean of {sizes.mean():.0f} (" in page
    found = resolve(wanted, genes)
    assert list(found) == wanted
    assert sorted(found.values()) == sorted(genes)
    assert sum(symbol != name for symbol, name in found.items()) == 21
    assert (found["CIAO3"], found["HLA-DRA"]) == ("NARFL", "HLA.DRA")
    assert set(read_panel(bundle.panel)) <= set(wanted)
