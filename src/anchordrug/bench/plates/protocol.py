"""The words of a pack: facts of the round, warnings, and the steps in the lab."""

from anchordrug.bench.plates.by_hand import per_well_ul
from anchordrug.bench.plates.pack import Pack
from anchordrug.bench.plates.pick_list import PLATE, WELL, is_by_hand
from anchordrug.bench.plates.source_wells import VOLUME
from anchordrug.bench.plates.volumes import ECHO_STEP_NL, dmso_percent
from anchordrug.bench.plates.wells import size_of
from anchordrug.errors import counted, shortlist

# A concentration that differs by more than this (relative) from the one asked for is told.
_CLOSE = 0.1
# More DMSO (%) than this harms most cells within a day.
_HARMLESS_PERCENT = 1


def facts(pack: Pack) -> list[tuple[str, str]]:
    """Return label and value of the facts on every page: dose, time, volumes, DMSO."""
    plates, plate_map = pack.of.plates, pack.of.plate_map
    treated = plate_map[plate_map["pert_type"] == "trt"]
    controls = int((plate_map["pert_type"] == "negcon").sum())
    volumes, wells = _volumes(pack), counted(len(treated), "well")
    percents = _listed(dmso_percent(volume, plates) for volume in volumes)
    names = shortlist(plate_map["plate"].unique(), 6)
    time = "not set (plates.time_h in campaign.yaml)" if plates.time_h is None else f"{plates.time_h:g} h"
    return [
        ("Plates", f"{plate_map['plate'].nunique()} of {size_of(plate_map, plates.wells)} wells: {names}"),
        ("Cell line", shortlist(plate_map["cell_line"].unique())),
        (
            "Drugs",
            f"{treated['drug_id'].nunique()} in {wells}; DMSO in {counted(controls, 'well')}",
        ),
        ("Concentration", f"{_listed(sorted(treated['concentration'].unique()))} uM"),
        ("Time", time),
        ("Atlas", f"source lines: {pack.of.atlas}"),
        ("Stocks", f"{_listed(sorted(pack.drugs['stock_mm'].unique()))} mM in DMSO"),
        (
            "Well volume",
            f"{plates.well_volume_ul:g} uL: {_cells(pack)} uL of cells in medium, then the transfer",
        ),
        ("Transfer", f"{_listed(volumes)} nL per well, the same for all wells of a plate"),
        ("DMSO", f"{percents}% in every well (cap: {plates.dmso_percent_max:g}%)"),
        (
            "Source wells",
            f"{plates.source_volume_ul:g} uL when full; {plates.dead_volume_ul:g} uL stay in the well",
        ),
    ]


def _volumes(pack: Pack) -> list[float]:
    """Return the volumes that wells receive (nL), of all plates."""
    return sorted(pack.picks.groupby([PLATE, WELL])[VOLUME].sum().unique())


def _cells(pack: Pack) -> str:
    return _listed(pack.of.plates.well_volume_ul - volume / 1000 for volume in _volumes(pack))


def _listed(values: object) -> str:
    return ", ".join(f"{value:.6g}" for value in values)  # pyright: ignore[reportGeneralTypeIssues]


def warnings(pack: Pack) -> list[str]:
    """Return the warnings on dose, time and volumes before the plates are pipetted."""
    asked, drugs, sources = pack.of, pack.drugs, pack.sources
    told = list(asked.warnings)
    pairs = zip(drugs["drug_id"], drugs["concentration_um"], drugs["reached_um"], strict=True)
    missed = [f"{drug} {got} uM" for drug, wanted, got in pairs if not _close(wanted, got)]
    if missed:
        told.append(
            f"volumes: steps of {ECHO_STEP_NL} nL miss the concentration by more than 10% "
            f"({shortlist(missed, 3)}); dilute the stocks, or enlarge plates.well_volume_ul"
        )
    percent = max((dmso_percent(volume, asked.plates) for volume in _volumes(pack)), default=0)
    if percent > _HARMLESS_PERCENT:
        told.append(
            f"DMSO: wells have {percent:.3g} %, and more than {_HARMLESS_PERCENT} % harms most cells; use "
            "stronger stocks, or lower plates.dmso_percent_max"
        )
    places = sources["source_plate"] + " " + sources["source_well"] + " (" + sources["drug_id"] + ")"
    is_refill = (sources["fills"] > 0) & ((sources["before_ul"] > 0) | (sources["fills"] > 1))
    refills = zip(places[is_refill], sources["todo"][is_refill], strict=True)
    told += [f"source well {place}: {todo}" for place, todo in refills]
    if is_refill.any():
        told.append(_TAKEN_AS_DONE)
    is_low = (sources["rounds_left"] < 1) & (sources["fills"] < 2)
    if is_low.any():
        told.append(f"source wells too low for another round like this: {shortlist(places[is_low], 3)}")
    hand = asked.plate_map[is_by_hand(asked.plate_map)]
    if len(hand):
        wells = shortlist(hand["plate"] + " " + hand["well_position"] + " (" + hand["drug_id"] + ")", 3)
        told.append(f"positive controls without a concentration are not in the pick list; pipette: {wells}")
    vehicles = asked.plate_map.loc[asked.plate_map["pert_type"] == "negcon", "plate"]
    bare = [plate for plate in asked.plate_map["plate"].unique() if plate not in set(vehicles)]
    if bare:
        told.append(f"no DMSO well on {shortlist(bare, 3)}: counts without controls are refused")
    return told


_TAKEN_AS_DONE = "source wells: each fill and refill of a pack is taken as done; later rounds count on it"


def _close(wanted: str, got: str) -> bool:
    """Return whether concentrations come out as asked for; text as in the drugs' table."""
    if not got:
        return True
    pairs = zip(wanted.split(", "), got.split(", "), strict=True)
    return all(abs(float(b) - float(a)) <= _CLOSE * float(a) for a, b in pairs)


def checklist(pack: Pack) -> list[str]:
    """Return the steps of a round in the lab, in order."""
    plates = pack.of.plates
    time = "the time of the campaign" if plates.time_h is None else f"{plates.time_h:g} h"
    to_fill = int((pack.sources["fills"] > 0).sum())
    steps = [
        f"Compare {counted(len(pack.drugs), 'drug')} with the catalogue numbers (page 'Drugs').",
        "Check that every stock has the concentration of the page 'Drugs', in DMSO.",
        f"Fill or refill {counted(to_fill, 'source well')} to the volume of the page 'Source wells'. Later "
        "rounds take this as done. No well ever changes its drug.",
        f"Label the plates and seed the cells: {_cells(pack)} uL per used well.",
        "With an acoustic dispenser: run pick_list.csv (volumes in nL).",
    ]
    if len(pack.by_hand):
        per_well = per_well_ul(plates)
        steps.append(
            f"Or by hand: seed {plates.well_volume_ul - per_well:g} uL of cells instead, mix the working "
            f"solutions of the page 'By hand', and add {per_well:g} uL of them per well."
        )
    return [
        *steps,
        "Compare three wells per plate with the picture of the plate.",
        f"Incubate for {time}.",
        "Lyse and prepare one library per well with the indices of the sheet 'samples' in pack.xlsx. Plate 1 "
        "takes the pairs of index plate UDI1 at the same positions, plate 2 those of UDI2, and so on. Write "
        "your own names over ours.",
        "Did you pipette otherwise? Correct plate_map.csv, not its copy in the pack, and run 'anchordrug "
        "campaign next' again: it renews pick list and pack.",
        "Give the results to 'anchordrug campaign ingest'.",
    ]
