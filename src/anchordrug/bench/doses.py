"""Concentrations that drugs had on the plates: those of the plate maps, which may be edited."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from anchordrug.atlas.conditions import other_conditions
from anchordrug.bench import folder as files
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.world import World
from anchordrug.errors import AssayError, shortlist


def doses_of(plate_map: pd.DataFrame) -> list[float]:
    """Return the distinct concentrations (uM) of the drugs of a plate map, ascending."""
    treated = plate_map.loc[plate_map["pert_type"] == "trt", "concentration"]
    return [float(dose) for dose in sorted(treated.unique())]


def doses_of_rounds(folder: Path, rounds: Iterable[int], cell_lines: Sequence[str]) -> list[float]:
    """Return the distinct concentrations (uM) of the drugs of some rounds, ascending.

    Raises
    ------
    RawDataError, TableError
        A plate map is missing or cannot be read.
    """
    maps = (read_plate_map(files.round_of(folder, number) / files.PLATE_MAP, cell_lines) for number in rounds)
    return sorted({dose for plate_map in maps for dose in doses_of(plate_map)})


def require_one_dose_per_drug(plate_map: pd.DataFrame, path: Path) -> None:
    """Check that a drug has one concentration in all its wells of a cell line.

    Raises
    ------
    AssayError
        It has several, whose mean would be the response to none of them.
    """
    treated = plate_map[plate_map["pert_type"] == "trt"]
    for (line, drug), doses in treated.groupby(["cell_line", "drug_id"])["concentration"]:
        if doses.nunique() > 1:
            levels = shortlist(f"{dose:g}" for dose in sorted(doses.unique()))
            raise AssayError(
                f"{path}: drug '{drug}' in {line} has wells at {levels} uM, and its response is the mean of "
                "its wells; keep the wells of one concentration"
            )


def dose_notes(world: World, plate_map: pd.DataFrame, path: Path) -> list[str]:
    """Return what to know of a plate map with another concentration than the settings, in words."""
    plates, doses = world.campaign.plates, doses_of(plate_map)
    if doses == [plates.concentration_um]:
        return []
    levels = shortlist(f"{dose:g}" for dose in doses)
    told = [
        f"{path}: drugs have {levels} uM, not the {plates.concentration_um:g} uM of {files.SETTINGS}; the "
        "plate map counts"
    ]
    others = (other_conditions(world.sources, dose, plates.time_h) for dose in doses)
    return [*told, *(note for note in others if note is not None)]
