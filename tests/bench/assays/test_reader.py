"""Assay results in the shapes and states in which they come back."""

import gzip
from dataclasses import replace
from datetime import datetime

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from scipy.stats import norm

from anchordrug.bench.assays.contents import Counts, Profiles
from anchordrug.bench.assays.reader import FORMATS, Format, read_assay
from anchordrug.errors import AssayError
from anchordrug.raw.gctx import write_gctx

GENES = ["SIMG1", "SIMG2", "SIMG3", "SIMG4"]
KNOWN = {*GENES, "1", "2", "9", "12"}  # counts are Entrez ids, too
WELLS = [("", "A01"), ("", "A02"), ("", "P24")]
VALUES = np.array([[0, 1, 2], [9, 12, 300], [7, 0, 1], [2, 5, 5]])

COUNTS = pd.DataFrame(VALUES, pd.Index(GENES, name="gene"), ["A1", "a02", "P24"])
Z = pd.DataFrame(
    [[1.25, -2, 0.5, 0], [-3.5, 0.75, -1, 2]], pd.Index(["SIM-D1", "SIM-D2"], name="drug"), GENES
)
DE = (
    "drug,gene,baseMean,log2FoldChange,lfcSE,stat,pvalue,padj\n"
    "SIM-D1,SIMG1,10,1.5,0.5,3,0.0027,0.01\n"
    "SIM-D1,SIMG2,10,-1,0.5,-2,0.0455,0.1\n"
    "SIM-D2,SIMG2,10,0.5,0.25,2.5,0.01,0.1\n"
    "SIM-D2,SIMG1,10,-0.25,0.25,-1,0.3173,0.5\n"
)
DE_COLUMNS = ["drug", "gene", "baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj"]


