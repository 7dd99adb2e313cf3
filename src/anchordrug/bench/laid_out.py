"""The settings and files that a round and its pack were made from, and the notes on a round that waits."""

from pathlib import Path
from typing import Any

from anchordrug.bench import folder as files
from anchordrug.bench.settings import CampaignSettings
from anchordrug.errors import shortlist
from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json

# Settings that a round keeps as they were when its drugs were chosen and laid out.
_CHOICE = ("targets", "budget", "rounds", "seed", "strategy", "constraints")
LAYOUT = ("wells", "replicates", "controls", "use_edge")


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
        if value != then[name]
    ]
    if changed:
        notes.append(
            f"{files.SETTINGS}: edited since round {number} was laid out. The round keeps its settings; "
            f"these count from the next round on: {shortlist(changed, 6)}. To have them now, if nothing is "
            f"pipetted yet: delete {here} and {run_next}"
        )
    return notes


def settled(campaign: CampaignSettings, here: Path) -> dict[str, Any]:
    """Return the settings that a round was chosen and laid out with; those of now if it is not yet."""
    made = here / files.PACK
    return read_json(made, "laid_out")["laid_out"] if made.is_file() else _settings_of(campaign)


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
