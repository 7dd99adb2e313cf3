"""The pack of a round: volumes that add up over two rounds, a map that reads back, files that repeat."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from anchordrug.bench.plates.by_hand import working_solutions
from anchordrug.bench.plates.layout import lay_out
from anchordrug.bench.plates.pack import Round, make_pack
from anchordrug.bench.plates.pack_files import write_pack
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.plates.protocol import checklist, facts, warnings
from anchordrug.bench.plates.sample_sheet import sample_sheet
from anchordrug.bench.settings import Plates
from anchordrug.errors import SettingsError
from anchordrug.schemas import PLATE_MAP
from anchordrug.settings import checked
from tests.bench.plates.plates import drugs_of, laid_out, plates_of

ATLAS = "10 uM and 24 h (1,234 experiments)"
EVIL = ['=cmd("x")', "$\\frac{1}{2}$", "<b>&\x07", "\u836f\u7269", "'=1+1", "-"]


def rounds_of(plates, chosen, library, told=()):
    """Return the packs of rounds that choose these rows of a library, one after the other."""
    packs = []
    for number, rows in enumerate(chosen, start=1):
        selection = library.iloc[rows].assign(rank=range(1, len(rows) + 1), moa="kinase inhibitor")
        plate_map = lay_out(selection, plates, prefix=f"R{number:02}-L", cell_line="L", seed=1)
        earlier = [pack.picks for pack in packs]
        asked = Round(f"Round {number}", plate_map, selection, library, ["CAS"], plates, ATLAS, told, earlier)
        packs.append(make_pack(asked))
    return packs


def library_of(count, names=None):
    library = drugs_of(count, names).assign(source_plate=None, source_well=None)
    return library.assign(CAS=[f"50-00-{number}" for number in range(count)], stock_mm=None)


@pytest.mark.parametrize(
    ("wells", "first", "controls"), [(96, list(range(18)), 6), (384, list(range(40)), 20)]
)
def test_two_rounds_whose_failures_are_measured_again(tmp_path, wells, first, controls):
    plates = plates_of(wells=wells, controls=controls, well_volume_ul=50, time_h=24, source_volume_ul=20)
    library = library_of(120, [*EVIL, *(f"drug {number}" for number in range(114))])
    library["stock_mm"] = [5.0 if number % 5 == 0 else None for number in range(120)]
    failed = first[:2]
    packs = rounds_of(plates, [first, [*failed, 100, 101]], library)
    for pack in packs:
        volumes = pack.picks.groupby(["Destination Plate Name", "Destination Well"])["Transfer Volume"].sum()
        assert volumes.nunique() == 1
        assert len(volumes) == len(pack.of.plate_map)
        # What the plates receive is what the source wells give.
        assert pack.sources["used_ul"].sum() == pytest.approx(pack.picks["Transfer Volume"].sum() / 1000)
        own = pack.picks[pack.picks["Sample ID"] != "DMSO"]
        assert pack.drugs["total_nl"].sum() == own["Transfer Volume"].sum()
        left = pack.sources["before_ul"] + pack.sources["added_ul"] - pack.sources["used_ul"]
        assert pack.sources["left_ul"].tolist() == pytest.approx(left.tolist())
    drug_in = {}
    for pack in packs:
        for row in pack.sources.itertuples():
            assert drug_in.setdefault((row.source_plate, row.source_well), row.drug_id) == row.drug_id
    before, after = (pack.sources.set_index("drug_id") for pack in packs)
    for drug in ("BRD-K000", "BRD-K001", "DMSO"):
        assert after.at[drug, "before_ul"] == before.at[drug, "left_ul"]
    assert (after.loc[["BRD-K100", "BRD-K101"], "before_ul"] == 0).all()

    write_pack(packs[1], tmp_path)
    again = read_plate_map(tmp_path / "pack.xlsx")
    pd.testing.assert_frame_equal(again, packs[1].of.plate_map)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(files) == {"pick_list.csv", "pack.pdf", "pack.xlsx", "R02-L-P1.svg"}
    write_pack(packs[1], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert b"CreationDate" not in files["pack.pdf"]
    # Protocol, plate, drugs, source wells, by hand.
    assert len(re.findall(rb"/Type /Page\b", files["pack.pdf"])) == 5


def test_the_workbook_tells_what_to_do(tmp_path):
    plates = plates_of(well_volume_ul=50, time_h=24)
    (pack,) = rounds_of(plates, [[0, 1, 2]], library_of(3, EVIL[:3]), ["dose and time: other"])
    write_pack(pack, tmp_path)
    book = load_workbook(tmp_path / "pack.xlsx")
    titles = ["plate map", "protocol", "drugs", "source wells", "pick list", "by hand", "samples", "grid 1"]
    assert book.sheetnames == titles
    cells = [cell.value for row in book["protocol"].iter_rows() for cell in row]
    assert {"10 uM", "24 h", f"source lines: {ATLAS}", "dose and time: other"} <= set(cells)
    assert "0.1% in every well (cap: 0.5%)" in cells
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    drugs = pd.read_excel(tmp_path / "pack.xlsx", sheet_name="drugs")
    assert drugs["rank"].tolist() == [1, 2, 3]
    assert drugs["CAS"].tolist() == ["50-00-0", "50-00-1", "50-00-2"]
    assert drugs["total_nl"].tolist() == [150, 150, 150]
    grid = [cell.value for row in book["grid 1"].iter_rows() for cell in row]
    assert grid.count("DMSO") == 6
    assert sum(str(cell).startswith("2 $") for cell in grid) == 3


@settings(max_examples=30, deadline=None)
@given(
    dose=st.sampled_from([0.03, 0.3, 1.0, 10.0, 25.0]),
    stocks=st.lists(st.sampled_from([2.0, 5.0, 9.0, 10.0, 20.0]), min_size=3, max_size=3),
    volume=st.sampled_from([20.0, 50.0, 200.0]),
    replicates=st.integers(1, 12),
)
def test_working_solutions_add_up_and_reach_the_concentration(dose, stocks, volume, replicates):
    plates = plates_of(concentration_um=dose, well_volume_ul=volume, replicates=replicates)
    table = laid_out(3, concentration_um=dose, replicates=replicates)
    made = working_solutions(table, dict(zip(drugs_of(3)["drug_id"], stocks, strict=True)), plates)
    assert sorted(made["drug_id"]) == ["BRD-K000", "BRD-K001", "BRD-K002", "DMSO"]
    parts = made["stock_ul"] + made["dmso_ul"] + made["medium_ul"]
    assert parts.tolist() == pytest.approx(made["total_ul"].tolist())
    assert (made["total_ul"] >= 1.1 * made["wells"] * made["per_well_ul"] - 1e-9).all()
    poured = made[["stock_ul", "dmso_ul", "medium_ul", "first_stock_ul", "first_dmso_ul"]].to_numpy()
    assert ((poured == 0) | (poured >= 0.95)).all()
    drugs = made[made["drug_id"] != "DMSO"]
    reached = 1000 * drugs["diluted_mm"] * drugs["stock_ul"] / drugs["total_ul"]
    final = reached * drugs["per_well_ul"] / volume
    assert final.tolist() == pytest.approx([dose] * 3, rel=0.06)
    diluted = drugs["first_stock_ul"] > 0
    first = drugs["first_stock_ul"] + drugs["first_dmso_ul"]
    assert (first[diluted] >= drugs["stock_ul"][diluted]).all()
    share = (made["stock_ul"] + made["dmso_ul"]) / made["total_ul"]
    assert share.max() / share.min() < 1.16


def test_wells_too_small_for_a_pipette_have_no_solutions():
    table = laid_out(1)
    assert working_solutions(table, {}, plates_of(well_volume_ul=1.5)).empty


@pytest.mark.parametrize("stock_mm", [0.05, 0.09, 0.1, 0.2, 1.0])
def test_no_solution_takes_more_stock_than_it_has_room_for(stock_mm):
    table = laid_out(3, stock_mm=stock_mm, dmso_percent_max=100.0)
    made = working_solutions(table, {}, plates_of(stock_mm=stock_mm, dmso_percent_max=100.0))
    # A working solution has 0.1 mM.
    assert made.empty == (stock_mm < 0.1)
    assert (made[["stock_ul", "dmso_ul", "medium_ul"]].to_numpy() >= 0).all()


def test_no_pair_of_indices_is_given_twice():
    table = pd.concat([laid_out(40), laid_out(40, prefix="R2", cell_line="A549")])
    samples = sample_sheet(table, 24)
    assert not samples.duplicated(["i7_index", "i5_index"]).any()
    assert samples["sample"].tolist() == (table["plate"] + "_" + table["well_position"]).tolist()
    assert samples["index_plate"].tolist() == (pd.factorize(table["plate"])[0] + 1).tolist()
    assert samples["i7_index"].iloc[0] == f"UDI1-{table['well_position'].iloc[0]}-i7"
    assert set(samples["time_h"]) == {24}


def test_warnings_tell_of_rounding_refills_and_conditions():
    plates = plates_of(well_volume_ul=36, concentration_um=1.0)
    (pack,) = rounds_of(plates, [[0]], library_of(2), ["other dose"])
    assert warnings(pack)[0] == "other dose"
    assert "steps of 2.5 nL miss the concentration by more than 10% (BRD-K000 0.6944 uM)" in warnings(pack)[1]
    plates = plates_of(well_volume_ul=100, source_volume_ul=15.7, dead_volume_ul=15)
    first, second = rounds_of(plates, [[0, 1], [0]], library_of(2))
    assert warnings(first) == ["source wells too low for another round like this: SOURCE1 A03 (DMSO)"]
    assert warnings(second) == [
        "source well SOURCE1 A03 (DMSO): refill to 15.7 uL",
        "source wells: each fill and refill of a pack is taken as done; later rounds count on it",
        "source wells too low for another round like this: SOURCE1 A01 (BRD-K000), SOURCE1 A03 (DMSO)",
    ]
    (step,) = (step for step in checklist(second) if step.startswith("Fill or refill 1 source well to the"))
    assert "Later rounds take this as done." in step
    assert dict(facts(second))["Time"] == "not set (plates.time_h in campaign.yaml)"


@pytest.mark.parametrize(("stock_mm", "told"), [(1.0, False), (0.05, True)])
def test_dmso_that_harms_cells_is_told(stock_mm, told):
    plates = plates_of(stock_mm=stock_mm, dmso_percent_max=100.0, source_volume_ul=2000.0)
    (pack,) = rounds_of(plates, [[0]], library_of(1))
    about = "DMSO: wells have 20 %, and more than 1 % harms most cells; use stronger stocks, or lower "
    assert [line.startswith(about) for line in warnings(pack)] == [told] * told


@pytest.mark.parametrize(
    "name", ["well_volume_ul", "source_volume_ul", "dead_volume_ul", "stock_mm", "time_h"]
)
def test_numbers_that_no_plate_has_are_refused(name):
    values = plates_of().model_dump() | {name: 1e300}
    with pytest.raises(SettingsError, match=rf"^c.yaml: {name}: 1e\+300 is not allowed"):
        checked(values, Plates, "c.yaml")


def test_a_map_edited_by_hand_has_its_pack(tmp_path):
    """Positive controls with and without a dose, a drug besides the selection, other plates and sizes."""
    plates = plates_of(well_volume_ul=50, time_h=24)
    (pack,) = rounds_of(plates, [[0, 1]], library_of(4))
    asked = pack.of
    control = asked.plate_map[asked.plate_map["pert_type"] == "trt"].iloc[:1]
    more = [
        control.assign(well_position="P24", pert_type="poscon", drug_id="AMG900", concentration=0.0),
        control.assign(well_position="P23", pert_type="poscon", drug_id="BRD-K001", concentration=5.0),
        control.assign(well_position="P22", drug_id="BRD-K003", plate="../P9", name=None),
    ]
    together = pd.concat([asked.plate_map, *more], ignore_index=True)
    edited = PLATE_MAP.validate(together.astype({"name": "str"}))
    pack = make_pack(replace(asked, plate_map=edited, own=pack.picks))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/old.svg").write_text("<svg/>")
    write_pack(pack, tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    files = {path.name for path in (tmp_path / "in").iterdir()}
    assert files == {"pick_list.csv", "pack.pdf", "pack.xlsx", "R01-L-P1.svg", ".._P9.svg"}
    pd.testing.assert_frame_equal(read_plate_map(tmp_path / "in/pack.xlsx"), edited)
    assert pack.ranks == {"BRD-K000": 1, "BRD-K001": 2, "AMG900": 3, "BRD-K003": 4}
    assert "P24 (AMG900)" in warnings(pack)[0]
    assert warnings(pack)[-1] == "no DMSO well on ../P9: counts without controls are refused"
    assert dict(facts(pack))["Plates"].startswith("2 of 384 wells")
    wells = pack.sources.set_index("drug_id")["source_well"].to_dict()
    assert wells == {"BRD-K000": "A01", "BRD-K001": "A02", "DMSO": "A03", "BRD-K003": "A04"}