def write(folder, content, name="assay.csv", encoding="utf-8"):
    data = content.encode(encoding)
    (folder / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return folder / name


def save(folder, table, suffix):
    """Write `table` with its index in the format of `suffix`."""
    path = folder / f"assay{suffix}"
    flat = table.rename_axis(table.index.name or "name").reset_index()
    if suffix == ".parquet":
        flat.to_parquet(path)
    elif suffix == ".xlsx":
        book = Workbook()
        for row in [[], [None, *flat.columns], *([None, *row] for row in flat.to_numpy().tolist())]:
            book.worksheets[0].append(row)
        book.save(path)
    elif suffix == ";":
        path = folder / "assay.csv"
        flat.to_csv(path, sep=";", decimal=",", index=False)
    elif suffix == ".gct":
        lines = [
            "#1.2",
            f"{len(table)}\t{table.shape[1]}",
            "\t".join(["Name", "Description", *table.columns]),
        ]
        lines += [
            "\t".join([str(name), "x", *map(str, row)])
            for name, row in zip(table.index, table.to_numpy(), strict=True)
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif suffix == ".gctx":
        signatures = pd.DataFrame({"sig_id": table.columns})
        write_gctx(path, table.to_numpy().T, signatures, pd.DataFrame({"gene_id": table.index}))
    else:
        flat.to_csv(path, sep="\t" if suffix.startswith(".tsv") else ",", index=False)
    return path


def de(*columns, **changes):
    """The DE table as text with these columns only, `changes` made to columns."""
    rows = [line.split(",") for line in DE.splitlines()]
    table = pd.DataFrame(rows[1:], columns=rows[0]).assign(**changes)
    return table[[*columns, *(name for name in changes if name not in columns)]].to_csv(index=False)


SUFFIXES = [".csv", ".csv.gz", ".tsv", ";", ".xlsx", ".parquet"]


# ---- counts ----


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_counts(tmp_path, suffix, transposed):
    counts = read_assay(save(tmp_path, COUNTS.T.rename_axis("well") if transposed else COUNTS, suffix), KNOWN)
    assert isinstance(counts, Counts)
    assert counts.genes == counts.values.index.tolist() == GENES
    assert counts.values.columns.tolist() == WELLS
    assert counts.values.columns.names == ["plate", "well_position"]
    assert set(counts.values.dtypes) == {np.dtype(np.int64)}
    np.testing.assert_array_equal(counts.values, VALUES)


@pytest.mark.parametrize("suffix", [".gct", ".gctx"])
def test_counts_in_matrix_formats(tmp_path, suffix):
    counts = read_assay(save(tmp_path, COUNTS, suffix), KNOWN)
    assert isinstance(counts, Counts)
    assert (counts.genes, counts.values.columns.tolist()) == (GENES, WELLS)
    np.testing.assert_array_equal(counts.values, VALUES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings(tmp_path, encoding):
    content = COUNTS.to_csv().replace("gene", "gène")
    counts = read_assay(write(tmp_path, content, encoding=encoding), KNOWN)
    np.testing.assert_array_equal(counts.values, VALUES)


def test_plates_by_name_and_by_column(tmp_path):
    by_name = COUNTS.set_axis(["P1_A1", "P1:A02", "Plate 2-P24"], axis=1)
    wells = [("P1", "A01"), ("P1", "A02"), ("Plate 2", "P24")]
    assert read_assay(save(tmp_path, by_name, ".csv"), KNOWN).values.columns.tolist() == wells
    by_column = COUNTS.T.rename_axis("Well").reset_index()
    by_column.insert(1, "plate", ["P1", "P1", "Plate 2"])
    by_column.insert(2, "drug", "SIM-D1")
    by_column.insert(3, "cell_line", "SIMA")
    counts = read_assay(save(tmp_path, by_column.set_index("Well"), ".csv"), KNOWN)
    assert (counts.genes, counts.values.columns.tolist()) == (GENES, wells)


def test_columns_that_describe_genes(tmp_path):
    table = COUNTS.reset_index()
    for position, (name, value) in enumerate({"Chr": "chr1", "Length": 100, "gene_name": "x"}.items()):
        table.insert(position, name, value)
    counts = read_assay(save(tmp_path, table.set_index("Chr"), ".csv"), KNOWN)
    assert counts.genes == GENES
    np.testing.assert_array_equal(counts.values, VALUES)


def test_the_gene_column_is_that_with_the_most_known_names(tmp_path):
    table = COUNTS.reset_index(names="gene_name")
    table.insert(0, "Gene_id", ["ENSG1", "ENSG2", "SIMG1", "ENSG4"])
    assert read_assay(save(tmp_path, table.set_index("Gene_id"), ".csv"), KNOWN).genes == GENES


def test_unknown_genes_are_kept_and_a_function_may_tell(tmp_path):
    path = save(tmp_path, COUNTS, ".csv")
    for known in ({"SIMG3"}, lambda name: name == "SIMG3"):
        assert read_assay(path, known).genes == GENES


def test_a_gene_twice_is_left_to_the_caller(tmp_path):
    counts = read_assay(save(tmp_path, COUNTS.set_axis([*GENES[:3], "SIMG1"]), ".csv"), KNOWN)
    assert counts.genes == ["SIMG1", "SIMG2", "SIMG3", "SIMG1"]
    np.testing.assert_array_equal(counts.values, VALUES)


@settings(max_examples=25)
@given(
    values=st.lists(st.lists(st.integers(0, 2**40), min_size=3, max_size=3), min_size=4, max_size=4),
    transposed=st.booleans(),
    suffix=st.sampled_from([".csv", ".tsv", ";", ".parquet"]),
)
def test_any_counts_in_any_shape(tmp_path_factory, values, transposed, suffix):
    table = pd.DataFrame(values, pd.Index(GENES, name="gene"), ["A1", "B7", "H12"])
    folder = tmp_path_factory.mktemp("counts")
    counts = read_assay(save(folder, table.T.rename_axis("well") if transposed else table, suffix), KNOWN)
    assert isinstance(counts, Counts)
    assert counts.genes == GENES
    np.testing.assert_array_equal(counts.values, values)


@pytest.mark.parametrize("name", ["Q27", "aspirin"])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_sample_that_is_no_well(tmp_path, transposed, name):
    table = COUNTS.rename(columns={"a02": name})
    path = save(tmp_path, table.T.rename_axis("well") if transposed else table, ".csv")
    place = "line 3" if transposed else f"column '{name}'"
    with pytest.raises(
        AssayError, match=f"counts in {place}: '{name}' names no well of a 96- or 384-well plate"
    ):
        read_assay(path, KNOWN)


def test_a_well_twice(tmp_path):
    path = save(tmp_path, COUNTS.rename(columns={"a02": "A01"}), ".csv")
    with pytest.raises(
        AssayError, match=r"well A01 is in column 'A1' \('A1'\) and in column 'A01' \('A01'\)"
    ):
        read_assay(path, KNOWN)
    path = save(tmp_path, COUNTS.set_axis(["X_A1", "X_A2", "X:A01"], axis=1), ".csv")
    with pytest.raises(AssayError, match="well X A01 is in"):
        read_assay(path, KNOWN)


@pytest.mark.parametrize(
    ("value", "fault"),
    [(-7, "-7 is negative"), (7.5, "7.5 is not a whole number"), (1e17, r"1e\+17 is too large")],
)
def test_counts_that_are_none(tmp_path, value, fault):
    table = COUNTS.astype(float)
    table.loc["SIMG3", "a02"] = value
    message = f"gene 'SIMG3', well 'a02': {fault}; these look like normalised values or log values: give raw"
    with pytest.raises(AssayError, match=message):
        read_assay(save(tmp_path, table, ".csv"), KNOWN)


def test_counts_with_the_background_taken_off(tmp_path):
    table = (COUNTS - 5).astype(float)
    table.iloc[3, 2] = 0.5
    with pytest.raises(AssayError, match="gene 'SIMG1', well 'A1': -5 is negative"):
        read_assay(save(tmp_path, table, ".csv"), KNOWN)


def test_normalised_values(tmp_path):
    with pytest.raises(
        AssayError, match=r"gene 'SIMG1', well 'a02': 0\.693147 is not a whole number; these look like"
    ):
        read_assay(save(tmp_path, np.log1p(COUNTS), ".csv"), KNOWN)


# ---- z ----


def check_z(profiles, tolerance=0):
    assert isinstance(profiles, Profiles)
    assert (profiles.kind, profiles.standard_error, profiles.notes) == ("z", None, ())
    assert profiles.genes == profiles.values.columns.tolist() == GENES
    assert profiles.values.index.tolist() == ["SIM-D1", "SIM-D2"]
    assert set(profiles.values.dtypes) == {np.dtype(np.float64)}
    np.testing.assert_allclose(profiles.values, Z, rtol=tolerance)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_wide_z(tmp_path, suffix, transposed):
    check_z(read_assay(save(tmp_path, Z.T if transposed else Z, suffix), KNOWN))


@pytest.mark.parametrize("suffix", [".gct", ".gctx"])
def test_z_in_matrix_formats(tmp_path, suffix):
    check_z(read_assay(save(tmp_path, Z.T, suffix), KNOWN))


def test_metadata_of_a_matrix_name_drugs_and_genes(tmp_path):
    signatures = pd.DataFrame({"sig_id": ["s:A01", "s:A02"], "pert_id": Z.index})
    genes = pd.DataFrame({"gene_id": ["x1", "x2", "x3", "x4"], "pr_gene_symbol": GENES})
    write_gctx(tmp_path / "a.gctx", Z.to_numpy(), signatures, genes)
    check_z(read_assay(tmp_path / "a.gctx", KNOWN))
    write_gctx(tmp_path / "a.gctx", VALUES[:, :2].T, signatures, genes)
    assert read_assay(tmp_path / "a.gctx", KNOWN).values.columns.tolist() == [("s", "A01"), ("s", "A02")]
    write_gctx(tmp_path / "a.gctx", Z.to_numpy(), signatures.assign(pert_id="SIM-D1"), genes)
    with pytest.raises(AssayError, match="'SIM-D1' is in signature 's:A01' and in signature 's:A02'"):
        read_assay(tmp_path / "a.gctx", KNOWN)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("header", ["z", "Z-score", "zscore", "MODZ"])
def test_long_z(tmp_path, suffix, header):
    long = Z.melt(ignore_index=False, var_name="gene", value_name=header)
    profiles = read_assay(save(tmp_path, long.sample(frac=1, random_state=0), suffix), KNOWN)
    check_z(replace(profiles, values=profiles.values.loc[Z.index, GENES]))


def test_genes_may_have_the_names_of_statistics_and_of_descriptions(tmp_path):
    genes = ["T", "P", "time", "Q"]
    path = save(tmp_path, Z.set_axis(genes, axis=1), ".csv")
    assert read_assay(path, set(genes)).genes == genes


def test_z_of_wells_is_named_by_plate_and_well(tmp_path):
    table = Z.set_axis(["A01", "A02"]).rename_axis("well")
    assert read_assay(save(tmp_path, table, ".csv"), KNOWN).values.index.tolist() == ["A01", "A02"]
    table.insert(0, "plate", "P1")
    assert read_assay(save(tmp_path, table, ".csv"), KNOWN).values.index.tolist() == ["P1:A01", "P1:A02"]
    long = table.set_index("plate", append=True).melt(ignore_index=False, var_name="gene", value_name="z")
    path = save(tmp_path, long.reset_index().set_index("gene"), ".csv")
    assert read_assay(path, KNOWN).values.index.tolist() == ["P1:A01", "P1:A02"]
    path = save(tmp_path, long.reset_index("plate", drop=True), ".csv")
    assert read_assay(path, KNOWN).values.index.tolist() == ["A01", "A02"]


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.floats(-10, 10), min_size=4, max_size=4), min_size=2, max_size=5),
    st.sampled_from([".csv", ";", ".parquet"]),
    st.sampled_from(["wide", "transposed", "long"]),
)
def test_z_in_any_shape(tmp_path_factory, values, suffix, shape):
    table = pd.DataFrame(values, pd.Index([f"SIM-D{row}" for row in range(len(values))], name="drug"), GENES)
    nonzero = table.to_numpy()[table.to_numpy() != 0]
    assume(
        shape == "long" or (np.median(np.abs(values)) > 0.2 and np.mean(nonzero == np.floor(nonzero)) < 0.5)
    )
    assume(len(nonzero) and 0.1 < np.mean(nonzero < 0) < 0.9)
    frame = {
        "wide": table,
        "transposed": table.T,
        "long": table.melt(ignore_index=False, var_name="gene", value_name="z"),
    }[shape]
    profiles = read_assay(save(tmp_path_factory.mktemp("z"), frame, suffix), KNOWN)
    assert profiles.kind == "z"
    np.testing.assert_allclose(profiles.values.loc[table.index, GENES], table, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".gct", ".gctx"])
