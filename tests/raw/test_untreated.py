"""Untreated expression in every unit and shape."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from anchordrug.errors import RawDataError
from anchordrug.raw.line_tables import read_identities
from anchordrug.raw.untreated import Known, read_untreated
from tests.raw.anndata_made import write_folder, write_h5ad

COUNTS = "gene,A549_1,A549_2\nSIMG1,0,10\nSIMG2,750,500\nSIMG3,250,490\n"


def write(folder, content, name="u.csv"):
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def read(folder, content, *lines, name="u.csv"):
    return read_untreated(write(folder, content, name), lines or ("A549",))


def test_counts(tmp_path):
    table = read(tmp_path, COUNTS)
    cpm = np.array([[0, 750_000, 250_000], [10_000, 500_000, 490_000]])
    np.testing.assert_allclose(table, [np.log2(cpm + 1).mean(axis=0)])
    assert table.index.tolist() == ["A549"]
    assert table.columns.tolist() == ["SIMG1", "SIMG2", "SIMG3"]
    assert table.attrs["unit"] == "counts"
    assert table.attrs["samples"] == {"A549": ["A549_1", "A549_2"]}
    assert table.attrs["likeness"] == {"A549": pytest.approx(1)}
    assert table.attrs["left_out"] == ()


@pytest.mark.parametrize(
    "names",
    [
        ("__no_feature", "__ambiguous"),
        ("N_unmapped", "N_noFeature"),
        ("ERCC-00002", "ERCC-00171"),
        ("Total", "*"),
    ],
)
def test_rows_that_are_no_genes_are_left_out(tmp_path, names):
    """They would change the unit and the size of a sample."""
    content = COUNTS + "".join(f"{name},5000000,1\n" for name in names)
    table = read(tmp_path, content)
    pd.testing.assert_frame_equal(table, read(tmp_path, COUNTS))
    assert table.attrs["left_out"] == names
    columns = pd.read_csv(tmp_path / "u.csv").set_index("gene").T
    across = read(tmp_path, columns.assign(**dict.fromkeys(names, 3000)).to_csv(), name="across.csv")
    pd.testing.assert_frame_equal(across, table)
    assert across.attrs["left_out"] == names


def test_counts_that_happen_to_add_up_to_a_million(tmp_path):
    table = read(tmp_path, "gene,A549\nSIMG1,0\nSIMG2,900000\nSIMG3,100000\n")
    np.testing.assert_allclose(table, [np.log2([1, 900001, 100001])])
    assert table.attrs["unit"] == "counts"


def test_a_single_sample_in_a_row(tmp_path):
    table = read(tmp_path, ",SIMG1,SIMG2,SIMG3\nuntreated,1,2.5,3\n")
    assert table.columns.tolist() == ["SIMG1", "SIMG2", "SIMG3"]
    assert table.attrs["samples"] == {"A549": ["untreated"]}


def test_tpm(tmp_path):
    table = read(tmp_path, "gene,TPM\nSIMG1,0\nSIMG2,700000.5\nSIMG3,250000\n")
    np.testing.assert_allclose(table, [np.log2([1, 700001.5, 250001])])
    assert table.attrs["unit"] == "TPM"
    assert table.attrs["samples"] == {"A549": ["TPM"]}
    assert np.isnan(table.attrs["likeness"]["A549"])


@pytest.mark.parametrize("values", [[0.5, 12, 3.25], [-9.97, 12, 3.25]])
def test_log2(tmp_path, values):
    rows = "\n".join(f"SIMG{number},{value}" for number, value in enumerate(values))
    table = read(tmp_path, f"gene,value\n{rows}\n")
    np.testing.assert_array_equal(table, [values])
    assert table.attrs["unit"] == "log2"


def test_lines_get_their_samples_in_the_order_asked_for(tmp_path):
    content = (
        "gene,MCF-7 rep1,a549,MCF7.2,MCF7,HeLa\nSIMG1,1,4,2,3,9\nSIMG2,2.5,12.5,2.5,3.5,9\nSIMG3,3,5,2,3,9\n"
    )
    table = read(tmp_path, content, "A549", "MCF7")
    np.testing.assert_allclose(table, [[4, 12.5, 5], [2, 8.5 / 3, 8 / 3]])
    assert table.attrs["samples"] == {"A549": ["a549"], "MCF7": ["MCF-7 rep1", "MCF7.2", "MCF7"]}


def test_the_longest_name_wins_and_a_longer_word_is_another_line(tmp_path):
    content = (
        "gene,HEK_TE_1,HEK_1,HEK2\nSIMG1,1.5,2.5,3.5\nSIMG2,9.5,9.5,9.5\nSIMG3,1.5,1.5,1.5\nSIMG4,1,2,3\n"
    )
    table = read(tmp_path, content, "HEK", "HEKTE")
    assert table.attrs["samples"] == {"HEK": ["HEK_1"], "HEKTE": ["HEK_TE_1"]}


def test_a_single_line_takes_only_samples_of_its_name_if_there_are_any(tmp_path):
    assert read(tmp_path, COUNTS.replace("A549_2", "MCF7_1")).attrs["samples"] == {"A549": ["A549_1"]}
    renamed = COUNTS.replace("A549_", "replicate")
    assert read(tmp_path, renamed).attrs["samples"] == {"A549": ["replicate1", "replicate2"]}


def test_columns_that_describe_genes(tmp_path):
    content = "Geneid,Chr,Start,End,Strand,Length,gene_name,A549\nENSG1,chr1,1,2,+,100,X,5\n"
    content += "ENSG2,chr1,1,2,+,100,X,500\n"
    table = read(tmp_path, content)
    assert table.columns.tolist() == ["ENSG1", "ENSG2"]
    assert table.attrs["samples"] == {"A549": ["A549"]}


def test_a_gene_column_that_is_not_first(tmp_path):
    table = read(tmp_path, "Chr,Start,symbol,A549\n1,7,SIMG1,5\n1,9,SIMG2,500\n1,11,SIMG3,5\n1,12,SIMG4,5\n")
    assert table.columns.tolist() == ["SIMG1", "SIMG2", "SIMG3", "SIMG4"]


def test_transposed_with_a_column_of_cell_lines(tmp_path):
    content = ",cell_line,batch,SIMG1,SIMG2,SIMG3,SIMG4\ns1,A549,x,1,2.5,3,4\ns2,MCF7,y,5,6.5,7,8\n"
    table = read(tmp_path, content, "MCF7", "A549")
    np.testing.assert_array_equal(table, [[5, 6.5, 7, 8], [1, 2.5, 3, 4]])


@settings(max_examples=25)
@given(
    samples=st.lists(st.lists(st.integers(0, 5000), min_size=5, max_size=5), min_size=1, max_size=3),
    lines=st.lists(st.sampled_from(["A549", "MCF7"]), min_size=3, max_size=3),
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_the_shape_of_the_file_does_not_matter(tmp_path_factory, suffix, samples, lines):
    folder = tmp_path_factory.mktemp("u")
    names = [f"{line}_{number}" for number, line in enumerate(lines[: len(samples)])]
    down = pd.DataFrame(samples, names, [f"SIMG{number}" for number in range(5)]).T + 100
    wanted = sorted(set(lines[: len(samples)]))
    tables = []
    for position, frame in enumerate((down, down.T)):
        path = folder / f"{position}{suffix}"
        frame = frame.rename_axis("name").reset_index()
        if suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
        tables.append(read_untreated(path, wanted))
    pd.testing.assert_frame_equal(*tables)
    cpm = down / down.sum() * 1e6
    for line in wanted:
        mine = [name for name in names if name.startswith(line)]
        np.testing.assert_allclose(tables[0].loc[line], np.log2(cpm[mine] + 1).mean(axis=1), rtol=1e-12)


def test_a_gene_twice_is_kept_for_the_caller(tmp_path):
    assert read(tmp_path, COUNTS.replace("SIMG3", "SIMG1")).columns.tolist() == ["SIMG1", "SIMG2", "SIMG1"]


UNIT = "give raw counts, TPM of all genes, or log2 values"
HOSTILE = {
    "small whole numbers": (
        COUNTS.replace("750", "50").replace("500", "9").replace("250", "9").replace("490", "9"),
        UNIT,
    ),
    "FPKM": (
        "gene,A549\nSIMG1,0.5\nSIMG2,5000.5\nSIMG3,7.5\n",
        "the unit of column 'A549' is unclear .* sum 5008.5",
    ),
    "zeros": ("gene,A549\nSIMG1,0\nSIMG2,0\nSIMG3,0\n", UNIT),
    "negative counts": (COUNTS.replace("490", "-490"), "unit of column 'A549_2' is unclear .*-490 to 500"),
    "z-scores": (
        "gene,A549\nSIMG1,-1.5\nSIMG2,0.5\nSIMG3,1.7\n",
        "-1.5 to 1.7, which look centred or scaled",
    ),
    "two units": (
        "Name,TPM,NumReads\nSIMG1,500000.5,700\nSIMG2,499999.5,200\nSIMG3,1,2\n",
        "column 'TPM' looks like TPM, column 'NumReads' like counts; keep the samples of one unit",
    ),
    "text": (COUNTS.replace("490", "x"), "line 4, column 'A549_2': 'x' is not a number"),
    "missing value": (COUNTS.replace("490", "NA"), "line 4, column 'A549_2' has no value"),
    "date": (
        COUNTS.replace("SIMG2", "2-Sep"),
        r"a spreadsheet turned 1 gene name into dates: line 3 is '2-Sep' \(was SEPTIN2",
    ),
    "date in the header": ("s,2-Sep,B,C\nA549,1,2,3.5\n", "column '2-Sep' is '2-Sep'"),
    "no gene name": (COUNTS.replace("SIMG2", ""), "line 3 names no gene; name it"),
    "no gene name in the header": ("s,A,,C\nA549,1,2,3.5\n", "column 3 names no gene; name it"),
    "index of a data frame": (",gene,A549\n0,SIMG1,5\n1,SIMG2,500\n2,SIMG3,7\n", "column 1 names no sample"),
    "only genes": ("gene,symbol\nSIMG1,A\nSIMG2,B\n", "no column of values next to its gene names"),
    "only metadata": (
        "cell_line,batch,dose\nA549,2,3\n",
        "no column of a gene .found: cell_line, batch, dose",
    ),
    "square": ("x,S1,S2\nS3,1,2\nS4,3,4.5\n", "as many rows as columns.* as in 'A549_1'"),
    "empty": ("", "u.csv: is empty"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_unusable_files(tmp_path, content, message):
    with pytest.raises(RawDataError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert "u.csv: " in str(caught.value)


def test_a_line_without_samples(tmp_path):
    message = r"no sample of cell line MCF7 \(samples: A549_1, A549_2\); let the names of .* as in 'MCF7_1'"
    with pytest.raises(RawDataError, match=message):
        read(tmp_path, COUNTS, "A549", "MCF7")


@pytest.mark.real
def test_the_real_expression_matrix(lincs):
    path = lincs / "basal_expression_n164x978.csv.gz"
    names = pd.read_csv(path, usecols=[0]).iloc[:, 0].tolist()[:3]
    table = read_untreated(path, names)
    assert table.attrs["unit"] == "log2"
    np.testing.assert_array_equal(table, pd.read_csv(path, index_col=0).loc[names])


# Which samples are the cell line's

GENES = 200


def table_of(folder, columns, name="lines.csv"):
    index = pd.Index([f"SIMG{number}" for number in range(GENES)], name="gene")
    pd.DataFrame(columns, index=index).round(4).to_csv(folder / name)
    return folder / name


def line(seed, noise=0.0, of=0):
    """Return log2 expression of a line, and with `noise` of a replicate of it."""
    values = np.random.default_rng([1, of]).normal(8, 2, GENES)
    return values + np.random.default_rng(seed).normal(0, 1, GENES) * noise


OTHERS = {"A549_LUNG": line(1, of=1), "HL60_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE": line(2, of=2)}


@pytest.mark.parametrize(
    ("target", "sample"),
    [
        ("H1975", "NCIH1975_LUNG"),
        ("NCI-H1975", "H1975_rep1"),
        ("THP-1", "THP1_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE"),
        ("u2os", "U-2 OS"),
        ("MDA.MB.231", "MDA-MB-231 untreated"),
    ],
)
def test_the_sample_of_a_line_is_found_among_others(tmp_path, target, sample):
    path = table_of(tmp_path, {**OTHERS, sample: line(3)})
    read = read_untreated(path, [target])
    assert read.attrs["samples"] == {target: [sample]}
    np.testing.assert_allclose(read.iloc[0], line(3), atol=1e-4)


def test_samples_are_found_by_the_ids_of_depmap(tmp_path):
    (tmp_path / "Model.csv").write_text("ModelID,CCLEName\nACH-000587,NCIH1975_LUNG\nACH-000001,NIHOVCAR3\n")
    known = Known(identities=read_identities(tmp_path))
    path = table_of(tmp_path, {"ACH-000001": line(1, of=1), "ACH-000587": line(3)})
    assert read_untreated(path, ["H1975"], known).attrs["samples"] == {"H1975": ["ACH-000587"]}
    with pytest.raises(
        RawDataError, match=r"put DepMap's Model\.csv next to it, which names the line of 'ACH-0"
    ):
        read_untreated(path, ["H1975"])


def test_a_table_of_depmap_with_lineages(tmp_path):
    index = pd.Index(["ACH-000001", "ACH-000587"], name="depmap_id")
    table = pd.DataFrame([line(1, of=1), line(3)], index, [f"SIMG{number}" for number in range(GENES)])
    table.insert(0, "cell_line_display_name", ["NIHOVCAR3", "NCIH1975"])
    table.insert(1, "lineage_1", ["Ovary", "Lung"])
    table.to_csv(tmp_path / "depmap.csv")
    read = read_untreated(tmp_path / "depmap.csv", ["H1975"])
    assert read.attrs["samples"] == {"H1975": ["NCIH1975"]}
    np.testing.assert_allclose(read.iloc[0], line(3))


def test_samples_of_other_names_are_averaged_where_they_are_alike(tmp_path):
    replicates = {f"well_{number}": line(number, 0.3) for number in range(3)}
    read = read_untreated(table_of(tmp_path, replicates), ["MYLINE"])
    assert read.attrs["samples"] == {"MYLINE": ["well_0", "well_1", "well_2"]}
    assert 0.9 < read.attrs["likeness"]["MYLINE"] < 1
    np.testing.assert_allclose(read.iloc[0], np.mean(list(replicates.values()), axis=0), atol=1e-4)


def test_lines_of_other_names_are_refused(tmp_path):
    columns = {f"ACC-{number}": line(0, of=number) for number in range(8)} | {"NCIH1975_LUNG": line(0, of=9)}
    with pytest.raises(RawDataError) as error:
        read_untreated(table_of(tmp_path, columns), ["H1976"])
    told = str(error.value)
    assert (
        "lines.csv: none of its 9 samples has the name of H1976 (ACC-0, ACC-1, ACC-2, ACC-3, ACC-4 and 4 "
        in told
    )
    assert "too different to be of one cell line (rank correlations from -0." in told
    assert told.endswith("as in 'H1976_1'; did you mean 'NCIH1975_LUNG'?")


def test_samples_are_compared_by_the_genes_that_are_asked_for(tmp_path):
    """Genes that are on or off in every line make all lines alike."""
    common = np.random.default_rng(5).normal(8, 4, GENES)
    columns = {
        f"s{number}": np.where(np.arange(GENES) < 50, line(0, of=number), common) for number in range(3)
    }
    path = table_of(tmp_path, columns)
    few = Known(compared=lambda genes: np.arange(len(genes)) < 50)
    with pytest.raises(RawDataError, match="too different to be of one cell line"):
        read_untreated(path, ["MYLINE"], few)


def test_a_single_sample_of_another_line_is_refused(tmp_path):
    path = table_of(tmp_path, {"A549_LUNG": line(1, of=1)})
    with pytest.raises(RawDataError, match=r"'A549_LUNG' is of the cell line A549; let the names"):
        read_untreated(path, ["MYLINE"], Known(lines=["A549", "THP1"]))
    assert read_untreated(path, ["A-549"], Known(lines=["THP1"])).attrs["samples"] == {"A-549": ["A549_LUNG"]}


def test_a_sample_of_a_line_whose_name_is_longer_is_not_the_target_s(tmp_path):
    path = table_of(tmp_path, {"A549_1": line(1), "A549.101_1": line(1, of=1)})
    read = read_untreated(path, ["A549"], Known(lines=["A549.101"]))
    assert read.attrs["samples"] == {"A549": ["A549_1"]}


# ---- AnnData and folders of matrices ----

VAR = pd.DataFrame({"symbol": ["SIMG1", "SIMG2", "SIMG3"]}, index=["a_1", "a_2", "a_3"])


def test_untreated_samples_of_anndata(tmp_path):
    obs = pd.DataFrame(
        {"cell_line": ["A549", "A549", "MCF7", "A549"], "drug": ["DMSO", "dmso", "DMSO", "x"]},
        index=["s1", "s2", "s3", "s4"],
    )
    x = csr_matrix(np.array([[0, 750, 250], [10, 500, 490], [9, 9, 900], [900, 0, 9]], np.float32))
    table = read_untreated(write_h5ad(tmp_path / "a.h5ad", np.log1p(x), obs, VAR, counts=x), ["A549"])
    pd.testing.assert_frame_equal(table, read(tmp_path, COUNTS))
    assert table.attrs["samples"] == {"A549": ["A549_s1", "A549_s2"]}
    assert table.attrs["notes"] == ("read counts of 3 samples; 1 treated sample is left out",)


def test_single_cells_are_added_up_by_cell_line_and_replicate(tmp_path, monkeypatch):
    monkeypatch.setattr("anchordrug.raw.expression_table._MOST_SAMPLES", 5)
    obs = pd.DataFrame(
        {"cell_type": "A549", "replicate": [1, 1, 2, 2, 2, 1], "vehicle": [True] * 5 + [False]},
        index=[f"c{n}" for n in range(6)],
    )
    x = np.array([[0, 700, 250], [0, 50, 0], [5, 250, 200], [5, 0, 290], [0, 250, 0], [9, 9, 9]], np.float32)
    table = read_untreated(write_h5ad(tmp_path / "a.h5ad", csr_matrix(x), obs, VAR), ["A549"])
    pd.testing.assert_frame_equal(table, read(tmp_path, COUNTS))
    assert table.attrs["samples"] == {"A549": ["A549_1", "A549_2"]}
    assert table.attrs["notes"][1] == "they are added up to 2 samples by cell line, plate and replicate"


def test_a_folder_of_a_matrix(tmp_path):
    counts = pd.DataFrame(
        [[0, 10], [750, 500], [250, 490]], ["SIMG1", "SIMG2", "SIMG3"], ["A549_1", "A549_2"]
    )
    table = read_untreated(write_folder(tmp_path / "raw", counts), ["A549"])
    pd.testing.assert_frame_equal(table, read(tmp_path, COUNTS))
