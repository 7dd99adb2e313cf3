"""campaign.yaml as typed, validated settings of a campaign in the lab."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from anchordrug.errors import SettingsError, counted
from anchordrug.files.atomic import atomic_path, require_file
from anchordrug.settings import CellLineName, Section, validated


class Plates(Section):
    """How drugs come onto plates: every drug in `replicates` wells, `controls` wells of vehicle per plate.

    `well_volume_ul` is the volume of a well with its drug. `dmso_percent_max` caps the DMSO of a well. A
    source well is filled with `source_volume_ul` of stock, of which the dispenser leaves `dead_volume_ul`.
    The upper bounds catch slips of unit: no well of a 96-well plate holds 5 mL, no stock is as concentrated
    as pure DMSO (14 M), no source well holds more than a reservoir of 100 mL.
    """

    wells: Literal[96, 384]
    replicates: int = Field(ge=1, le=384)
    controls: int = Field(ge=0, le=384)
    use_edge: bool
    concentration_um: float = Field(gt=0, le=1_000_000)
    # Campaigns of earlier versions do not say it.
    time_h: float | None = Field(default=None, gt=0, le=10_000)
    well_volume_ul: float = Field(gt=0, le=5_000)
    stock_mm: float = Field(gt=0, le=14_000)
    # Nor these three.
    dmso_percent_max: float = Field(default=0.5, gt=0, le=100)
    source_volume_ul: float = Field(default=50, gt=0, le=100_000)
    dead_volume_ul: float = Field(default=15, ge=0, le=100_000)


class Constraints(Section):
    """Limits of the choice: drug_ids of the library, the cost of all rounds, drugs of one kind."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    cost: float | None = Field(gt=0)
    per_mechanism: int | None = Field(ge=1)
    per_scaffold: int | None = Field(ge=1)


class CampaignSettings(Section):
    """Everything in campaign.yaml."""

    targets: tuple[CellLineName, ...] = Field(min_length=1)
    budget: int = Field(ge=1)
    rounds: int = Field(ge=1)
    seed: int = Field(ge=0)
    strategy: str
    stop_below: float = Field(ge=0, le=1)
    rehearsal: bool
    constraints: Constraints
    plates: Plates

    @property
    def batch(self) -> int:
        """Drugs per round."""
        return -(-self.budget // self.rounds)


def read_campaign(path: Path) -> CampaignSettings:
    """Read and validate campaign.yaml.

    Raises
    ------
    SettingsError
        The file is not YAML, a key is unknown or missing, or a value is out of its range.
    """
    settings = validated(
        require_file(path, "make a campaign with 'anchordrug campaign new'"), CampaignSettings
    )
    check_campaign(settings, path)
    return settings


def check_campaign(settings: CampaignSettings, source: object) -> None:
    """Check values against one another; `source` names the place in errors.

    Raises
    ------
    SettingsError
        A target is listed twice, or a drug is both included and excluded; or there are more rounds than
        drugs; or the dead volume is as large as a full source well.
    """
    for _, problem in conflicts(settings):
        raise SettingsError(f"{source}: {problem}")


def conflicts(settings: CampaignSettings) -> Iterator[tuple[str, str]]:
    """Yield the values that do not go together: the key to correct, and the problem with its remedy."""
    if len(set(settings.targets)) < len(settings.targets):
        yield "targets", "targets names the same cell line twice; remove the repetition"
    both = sorted(set(settings.constraints.include) & set(settings.constraints.exclude))
    if both:
        problem = f"constraints include and exclude drug '{both[0]}'; remove it from one"
        yield "constraints.exclude", problem
    if settings.rounds > settings.budget:
        budget = counted(settings.budget, "drug")
        problem = f"{settings.rounds} rounds for a budget of {budget}; ask for fewer rounds"
        yield "rounds", problem
    plates = settings.plates
    if plates.dead_volume_ul >= plates.source_volume_ul:
        problem = (
            f"plates.dead_volume_ul ({plates.dead_volume_ul:g} uL) leaves nothing of "
            f"plates.source_volume_ul ({plates.source_volume_ul:g} uL); correct one of them"
        )
        yield "plates.dead_volume_ul", problem


def write_campaign(settings: CampaignSettings, path: Path) -> None:
    """Write campaign.yaml."""
    values = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with atomic_path(path) as temporary:
        temporary.write_text(
            f"# A campaign in the lab; docs/campaign.md explains every key.\n{values}", "utf-8"
        )