def test_a_hole_in_z_is_its_drugs_own(tmp_path, suffix):
    hole = Z.T.copy()
    hole.loc["SIMG2", "SIM-D1"] = np.nan
    profiles = read_assay(save(tmp_path, hole, suffix), KNOWN)
    assert (profiles.kind, profiles.notes) == ("z", ())
    np.testing.assert_allclose(profiles.values, hole.T)


def test_a_drug_without_values_is_kept_for_the_record(tmp_path):
    empty = Z * 1.1
    empty.loc["SIM-D1"] = np.nan
    np.testing.assert_array_equal(read_assay(save(tmp_path, empty, ".csv"), KNOWN).values, empty)


def test_a_drug_twice(tmp_path):
    with pytest.raises(AssayError, match="'SIM-D1' is in line 2 and in line 3; give one profile per drug"):
        read_assay(save(tmp_path, Z.set_axis(["SIM-D1", "SIM-D1"]), ".csv"), KNOWN)


def test_fold_changes_are_not_taken_for_z(tmp_path):
    with pytest.raises(
        AssayError, match=r"half of the values are within 0\.113 of 0.* look like log fold changes"
    ):
        read_assay(save(tmp_path, Z * 0.1, ".csv"), KNOWN)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("transposed", [False, True])
def test_counts_with_holes(tmp_path, suffix, transposed):
    """A well without any count is none; a gene without a count in another well is left out."""
    table = COUNTS.astype(float)
    table["A3"] = np.nan
    table.loc["SIMG2", "a02"] = np.nan
    counts = read_assay(save(tmp_path, table.T.rename_axis("well") if transposed else table, suffix), KNOWN)
    assert isinstance(counts, Counts)
    assert counts.values.columns.tolist() == WELLS
    assert set(counts.values.dtypes) == {np.dtype(np.int64)}
    np.testing.assert_array_equal(counts.values, VALUES[[0, 2, 3]])
    assert counts.notes == (
        "1 wells have no value (A03); they count as wells without results",
        "1 of 4 genes (SIMG2) have missing values in some wells (8.3% of all) and are left out; write 0 "
        "where no read was counted",
    )


