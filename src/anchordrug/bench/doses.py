"""Concentrations that drugs had on the plates: those of the plate maps, which may be edited."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from anchordrug.atlas.conditions import other_conditions
from anchordrug.bench import folder as files
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.errors import AssayError, shortlist

# Brings the atlas, which who only reads a campaign's folder need not wait for.
if TYPE_CHECKING:
    from anchordrug.bench.world import World


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


def condition_notes(world: "World", doses: Iterable[float]) -> list[str]:
    """Return the notes on drugs at other doses (uM), or another time, than the source lines have."""
    time_h = world.campaign.plates.time_h
    notes = (other_conditions(world.sources, dose, time_h) for dose in doses)
    return [note for note in notes if note is not None]


def dose_notes(world: "World", number: int, plate_map: pd.DataFrame) -> list[str]:
    """Return the notes on the doses in the plate map of round `number`, in words.

    They may differ from campaign.yaml, from the earlier rounds and from the source lines.
    """
    doses, usual = doses_of(plate_map), world.campaign.plates.concentration_um
    told = []
    if doses and doses != [usual]:
        told.append(
            f"dose: {files.PLATE_MAP} has {_listed(doses)} uM, {files.SETTINGS} has {usual:g} uM; the plate "
            "map counts, edit it to change the dose of this round"
        )
    measured = [before for before in files.ingested_rounds(world.folder) if before < number]
    before = doses_of_rounds(world.folder, measured, world.campaign.targets)
    if doses and before and doses != before:
        told.append(
            f"dose: earlier rounds have {_listed(before)} uM, this one {_listed(doses)} uM; the model learns "
            "from all of them as if they had the same"
        )
    return [*told, *condition_notes(world, doses)]


def _listed(doses: Iterable[float]) -> str:
    return shortlist(f"{dose:g}" for dose in doses)
