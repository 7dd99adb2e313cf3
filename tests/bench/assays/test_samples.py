"""AnnData and folders of matrices as assay results: they give what the same numbers in a CSV give."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix

from anchordrug.bench.assays.claims import require_agreement
from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.bench.assays.placement import own_plate_map, placed
from anchordrug.bench.assays.reader import read_assay
from anchordrug.bench.assays.request import AssayRequest, BelongsError, ResultFile
from anchordrug.errors import AssayError
from anchordrug.schemas import PLATE_MAP
from tests.raw.anndata_made import write_folder, write_h5ad

GENES = ["SIMG1", "SIMG2", "SIMG3", "SIMG4"]
COUNTS = pd.DataFrame(
    [[0, 1, 2], [9, 12, 300], [7, 0, 1], [2, 5, 5]],
    pd.Index(GENES, name="gene"),
    ["P1_A01", "P1_A02", "P1_P24"],
)
X = COUNTS.to_numpy().T.astype(np.float32)
WELLS = pd.DataFrame(index=COUNTS.columns)
VAR = pd.DataFrame({"gene_symbols": GENES}, index=[f"probe-{n}" for n in range(4)])
Z = pd.DataFrame([[1.25, -2, 0.5, 0], [-3.5, 0.75, -1, 2]], ["SIM-D1", "SIM-D2"], GENES, float)

FORMS = {
    "dense": lambda path: write_h5ad(path / "a.h5ad", X, WELLS, VAR),
    "csr": lambda path: write_h5ad(path / "a.h5ad", csr_matrix(X), WELLS, VAR),
    "csc": lambda path: write_h5ad(path / "a.h5ad", csc_matrix(X), WELLS, VAR),
    "whole numbers": lambda path: write_h5ad(path / "a.h5ad", X.astype(np.int64), WELLS, VAR),
    "layer": lambda path: write_h5ad(path / "a.h5ad", np.log1p(X), WELLS, VAR, counts=csr_matrix(X)),
    "raw": lambda path: write_h5ad(path / "a.h5ad", np.log1p(X), WELLS, VAR, raw=X),
    "columns": lambda path: write_h5ad(path / "a.h5ad", X, columns_of_wells("c"), VAR),
    "folder": lambda path: write_folder(path / "raw", COUNTS),
    "packed folder": lambda path: write_folder(path / "raw", COUNTS, packed=True),
    "barcodes": lambda path: folder_of_barcodes(path / "raw"),
}


def columns_of_wells(prefix):
    wells = [name.split("_")[1] for name in COUNTS.columns]
    return pd.DataFrame({"plate": "P1", "well": wells}, index=[f"{prefix}{n}" for n in range(3)])


def folder_of_barcodes(folder):
    """A folder whose barcodes are described by a table, but for one that no well has."""
    table = columns_of_wells("ACG").rename_axis("barcode")
    extra = COUNTS.set_axis([f"{name}-1" for name in table.index], axis=1).assign(TTTT=3)
    write_folder(folder, extra, packed=True)
    table.iloc[::-1].to_csv(folder / "wells.csv")
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_the_same_counts_in_every_form(tmp_path, form):
    COUNTS.to_csv(tmp_path / "a.csv")
    expected = read_assay(tmp_path / "a.csv", set(GENES))
    found = read_assay(FORMS[form](tmp_path), set(GENES))
    assert isinstance(found, Counts)
    pd.testing.assert_frame_equal(found.values, expected.values)
    assert any(note.startswith("read ") and "genes by 'gene_" in note for note in found.notes)
    left_out = "1 of 4 samples are in no well and left out"
    assert (left_out in found.notes) == (form == "barcodes")


def test_a_layer_by_name(tmp_path):
    path = write_h5ad(tmp_path / "a.h5ad", X, WELLS, VAR, ambient=X + 1)
    np.testing.assert_array_equal(read_assay(path, set(GENES)).values, COUNTS)
    np.testing.assert_array_equal(read_assay(path, set(GENES), layer="ambient").values, COUNTS + 1)
    with pytest.raises(AssayError, match=r"a.h5ad: has no matrix 'ambiant'.*did you mean 'ambient'"):
        read_assay(path, set(GENES), layer="ambiant")
    COUNTS.to_csv(tmp_path / "a.csv")
    with pytest.raises(AssayError, match=r"a.csv: has one table, so it has no matrix 'X'; leave out --layer"):
        read_assay(tmp_path / "a.csv", set(GENES), layer="X")


def test_shares_of_reads_are_rounded(tmp_path):
    folder = write_folder(tmp_path / "raw", COUNTS + 0.3, name="UniqueAndMult-EM")
    found = read_assay(folder, set(GENES))
    np.testing.assert_array_equal(found.values, COUNTS)
    assert "shares of reads that map to several genes are rounded" in found.notes


@pytest.mark.parametrize(
    ("value", "fault"), [(-7, "-7 is negative"), (7.5, "7.5 is not a whole number"), (1e17, r"1e\+17 is too")]
)
def test_values_that_are_no_counts(tmp_path, value, fault):
    wrong = X.astype(np.float64)
    wrong[1, 2] = value
    with pytest.raises(AssayError, match=f"a.h5ad: gene 'SIMG3', well 'P1_A02': {fault}"):
        read_assay(write_h5ad(tmp_path / "a.h5ad", wrong, WELLS, VAR), set(GENES))


def test_a_gene_twice_and_a_missing_count(tmp_path):
    holes = X.copy()
    holes[1, 2] = np.nan
    var = pd.DataFrame(index=[*GENES[:3], "SIMG1"])
    found = read_assay(write_h5ad(tmp_path / "a.h5ad", holes, WELLS, var), set(GENES))
    assert found.genes == ["SIMG1", "SIMG2", "SIMG1"]
    assert any("1 of 4 genes (SIMG3) have missing values in some wells" in note for note in found.notes)


def test_no_gene_is_known(tmp_path):
    with pytest.raises(AssayError, match=r"neither a column nor the header names genes that are known"):
        read_assay(write_h5ad(tmp_path / "a.h5ad", X, WELLS, VAR[[]]), set(GENES))


# ---- profiles ----


@pytest.mark.parametrize("obs", [pd.DataFrame(index=Z.index), pd.DataFrame({"drug": Z.index}, ["s1", "s2"])])
@pytest.mark.parametrize("as_layer", [False, True])
def test_z_scores(tmp_path, obs, as_layer):
    x = np.zeros(Z.shape) if as_layer else Z.to_numpy()
    path = write_h5ad(tmp_path / "a.h5ad", x, obs, VAR, **({"z": Z.to_numpy()} if as_layer else {}))
    found = read_assay(path, set(GENES))
    assert isinstance(found, Profiles)
    assert found.kind == "z"
    pd.testing.assert_frame_equal(found.values, Z, check_names=False)


def test_a_drug_in_two_samples_and_one_without_name(tmp_path):
    path = write_h5ad(tmp_path / "a.h5ad", Z.to_numpy(), pd.DataFrame({"drug": "x"}, ["s1", "s2"]), VAR)
    with pytest.raises(AssayError, match="'x' is in observation 1 and in observation 2; give one profile"):
        read_assay(path, set(GENES))
    path = write_h5ad(
        tmp_path / "a.h5ad", Z.to_numpy(), pd.DataFrame({"drug": ["x", None]}, ["s1", "s2"]), VAR
    )
    with pytest.raises(AssayError, match="observation 2 names no drug; fill it in or remove it"):
        read_assay(path, set(GENES))


@pytest.mark.parametrize(
    ("layers", "kind", "values"),
    [
        (("log2FoldChange", "stat"), "statistic", Z),
        (("log2FoldChange", "lfcSE"), "log2_fold_change", Z / 4),
    ],
)
def test_layers_of_differential_expression(tmp_path, layers, kind, values):
    every = {"log2FoldChange": Z.to_numpy() / 4, "stat": Z.to_numpy(), "lfcSE": np.full(Z.shape, 0.25)}
    path = write_h5ad(
        tmp_path / "a.h5ad",
        Z.to_numpy() / 4,
        pd.DataFrame(index=Z.index),
        VAR,
        **{name: every[name] for name in layers},
    )
    found = read_assay(path, set(GENES))
    assert isinstance(found, Profiles)
    assert found.kind == kind
    pd.testing.assert_frame_equal(found.values, values, check_names=False)


# ---- single cells ----


def cells(**columns):
    """Twelve cells with counts, of two drugs and a control in one line; the last names no drug."""
    obs = pd.DataFrame(
        {"drug": [*["a"] * 4, *["b"] * 3, *["DMSO"] * 4, ""], "replicate": [1, 2] * 6, **columns},
        index=[f"cell{n}" for n in range(12)],
    )
    return obs, np.random.default_rng(0).poisson(3, (12, 4)).astype(np.float32)


def read_cells(tmp_path, obs, x):
    found = read_assay(write_h5ad(tmp_path / "a.h5ad", csr_matrix(x), obs, VAR), set(GENES))
    assert isinstance(found, Samples)
    return found


def plate_map_of(rows):
    """A plate map of (plate, well, drug, replicate, dose)."""
    names = ["plate", "well_position", "drug_id", "replicate", "concentration"]
    table = pd.DataFrame(rows, columns=names)
    kind = np.where(table["drug_id"] == "DMSO", "negcon", "trt")
    others = {"name": None, "InChIKey": None, "SMILES": None, "unit": "uM", "cell_line": "LINE"}
    return table.assign(pert_type=kind, **others)[list(PLATE_MAP.columns)]


MAP = plate_map_of(
    [
        *(
            ("P1", f"A0{place}", drug, replicate, 10.0)
            for place, (drug, replicate) in enumerate(
                [("A-ID", 1), ("b", 2), ("A-ID", 2), ("b", 1), ("c", 1)], start=1
            )
        ),
        *(("P1", f"B0{replicate}", "DMSO", replicate, 0.0) for replicate in (1, 2)),
    ]
)


def request_of(tmp_path, plate_map=MAP, lines=("LINE",)):
    return AssayRequest(plate_map, lines, ["A-ID", "b"], {"a": "A-ID"}, tmp_path / "asked.csv")


def test_cells_are_added_up_by_well(tmp_path):
    obs, x = cells(well=["A1", "A01", "A2", ""] * 3)
    found = read_assay(write_h5ad(tmp_path / "a.h5ad", csr_matrix(x), obs, VAR), set(GENES))
    assert found.values.columns.tolist() == [("", "A01"), ("", "A02")]
    is_first = obs["well"].isin(["A1", "A01"]).to_numpy()
    np.testing.assert_array_equal(found.values["", "A01"], x[is_first].sum(axis=0))
    assert "3 of 12 samples are in no well and left out" in found.notes
    assert "9 cells are added up to 2 wells of 3 to 6 cells" in found.notes
    assert any(note.endswith("those of the plate map; compared with it: 'drug'") for note in found.notes)
    assert not any("drug by" in note for note in found.notes)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("drug", "b", "the file says drug 'b', the plate map says drug 'A-ID'"),
        ("drug", "DMSO", "the file says it is a control, the plate map says drug 'A-ID'"),
        ("dose_nM", "1000", "the file says 1 uM, the plate map says 10 uM"),
        ("cell_line", "other", "the file says cell line 'other', the plate map says 'LINE'"),
        ("cell_line", "MCF7", "the file says cell line 'MCF7', the plate map says 'LINE'"),
        ("pert_type", "ctl_vehicle", "the file says it is a control, the plate map says drug 'A-ID'"),
        ("pert_type", "trt_cp", None),
        ("cell_type", "fibroblast", None),
        ("drug", "A", None),
        ("drug", "a name that nobody knows", None),
        ("dose", "10.4 uM", None),
        ("cell_line", "line", None),
    ],
)
def test_what_a_file_says_of_its_wells_is_compared_with_the_plate_map(tmp_path, column, value, told):
    obs = pd.DataFrame({"well": ["A1", "A2", "B1"], column: [value, "", ""]}, index=list("xyz"))
    x = np.arange(12).reshape(3, 4)
    found = read_assay(write_h5ad(tmp_path / "a.h5ad", csr_matrix(x), obs, VAR), set(GENES))
    plate_map = pd.concat([MAP, MAP[:1].assign(plate="P2", cell_line="OTHER")])
    file, request = ResultFile(tmp_path / "a.h5ad", "P1"), request_of(tmp_path, plate_map)
    if told is None:
        require_agreement(found.claims, found.path, file, request)
        return
    with pytest.raises(AssayError, match=re.escape(f"a.h5ad: plate P1, well A01: {told}; correct one")):
        require_agreement(found.claims, found.path, file, request)


@pytest.mark.parametrize(("column", "word"), [("pert_type", "trt_cp"), ("is_control", "False")])
def test_a_control_of_the_plate_map_that_the_file_calls_treated(tmp_path, column, word):
    obs = pd.DataFrame({"well": ["B1", "A1"], column: [word, word]}, index=list("xy"))
    path = write_h5ad(tmp_path / "a.h5ad", csr_matrix(np.arange(8).reshape(2, 4)), obs, VAR)
    found = read_assay(path, set(GENES))
    told = f"a.h5ad: plate P1, well B01: the file says it is treated ('{word}'), the plate map says it is a c"
    with pytest.raises(AssayError, match=re.escape(told)):
        require_agreement(found.claims, found.path, ResultFile(path, "P1"), request_of(tmp_path))


@pytest.mark.parametrize("layers", [False, True])
def test_profiles_say_the_dose_of_their_drugs(tmp_path, layers):
    obs = pd.DataFrame({"drug": ["A", "b"], "dose_nM": ["10000", "1000"]}, index=list("xy"))
    x = np.array([[1.5, -2.5, 0.5, -0.5], [2.5, -1.5, 1.5, -3.5]])
    more = {"stat": x, "pvalue": np.full(x.shape, 0.5)} if layers else {}
    path = write_h5ad(tmp_path / "a.h5ad", x, obs, VAR, **more)
    found = read_assay(path, set(GENES))
    told = "a.h5ad: drug 'b': the file says 1 uM, the plate map says 10 uM; correct one of them"
    with pytest.raises(AssayError, match=re.escape(told)):
        require_agreement(found.claims, found.path, ResultFile(path), request_of(tmp_path))


def test_cells_are_added_up_by_drug_and_placed_in_wells(tmp_path):
    obs, x = cells()
    samples = read_cells(tmp_path, obs, x)
    assert samples.table["cells"].sum() == 11
    assert "11 cells are added up to 6 samples of 1 to 2 cells by drug, replicate" in samples.notes
    assert "1 cells name no drug and are left out" in samples.notes
    counts = placed(samples, ResultFile(tmp_path / "a.h5ad"), request_of(tmp_path))
    drug_of = {(row.plate, row.well_position): row for row in MAP.itertuples()}
    assert len(counts.values.columns) == 6
    for well, column in counts.values.items():
        row = drug_of[well]
        name = {"A-ID": "a"}.get(row.drug_id, row.drug_id)
        own = (obs["drug"] == name) & (obs["replicate"] == row.replicate)
        np.testing.assert_array_equal(column, x[own.to_numpy()].sum(axis=0))


def test_controls_by_a_column_and_strangers(tmp_path):
    obs, x = cells(
        vehicle=[False] * 7 + [True] * 4 + [False], cell_line=["Line"] * 4 + ["OTHER"] * 3 + ["LINE"] * 5
    )
    obs.loc[obs["vehicle"], "drug"] = "S0000"
    samples = read_cells(tmp_path, obs, x)
    counts = placed(samples, ResultFile(tmp_path / "a.h5ad"), request_of(tmp_path))
    assert {well for _, well in counts.values.columns} == {"A01", "A03", "B01", "B02"}
    assert "2 samples (3 cells) of other drugs, doses or cell lines are left out (b)" in counts.notes


def test_doses_are_matched_in_one_unit(tmp_path):
    doses = [10000, 10000, 100, 100, 10000, 10000, 10000, 0, 0, 0, 0, 0]
    obs, x = cells(dose_nM=doses)
    counts = placed(read_cells(tmp_path, obs, x), ResultFile(tmp_path / "a.h5ad"), request_of(tmp_path))
    own = ((obs["drug"] == "a") & (obs["dose_nM"] == 10000) & (obs["replicate"] == 1)).to_numpy()
    np.testing.assert_array_equal(counts.values["P1", "A01"], x[own].sum(axis=0))
    obs, x = cells(dose=doses)
    with pytest.raises(
        AssayError, match=r"'a' has several doses \(10000, 100\) without a unit; name the col"
    ):
        placed(read_cells(tmp_path, obs, x), ResultFile(tmp_path / "a.h5ad"), request_of(tmp_path))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"dose_nM": "10 uM"},
            "column 'dose_nM' has '10 uM', and its units contradict each other (um and nm)",
        ),
        ({"dose_nM": 10, "dose_unit": "uM"}, "column 'dose_nM' has '10', and its units contradict"),
        ({"dose_uM": 10, "dose": "5 uM"}, "column 'dose_uM' has 10 uM, column 'dose' 5 uM; remove one"),
        ({"dose_uM": 10, "dose_nM": 10}, "column 'dose_uM' has 10 uM, column 'dose_nM' 0.01 uM"),
        ({"dose_uM": 10, "dose": "10000 nM"}, None),
        ({"dose_uM": 10, "dose": "high"}, None),
        ({"dose_uM": "10 uM", "dose_unit": "\u00b5M"}, None),
    ],
)
def test_doses_that_contradict_each_other(tmp_path, columns, told):
    obs, x = cells(**columns)
    path = write_h5ad(tmp_path / "a.h5ad", csr_matrix(x), obs, VAR)
    if told is None:
        assert (read_assay(path, set(GENES)).table["dose_um"].dropna() == 10).all()
        return
    with pytest.raises(AssayError, match=re.escape(told)):
        read_assay(path, set(GENES))


def test_a_drug_at_another_dose_than_the_plate_map_has_is_left_out(tmp_path):
    obs, x = cells()
    obs["dose_um"] = np.where(obs["drug"] == "a", 1.0, 10.0)
    counts = placed(read_cells(tmp_path, obs, x), ResultFile(tmp_path / "a.h5ad"), request_of(tmp_path))
    assert {well for _, well in counts.values.columns} == {"A02", "A04", "B01", "B02"}
    assert any("of other drugs, doses or cell lines are left out (a)" in note for note in counts.notes)


def test_samples_that_cannot_be_placed(tmp_path):
    file = ResultFile(tmp_path / "a.h5ad")
    obs, x = cells()
    samples = read_cells(tmp_path, obs, x)
    with pytest.raises(BelongsError, match="does not say of which cell line its samples are; name one of"):
        placed(samples, file, request_of(tmp_path, lines=("LINE", "OTHER")))
    two = pd.concat([MAP, MAP.assign(plate="P2")])
    with pytest.raises(BelongsError, match="does not say of which plate its samples are; add the column"):
        placed(samples, file, request_of(tmp_path, two))
    counts = placed(samples, ResultFile(file.path, "P2"), request_of(tmp_path, two))
    assert set(counts.values.columns.get_level_values(0)) == {"P2"}
    with pytest.raises(
        AssayError, match=r"'b' in LINE has 2 samples \(1, 2\), but 1 wells in plate P1 of the"
    ):
        placed(samples, file, request_of(tmp_path, MAP[MAP["well_position"] != "A02"]))
    other = read_cells(tmp_path, *cells(plate=["P8"] * 6 + ["P9"] * 6))
    with pytest.raises(AssayError, match="plate 'P9' is not in the plate map"):
        placed(other, file, request_of(tmp_path))
    strange = read_cells(tmp_path, *cells(drug=["x"] * 12))
    with pytest.raises(AssayError, match=r"none of its drugs \(x\) is in the plate map in LINE; name drugs"):
        placed(strange, file, request_of(tmp_path))


def test_counts_of_samples_without_drugs(tmp_path):
    obs, x = cells()
    path = write_h5ad(tmp_path / "a.h5ad", x, obs[["replicate"]], VAR)
    with pytest.raises(
        AssayError, match=r"no column says in which well, or of which drug.*\(found: , replica"
    ):
        read_assay(path, set(GENES))
    path = write_h5ad(tmp_path / "a.h5ad", x, obs.assign(drug=""), VAR)
    with pytest.raises(AssayError, match="column 'drug' names no drug in any row; fill it in"):
        read_assay(path, set(GENES))


def test_a_plate_map_of_their_own(tmp_path):
    obs, x = cells(dose_um=[1.0, 1.0, 10.0, 10.0, 1.0, 1.0, 1.0, 0, 0, 0, 0, 0], cell_line="Line")
    samples = read_cells(tmp_path, obs, x)
    table = own_plate_map(samples.path, samples.table, "LINE", {"a": "A-ID"}, 1.0, 10.0)
    PLATE_MAP.validate(table)
    assert sorted(table["drug_id"]) == ["A-ID", "A-ID", "DMSO", "DMSO", "b", "b"]
    assert set(table["concentration"]) == {0.0, 1.0}
    counts = placed(samples, ResultFile(samples.path), request_of(tmp_path, table))
    assert len(counts.values.columns) == 6
    with pytest.raises(AssayError, match="no sample of a drug has the dose 3 uM; correct --dose-um"):
        own_plate_map(samples.path, samples.table, "LINE", {}, 3.0, 10.0)
    with pytest.raises(AssayError, match=r"no sample is of cell line 'MCF7' \(cell lines: Line\)"):
        own_plate_map(samples.path, samples.table, "MCF7", {}, None, 10.0)
    many = pd.concat([samples.table] * 65)
    with pytest.raises(AssayError, match="samples of a plate are more than 384 wells"):
        own_plate_map(samples.path, many, "LINE", {}, None, 10.0)
