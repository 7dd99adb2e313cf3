"""What a campaign's commands compute with: the project's atlas with library and target lines added."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from rdkit import Chem

from anchordrug.acquisition import Catalogue
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.bench import folder as files
from anchordrug.bench.settings import CampaignSettings, read_campaign
from anchordrug.chem.fingerprints import fingerprints
from anchordrug.errors import SettingsError, TableError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.cell_lines import embed_cell_lines
from anchordrug.files.atomic import require_file
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.tables import read_json, read_matrix, read_table, write_json, write_matrix
from anchordrug.predictors.base import Predictor
from anchordrug.predictors.loading import load_predictor, load_prior, mechanisms_of
from anchordrug.predictors.response.prior import ResponsePrior
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas, load_features, positions
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression
from anchordrug.settings import Settings
from anchordrug.stages.pretrain import learn

CARD = "campaign.json"


@dataclass(frozen=True)
class World:
    """A campaign, and the atlas it stands in.

    Attributes
    ----------
    settings
        The project's, with the campaign's targets, all of them left out of the source lines.
    atlas, features
        The project's, with a row for each drug of the library that is new, ordered by drug_id.
    library
        `anchordrug.bench.library.COLUMNS`, and `row`: int64 row of the drug table.
    aim
        int64 rows of the drugs to be predicted, those of predict.csv or else the library, by InChIKey.
    """

    folder: Path
    settings: Settings
    campaign: CampaignSettings
    atlas: ResponseAtlas
    features: FeatureBlocks
    library: pd.DataFrame
    aim: np.ndarray

    @property
    def model(self) -> Path:
        """The folder of what the source lines taught."""
        return self.folder / files.MODEL

    @cached_property
    def sources(self) -> ResponseAtlas:
        """The experiments of the source lines."""
        return sources_of(self.atlas, self.campaign.targets[0], self.settings.pretrain.leave_out)

    @cached_property
    def prior(self) -> ResponsePrior:
        """What source lines say of every drug."""
        return load_prior(self.settings, self.atlas, self.features, self.campaign.targets[0])[1]

    @cached_property
    def predictors(self) -> list[Predictor]:
        """The predictor of every target, ready to be fitted."""
        return [
            load_predictor(self.settings, self.atlas, self.features, target, self.model)
            for target in self.campaign.targets
        ]

    def catalogue(self) -> Catalogue:
        """Return what strategies may know of every drug."""
        return Catalogue(self.features.drugs, mechanisms_of(self.atlas), self.prior, self.aim)

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


def load_world(folder: Path, settings: Settings, campaign: CampaignSettings | None = None) -> World:
    """Load a campaign and the project's tables; learn its model if there is none yet.

    `campaign` is given where the folder does not have its campaign.yaml yet.

    Raises
    ------
    SettingsError
        Tables or settings are not those that the campaign's model was learned from.
    TableError
        library.csv was changed in a way that cannot be used.
    """
    campaign = campaign or read_campaign(folder / files.SETTINGS)
    leave_out = tuple(sorted({*settings.pretrain.leave_out, *campaign.targets}))
    settings = settings.model_copy(
        update={
            "targets": campaign.targets,
            "pretrain": settings.pretrain.model_copy(update={"leave_out": leave_out}),
        }
    )
    atlas = load_atlas()
    if campaign.rehearsal:
        _require_rehearsable(folder, campaign, atlas)
    library, aim = _library(folder / files.LIBRARY), None
    if (folder / files.AIM).exists():
        aim = _library(folder / files.AIM)
    world = _extended(folder, settings, campaign, atlas, library, aim)
    learned = _is_learned(world)
    if settings.predictor != "response_gp":
        world = replace(world, features=replace(world.features, cell_lines=_embedding(world, learned)))
    if not learned:
        _learn(world)
    return world


def _require_rehearsable(folder: Path, campaign: CampaignSettings, atlas: ResponseAtlas) -> None:
    for target in campaign.targets:
        if target not in atlas.cell_lines:
            raise SettingsError(
                f"{folder / files.SETTINGS}: rehearsal plays with measured responses, and the "
                f"atlas has none of {target}; name one of its cell lines ({', '.join(atlas.cell_lines)}) "
                "or set rehearsal: false"
            )


def _library(path: Path) -> pd.DataFrame:
    require_file(path, "make the campaign again with 'anchordrug campaign new'")
    table = read_table(path, files.TEXT)
    missing = [name for name in ("drug_id", "inchikey", "smiles") if name not in table.columns]
    if missing or table[["drug_id", "inchikey", "smiles"]].isna().to_numpy().any():
        raise TableError(
            f"{path}: {'no column ' + missing[0] if missing else 'a drug_id, inchikey or smiles is empty'}; "
            "restore the file that 'anchordrug campaign new' wrote, and make changes in your own list"
        )
    return table


def _extended(
    folder: Path,
    settings: Settings,
    campaign: CampaignSettings,
    atlas: ResponseAtlas,
    library: pd.DataFrame,
    aim: pd.DataFrame | None,
) -> World:
    features = load_features(atlas)
    wanted = pd.concat([library, aim]) if aim is not None else library
    new = wanted[~wanted["inchikey"].isin(atlas.drugs["inchikey"])].drop_duplicates("inchikey")
    taken = set(atlas.drugs["drug_id"])
    new = new.assign(
        drug_id=[one if one not in taken else f"{one} (library)" for one in new["drug_id"]], other_ids=None
    )
    drugs = pd.concat([atlas.drugs, new[list(atlas.drugs.columns)]], ignore_index=True)
    order = np.argsort(drugs["drug_id"].to_numpy(dtype=object), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    drug = settings.featurize.drug
    molecules = [Chem.MolFromSmiles(smiles) for smiles in new["smiles"]]
    bits = unit_rows(fingerprints(molecules, drug.radius, drug.bits))
    lines = atlas.cell_lines + [one for one in campaign.targets if one not in atlas.cell_lines]
    atlas = replace(
        atlas, drugs=drugs.iloc[order].reset_index(drop=True), drug=place[atlas.drug], cell_lines=lines
    )
    features = replace(features, drugs=np.concatenate([features.drugs, bits])[order])
    library = library.assign(row=positions(library["inchikey"], atlas.drugs["inchikey"]))
    world = World(folder, settings, campaign, atlas, features, library, library["row"].to_numpy())
    to_predict = library if aim is None else aim
    return replace(world, aim=world.by_inchikey(positions(to_predict["inchikey"], atlas.drugs["inchikey"])))


def _embedding(world: World, learned: bool) -> np.ndarray:
    """Return the unit-norm embeddings of the atlas' lines and the targets, float32 [lines, dim].

    They are learned from the untreated expression of the bundle's lines and of the targets together, unless
    they are with the model.
    """
    path = world.model / "cell_lines.parquet"
    lines = world.atlas.cell_lines
    if learned:
        index, _, embedding = read_matrix(path, ["cell_line"])
        if index["cell_line"].tolist() != lines:
            raise TableError(f"{path}: is of other cell lines; delete {world.model} to learn it anew")
        return embedding
    names, genes, expression = read_expression(find_bundle(world.settings.raw.dir).expression)
    table = pd.DataFrame(expression, index=pd.Index(names), columns=pd.Index(genes))
    own = world.folder / files.EXPRESSION
    if own.exists():
        given, columns, values = read_expression(own)
        if columns != genes:
            raise TableError(f"{own}: its genes are not the atlas'; make the campaign again")
        added = pd.DataFrame(values, index=pd.Index(given), columns=pd.Index(genes))
        table = pd.concat([table[~table.index.isin(given)], added])
    missing = [target for target in world.campaign.targets if target not in table.index]
    if missing:
        raise SettingsError(
            f"{world.folder}: the untreated expression of {missing[0]} is not known; give it to 'anchordrug "
            "campaign new' with --expression, or set predictor: response_gp in params.yaml, which needs none"
        )
    cell = world.settings.featurize.cell
    embedding = embed_cell_lines(
        table.to_numpy(np.float32),
        dim=cell.dim,
        epochs=cell.epochs,
        learning_rate=cell.learning_rate,
        seed=cell.seed,
    )
    embedding = unit_rows(embedding[positions(lines, table.index)])
    columns = [f"embedding_{k}" for k in range(cell.dim)]
    write_matrix(path, pd.DataFrame({"cell_line": lines}), columns, embedding)
    return embedding


def _key(world: World) -> str:
    """Return a name of everything that the model is learned from."""
    settings = world.settings
    tables = [paths.RESPONSES, paths.DRUGS, paths.DRUG_FEATURES, paths.GENE_FEATURES]
    own = world.folder / files.EXPRESSION
    sections = (settings.response_net, settings.pretrain, settings.featurize)
    return digest_of(
        [sha256(path) for path in tables],
        sha256(own) if own.exists() else sha256(find_bundle(settings.raw.dir).expression),
        [one.model_dump(mode="json") for one in sections],
        [settings.predictor, settings.curate.threshold, list(settings.targets)],
    )


def _is_learned(world: World) -> bool:
    """Return whether the model is there; campaign.json is written last.

    Raises
    ------
    SettingsError
        It was learned from other tables or with other settings.
    """
    card = world.model / CARD
    if not card.exists():
        return False
    if read_json(card)["key"] != _key(world):
        raise SettingsError(
            f"{world.model}: was learned from other tables or with other settings than the project has now; "
            f"restore them (git checkout, dvc checkout), or delete {world.model} to learn it anew"
        )
    return True


def _learn(world: World) -> None:
    """Learn the model from the source lines."""
    target = world.campaign.targets[0]
    lines = len(np.unique(world.sources.cell_line))
    typer.echo(f"learning what {lines} source cell lines teach ({world.settings.predictor}) ...")
    learn(world.settings, world.features, world.sources, target, world.model)
    about = {"predictor": world.settings.predictor, "targets": world.campaign.targets}
    write_json({"key": _key(world), **about}, world.model / CARD)