@pytest.mark.parametrize("name", ["", "NA"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("table", [COUNTS, Z.T], ids=["counts", "z"])
def test_genes_without_a_name_are_left_out(tmp_path, table, transposed, name):
    content = (table.T.rename_axis("name") if transposed else table.rename_axis("gene")).to_csv()
    contents = read_assay(write(tmp_path, content.replace("SIMG3", name)), KNOWN)
    assert contents.genes == ["SIMG1", "SIMG2", "SIMG4"]
    assert contents.notes == ("1 rows without the name of a gene are left out",)
    values = contents.values if table is COUNTS else contents.values.T
    np.testing.assert_array_equal(values, table.drop("SIMG3"))


OTHER_ROWS = {
    "htseq-count": [
        "__no_feature",
        "__ambiguous",
        "__too_low_aQual",
        "__not_aligned",
        "__alignment_not_unique",
    ],
    "STAR": ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"],
    "spike-ins": ["ERCC-00002", "ERCC.00171", "SIRV101", "gSpikein_phiX174"],
    "sums": ["Unassigned_NoFeatures", "Total", "*", "CD3_TotalSeqB"],
}


@pytest.mark.parametrize("names", OTHER_ROWS.values(), ids=OTHER_ROWS)
@pytest.mark.parametrize(("suffix", "transposed"), [(".csv", False), (".tsv.gz", True), (".gct", False)])
def test_rows_that_are_no_genes_are_left_out(tmp_path, names, suffix, transposed):
    """Genes of like names are kept."""
    genes = ["SIMG1", "SIMG2", "ERCC1", "ERCC6L2", "SUMO1"]
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.poisson(9, (5, 3)), pd.Index(genes, name="gene"), ["A1", "A2", "A3"])
    others = pd.DataFrame(10**6, pd.Index(names, name="gene"), table.columns)
    both = pd.concat([others.iloc[:2], table, others.iloc[2:]])
    counts = read_assay(save(tmp_path, both.T.rename_axis("well") if transposed else both, suffix), KNOWN)
    assert counts.genes == genes
    np.testing.assert_array_equal(counts.values, table)
    (note,) = counts.notes
    assert note.startswith(f"{len(names)} rows are not genes; left out: {', '.join(names[:3])}")


# ---- differential expression ----


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_statistic_is_preferred(tmp_path, suffix):
    rows = [line.split(",") for line in DE.splitlines()]
    table = pd.DataFrame(rows[1:], columns=rows[0])
    table[DE_COLUMNS[2:]] = table[DE_COLUMNS[2:]].astype(float)
    profiles = read_assay(save(tmp_path, table.set_index("drug"), suffix), KNOWN)
    assert (profiles.kind, profiles.standard_error, profiles.genes) == ("statistic", None, ["SIMG1", "SIMG2"])
    assert profiles.values.index.tolist() == ["SIM-D1", "SIM-D2"]
    np.testing.assert_array_equal(profiles.values, [[3, -2], [-1, 2.5]])


@pytest.mark.parametrize(
    "names",
    [
        {"drug": "contrast", "gene": "symbol", "stat": "t", "log2FoldChange": "logFC", "pvalue": "P.Value"},
        {"drug": "Treatment", "gene": "Gene ID", "log2FoldChange": "lfc", "pvalue": "p"},
        {"drug": "condition", "gene": "", "stat": "z", "padj": "FDR"},
    ],
)
def test_names_of_columns(tmp_path, names):
    header, rest = DE.split("\n", 1)
    header = ",".join(names.get(name, name) for name in header.split(","))
    profiles = read_assay(write(tmp_path, f"{header}\n{rest}"), KNOWN)
    assert profiles.kind == "statistic"
    np.testing.assert_array_equal(profiles.values, [[3, -2], [-1, 2.5]])


def test_a_statistic_of_genes_that_all_go_up(tmp_path):
    path = write(
        tmp_path, de("drug", "gene", "log2FoldChange", "stat").replace("-", "").replace("SIMD", "SIM-D")
    )
    np.testing.assert_array_equal(read_assay(path, KNOWN).values, [[3, 2], [1, 2.5]])


@pytest.mark.parametrize("statistic", [{}, {"F": ["9", "4", "6.25", "1"]}, {"stat": ["9", "4", "6.25", "1"]}])
def test_p_with_the_sign_of_the_fold_change(tmp_path, statistic):
    path = write(tmp_path, de("drug", "gene", "log2FoldChange", "lfcSE", "pvalue", "padj", **statistic))
    profiles = read_assay(path, KNOWN)
    assert (profiles.kind, profiles.standard_error) == ("statistic", None)
    p = np.array([[0.0027, 0.0455], [0.3173, 0.01]])
    np.testing.assert_allclose(profiles.values, norm.isf(p / 2) * [[1, -1], [-1, 1]])


def test_extreme_p(tmp_path):
    path = write(tmp_path, de("drug", "gene", "log2FoldChange", pvalue=["0", "0", "1", "1e-320"]))
    values = read_assay(path, KNOWN).values.to_numpy()
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, [[38.2872, -38.2872], [-38.2872, 0]], atol=1e-4)


