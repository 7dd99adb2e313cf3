"""Plate layouts, and maps edited by hand: the rules that hold for every one of them."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anchordrug.bench.plates.layout import lay_out
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.errors import RawDataError, SettingsError, TableError
from anchordrug.files.tables import write_table
from tests.bench.plates.plates import KEY, drugs_of, few_examples, laid_out, plates_of


@few_examples
@given(
    count=st.integers(1, 90),
    wells=st.sampled_from([96, 384]),
    replicates=st.integers(1, 7),
    controls=st.integers(0, 30),
    use_edge=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_layout_invariants(count, wells, replicates, controls, use_edge, seed):
    table = laid_out(count, seed, wells=wells, replicates=replicates, controls=controls, use_edge=use_edge)
    treated, negative = table[table["pert_type"] == "trt"], table[table["pert_type"] == "negcon"]
    assert not table.duplicated(["plate", "well_position"]).any()
    for _, of_drug in treated.groupby("drug_id"):
        assert sorted(of_drug["replicate"]) == list(range(1, replicates + 1))
    assert treated["drug_id"].nunique() == count

    rows, columns = (8, 12) if wells == 96 else (16, 24)
    row = table["well_position"].str[0].map("ABCDEFGHIJKLMNOP".index)
    column = table["well_position"].str[1:].astype(int)
    edge = 0 if use_edge else 1
    assert row.between(edge, rows - 1 - edge).all()
    assert column.between(1 + edge, columns - edge).all()

    names = list(dict.fromkeys(table["plate"]))
    usable = (rows - 2 * edge) * (columns - 2 * edge)
    assert names == [f"R1-P{i + 1}" for i in range(-(-count * replicates // (usable - controls)))]
    for name in names:
        here = negative[negative["plate"] == name]
        assert list(here["replicate"]) == list(range(1, controls + 1))
        assert (here["drug_id"] == "DMSO").all()
        assert (here["concentration"] == 0).all()
    spread = (
        treated.groupby(["drug_id", "plate"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=names, fill_value=0)
    )
    assert (spread.max(axis=1) - spread.min(axis=1)).max() <= 1
    order = table.assign(number=table["plate"].map(names.index), row=row, column=column)
    assert order.sort_values(["number", "row", "column"]).index.equals(table.index)


def test_controls_are_spread_over_the_plate():
    for seed in range(30):
        table = laid_out(seed=seed)
        wells = table.loc[table["pert_type"] == "negcon", "well_position"]
        columns = wells.str[1:].astype(int)
        # Of the usable rows B to G and columns 2 to 11, each half has three; of those one in its upper third.
        for half in (columns <= 6, columns > 6):
            assert half.sum() == 3
            assert wells[half].str[0].isin(["B", "C"]).sum() == 1
        places = np.column_stack([wells.str[0].map(ord), columns])
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        assert apart[np.triu_indices(6, 1)].min() >= 2


def test_layout_follows_seed_prefix_and_cell_line():
    pd.testing.assert_frame_equal(laid_out(seed=5), laid_out(seed=5))
    wells = laid_out(seed=5).set_index("well_position")["drug_id"]
    for other in (laid_out(seed=6), laid_out(seed=5, prefix="R2"), laid_out(seed=5, cell_line="A549")):
        assert not wells.equals(other.set_index("well_position")["drug_id"])


def test_positions_are_random():
    """The first drugs are met all over the plate, not in a few wells."""
    first = "drug_id in ('BRD-K000', 'BRD-K001', 'BRD-K002')"
    wells = Counter(well for seed in range(67) for well in laid_out(20, seed).query(first)["well_position"])
    assert len(wells) == 60
    assert max(wells.values()) < 30


def test_layout_keeps_what_is_known_of_a_drug():
    drugs = drugs_of(2, ["first", None])
    table = lay_out(drugs, plates_of(), prefix="x", cell_line="THP1", seed=0)
    first = table[table["drug_id"] == "BRD-K000"].iloc[0]
    assert (first["name"], first["InChIKey"], first["SMILES"]) == ("first", KEY, "CC")
    assert (first["concentration"], first["unit"], first["cell_line"]) == (10, "uM", "THP1")
    assert table.loc[table["drug_id"] == "BRD-K001", "name"].isna().all()
    assert table.loc[table["drug_id"] == "DMSO", ["InChIKey", "SMILES"]].isna().all(axis=None)


def test_layout_says_what_does_not_fit():
    with pytest.raises(SettingsError, match=r"no drug to lay out; select at least one"):
        laid_out(0)
    assert laid_out(1, controls=59, replicates=1)["well_position"].nunique() == 60
    with pytest.raises(
        SettingsError, match=r"plates.controls: 60 leave no well .* 60 of .* usable; ask for fewer"
    ):
        laid_out(controls=60)
    for drugs in (pd.concat([drugs_of(1)] * 2), drugs_of(1).assign(drug_id="dmso")):
        with pytest.raises(TableError, match="is there twice or is the vehicle"):
            lay_out(drugs, plates_of(), prefix="x", cell_line="THP1", seed=0)


# Text that survives a strip and XML's and CSV's line ends; quotes, separators and all scripts are in it.
NAMES = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" ,;\t\"'"), min_size=1).map(
    str.strip
)


@example(names=["=1+1", "'=1+1", "-"], suffix=".csv", concentration=1, cell_line="=", replicates=1)
@few_examples
@given(
    names=st.lists(st.one_of(st.none(), NAMES.filter(bool)), min_size=1, max_size=12),
    suffix=st.sampled_from([".csv", ".tsv"]),
    concentration=st.floats(1e-6, 1e6),
    cell_line=NAMES.filter(bool),
    replicates=st.integers(1, 9),
)
def test_round_trip(tmp_path_factory, names, suffix, concentration, cell_line, replicates):
    path = tmp_path_factory.mktemp("map") / f"map{suffix}"
    made = lay_out(
        drugs_of(len(names), names),
        plates_of(concentration_um=concentration, replicates=replicates),
        prefix="R1",
        cell_line=cell_line,
        seed=1,
    )
    write_table(made, path)
    pd.testing.assert_frame_equal(read_plate_map(path), made)


def read_text(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "map.csv"
    path.write_bytes(text.encode(encoding))
    return read_plate_map(path)


def test_map_as_a_german_spreadsheet_leaves_it(tmp_path):
    text = (
        "\r\nMetadata_Plate;Metadata_Well;Metadata_broad_sample;Metadata_InChIKey;concentration;unit;cell_line;note\r\n"
        f"P1;a1;BRD-1;{KEY};2,5;µM;THP1;\r\n"
        f"P1; h12 ;BRD-1;{KEY};500;nM;THP1;splashed\r\n"
        "P1;B002;dmso;;;;THP1\r\n"
        ";;;;;;;\r\n"
    )
    for encoding in ("latin-1", "utf-8-sig"):
        table = read_text(tmp_path, text, encoding)
        assert list(table["well_position"]) == ["A01", "H12", "B02"]
        assert list(table["concentration"]) == [2.5, 0.5, 0]
        assert list(table["pert_type"]) == ["trt", "trt", "negcon"]
        assert list(table["drug_id"]) == ["BRD-1", "BRD-1", "DMSO"]
        assert list(table["replicate"]) == [1, 2, 1]
        assert table["name"].isna().tolist() == [True, True, False]
        assert table["InChIKey"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("header", "value", "unit", "expected"),
    [
        ("concentration", "3", "uM", 3),
        ("concentration", "3", "μM", 3),
        ("concentration", "3", "nM", 0.003),
        ("concentration", "0.003", "mM", 3),
        ("concentration_um", "3", "", 3),
        ("concentration_um", "3", "uM", 3),
        ("mmoles_per_liter", "3", "", 3),
    ],
)
def test_units(tmp_path, header, value, unit, expected):
    text = f"plate\twell\tdrug_id\tcell_line\t{header}\tconcentration_unit\nP\tP24\tx\tL\t{value}\t{unit}\n"
    assert read_text(tmp_path, text)["concentration"].tolist() == pytest.approx([expected], rel=1e-12)


def test_broad_map_marks_controls_by_their_type(tmp_path):
    text = "plate_map_name\twell_position\tbroad_sample\tmmoles_per_liter\tpert_type\tcell_line\n"
    table = read_text(tmp_path, text + "M\tA01\t\t\tnegcon\tU2OS\nM\tA02\tBRD-1\t5.0\ttrt\tU2OS\n")
    assert list(table["drug_id"]) == ["DMSO", "BRD-1"]
    assert list(table["concentration"]) == [0, 5]


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ("pert_type", ["trt", "negcon", "poscon", "poscon"]),
        ("pert_type", ["trt", "", "poscon_cp", "poscon_diverse"]),
        ("pert_type", ["trt_cp", "ctl_vehicle", "trt_poscon", "POSCON"]),
        (
            "Metadata_pert_type\tMetadata_control_type",
            ["trt\t", "control\tnegcon"] + ["control\tposcon_cp"] * 2,
        ),
        ("pert_type\tcontrol_type", ["\t", "control\t", "\tposcon", "control\tposcon_orf"]),
    ],
)
def test_positive_controls_by_their_names(tmp_path, header, kinds):
    rows = [("A01", "BRD-1", "5"), ("A02", "DMSO", ""), ("A03", "AMG900", "5"), ("A04", "BRD-1", "")]
    lines = [
        f"P\t{well}\t{drug}\t{dose}\tL\t{kind}" for (well, drug, dose), kind in zip(rows, kinds, strict=True)
    ]
    table = read_text(
        tmp_path, "\n".join([f"plate\twell\tdrug_id\tconcentration_um\tcell_line\t{header}", *lines])
    )
    assert list(table["pert_type"]) == ["trt", "negcon", "poscon", "poscon"]
    assert list(table["drug_id"]) == ["BRD-1", "DMSO", "AMG900", "BRD-1"]
    assert list(table["concentration"]) == [5, 0, 5, 0]
    # A positive control is not a replicate of the same drug.
    assert list(table["replicate"]) == [1, 1, 1, 1]


HEADER = "plate,well,drug_id,concentration,unit,cell_line,pert_type,InChIKey,replicate\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "plate,drug_id,concentration,cell_line\nP,x,1,L\n",
            r"no column 'well_position' .* well, metadata_well",
        ),
        ("plate,well,Well,drug_id\nP,A1,A1,x\n", r"column 'well' is there twice"),
        (HEADER + "P,A1,x,1,uM,L,,,1\nP,a01,y,1,uM,L,,,1\n", r"line 3: well A01 .* 'x' \(line 2\) and 'y'"),
        (HEADER + "P,A1,x,1,uM,L,,,1\nP,A1,x,1,uM,L,,,2\n", r"line 3: well A01 .* 'x' \(line 2\) and 'x'"),
        (HEADER + "P,Q1,x,1,uM,L,,,1\n", r"line 2: well 'Q1' is on no 96- or 384-well plate; write A01"),
        (HEADER + "P,A25,x,1,uM,L,,,1\n", r"line 2: well 'A25'"),
        (HEADER + "P,A0,x,1,uM,L,,,1\n", r"line 2: well 'A0'"),
        (HEADER + "P,A1,x,1,,L,,,1\n", r"line 2: units missing for concentration '1'"),
        ("plate,well,drug_id,concentration,cell_line\nP,A1,x,1,L\n", r"line 2: units missing"),
        (HEADER + "P,A1,x,1,mg/ml,L,,,1\n", r"line 2: unit 'mg/ml' is unknown; write uM, nM or mM"),
        (
            "plate,well,drug_id,concentration_um,unit,cell_line\nP,A1,x,1,nM,L\n",
            r"line 2: unit 'nM' contradicts the column name",
        ),
        (
            HEADER + "P,A1,x,ten,uM,L,,,1\n",
            r"line 2: concentration 'ten' of drug 'x' is not a positive number",
        ),
        (HEADER + 'P,A1,x,"1,5",uM,L,,,1\n', r"line 2: concentration '1,5'"),
        (HEADER + "P,A1,x,0,uM,L,,,1\n", r"line 2: concentration '0'"),
        (HEADER + "P,A1,x,1,uM,L,,,one\n", r"line 2: replicate 'one' is not a whole number"),
        (HEADER + "P,A1,,1,uM,L,,,1\n", r"line 2: drug_id '' is empty; fill it in"),
        (HEADER + "P,A1,x,1,uM,,,,1\n", r"line 2: cell_line '' is empty"),
        (HEADER + "P,A1,x,1,uM,L,negcon,,1\n", r"line 2: drug_id 'x' contradicts pert_type 'negcon'"),
        (HEADER + "P,A1,DMSO,1,uM,L,trt,,1\n", r"line 2: drug_id 'DMSO' contradicts pert_type 'trt'"),
        (HEADER + "P,A1,x,1,uM,L,empty,,1\n", r"line 2: pert_type 'empty' is unknown; write trt, negcon or"),
        (
            HEADER + "P,A1,x,1,uM,L,control,,1\n",
            r"line 2: pert_type 'control' is unknown; add the column contr",
        ),
        (HEADER + "P,A1,DMSO,1,uM,L,poscon,,1\n", r"line 2: drug_id 'DMSO' contradicts pert_type 'poscon'"),
        (HEADER + "P,A1,,1,uM,L,poscon,,1\n", r"line 2: drug_id '' is empty; fill it in"),
        (
            HEADER + "P,A1,x,1,uM,L,,K1,1\nP,A2,x,1,uM,L,,K2,2\n",
            r"line 3: drug 'x' has InChIKey 'K2', but 'K1'",
        ),
    ],
)
def test_map_errors_name_line_value_and_remedy(tmp_path, text, message):
    with pytest.raises(TableError, match=message) as raised:
        read_text(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "map.csv"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEADER, "has a header but no rows"),
        (
            HEADER + "P,A1,x,1,5,uM,L,,,1\n",
            r"line 2: has 10 cells, the header 9 \(the last is '1'\); put texts",
        ),
        (HEADER + "P,A1,x,1,uM,L,,,\nP,A2,x,1,5,uM,L,,,1\n", "line 3: has 10 cells, the header 9"),
        (HEADER + 'P,A1,"x,1,uM,L,,,1\n', "line 2: .*; correct its quotation marks"),
        (HEADER + 'P,A1,"x,1,uM,L,,,1\nP,A2,"y",1,uM,L,,,1\n', "line 2: .*; correct its quotation marks"),
    ],
)
def test_map_that_is_no_table(tmp_path, text, message):
    with pytest.raises(RawDataError, match=message) as raised:
        read_text(tmp_path, text)
    assert str(raised.value).startswith(str(tmp_path / "map.csv"))
    assert "\n" not in str(raised.value)


def test_map_with_notes_of_several_lines(tmp_path):
    text = "plate,well,drug_id,concentration_um,cell_line,note\n" + 'P,A1,x,1,L,"a\nb"\nP,A99,y,1,L,\n'
    with pytest.raises(TableError, match="line 4: well 'A99'"):
        read_text(tmp_path, text)
    assert read_text(tmp_path, text.replace("A99", "A9"))["well_position"].tolist() == ["A01", "A09"]


def test_map_as_a_workbook(tmp_path):
    made = laid_out(4)
    made.to_excel(tmp_path / "map.xlsx", index=False)
    pd.testing.assert_frame_equal(read_plate_map(tmp_path / "map.xlsx"), made)
    made.assign(well_position="Z1").to_excel(tmp_path / "map.xlsx")
    with pytest.raises(TableError, match="row 2: well 'Z1' is on no 96- or 384-well plate"):
        read_plate_map(tmp_path / "map.xlsx")


def test_the_cell_line_of_a_map_goes_by_the_name_that_is_asked_for(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text(
        "plate,well,drug_id,concentration_um,cell_line\nP1,A01,D1,10,thp-1\nP1,A02,DMSO,0,THP1\n"
        "P2,A01,D1,10,JURKAT\n"
    )
    assert read_plate_map(path)["cell_line"].tolist() == ["thp-1", "THP1", "JURKAT"]
    assert read_plate_map(path, ["THP1", "K562"])["cell_line"].tolist() == ["THP1", "THP1", "JURKAT"]
