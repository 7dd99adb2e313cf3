"""Pick lists: volumes, source wells of all rounds, and what is left in them."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anchordrug.bench.plates.layout import lay_out
from anchordrug.bench.plates.pick_list import pick_list
from anchordrug.bench.plates.source_wells import ledger
from anchordrug.errors import SettingsError, TableError
from tests.bench.plates.plates import drugs_of, few_examples, laid_out, plates_of, sources_of


def test_pick_list_by_hand():
    table = laid_out(3, concentration_um=3, well_volume_ul=50, stock_mm=10)
    sources = sources_of(("BRD-K002", None, None), ("BRD-K001", "SOURCE1", "a1"), ("other", "L", "B2"))
    got = pick_list(table, sources, plates_of(concentration_um=99, well_volume_ul=50, stock_mm=10))
    # 3 uM x 50 uL / 10 mM = 15 nL in every well, vehicle too; the concentration is the map's own.
    assert (got["Transfer Volume"] == 15).all()
    assert list(got["Sample ID"]) == list(table["drug_id"])
    assert list(got["Sample Name"]) == list(table["name"])
    assert list(got["Destination Plate Name"]) == list(table["plate"])
    assert [f"{well[0]}{int(well[1:]):02}" for well in got["Destination Well"]] == list(
        table["well_position"]
    )
    assert set(got["Source Plate Type"]) == {"384PP_DMSO2"}
    source = got.drop_duplicates("Sample ID").set_index("Sample ID")
    assert set(source["Source Plate Name"]) == {"SOURCE1"}
    # A1 is taken by BRD-K001; then the order of sources, of the map, and the vehicle.
    assert source["Source Well"].to_dict() == {
        "BRD-K001": "A1",
        "BRD-K002": "A2",
        "BRD-K000": "A3",
        "DMSO": "A4",
    }
    assert list(got.columns) == [
        *("Source Plate Name", "Source Plate Type", "Source Well", "Destination Plate Name"),
        *("Destination Well", "Transfer Volume", "Sample Name", "Sample ID"),
    ]


@pytest.mark.parametrize(
    ("concentration", "well", "stock", "volume"),
    [
        (10, 100, 10, 100),
        (10, 50, 10, 50),
        (1, 36, 10, 2.5),
        (1, 37.5, 10, 5),
        (1, 12.5, 10, 2.5),
        (7, 41, 10, 27.5),
    ],
)
def test_volumes_are_multiples_of_the_drop(concentration, well, stock, volume):
    plates = plates_of(concentration_um=concentration, well_volume_ul=well, stock_mm=stock)
    table = lay_out(drugs_of(2), plates, prefix="x", cell_line="L", seed=0)
    assert (pick_list(table, sources_of(), plates)["Transfer Volume"] == volume).all()


def test_more_drugs_than_a_source_plate_holds():
    table = laid_out(400, replicates=1)
    got = pick_list(table, sources_of(), plates_of()).drop_duplicates("Sample ID")
    assert Counter(got["Source Plate Name"]) == {"SOURCE1": 384, "SOURCE2": 17}
    assert not got.duplicated(["Source Plate Name", "Source Well"]).any()


def plate_map_of(wells):
    """Return a map of a plate with these drugs and concentrations, well by well."""
    return pd.DataFrame(
        [
            {
                "plate": "P1",
                "well_position": f"{'ABCDEFGH'[number // 12]}{number % 12 + 1:02}",
                "pert_type": "negcon" if drug == "DMSO" else "trt",
                "drug_id": drug,
                "name": drug,
                "concentration": dose,
                "cell_line": "L",
                "replicate": 1,
            }
            for number, (drug, dose) in enumerate(wells)
        ]
    )


LIBRARY = [f"BRD-K{number:03}" for number in range(12)]


@few_examples
@given(
    rounds=st.lists(st.sets(st.sampled_from(LIBRARY), min_size=1), min_size=1, max_size=6),
    stocked=st.sets(st.sampled_from(LIBRARY)),
)
@example(rounds=[{LIBRARY[0]}, {LIBRARY[1]}, {LIBRARY[0], LIBRARY[2]}], stocked=set())
def test_a_drug_has_one_source_well_in_all_rounds(rounds, stocked):
    """Whatever is ordered when, and again: a drug never changes its well, and no well ever has two drugs."""
    rows = [(drug, "SOURCE1" if drug in stocked else None, None) for drug in LIBRARY]
    wells = iter(["A2", "A5", "B1", "P24", *(f"C{number}" for number in range(1, 20))])
    rows = [(drug, plate, next(wells) if plate else None) for drug, plate, _ in rows]
    lists = []
    for chosen in rounds:
        table = plate_map_of([(drug, 10.0) for drug in LIBRARY if drug in chosen] + [("DMSO", 0.0)])
        lists.append(pick_list(table, sources_of(*rows), plates_of(), lists))
    together = pd.concat(lists).drop_duplicates(["Sample ID", "Source Plate Name", "Source Well"])
    assert not together["Sample ID"].duplicated().any()
    assert not together.duplicated(["Source Plate Name", "Source Well"]).any()
    given_wells = {drug: (plate, well) for drug, plate, well in rows if plate}
    for drug, plate, well in together[["Sample ID", "Source Plate Name", "Source Well"]].itertuples(
        index=False
    ):
        assert given_wells.get(drug, (plate, well)) == (plate, well)
    # No well is left out: new drugs fill the first ones that are free.
    new = together[~together["Sample ID"].isin(stocked)]
    taken = {well for _, well in given_wells.values()}
    free = [f"A{number}" for number in range(1, 25) if f"A{number}" not in taken]
    assert set(new["Source Well"]) == set(free[: len(new)])


def picks_of(*rows):
    """An earlier pick list as a spreadsheet may have left it."""
    return pd.DataFrame(rows, columns=["Sample ID", "Source Plate Name", "Source Well"])


def test_source_wells_of_earlier_rounds():
    earlier = [
        picks_of(("BRD-K000", "SOURCE1", "A1"), ("BRD-K009", "SOURCE1", "A02"), ("DMSO", "SOURCE1", "A3")),
        # As versions that forgot the first list wrote it: A1 belongs to the drug that had it first.
        picks_of(("BRD-K001", "SOURCE1", "A1"), ("BRD-K002", "SOURCE1", "A4")),
    ]
    got = pick_list(laid_out(4), sources_of(), plates_of(), earlier).drop_duplicates("Sample ID")
    wells = got.set_index("Sample ID")["Source Well"].to_dict()
    fresh = sorted(wells.pop(drug) for drug in ("BRD-K001", "BRD-K003"))
    assert wells == {"BRD-K000": "A1", "BRD-K002": "A4", "DMSO": "A3"}
    assert fresh == ["A5", "A6"]
    # The library may say that a stock was moved, but not into the well of another drug.
    moved = pick_list(laid_out(1), sources_of(("BRD-K000", "LIB", "B7")), plates_of(), earlier)
    assert set(moved.loc[moved["Sample ID"] == "BRD-K000", "Source Well"]) == {"B7"}
    with pytest.raises(TableError, match=r"'BRD-K003': well A2 of plate 'SOURCE1' held 'BRD-K009' in an ear"):
        pick_list(laid_out(4), sources_of(("BRD-K003", "SOURCE1", "A2")), plates_of(), earlier)


def test_pick_list_says_what_cannot_be_transferred():
    table = laid_out(2)
    with pytest.raises(SettingsError, match=r"needs 0.5 nL.*dilute the stock"):
        pick_list(table, sources_of(), plates_of(well_volume_ul=0.5))
    with pytest.raises(SettingsError, match=r"more than the well holds; correct plates.stock_mm"):
        pick_list(table, sources_of(), plates_of(stock_mm=0.01))
    with pytest.raises(TableError, match=r"'BRD-K000': source_plate 'L'.*give both or neither"):
        pick_list(table, sources_of(("BRD-K000", "L", None)), plates_of())
    with pytest.raises(TableError, match=r"'BRD-K000': well 'Z9' is on no"):
        pick_list(table, sources_of(("BRD-K000", "L", "Z9")), plates_of())
    with pytest.raises(TableError, match=r"'BRD-K001': well A1 of plate 'L' also holds 'BRD-K000'"):
        pick_list(table, sources_of(("BRD-K000", "L", "A01"), ("BRD-K001", "L", "A1")), plates_of())
    with pytest.raises(TableError, match=r"'BRD-K000' is listed twice"):
        pick_list(table, sources_of(*[("BRD-K000", "L", "A01")] * 2), plates_of())
    with pytest.raises(TableError, match=r"no column 'source_well'"):
        pick_list(table, sources_of().drop(columns="source_well"), plates_of())
    mixed = table.assign(concentration=np.where(table["drug_id"] == "BRD-K000", 5.0, table["concentration"]))
    got = pick_list(mixed, sources_of(), plates_of())
    # 5 uM takes half of the stock, and DMSO makes up for the rest.
    assert got.groupby("Destination Well")["Transfer Volume"].sum().unique().tolist() == [100]
    assert got.groupby("Sample ID")["Transfer Volume"].unique().map(list).to_dict() == {
        "BRD-K000": [50],
        "BRD-K001": [100],
        "DMSO": [100, 50],
    }


@settings(max_examples=30, deadline=None)
@given(
    wells=st.lists(
        st.tuples(st.sampled_from(LIBRARY), st.sampled_from([1.0, 3.0, 10.0])), min_size=1, max_size=20
    ),
    stocks=st.lists(st.sampled_from([None, 2.0, 5.0, 10.0, 20.0]), min_size=12, max_size=12),
    volume=st.sampled_from([50.0, 100.0, 180.0]),
    controls=st.integers(0, 3),
)
def test_every_volume_adds_up(wells, stocks, volume, controls):
    """Each well of a plate gets the same volume, in drops, of which the stock gives its concentration."""
    plates = plates_of(well_volume_ul=volume, stock_mm=10.0, dmso_percent_max=0.5)
    table = plate_map_of([*wells, *[("DMSO", 0.0)] * controls])
    sources = sources_of(*[(drug, None, None) for drug in LIBRARY]).assign(stock_mm=stocks)
    got = pick_list(table, sources, plates)
    assert (got["Transfer Volume"] % 2.5 == 0).all()
    assert (got["Transfer Volume"] > 0).all()
    of_well = got.groupby("Destination Well")["Transfer Volume"].sum()
    assert of_well.nunique() == 1
    assert of_well.iloc[0] <= 0.005 * 1000 * volume
    assert set(of_well.index) == {f"{well[0]}{int(well[1:])}" for well in table["well_position"]}
    stock_of = dict(zip(LIBRARY, stocks, strict=True))
    for (drug, dose), (_, row) in zip(wells, got.iterrows(), strict=False):
        assert row["Sample ID"] == drug
        exact = dose * volume / (stock_of[drug] or 10.0)
        assert abs(row["Transfer Volume"] - exact) <= 1.25 + 1e-9
    assert set(got["Sample ID"].iloc[len(table) :]) <= {"DMSO"}


@settings(max_examples=30, deadline=None)
@given(
    rounds=st.lists(
        st.dictionaries(st.sampled_from(["A1", "B2", "C3"]), st.integers(1, 40_000), min_size=1),
        min_size=1,
        max_size=8,
    ),
    dead=st.sampled_from([0, 5, 15]),
)
def test_the_ledger_loses_no_drop_and_no_well_runs_dry(rounds, dead):
    plates = plates_of(source_volume_ul=50, dead_volume_ul=dead)
    lists = [
        pd.DataFrame(
            [(well, "S", well, drops * 2.5) for well, drops in used.items()],
            columns=["Sample ID", "Source Plate Name", "Source Well", "Transfer Volume"],
        )
        for used in rounds
    ]
    left = {}
    for number, used in enumerate(rounds, start=1):
        table = ledger(lists[:number], plates).set_index("drug_id")
        assert set(table.index) == set(used)
        for well, row in table.iterrows():
            needed = used[well] * 2.5 / 1000
            assert row["used_ul"] == pytest.approx(needed, abs=1e-4)
            assert row["before_ul"] == pytest.approx(left.get(well, 0), abs=1e-3)
            assert row["left_ul"] == pytest.approx(row["before_ul"] + row["added_ul"] - needed, abs=1e-3)
            assert dead - 1e-3 <= row["left_ul"] <= 50
            # A well is not filled before it has to be.
            assert (row["fills"] > 0) == (row["before_ul"] - needed < dead - 1e-4)
            assert row["fills"] <= 1 or needed > (row["fills"] - 1) * (50 - dead)
            left[well] = row["left_ul"]


def test_the_ledger_by_hand():
    """Fifty uL, of which 15 stay: 20 uL are left for a second round of 20, and a third needs a refill."""
    drug = picks_of(("D", "S", "A1")).assign(**{"Transfer Volume": 15_000.0})
    plates = plates_of(source_volume_ul=50, dead_volume_ul=15)
    rows = [ledger([drug] * rounds, plates).iloc[0] for rounds in (1, 2, 3)]
    told = [
        [row[name] for name in ("before_ul", "added_ul", "left_ul", "fills", "rounds_left")] for row in rows
    ]
    assert told == [[0, 50, 35, 1, 1], [35, 0, 20, 0, 0], [20, 30, 35, 1, 1]]
    # More than a fill gives: 100 uL are two and a half of 35, so the well is filled three times.
    row = ledger([drug.assign(**{"Transfer Volume": 100_000.0})], plates).iloc[0]
    assert (row["fills"], row["added_ul"], row["left_ul"]) == (3, 120, 20)


def test_a_stock_that_would_bring_too_much_dmso_is_refused():
    plates = plates_of(well_volume_ul=50, dmso_percent_max=0.1)
    table = laid_out(2)
    assert set(pick_list(table, sources_of(), plates)["Transfer Volume"]) == {50}
    weak = sources_of(("BRD-K001", None, None)).assign(stock_mm=[5.0])
    with pytest.raises(
        SettingsError,
        match=r"drug 'BRD-K001': 10 uM in 50 uL from a stock of 5 mM brings 0.2% of DMSO, more than "
        r"plates.dmso_percent_max \(0.1%\); use a stock of at least 10 mM",
    ):
        pick_list(table, weak, plates)


def test_a_positive_control_without_a_concentration_is_left_to_the_user():
    table = laid_out(2, controls=1)
    controls = table[table["pert_type"] == "negcon"].assign(
        pert_type="poscon", drug_id="AMG900", well_position="A01"
    )
    got = pick_list(pd.concat([table, controls]), sources_of(), plates_of())
    assert len(got) == len(table)
    assert "AMG900" not in set(got["Sample ID"])
    got = pick_list(pd.concat([table, controls.assign(concentration=5.0)]), sources_of(), plates_of())
    assert got.loc[got["Destination Well"] == "A1", "Sample ID"].tolist() == ["AMG900", "DMSO"]
