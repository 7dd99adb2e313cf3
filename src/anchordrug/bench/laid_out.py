"""The settings and files that a round and its pack were made from, and the notes on a round that waits."""

from pathlib import Path
from typing import Any

import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.bench.plates.source_wells import SAMPLE, SOURCE_PLATE, SOURCE_WELL, VOLUME
from anchordrug.bench.settings import CampaignSettings, read_campaign
from anchordrug.errors import SettingsError, TableError, shortlist
from anchordrug.files.atomic import require_file
from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json, read_table

# Settings that a campaign keeps from its first round on.
_FIXED = ("targets", "rehearsal")
# Settings that a round keeps as they were when its drugs were chosen and laid out.
_CHOICE = (*_FIXED, "budget", "rounds", "seed", "strategy", "constraints")
LAYOUT = ("wells", "replicates", "controls", "use_edge")


def campaign_of(folder: Path) -> CampaignSettings:
    """Return the settings of a campaign that has its model, and perhaps rounds.

    Raises
    ------
    SettingsError
        As `read_campaign`, or a setting that the campaign keeps was edited.
    """
    path = folder / files.SETTINGS
    campaign = read_campaign(path)
    now = campaign.model_dump(mode="json")
    card = folder / files.MODEL / files.CARD
    packs = [files.round_of(folder, number) / files.PACK for number in files.round_numbers(folder)]
    made = [read_json(card)] if card.is_file() else []
    made += [read_json(pack, "laid_out")["laid_out"] for pack in packs if pack.is_file()]
    for then in made:
        for name in _FIXED:
            # Neither the model nor packs of earlier versions have all of them.
            if then.get(name, now[name]) != now[name]:
                raise SettingsError(
                    f"{path}: {name}: {_written(now[name])} differs from the value that the campaign "
                    f"was made with; write {name}: {_written(then[name])} again, or make another "
                    "campaign with 'anchordrug campaign new'"
                )
    return campaign


def is_current(folder: Path, campaign: CampaignSettings, number: int) -> bool:
    """Return whether pick list and pack of a round are those of its plate map and of the settings."""
    here = files.round_of(folder, number)
    made = here / files.PACK
    return made.is_file() and made_from(folder, campaign, here).items() <= read_json(made).items()


def round_notes(folder: Path, campaign: CampaignSettings, number: int) -> list[str]:
    """Return the notes on a round that waits: the warnings of its pack, and edits that it does not follow.

    It reads the folder alone.
    """
    here, run_next = files.round_of(folder, number), f"run 'anchordrug campaign next {folder}'"
    if is_current(folder, campaign, number):
        notes = list(read_json(here / files.PACK, "warnings")["warnings"])
    else:
        notes = [f"pick list and pack are older than the plate map or the settings; {run_next}"]
    now, then = _settings_of(campaign), settled(campaign, here)
    changed = [
        f"{name} ({_written(then[name])} -> {_written(value)})"
        for name, value in now.items()
        if value != then.get(name, value)
    ]
    if changed:
        notes.append(
            f"{files.SETTINGS}: edited since round {number} was laid out. The round keeps its settings; "
            f"these count from the next round on: {shortlist(changed, 6)}. To have them now, if nothing is "
            f"pipetted yet: delete {here} and {run_next}"
        )
    if campaign.plates.controls == 0 != then["plates.controls"]:
        notes.append(
            f"{files.SETTINGS}: plates.controls: 0 leaves the next plates without DMSO, and counts without "
            "controls are refused; set it to 1 or more"
        )
    return notes


def settled(campaign: CampaignSettings, here: Path) -> dict[str, Any]:
    """Return the settings that a round was chosen and laid out with; those of now if it is not yet."""
    made = here / files.PACK
    return read_json(made, "laid_out")["laid_out"] if made.is_file() else _settings_of(campaign)


def earlier_pick_lists(folder: Path, number: int) -> list[pd.DataFrame]:
    """Return the pick lists of the rounds before round `number`, in order.

    Raises
    ------
    RawDataError, TableError
        One is missing or was changed.
    """
    rounds = [before for before in files.round_numbers(folder) if before < number]
    return [read_pick_list(files.round_of(folder, before) / files.PICK_LIST) for before in rounds]


def read_pick_list(path: Path) -> pd.DataFrame:
    """Read the pick list of a round.

    Raises
    ------
    RawDataError, TableError
        It is missing or was changed.
    """
    columns = (SOURCE_PLATE, SOURCE_WELL, SAMPLE)
    require_file(path, f"source wells of later rounds depend on it; {files.RESTORE}")
    table = read_table(path, columns)
    missing = [name for name in (*columns, VOLUME) if name not in table or table[name].isna().any()]
    if missing:
        raise TableError(f"{path}: column '{missing[0]}' is missing or has empty cells; {files.RESTORE}")
    if table[VOLUME].dtype.kind not in "iuf":
        raise TableError(f"{path}: column '{VOLUME}' has cells that are not numbers; {files.RESTORE}")
    return table


def made_from(folder: Path, campaign: CampaignSettings, here: Path) -> dict[str, object]:
    """Return dose, time, volumes and hashes that a pack is made from."""
    return {
        "plates": campaign.plates.model_dump(mode="json", exclude=set(LAYOUT)),
        "library": sha256(folder / files.LIBRARY),
        "plate_map": sha256(here / files.PLATE_MAP),
        "selection": sha256(here / files.SELECTION),
    }


def _settings_of(campaign: CampaignSettings) -> dict[str, Any]:
    """Return the settings of now that a round keeps, by their place in campaign.yaml."""
    values = campaign.model_dump(mode="json")
    constraints = values["constraints"]
    return {
        **{name: values[name] for name in _CHOICE if name != "constraints"},
        **{f"constraints.{name}": value for name, value in constraints.items()},
        **{f"plates.{name}": values["plates"][name] for name in LAYOUT},
    }


def _written(value: object) -> str:
    """Return a value of campaign.yaml as text."""
    if isinstance(value, list):
        return f"[{shortlist(value, 3)}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
