"""What a round needs at the bench: its pick list, pictures and pack, made from its plate map as it is now."""

from pathlib import Path

import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.bench.library import further_ids
from anchordrug.bench.plates.pack import Pack, Round, make_pack
from anchordrug.bench.plates.pack_files import write_pack
from anchordrug.bench.plates.source_wells import SAMPLE, SOURCE_PLATE, SOURCE_WELL, VOLUME
from anchordrug.bench.settings import CampaignSettings
from anchordrug.bench.world import World
from anchordrug.errors import TableError
from anchordrug.files.atomic import require_file
from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json, read_table, write_json

# Settings of the layout, which a round keeps.
_LAYOUT = ("wells", "replicates", "controls", "use_edge")


def write_round_files(
    world: World, number: int, plate_map: pd.DataFrame, selection: pd.DataFrame, here: Path
) -> Pack:
    """Write pick list, pictures and pack of round `number` into `here`, which has its tables.

    Source wells that an earlier pick list of the round gave its drugs stay as they are.

    Raises
    ------
    RawDataError, TableError
        The pick list of an earlier round is missing or was changed.
    SettingsError
        A volume cannot be pipetted.
    """
    earlier = [
        _pick_list(files.round_of(world.folder, before) / files.PICK_LIST)
        for before in files.round_numbers(world.folder)
        if before < number
    ]
    own, made = here / files.PICK_LIST, _made_from(world.folder, world.campaign, here)
    # The settings may have another size of plates for later rounds.
    plates = world.campaign.plates.model_copy(update={"wells": made["wells"]})
    pack = make_pack(
        Round(
            f"Round {number}",
            plate_map,
            selection,
            world.library,
            further_ids(world.library),
            plates,
            world.atlas_conditions,
            world.other_conditions,
            earlier,
            _pick_list(own) if own.exists() else None,
        )
    )
    write_pack(pack, here)
    write_json(made, here / files.PACK)
    return pack


def is_current(folder: Path, campaign: CampaignSettings, number: int) -> bool:
    """Return whether pick list and pack of a round are those of its plate map and of the settings."""
    here = files.round_of(folder, number)
    made = here / files.PACK
    return made.is_file() and read_json(made) == _made_from(folder, campaign, here)


def _made_from(folder: Path, campaign: CampaignSettings, here: Path) -> dict[str, object]:
    """Return size of plates, volumes and hashes that a pack is made from; the size stays as it was."""
    plates = campaign.plates.model_dump(mode="json", exclude=set(_LAYOUT))
    before = here / files.PACK
    return {
        "wells": read_json(before, "wells")["wells"] if before.is_file() else campaign.plates.wells,
        "plates": plates,
        "library": sha256(folder / files.LIBRARY),
        "plate_map": sha256(here / files.PLATE_MAP),
        "selection": sha256(here / files.SELECTION),
    }


def _pick_list(path: Path) -> pd.DataFrame:
    columns = (SOURCE_PLATE, SOURCE_WELL, SAMPLE)
    require_file(path, f"source wells of later rounds depend on it; {files.RESTORE}")
    table = read_table(path, columns)
    missing = [name for name in (*columns, VOLUME) if name not in table or table[name].isna().any()]
    if missing:
        raise TableError(f"{path}: column '{missing[0]}' is missing or has empty cells; {files.RESTORE}")
    if table[VOLUME].dtype.kind not in "iuf":
        raise TableError(f"{path}: column '{VOLUME}' has cells that are not numbers; {files.RESTORE}")
    return table
