"""Assay results in the shapes and states in which they come back."""

import gzip
from dataclasses import replace
from datetime import datetime

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
        AssayError, match=r"well A01 stands in column 'A1' \('A1'\) and in column 'A01' \('A01'\)"
    ):
        read_assay(path, KNOWN)
    path = save(tmp_path, COUNTS.set_axis(["X_A1", "X_A2", "X:A01"], axis=1), ".csv")
    with pytest.raises(AssayError, match="well X A01 stands in"):
        read_assay(path, KNOWN)


@pytest.mark.parametrize(
    ("value", "fault"),
    [(-7, "-7 is negative"), (7.5, "7.5 is no whole number"), (1e17, r"1e\+17 is too large")],
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
        AssayError, match=r"gene 'SIMG1', well 'a02': 0\.693147 is no whole number; these look like"
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
    with pytest.raises(AssayError, match="'SIM-D1' stands in signature 's:A01' and in signature 's:A02'"):
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
    assume(shape == "long" or np.mean(nonzero < 0) > 0.1)
    frame = {
        "wide": table,
        "transposed": table.T,
        "long": table.melt(ignore_index=False, var_name="gene", value_name="z"),
    }[shape]
    profiles = read_assay(save(tmp_path_factory.mktemp("z"), frame, suffix), KNOWN)
    assert profiles.kind == "z"
    np.testing.assert_allclose(profiles.values.loc[table.index, GENES], table, rtol=1e-12, atol=1e-300)


def test_a_drug_twice(tmp_path):
    with pytest.raises(
        AssayError, match="'SIM-D1' stands in line 2 and in line 3; give one profile per drug"
    ):
        read_assay(save(tmp_path, Z.set_axis(["SIM-D1", "SIM-D1"]), ".csv"), KNOWN)


def test_fold_changes_are_not_taken_for_z(tmp_path):
    with pytest.raises(
        AssayError, match=r"half of the values lie within 0\.113 of 0.* look like log fold changes"
    ):
        read_assay(save(tmp_path, Z * 0.1, ".csv"), KNOWN)


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
    np.testing.assert_allclose(values, [[38.4674, -38.4674], [-38.2872, 0]], atol=1e-4)


def test_fold_changes_with_standard_errors(tmp_path):
    profiles = read_assay(write(tmp_path, de("drug", "gene", "log2FoldChange", "lfcSE", "padj")), KNOWN)
    assert profiles.kind == "log2_fold_change"
    np.testing.assert_array_equal(profiles.values, [[1.5, -1], [-0.25, 0.5]])
    np.testing.assert_array_equal(profiles.standard_error, [[0.5, 0.5], [0.25, 0.25]])
    assert profiles.standard_error.index.equals(profiles.values.index)
    assert profiles.standard_error.columns.equals(profiles.values.columns)


def test_genes_that_were_not_tested_for_every_drug_are_left_out(tmp_path):
    content = DE.replace("3,0.0027", "NA,NA") + "SIM-D1,SIMG3,1,1,1,1,1,1\n"
    profiles = read_assay(write(tmp_path, content), KNOWN)
    assert profiles.genes == ["SIMG2"]
    assert profiles.notes == ("2 genes were left out, because some drugs have no value for them",)
    np.testing.assert_array_equal(profiles.values, [[-2], [2.5]])
    with pytest.raises(AssayError, match="no gene has a value for each of the 2 drugs"):
        read_assay(write(tmp_path, content.replace("-2,", "NA,")), KNOWN)


def test_missing_standard_errors_leave_a_gene_out(tmp_path):
    content = de("drug", "gene", "log2FoldChange", lfcSE=["0.5", "NA", "0.5", "0.5"])
    assert read_assay(write(tmp_path, content), KNOWN).genes == ["SIMG1"]


LONG_Z = "drug,gene,z\nSIM-D1,SIMG1,1\nSIM-D1,SIMG2,-1\n"
HOSTILE = {
    "missing file": (None, "assay.csv: no such file"),
    "empty": ("", "assay.csv: is empty"),
    "no table": ("hello\nworld\n", "expected names separated by commas"),
    "no genes": (
        "well,drug\nA1,SIM-D1\n",
        r"a column nor the header names genes that are known \(first column: A1; header: well, drug\); "
        r"looked for raw counts .* z-scores .* log2 fold change and p-value or statistic; name genes",
    ),
    "no genes in a long table": (LONG_Z.replace("SIMG", "XG"), "neither a column nor the header names genes"),
    "no values": (
        "gene,symbol\nSIMG1,x\nSIMG2,y\n",
        "no column of values beside its gene names; looked for raw",
    ),
    "no names": (
        "SIMG1,SIMG2\n1.5,-1\n-2.5,1\n",
        "no column names the wells or drugs .the first is 'SIMG1'.",
    ),
    "text among counts": (
        COUNTS.to_csv().replace("300", "n.d."),
        "line 3, column 'P24': 'n.d.' is not a number",
    ),
    "nan among counts": (
        COUNTS.to_csv().replace("300", "NaN"),
        r"line 3, column 'P24' has no value \('NaN'\)",
    ),
    "hole in z": (Z.to_csv().replace("0.75", ""), "line 3, column 'SIMG2' has no value"),
    "hole in long z": (LONG_Z.replace("-1", ""), "line 3, column 'z' has no value"),
    "text in statistics": (DE.replace("-2,", "x,"), "line 3, column 'stat': 'x' is not a number"),
    "infinite statistic": (DE.replace("-2,", "Inf,"), "line 3, column 'stat': 'Inf' is not a number"),
    "a well without name": (COUNTS.to_csv().replace("a02", ""), "column 3 names no well or drug; name it or"),
    "a gene without name": (
        COUNTS.to_csv().replace("SIMG3", ""),
        "line 4 names no gene; name it or remove it",
    ),
    "a gene without name, transposed": (Z.to_csv().replace("SIMG3", ""), "column 4 names no gene; name it"),
    "a row without drug": (LONG_Z.replace("SIM-D1,SIMG2", ",SIMG2"), "line 3 names no drug; fill it in"),
    "a row without gene": (LONG_Z.replace("SIMG2", ""), "line 3 names no gene; fill it in"),
    "a row without plate": (
        "plate,well,gene,z\nP1,A1,SIMG1,1\n,A1,SIMG2,1\n",
        "line 3 names no drug; fill it in",
    ),
    "date among genes": (
        COUNTS.to_csv().replace("SIMG2", "2-Sep").replace("SIMG4", "1-Mar"),
        r"2 gene names were turned into dates by a spreadsheet: line 3 is '2-Sep' \(was SEPTIN2 or SEPT2\), "
        r"line 5 is '1-Mar' \(was MARCHF1 .*\); export the file again without opening it in a spreadsheet, "
        "or import its gene column as Text",
    ),
    "date in the header": (Z.to_csv().replace("SIMG2", "2022-09-02"), "column '2022-09-02' is '2022-09-02'"),
    "date in a long table": (
        DE.replace("SIMG2", "Dec-01"),
        r"2 gene names .* line 3 is 'Dec-01' \(was DELEC1",
    ),
    "pair twice": (
        DE + DE.splitlines()[2] + "\n",
        "drug 'SIM-D1' and gene 'SIMG2' stand in line 3 and in line 6; keep one row for each pair",
    ),
    "no drug": (de("gene", "stat"), r"no column says which drug a row belongs to \(found: gene, stat\)"),
    "two p": (
        DE.replace("baseMean", "P.Value"),
        "columns 'P.Value' and 'pvalue' both look like the p-value; keep one of them",
    ),
    "adjusted p only": (
        de("drug", "gene", "log2FoldChange", "padj"),
        r"has adjusted p-values \(column 'padj'\) but no raw ones, which are needed; add the column 'pvalue'",
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
        "column 'stat' has no negative value and none of log2 fold changes",
    ),
    "p beyond 1": (
        de("drug", "gene", "log2FoldChange", pvalue=["0.1", "1.5", "1", "1"]),
        "line 3, column 'pvalue': 1.5 is no p-value, which lies between 0 and 1; correct it",
    ),
    "negative p": (
        de("drug", "gene", "log2FoldChange", pvalue=["0.1", "-0.5", "1", "1"]),
        "line 3, column 'pvalue': -0.5 is no p-value",
    ),
    "no standard error": (
        de("drug", "gene", "log2FoldChange", lfcSE=["0.1", "0", "1", "1"]),
        "line 3, column 'lfcSE': 0 is no standard error, which is greater than 0",
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
    hole = Z.T.astype(object)
    hole.iloc[2, 1] = "NA"
    with pytest.raises(AssayError, match="gene 'SIMG3' has no value in signature 'SIM-D2'; remove one"):
        read_assay(save(tmp_path, hole, ".gct"), KNOWN)
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


@pytest.mark.parametrize("name", ["a.docx", "a.xls", "a.h5ad", "a"])
def test_a_file_in_no_format(tmp_path, name):
    message = (
        r"cannot read '.*' files; save it as .csv.* or as .gct or .gctx \(formats: gct, long_table, wide_t"
    )
    with pytest.raises(AssayError, match=message):
        read_assay(write(tmp_path, "x", name), KNOWN)
    with pytest.raises(AssayError, match="no such file"):
        read_assay(tmp_path / f"other_{name}", KNOWN)


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
        AssayError, match="is in format mine and yours alike; rename its columns, or the file"
    ):
        read_assay(write(tmp_path, "gene,A1,IC50\nSIMG1,1,2\n"), KNOWN)
