"""Files of a round for the lab: its pick list, pictures and pack, made from its present plate map."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.bench.doses import dose_notes
from anchordrug.bench.laid_out import LAYOUT, earlier_pick_lists, made_from, read_pick_list, settled
from anchordrug.bench.library import further_ids
from anchordrug.bench.plates.pack import Round, make_pack
from anchordrug.bench.plates.pack_files import write_pack
from anchordrug.bench.plates.protocol import warnings
from anchordrug.bench.world import World
from anchordrug.errors import shortlist
from anchordrug.files.tables import write_json


def write_round_files(
    world: World, number: int, plate_map: pd.DataFrame, selection: pd.DataFrame, here: Path
) -> list[str]:
    """Write pick list, pictures and pack of round `number` into `here`, which has its tables.

    Source wells that an earlier pick list of the round gave its drugs stay as they are.

    Returns
    -------
    list of str
        Notes before the round is pipetted; see `anchordrug.bench.laid_out.round_notes`.

    Raises
    ------
    RawDataError, TableError
        The pick list of an earlier round is missing or was changed.
    SettingsError
        A volume cannot be pipetted.
    """
    earlier = earlier_pick_lists(world.folder, number)
    own, kept = here / files.PICK_LIST, settled(world.campaign, here)
    layout = {name: kept[f"plates.{name}"] for name in LAYOUT}
    # The settings may have another layout for later rounds.
    plates = world.campaign.plates.model_copy(update=layout)
    told = [
        *dose_notes(world, number, plate_map),
        *_lost_wells(plate_map, selection["drug_id"].tolist(), kept["targets"], plates.replicates),
    ]
    pack = make_pack(
        Round(
            f"Round {number}",
            plate_map,
            selection,
            world.library,
            further_ids(world.library),
            plates,
            world.atlas_conditions,
            told,
            earlier,
            read_pick_list(own) if own.exists() else None,
        )
    )
    write_pack(pack, here)
    told = warnings(pack)
    made = made_from(world.folder, world.campaign, here)
    write_json({"laid_out": kept, "warnings": told, **made}, here / files.PACK)
    return told


def _lost_wells(
    plate_map: pd.DataFrame, drugs: Sequence[str], targets: Sequence[str], replicates: int
) -> list[str]:
    """Return which drugs of a round have lost wells of its plate map, in words."""
    told = []
    for target in targets:
        own = plate_map[(plate_map["cell_line"] == target) & (plate_map["pert_type"] == "trt")]
        wells = own["drug_id"].value_counts().reindex(list(drugs), fill_value=0)
        place = f"{files.PLATE_MAP}, {target}" if len(targets) > 1 else files.PLATE_MAP
        gone = wells[wells == 0]
        if len(gone):
            told.append(f"{place}: no well of {shortlist(gone.index)}; the round will have no result of it")
        fewer = wells[(wells > 0) & (wells < replicates)]
        if len(fewer):
            pairs = shortlist(f"{drug} ({count})" for drug, count in fewer.items())
            told.append(f"{place}: fewer wells than the {replicates} laid out: {pairs}")
    return told