def test_fold_changes_with_standard_errors(tmp_path):
    profiles = read_assay(write(tmp_path, de("drug", "gene", "log2FoldChange", "lfcSE", "padj")), KNOWN)
    assert profiles.kind == "log2_fold_change"
    np.testing.assert_array_equal(profiles.values, [[1.5, -1], [-0.25, 0.5]])
    np.testing.assert_array_equal(profiles.standard_error, [[0.5, 0.5], [0.25, 0.25]])
    assert profiles.standard_error.index.equals(profiles.values.index)
    assert profiles.standard_error.columns.equals(profiles.values.columns)


def test_p_of_zero_counts_as_the_smallest_of_the_file(tmp_path):
    path = write(
        tmp_path, de("drug", "gene", "log2FoldChange", FDR=["0"] * 4, PValue=["0", "1e-6", "0.5", "0"])
    )
    profiles = read_assay(path, KNOWN)
    tails = norm.isf(np.array([[5e-7, 5e-7], [5e-7, 0.25]]))
    np.testing.assert_allclose(profiles.values, tails * [[1, -1], [-1, 1]])
    assert profiles.notes == (
        "2 of 4 p-values rounded to 0; each counts as 1e-06, the smallest p-value above 0",
    )


def test_what_a_drug_lacks_is_its_own(tmp_path):
    """A gene that was not tested for a drug, and one that stands nowhere but with another drug."""
    content = DE.replace("3,0.0027", "NA,NA") + "SIM-D1,SIMG3,1,1,1,1,1,1\n"
    profiles = read_assay(write(tmp_path, content), KNOWN)
    assert (profiles.genes, profiles.notes) == (["SIMG1", "SIMG2", "SIMG3"], ())
    np.testing.assert_array_equal(profiles.values, [[np.nan, -2, 1], [-1, 2.5, np.nan]])


def test_a_fold_change_needs_its_own_error(tmp_path):
    content = de(
        "drug", "gene", log2FoldChange=["1.5", "-1", "NA", "-0.25"], lfcSE=["0.5", "NA", "0.5", "0.5"]
    )
    profiles = read_assay(write(tmp_path, content), KNOWN)
    np.testing.assert_array_equal(profiles.values, [[1.5, np.nan], [-0.25, np.nan]])
    np.testing.assert_array_equal(profiles.standard_error, [[0.5, np.nan], [0.5, np.nan]])


