"""CMap's metadata tables, of both releases and in the state in which people have them."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.errors import RawDataError
from anchordrug.raw.tables import canonical_signatures, read_compounds, read_genes, read_signatures

SIGINFO = (
    "sig_id\tpert_id\tcmap_name\tcell_iname\tpert_type\tpert_dose\tpert_dose_unit\tpert_idose\tpert_time\t"
    "pert_time_unit\tpert_itime\tis_gold\tcc_q75\tpct_self_rank_q25\n"
    "SIM:1\tSIM-D1\tone\tSIMA\ttrt_cp\t10.0\tuM\t10 uM\t24.0\th\t24 h\t1\t0.5\t2\n"
    "SIM:2\tSIM-D2\ttwo\tSIMB\ttrt_cp\t-666\t-666\t500 nM\t-666\t-666\t6 h\t0\t-666\t-666\n"
)
SIGINFO_2017 = (
    "sig_id\tpert_id\tpert_iname\tpert_type\tcell_id\tpert_dose\tpert_dose_unit\tpert_idose\tpert_itime\t"
    "distil_cc_q75\n"
    "SIM:1\tSIM-D1\tone\ttrt_cp\tSIMA\t10.0\tµM\t10 µM\t24 h\t0.5\n"
)
COLUMNS = [
    "sig_id",
    "drug_id",
    "cell_line",
    "assay",
    "pert_type",
    "dose_um",
    "time_h",
    "is_gold",
    "cc_q75",
    "pct_self_rank_q25",
]


def write(path, content, encoding="utf-8"):
    data = content.encode(encoding)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def test_signatures_of_2020(tmp_path):
    table = read_signatures(write(tmp_path / "siginfo_beta.txt", SIGINFO))
    assert list(table.columns) == COLUMNS
    assert table["drug_id"].tolist() == ["SIM-D1", "SIM-D2"]
    assert table["cell_line"].tolist() == ["SIMA", "SIMB"]
    np.testing.assert_array_equal(table["dose_um"], [10, 0.5])
    np.testing.assert_array_equal(table["time_h"], [24, 6])
    np.testing.assert_array_equal(table["is_gold"], [1, 0])
    np.testing.assert_array_equal(table["cc_q75"], [0.5, np.nan])
    np.testing.assert_array_equal(table["pct_self_rank_q25"], [2, np.nan])


@pytest.mark.parametrize("lines", ["!Version: 1\n!x\ty\n", "# exported\n\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_before_the_header_and_gzip_by_another_name(tmp_path, lines, packed):
    content = (lines + SIGINFO_2017).encode()
    (tmp_path / "siginfo_beta.txt").write_bytes(gzip.compress(content) if packed else content)
    expected = read_signatures(write(tmp_path / "plain.txt", SIGINFO_2017))
    pd.testing.assert_frame_equal(read_signatures(tmp_path / "siginfo_beta.txt"), expected)
    cut = lines + SIGINFO_2017 + "SIM:2\tSIM-D1\n"
    with pytest.raises(RawDataError, match=f"line {cut.count(chr(10))} has 2 fields, but the header has 10"):
        read_signatures(write(tmp_path / "cut.txt", cut))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["GSE_sig_info.txt", "GSE_sig_info.txt.gz"])
def test_signatures_of_2017(tmp_path, name, line_end, encoding):
    table = read_signatures(write(tmp_path / name, SIGINFO_2017.replace("\n", line_end), encoding))
    assert list(table.columns) == COLUMNS
    assert table.iloc[0, :7].tolist() == ["SIM:1", "SIM-D1", "SIMA", "L1000", "trt_cp", 10.0, 24.0]
    assert table["cc_q75"].tolist() == [0.5]
    assert table[["is_gold", "pct_self_rank_q25"]].isna().all(axis=None)


def test_a_stray_latin1_byte_leaves_the_rest_utf8(tmp_path):
    content = "pert_id\tcmap_name\tcanonical_smiles\nSIM-D1\té-one\tC\n".encode() + b"SIM-D2\t\xb5-two\tC\n"
    path = tmp_path / "compoundinfo_beta.txt"
    path.write_bytes(content)
    assert read_compounds(path)["name"].tolist() == ["é-one", "µ-two"]


@pytest.mark.parametrize(
    ("text", "dose"),
    [
        ("10 uM", 10),
        ("10.0 um", 10),
        ("10 µM", 10),
        ("10 μM", 10),
        ("10uM", 10),
        ("500 nM", 0.5),
        ("1e4 nM", 10),
        (".5 uM", 0.5),
        ("1 mM", 1000),
        ("-10 uM", np.nan),
        ("10 ng/mL", np.nan),
        ("10", np.nan),
        ("high", np.nan),
        ("uM", np.nan),
        ("10 uM & 5 uM", np.nan),
        ("-666", np.nan),
        ("", np.nan),
    ],
)
def test_doses(tmp_path, text, dose):
    frame = pd.DataFrame(
        {"sig_id": ["a"], "pert_id": ["b"], "cell_id": ["c"], "pert_idose": [text], "pert_itime": "24 h"},
        dtype="str",
    )
    np.testing.assert_allclose(canonical_signatures(frame, tmp_path)["dose_um"], [dose])


@pytest.mark.parametrize(
    ("dose", "unit", "joint", "expected"),
    [
        ("3.33", "uM", "10 uM", 3.33),
        ("-666", "uM", "10 uM", 10),
        ("-3", "uM", "10 uM", 10),
        ("3.33", "-666", "10 uM", 10),
        ("3.33", "%", "-666", np.nan),
        (3.33, "nM", "10 uM", 0.00333),
        (np.nan, "nM", "10 uM", 10),
    ],
)
def test_dose_and_unit_win_over_their_joint_text_if_they_can_be_read(tmp_path, dose, unit, joint, expected):
    frame = pd.DataFrame(
        {
            "sig_id": ["a"],
            "pert_id": ["b"],
            "cell_id": ["c"],
            "pert_dose": [dose],
            "pert_dose_unit": [unit],
            "pert_idose": [joint],
            "pert_itime": ["24 h"],
        }
    )
    np.testing.assert_allclose(canonical_signatures(frame, tmp_path)["dose_um"], [expected])


@pytest.mark.parametrize(
    ("text", "hours"),
    [("24 h", 24), ("6 hr", 6), ("90 min", 1.5), ("1 d", 24), ("24 h & 4 h", np.nan), ("-24 h", np.nan)],
)
def test_times(tmp_path, text, hours):
    frame = pd.DataFrame(
        {"sig_id": ["a"], "pert_id": ["b"], "cell_id": ["c"], "pert_idose": ["10 uM"], "pert_itime": [text]}
    )
    np.testing.assert_allclose(canonical_signatures(frame, tmp_path)["time_h"], [hours])


def test_metadata_inside_a_gctx_serves_as_siginfo(tmp_path):
    frame = pd.DataFrame(
        {
            "sig_id": ["a", "b"],
            "cell_id": ["SIMA", "SIMB"],
            "pert_id": ["D1", "D2"],
            "pert_idose": ["10 µM", "10 µM"],
            "pert_itime": ["6 h", "6 h"],
            "distil_cc_q75": np.array([0.18, np.nan], dtype=np.float32),
            "is_gold": np.array([0, 1], dtype=np.float32),
        },
        index=[7, 9],
    )
    table = canonical_signatures(frame, tmp_path)
    assert list(table.columns) == COLUMNS
    assert table.index.tolist() == [0, 1]
    assert table["pert_type"].tolist() == ["trt_cp", "trt_cp"]
    np.testing.assert_array_equal(table["cc_q75"], [0.18, np.nan])
    np.testing.assert_array_equal(table["is_gold"], [0, 1])


def test_names_that_a_gctx_has_as_numbers(tmp_path):
    """A missing value makes whole numbers floats."""
    frame = pd.DataFrame(
        {
            "sig_id": ["a", "b"],
            "pert_id": [101, 102],
            "cell_id": np.array([5637, np.nan], dtype=np.float32),
            "pert_dose": [10.0, 2.5],
            "pert_dose_unit": "uM",
            "pert_itime": "6 h",
        }
    )
    table = canonical_signatures(frame, tmp_path)
    assert table["cell_line"].dropna().tolist() == ["5637"]
    assert table["drug_id"].tolist() == ["101", "102"]
    assert table["dose_um"].tolist() == [10, 2.5]


def test_compounds_are_merged_by_drug(tmp_path):
    content = (
        "pert_id\tcmap_name\ttarget\tmoa\tcanonical_smiles\tinchi_key\tcompound_aliases\n"
        'SIM-D2\t5"-two\tT2\tM2\t-666\tKEY2\t""\n'
        'SIM-D1\tone\tT1\tM1\t""\t\tx\n'
        "SIM-D2\tsecond name\tT1|T3\tM1\tCCO\tKEY2\tx\n"
        "SIM-D2\tsecond name\tT1|T3\tM1\tCCO\tKEY2\tx\n"
        'SIM-D2\tsecond name\t-666\tM2\tCCN\tKEY2\t"x"\n'
    )
    table = read_compounds(write(tmp_path / "compoundinfo_beta.txt", content))
    assert table.to_dict("list") == {
        "drug_id": ["SIM-D2", "SIM-D1"],
        "name": ['5"-two', "one"],
        "smiles": ["CCO", None],
        "inchikey": ["KEY2", None],
        "moa": ["M1|M2", "M1"],
        "target": ["T1|T2|T3", "T1"],
    }


def test_compounds_without_annotation_columns(tmp_path):
    content = "pert_id\tpert_iname\tinchi_key\tcanonical_smiles\nSIM-D1\tone\tKEY\tCCO\n"
    table = read_compounds(write(tmp_path / "GSE_pert_info.txt", content))
    assert table.to_dict("list") == {
        "drug_id": ["SIM-D1"],
        "name": ["one"],
        "smiles": ["CCO"],
        "inchikey": ["KEY"],
        "moa": [None],
        "target": [None],
    }


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (
            "gene_id\tgene_symbol\tfeature_space\n1\tA\tlandmark\n2\tB\tinferred\n",
            ["gene_id", "gene", "feature_space"],
        ),
        ("pr_gene_id\tpr_gene_symbol\n1\tA\n2\tB\n1\tA\n", ["gene_id", "gene"]),
        ('"gene_id"\t"gene_symbol"\n"1"\t"A"\n2\tB\n\n', ["gene_id", "gene"]),
    ],
)
def test_genes(tmp_path, content, columns):
    table = read_genes(write(tmp_path / "geneinfo_beta.txt", content))
    assert list(table.columns) == columns
    assert table["gene_id"].tolist() == ["1", "2"]
    assert table["gene"].tolist() == ["A", "B"]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.lists(st.sampled_from("xyz"), max_size=3)), min_size=1))
def test_every_mechanism_of_a_drug_survives_the_merge(tmp_path_factory, rows):
    lines = [f"{drug}\tC\t{'|'.join(moa)}" for drug, moa in rows]
    path = tmp_path_factory.mktemp("compounds") / "compoundinfo_beta.txt"
    table = read_compounds(write(path, "\n".join(["pert_id\tcanonical_smiles\tmoa", *lines])))
    expected: dict[str, set[str]] = {}
    for drug, moa in rows:
        expected.setdefault(drug, set()).update(moa)
    assert table["drug_id"].tolist() == list(expected)
    assert [set((moa or "").split("|")) - {""} for moa in table["moa"]] == list(expected.values())


GENES = "gene_id\tgene_symbol\n1\tA\n2\tB\n"
COMPOUNDS = "pert_id\tcanonical_smiles\nSIM-D1\tC\n"
HOSTILE = {
    "missing": (read_genes, None, "no such file; check the name"),
    "empty": (read_genes, "", "no column gene_id or pr_gene_id; gene_symbol or pr_gene_symbol; found: "),
    "no rows": (read_genes, GENES.splitlines()[0], "has a header but no rows"),
    "commas": (read_genes, GENES.replace("\t", ","), "found: gene_id,gene_symbol"),
    "html": (read_genes, "<!DOCTYPE html><html>", r"is a web page \(HTML\).*download the file itself"),
    "near match": (read_genes, GENES.replace("gene_symbol", "gene_symbl"), "did you mean 'gene_symbl'"),
    "column twice": (read_genes, "gene_id\tgene_symbol\tgene_id\n1\tA\t1\n", "column 'gene_id' occurs twice"),
    "row names": (
        read_genes,
        "gene_id\tgene_symbol\nr1\t1\tA\n",
        "line 2 has 3 fields, but the header has 2",
    ),
    "one field too many": (read_genes, GENES + "3\tC\tD\n", "line 4 has 3 fields, but the header has 2"),
    "cut": (read_genes, GENES + "3", "line 4 has 1 field, but the header has 2; the file is cut"),
    "two symbols": (read_genes, GENES + "1\tC\n", "gene id '1' has the symbols 'A' and 'C'; keep one"),
    "no gene id": (read_genes, GENES + "-666\tC\n", "data row 3 has no gene id"),
    "no drug id": (read_compounds, COMPOUNDS + '""\tC\n', "data row 2 has no pert_id"),
    "no structures": (
        read_compounds,
        "pert_id\tsmiles\nSIM-D1\tC\n",
        "no column canonical_smiles; found: pert_id, smiles",
    ),
    "no cell line": (
        read_signatures,
        SIGINFO.replace("cell_iname", "cell"),
        "no column cell_iname or cell_id; found: sig_id",
    ),
    "no dose unit": (
        read_signatures,
        SIGINFO.replace("pert_idose", "idose").replace("pert_dose_unit", "unit"),
        r"no column pert_idose or pert_dose \+ pert_dose_unit",
    ),
    "signature twice": (
        read_signatures,
        SIGINFO + SIGINFO.splitlines()[1] + "\n",
        "sig_id 'SIM:1' occurs twice, in data rows 1 and 3; keep one",
    ),
    "no signature id": (read_signatures, SIGINFO.replace("SIM:2", ""), "data row 2 has no sig_id"),
    "gold is a word": (
        read_signatures,
        SIGINFO.replace("24 h\t1\t", "24 h\tyes\t"),
        "is_gold in data row 1 is 'yes', expected 1, 0 or nothing",
    ),
    "gold is two": (
        read_signatures,
        SIGINFO.replace("24 h\t1\t", "24 h\t2\t"),
        "is_gold in data row 1 is '2'",
    ),
    "quality is a word": (
        read_signatures,
        SIGINFO.replace("\t0.5\t", "\thigh\t"),
        "cc_q75 in data row 1 is 'high', expected a number or nothing",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_table_is_explained_in_one_line(tmp_path, name):
    read, content, message = HOSTILE[name]
    path = tmp_path / "bad.txt"
    if content is not None:
        write(path, content)
    with pytest.raises(RawDataError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GENES.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"plain text", "no column gene_id .*found: plain text"),
        (
            gzip.compress((GENES + "3\tC\n" * 9999).encode(), mtime=0)[:-20],
            "damaged or cut, download it again",
        ),
        (gzip.compress(GENES.encode(), mtime=0)[:20] + bytes(30), "damaged or cut, download it again"),
    ],
    ids=["utf-16", "text", "cut gzip", "damaged gzip"],
)
def test_bytes_that_are_no_table(tmp_path, data, message):
    path = tmp_path / ("bad.txt" if "UTF-16" in message else "bad.txt.gz")
    path.write_bytes(data)
    with pytest.raises(RawDataError, match=message):
        read_genes(path)
