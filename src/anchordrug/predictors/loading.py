"""Building the predictor of a target from what earlier stages wrote, whichever params.yaml names."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.errors import RawDataError, SettingsError
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.atomic import require_file
from anchordrug.files.tables import read_json
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.base import FittedPredictor, Predictor
from anchordrug.predictors.mlp.files import load_mlp, save_mlp
from anchordrug.predictors.mlp.predictor import MlpFitted, MlpPredictor
from anchordrug.predictors.mlp.training import TrainingPlan
from anchordrug.predictors.response.files import load_response, load_start, save_response
from anchordrug.predictors.response.net import NetSettings, PriorBasis, prior_basis, response_inputs
from anchordrug.predictors.response.predictor import NetStart, ResponseFitted, ResponsePredictor
from anchordrug.predictors.response.prior import ResponsePrior, mechanism_codes, prior_from
from anchordrug.predictors.response.pseudo_targets import mean_square
from anchordrug.predictors.temperature import TemperatureScaling
from anchordrug.project import paths
from anchordrug.settings import Settings, Training

# The paper's network, and the same with prior responses among its inputs.
MLPS = ("mlp", "mlp_response")


def plan_of(training: Training, seed: int, device: str) -> TrainingPlan:
    """Return the training plan that a section of the settings describes."""
    return TrainingPlan(
        training.epochs, training.learning_rate, training.block_drugs, training.block_genes, seed, device
    )


def training_of(settings: Settings) -> dict[str, object]:
    """Return the settings that a fit to anchors depends on, for its card."""
    if settings.predictor in MLPS:
        return settings.finetune.model_dump(mode="json")
    sections = {"response_net": settings.response_net, "ensemble": settings.ensemble}
    return {name: one.model_dump(mode="json") for name, one in sections.items()}


def net_settings(settings: Settings, device: str) -> NetSettings:
    """Return how and where response_net is built and trained."""
    net = settings.response_net
    return NetSettings(
        net.hidden,
        net.dropout,
        net.epochs,
        net.learning_rate,
        net.finetune_epochs,
        net.finetune_learning_rate,
        device=device,
    )


def net_share(settings: Settings) -> float:
    """Return the share of response_net in the predictor: 0, 1, or what the ensemble gives it."""
    return {"response_gp": 0.0, "response_net": 1.0}.get(settings.predictor, settings.ensemble.net_share)


def mechanisms_of(atlas: ResponseAtlas) -> list[str | None]:
    """Return every drug's mechanism of action, None where unknown."""
    return [one if isinstance(one, str) and one else None for one in atlas.drugs["moa"]]


def load_prior(
    settings: Settings, atlas: ResponseAtlas, features: FeatureBlocks, target: str
) -> tuple[ResponseAtlas, ResponsePrior]:
    """Return the source experiments of `target` and the prior responses that they give."""
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    return sources, prior_of(settings, features, sources)


def prior_of(settings: Settings, features: FeatureBlocks, sources: ResponseAtlas) -> ResponsePrior:
    """Return the prior responses that `sources` give."""
    mechanism = mechanism_codes(mechanisms_of(sources))
    return prior_from(sources, features.drugs, mechanism, settings.curate.threshold)


def basis_of(prior: ResponsePrior) -> PriorBasis:
    """Return the principal components of the prior responses of the drugs that source lines have measured.

    Only of those, so that what is learned before a campaign does not depend on the drugs one may choose.
    """
    return prior_basis(prior.evidence_of(prior.known).prior)


def with_response(
    atlas: ResponseAtlas, features: FeatureBlocks, prior: ResponsePrior, basis: PriorBasis
) -> FeatureBlocks:
    """Return `features` with what a network sees of prior responses added to every drug's."""
    evidence = prior.evidence_of(np.arange(len(atlas.drugs)))
    more = response_inputs(NumpyOps, basis, evidence)
    return replace(features, drugs=np.concatenate([features.drugs, more], axis=1))


def load_predictor(
    settings: Settings,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    target: str,
    folder: Path,
    device: str = "cpu",
) -> Predictor:
    """Return the predictor of `target`, ready to be fitted, from the `folder` that pretrain wrote.

    In scenario `common` it may be that of another target, with which this one shares its source lines.
    Networks are fitted on `device`, cpu or cuda.

    Raises
    ------
    RawDataError
        Pretrain has not run, or what it wrote is damaged.
    SettingsError
        It ran with another predictor.
    """
    _require_predictor(folder, settings)
    line = atlas.cell_lines.index(target)
    threshold = settings.curate.threshold
    if settings.predictor in MLPS:
        if settings.predictor == "mlp_response":
            _, prior = load_prior(settings, atlas, features, target)
            features = with_response(atlas, features, prior, basis_of(prior))
        plan = plan_of(settings.finetune, 0, device)
        return MlpPredictor(load_mlp(folder), features, line, threshold, plan, settings.finetune.balance)
    sources, prior = load_prior(settings, atlas, features, target)
    calibration, net = load_start(folder, net_settings(settings, device))
    if settings.decision == "likeliest":
        calibration = replace(calibration, offsets=np.zeros_like(calibration.offsets))
    start = None
    if net is not None:
        network, basis = net
        start = NetStart(network, basis, features.cell_lines[line], net_settings(settings, device))
    scale = mean_square(prior.evidence_of(prior.known).prior)
    return ResponsePredictor(sources, prior, scale, calibration, threshold, start, net_share(settings))


def _require_predictor(folder: Path, settings: Settings) -> None:
    require_file(folder / "model.json", "run 'anchordrug pretrain' first (dvc repro runs every stage)")
    found = read_json(folder / "model.json").get("predictor")
    if found != settings.predictor:
        raise SettingsError(
            f"{folder}: holds predictor '{found}', params.yaml asks for '{settings.predictor}'; "
            "run the earlier stages again (dvc repro)"
        )


def save_fitted(fitted: FittedPredictor, folder: Path, card: dict[str, object]) -> None:
    """Write a fitted predictor with its card."""
    if isinstance(fitted, MlpFitted):
        save_mlp(fitted.network, folder, {"calibration": asdict(fitted.calibration), **card})
    elif isinstance(fitted, ResponseFitted):
        save_response(fitted, folder, card)
    else:
        raise TypeError(type(fitted))


@dataclass(frozen=True)
class FittedFiles:
    """Reads what finetune wrote for one target, with `predictor` as `load_predictor` returns it."""

    predictor: Predictor
    target: str
    seed: int

    def folder(self, budget: str) -> Path:
        """Return the folder of the predictor called `budget`."""
        return paths.FINETUNED / paths.run_name(self.target, self.seed) / budget

    def load(self, budget: str) -> FittedPredictor:
        """Return the fitted predictor called `budget`."""
        folder = self.folder(budget)
        paths.require(folder / "model.json")
        if isinstance(self.predictor, MlpPredictor):
            network, one = load_mlp(folder), self.predictor
            stored = read_json(folder / "model.json").get("calibration")
            if not isinstance(stored, dict) or set(stored) != {"scale", "none"}:
                raise RawDataError(f"{folder}: not a usable model ('calibration' is missing); train it again")
            return MlpFitted(network, one.features, one.cell_line, TemperatureScaling(**stored))
        assert isinstance(self.predictor, ResponsePredictor)
        one = self.predictor
        return load_response(folder, one.prior, one.calibration, one.scale)
