"""The data of a campaign's commands: the project's atlas with library and target lines added."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.atlas.conditions import conditions_in_words
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.atlas.tables import positions
from anchordrug.bench import folder as files
from anchordrug.bench.laid_out import campaign_of
from anchordrug.bench.library import read_library
from anchordrug.bench.settings import CampaignSettings
from anchordrug.errors import SettingsError, TableError
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.project.project import Project
from anchordrug.settings import Settings


@dataclass(frozen=True)
class World:
    """A campaign, and its atlas.

    Attributes
    ----------
    project
        The project, with the campaign's targets in its settings, all of them left out of the source lines.
    atlas, features
        The project's, with a row for each drug of the library that is new, ordered by drug_id.
    library
        `anchordrug.bench.library.COLUMNS`, and `row`: int64 row of the drug table.
    queries
        int64 rows of the drugs to be predicted, those of predict.csv or else the library, by InChIKey.
    """

    folder: Path
    project: Project
    campaign: CampaignSettings
    atlas: ResponseAtlas
    features: FeatureBlocks
    library: pd.DataFrame
    queries: np.ndarray

    @cached_property
    def sources(self) -> ResponseAtlas:
        """The experiments of the source lines."""
        return sources_of(self.atlas, self.campaign.targets[0], self.settings.pretrain.leave_out)

    @cached_property
    def atlas_conditions(self) -> str:
        """Doses and times of the experiments of the source lines, in words."""
        return conditions_in_words(self.sources)

    @property
    def settings(self) -> Settings:
        """The project's settings."""
        return self.project.settings

    def by_inchikey(self, drugs: np.ndarray) -> np.ndarray:
        """Return rows of the drug table ordered by their InChIKey, each once."""
        drugs = np.unique(drugs)
        keys = self.atlas.drugs["inchikey"].to_numpy()[drugs]
        return drugs[np.argsort(keys, kind="stable")]

    def rows_of(self, drug_ids: pd.Series) -> np.ndarray:
        """Return the rows of drugs by their id in the library."""
        place = positions(drug_ids, self.library["drug_id"])
        if (place < 0).any():
            raise TableError(
                f"{self.folder / files.LIBRARY}: has no drug '{drug_ids[place < 0].iloc[0]}', which a round "
                "asked for; restore the file"
            )
        return self.library["row"].to_numpy()[place]

    def measured_before(self, target: str) -> tuple[np.ndarray, np.ndarray]:
        """Return drugs that the atlas has measured in `target` and their z; none in a rehearsal."""
        if self.campaign.rehearsal or target not in self.atlas.cell_lines:
            return np.zeros(0, np.int64), np.zeros((0, len(self.atlas.genes)), np.float32)
        own = self.atlas.of(target)
        drugs = self.by_inchikey(own.drug)
        return drugs, own.responses_of(drugs)


def load_world(folder: Path, project: Project, campaign: CampaignSettings | None = None) -> World:
    """Load a campaign and the project's tables.

    `campaign` is given where the folder does not have its campaign.yaml yet.

    Raises
    ------
    SettingsError
        campaign.yaml was changed in a way that cannot be used.
    TableError
        library.csv was.
    """
    campaign = campaign or campaign_of(folder)
    settings = project.settings
    leave_out = tuple(sorted({*settings.pretrain.leave_out, *campaign.targets}))
    update = {
        "targets": campaign.targets,
        "pretrain": settings.pretrain.model_copy(update={"leave_out": leave_out}),
    }
    project = replace(project, settings=settings.model_copy(update=update))
    atlas = project.atlas()
    if campaign.rehearsal:
        _require_rehearsable(folder, campaign, atlas)
    library, queries = read_library(folder / files.LIBRARY), None
    if (folder / files.QUERIES).exists():
        queries = read_library(folder / files.QUERIES)
    return _extended(folder, project, campaign, atlas, library, queries)


def _require_rehearsable(folder: Path, campaign: CampaignSettings, atlas: ResponseAtlas) -> None:
    for target in campaign.targets:
        if target not in atlas.cell_lines:
            raise SettingsError(
                f"{folder / files.SETTINGS}: a rehearsal takes its results from the reference data (atlas), "
                f"which has no responses of target '{target}'; choose one of its cell lines "
                f"({', '.join(atlas.cell_lines)}), or set rehearsal: false"
            )


def _extended(
    folder: Path,
    project: Project,
    campaign: CampaignSettings,
    atlas: ResponseAtlas,
    library: pd.DataFrame,
    queries: pd.DataFrame | None,
) -> World:
    # Brings torch, which who only reads a campaign's folder need not wait for.
    from anchordrug.atlas.further_drugs import with_drugs

    wanted = pd.concat([library, queries]) if queries is not None else library
    atlas, features = with_drugs(atlas, project.features(atlas), wanted, project.settings.featurize.drug)
    lines = atlas.cell_lines + [target for target in campaign.targets if target not in atlas.cell_lines]
    atlas = replace(atlas, cell_lines=lines)
    library = library.assign(row=positions(library["inchikey"], atlas.drugs["inchikey"]))
    world = World(folder, project, campaign, atlas, features, library, library["row"].to_numpy())
    to_predict = library if queries is None else queries
    return replace(
        world, queries=world.by_inchikey(positions(to_predict["inchikey"], atlas.drugs["inchikey"]))
    )