def test_rows_without_a_gene_are_left_out(tmp_path):
    content = DE + "SIM-D1,,1,1,1,1,1,1\nSIM-D1,NA,1,1,1,1,1,1\nSIM-D2,NA,1,1,1,1,1,1\n"
    profiles = read_assay(write(tmp_path, content), KNOWN)
    np.testing.assert_array_equal(profiles.values, [[3, -2], [-1, 2.5]])
    assert profiles.notes == ("3 rows without the name of a gene are left out",)


def test_rows_of_one_drug_and_gene_are_averaged(tmp_path):
    first = DE.splitlines()[1]
    rest = "SIM-D1,SIMG3,1,1,1,1,1,1\nSIM-D1,SIMG4,1,1,1,4,1,1\n"
    again = "SIM-D1,SIMG4,1,1,1,-2,1,1\nSIM-D1,OTHER,1,1,1,1,1,1\nSIM-D1,OTHER,1,1,1,3,1,1\n"
    profiles = read_assay(write(tmp_path, DE + rest + again + f"{first}\n"), KNOWN)
    assert profiles.values.loc["SIM-D1"].to_dict() == {
        "SIMG1": 3,
        "SIMG2": -2,
        "SIMG3": 1,
        "SIMG4": 1,
        "OTHER": 2,
    }
    # A row that is copied changes nothing, and repeats of names that are not genes do not matter.
    assert profiles.notes == ("2 genes are in several rows of a drug (SIMG4, SIMG1); they are averaged",)


def test_several_conditions_are_not_averaged(tmp_path):
    rows = "".join(f"{line.replace('SIM-D2', 'SIM-D1')}\n" for line in DE.splitlines()[3:])
    with pytest.raises(
        AssayError,
        match=r"drug 'SIM-D1' and gene 'SIMG2' are in line 3 and in line 4 with different values, and so are "
        r"100% of its genes; keep one row per drug and gene \(one dose, time and cell line\)",
    ):
        read_assay(write(tmp_path, "\n".join(DE.splitlines()[:3]) + f"\n{rows}"), KNOWN)


MANY = [f"SIMG{number}" for number in range(1, 41)]


def results_of_programs(name):
    """One drug's 40 genes as a program writes them, and the statistic that the table should give."""
    rng = np.random.default_rng(3)
    change, p = rng.normal(0, 1, 40), rng.uniform(0.001, 1, 40)
    signed_p = np.sign(change) * norm.isf(p / 2)
    columns = {
        "DESeq2, Wald": (
            {"baseMean": 9, "log2FoldChange": change, "lfcSE": 0.5, "stat": 2 * change},
            2 * change,
        ),
        "DESeq2, likelihood ratio": ({"log2FoldChange": change, "lfcSE": 0.5, "stat": change**2}, signed_p),
        "pydeseq2 with a stat that rounds below 0": (
            {"log2FoldChange": change, "stat": np.where(np.arange(40) == 0, -1e-12, change**2)},
            signed_p,
        ),
        "edgeR, F": ({"logFC": change, "logCPM": 5, "F": change**2}, signed_p),
        "edgeR, LR": ({"logFC": change, "logCPM": 5, "LR": change**2}, signed_p),
        "limma": ({"logFC": change, "AveExpr": 5, "t": 3 * change, "B": change}, 3 * change),
        "limma, F": ({"logFC": change, "AveExpr": 5, "F": change**2}, signed_p),
        "scanpy": ({"scores": 4 * change, "logfoldchanges": change}, 4 * change),
        "Seurat": ({"avg_log2FC": change, "pct.1": 0.5, "pct.2": 0.5}, signed_p),
        "sleuth": ({"b": change, "se_b": 0.5}, signed_p),
        "rank sums": ({"log2FC": change, "statistic": 1000 * p}, signed_p),
    }[name]
    table = pd.DataFrame({"drug": "SIM-D1", "gene": MANY, **columns[0], "pval": p, "qval": p})
    return table.set_index("drug"), columns[1]


