"""Building the predictor of a target from what earlier stages wrote."""

from anchordrug.atlas import ResponseAtlas
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.predictors.mlp import FactorisedMlp, MlpFitted, MlpPredictor, load_mlp
from anchordrug.settings import Settings
from anchordrug.stages import paths
from anchordrug.stages.pretrain import plan_of


def load_pretrained(target: str) -> FactorisedMlp:
    """Return the network that pretrain wrote for `target`."""
    folder = paths.PRETRAINED / target
    paths.require(folder / "model.json")
    return load_mlp(folder)


def load_predictor(
    settings: Settings, atlas: ResponseAtlas, features: FeatureBlocks, target: str, network: FactorisedMlp
) -> MlpPredictor:
    """Return the predictor of `target` that starts from a pre-trained `network`, ready to be fitted."""
    return MlpPredictor(
        network,
        features,
        atlas.cell_lines.index(target),
        settings.curate.threshold,
        plan_of(settings.finetune, seed=0),
        settings.finetune.balance,
    )


def load_fitted(
    atlas: ResponseAtlas, features: FeatureBlocks, target: str, seed: int, budget: str
) -> MlpFitted:
    """Return the predictor that finetune wrote for one campaign under the name `budget`."""
    folder = paths.FINETUNED / paths.run_name(target, seed) / budget
    paths.require(folder / "model.json")
    network = load_mlp(folder)
    return MlpFitted(network, features, atlas.cell_lines.index(target))