PROGRAMS = [
    *("DESeq2, Wald", "DESeq2, likelihood ratio", "pydeseq2 with a stat that rounds below 0", "edgeR, F"),
    *("edgeR, LR", "limma", "limma, F", "scanpy", "Seurat", "sleuth", "rank sums"),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_tables_of_programs(tmp_path, program):
    table, expected = results_of_programs(program)
    profiles = read_assay(save(tmp_path, table, ".tsv.gz"), MANY)
    assert profiles.kind == "statistic"
    np.testing.assert_allclose(profiles.values.loc["SIM-D1", MANY], expected)
    undirected = expected is not None and any(
        name in table and (table[name] >= -1e-6).all() for name in ("stat", "F", "LR", "statistic")
    )
    assert len(profiles.notes) == undirected


@pytest.mark.parametrize("name", ["z", "stat", "F"])
def test_unsigned_values_alone_are_refused(tmp_path, name):
    table, _ = results_of_programs("edgeR, F")
    table = table[["gene", "F", "pval"]].rename(columns={"F": name})
    message = "almost no negative value" if name == "z" else "the direction of a change is unknown"
    with pytest.raises(AssayError, match=rf"column '{name}' .*{message}"):
        read_assay(save(tmp_path, table, ".csv"), MANY)


LONG_Z = "drug,gene,z\nSIM-D1,SIMG1,1\nSIM-D1,SIMG2,-1\n"
HOSTILE = {
    "missing file": (None, "assay.csv: no such file"),
    "empty": ("", "assay.csv: is empty"),
    "no table": ("hello\nworld\n", "expected names separated by commas"),
    "no genes": (
        "well,drug\nA1,SIM-D1\n",
        r"a column nor the header names genes that are known \(first column: A1; header: well, drug\); "
        r"looked for raw counts .* z-scores .* log2 fold change and p-value or statistic\); name genes",
    ),
    "no genes in a long table": (LONG_Z.replace("SIMG", "XG"), "neither a column nor the header names genes"),
    "no values": (
        "gene,symbol\nSIMG1,x\nSIMG2,y\n",
        "no column of values next to its gene names; looked for raw",
    ),
    "no names": (
        "SIMG1,SIMG2\n1.5,-1\n-2.5,1\n",
        "no column names the wells or drugs .the first is 'SIMG1'.",
    ),
    "text among counts": (
        COUNTS.to_csv().replace("300", "n.d."),
        "line 3, column 'P24': 'n.d.' is not a number",
    ),
    "counts with a gap in every gene": (
        "gene,A1,A2\nSIMG1,,1\nSIMG2,2,NA\n",
        "every gene has missing values in some wells; write 0 where no read was counted",
    ),
    "counts without any": ("gene,A1,A2\nSIMG1,,\nSIMG2,NA,NA\n", "holds no value; export it again"),
    "text in statistics": (DE.replace("-2,", "x,"), "line 3, column 'stat': 'x' is not a number"),
    "infinite statistic": (DE.replace("-2,", "Inf,"), "line 3, column 'stat': 'Inf' is not a number"),
    "a well without name": (COUNTS.to_csv().replace("a02", ""), "column 3 names no well or drug; name it or"),
    "a row without drug": (LONG_Z.replace("SIM-D1,SIMG2", ",SIMG2"), "line 3 names no drug; fill it in"),
    "a row without plate": (
        "plate,well,gene,z\nP1,A1,SIMG1,1\n,A1,SIMG2,1\n",
        "line 3 names no drug; fill it in",
    ),
    "date among genes": (
        COUNTS.to_csv().replace("SIMG2", "2-Sep").replace("SIMG4", "1-Mar"),
        r"a spreadsheet turned 2 gene names into dates: line 3 is '2-Sep' \(was SEPTIN2 or SEPT2\), "
        r"line 5 is '1-Mar' \(was MARCHF1 .*\); export the file again without opening it in a spreadsheet, "
        "or import its gene column as Text",
    ),
    "date in the header": (Z.to_csv().replace("SIMG2", "2022-09-02"), "column '2022-09-02' is '2022-09-02'"),
    "date in a long table": (
        DE.replace("SIMG2", "Dec-01"),
        r"2 gene names .* line 3 is 'Dec-01' \(was DELEC1",
    ),
    "no drug": (de("gene", "stat"), r"no column says which drug a row belongs to \(found: gene, stat\)"),
    "two p": (
        DE.replace("baseMean", "P.Value"),
        "columns 'P.Value' and 'pvalue' both look like the p-value; keep one of them",
    ),
    "adjusted p only": (
        de("drug", "gene", "log2FoldChange", "padj"),
        r"has adjusted p-values \(column 'padj'\), but raw p-values are needed; add the column 'pvalue'",
    ),
    "fold change only": (
        de("drug", "gene", "baseMean", "log2FoldChange"),
        "log2 fold changes but no p-value, no signed statistic and no standard error, so their noise is "
        "unknown; add the column 'pvalue', 'stat' or 'lfcSE'",
    ),
    "p only": (
        de("drug", "gene", "pvalue"),
        "no column of signed statistics and none of log2 fold changes, so the direction of a change",
    ),
    "statistic without sign": (
        de("drug", "gene", "pvalue", stat=["9", "4", "6.25", "1"]),
        r"\(column 'stat' has almost no negative value\) and none of log2 fold changes",
    ),
    "p beyond 1": (
        de("drug", "gene", "log2FoldChange", pvalue=["0.1", "1.5", "1", "1"]),
        "line 3, column 'pvalue': 1.5 is not a p-value, which is between 0 and 1; correct it",
    ),
    "negative p": (
        de("drug", "gene", "log2FoldChange", pvalue=["0.1", "-0.5", "1", "1"]),
        "line 3, column 'pvalue': -0.5 is not a p-value",
    ),
    "no standard error": (
        de("drug", "gene", "log2FoldChange", lfcSE=["0.1", "0", "1", "1"]),
        "line 3, column 'lfcSE': 0 is not a standard error, which is greater than 0",
    ),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_unusable_files(tmp_path, content, message):
    path = tmp_path / "assay.csv"
    if content is not None:
        write(tmp_path, content)
    with pytest.raises(AssayError, match=message) as caught:
        read_assay(path, KNOWN)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_unusable_matrix_formats(tmp_path):
    with pytest.raises(AssayError, match="is it a GCT file"):
        read_assay(write(tmp_path, "gene,A1\nSIMG1,1\n", "a.gct"), KNOWN)
    infinite = Z.T.copy()
    infinite.iloc[2, 1] = np.inf
    with pytest.raises(
        AssayError, match="gene 'SIMG3' has an infinite value in signature 'SIM-D2'; correct it"
    ):
        read_assay(save(tmp_path, infinite, ".gctx"), KNOWN)
    with pytest.raises(AssayError, match="neither a column nor the header names genes"):
        read_assay(save(tmp_path, Z.T.set_axis(list("abcd")), ".gct"), KNOWN)
    with pytest.raises(AssayError, match=r"gene 2 is '2-Sep' \(was SEPTIN2"):
        read_assay(save(tmp_path, Z.T.rename({"SIMG2": "2-Sep"}), ".gct"), KNOWN)


def test_dates_of_a_workbook(tmp_path):
    genes = [GENES[0], datetime(2022, 9, 2), GENES[2], GENES[3]]
    path = save(tmp_path, COUNTS.set_axis(pd.Index(genes, name="gene", dtype=object)), ".xlsx")
    with pytest.raises(AssayError, match=r"row 4 is '2022-09-02 00:00:00' \(was SEPTIN2 or SEPT2\)"):
        read_assay(path, KNOWN)


# ---- formats ----


NO_FORMAT = {
    "PDF": (
        b"%PDF-1.4",
        r"is a PDF; copy its table into a CSV file \(formats: anndata, gct, long_table, matrix_folder, wide",
    ),
    "xls": (b"\xd0\xcf\x11\xe0", "is an old Office file, such as .xls; save it as .xlsx or CSV"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer.*'git lfs pull'"),
    "Matrix Market": (b"%%MatrixMarket matrix coordinate\n", "is a Matrix Market matrix .*genes x samples"),
    "archive": (b"PK\3\4x", "is a zip archive; unpack it and give the file inside"),
}


@pytest.mark.parametrize(("content", "message"), NO_FORMAT.values(), ids=NO_FORMAT)
@pytest.mark.parametrize("name", ["a.csv", "a"])
def test_a_file_in_no_format(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AssayError, match=message):
        read_assay(tmp_path / name, KNOWN)
    with pytest.raises(AssayError, match="no such file"):
        read_assay(tmp_path / f"other_{name}", KNOWN)


def test_a_folder_and_an_empty_h5ad(tmp_path):
    with pytest.raises(AssayError, match=r"is a folder; give a file in it \(formats: "):
        read_assay(tmp_path, KNOWN)
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file.create_group("obs")
        file.create_group("var")
    for name in ("a.h5ad", "a.gctx", "a"):
        (path,) = tmp_path.iterdir()
        path.rename(tmp_path / name)
        with pytest.raises(AssayError, match=r"/obs is not a table as anndata 0.7 and later write it; open"):
            read_assay(tmp_path / name, KNOWN)


@pytest.mark.parametrize("suffix", [".gct", ".gctx", ".csv", ".csv.gz", ".xlsx", ".parquet"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.gz", "a"])
def test_the_name_of_a_file_does_not_matter(tmp_path, suffix, name):
    path = save(tmp_path, COUNTS, suffix).rename(tmp_path / name)
    np.testing.assert_array_equal(read_assay(path, KNOWN).values, VALUES)


@pytest.mark.parametrize("lines", ["sep=,\n", "!Series: x\n!y, z\n", "# a\n!b\n"])
def test_lines_before_the_header(tmp_path, lines):
    counts = read_assay(write(tmp_path, lines + COUNTS.to_csv()), KNOWN)
    np.testing.assert_array_equal(counts.values, VALUES)


@pytest.fixture
def own_formats(monkeypatch):
    """A registry that forgets what a test registers."""
    FORMATS.names()
    monkeypatch.setattr(FORMATS, "_things", dict(FORMATS._things))


def test_a_format_goes_before_the_general_ones_and_two_are_told(tmp_path, own_formats):
    counts = Counts(tmp_path, COUNTS)
    own = Format(lambda file: file.is_sheet and "IC50" in file.sheet.header, lambda _: counts)
    FORMATS.register("mine", own)
    assert read_assay(write(tmp_path, "gene,A1,IC50\nSIMG1,1,2\n"), KNOWN) is counts
    assert read_assay(save(tmp_path, COUNTS, ".csv"), KNOWN) is not counts
    FORMATS.register("yours", Format(own.owns, lambda _: counts))
    with pytest.raises(
        AssayError, match="is in format mine and yours together; rename its columns, or the file"
    ):
        read_assay(write(tmp_path, "gene,A1,IC50\nSIMG1,1,2\n"), KNOWN)
