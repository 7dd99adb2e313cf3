"""Predictors that start from prior responses: response_gp, response_net, and the ensemble of both."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Card, Decision, Expectation, Predictor, State, Task, Work
from anchordrug.predictors.response.files import load_state, save_state
from anchordrug.predictors.response.fitted import ResponseFitted, load_fitted
from anchordrug.predictors.response.forecast import GpForecaster, noise_scale
from anchordrug.predictors.response.gp import KernelWeights, fit_gp, leave_one_out
from anchordrug.predictors.response.label_model import LabelModel
from anchordrug.predictors.response.net import NetFit, NetSettings, PriorBasis, basis_of
from anchordrug.predictors.response.params import EnsembleParams, GpParams, NetParams
from anchordrug.predictors.response.played_forecasts import played_misses
from anchordrug.predictors.response.prior import ResponsePrior, prior_of
from anchordrug.predictors.response.pseudo_targets import (
    PseudoTarget,
    SourceFit,
    fit_to_pseudo_targets,
    gene_rates,
    mean_square,
    pseudo_targets_of,
)
from anchordrug.predictors.temperature import UNCALIBRATED, TemperatureScaling, fit_temperature_scaling

# Brings torch, which response_gp does without.
if TYPE_CHECKING:
    from anchordrug.predictors.response.net_training import ResponseNet


@dataclass(frozen=True)
class ResponseState(State):
    """Lessons of the pseudo-targets and, where there is one, the pre-trained network with its basis."""

    source_fit: SourceFit
    net: "tuple[ResponseNet, PriorBasis] | None"
    losses: Sequence[float] = ()

    def save(self, folder: Path, card: Card) -> None:
        """Write weights.safetensors and model.json."""
        save_state(folder, self.source_fit, self.net, card)


@dataclass(frozen=True)
class NetStart:
    """A pre-trained network, and the data to fine-tune it in the target with embedding `cell` [dim]."""

    network: "ResponseNet"
    basis: PriorBasis
    cell: np.ndarray
    settings: NetSettings


@dataclass(frozen=True)
class ResponsePredictor(Predictor):
    """Fits the target's anchors, starting from the prior that the source lines give.

    Attributes
    ----------
    sources
        The experiments that `prior` was made of.
    scale
        Mean square of the prior responses of the drugs that source lines have measured.
    net_share, decision, unseen_share
        See `ResponseFitted`.
    """

    uses_annotation = False

    sources: ResponseAtlas
    prior: ResponsePrior
    scale: float
    source_fit: SourceFit
    threshold: float
    net: NetStart | None
    net_share: float
    decision: Decision = "balanced"
    unseen_share: float = 0.0

    @classmethod
    @abstractmethod
    def net_settings(cls, params: Any, device: str) -> NetSettings | None:
        """Return how the network is built and trained; None without a network."""

    @classmethod
    @abstractmethod
    def share_of_net(cls, params: Any) -> float:
        """Return `ResponseFitted.net_share`."""

    @classmethod
    def pretrain(cls, task: Task, params: Any, work: Work) -> ResponseState:
        """Use every source line as the target: fit the Gaussian process and labels, train the network."""
        seed, threshold = params.pretrain.seed, task.threshold
        pseudo = pseudo_targets_of(task)
        hidden = pseudo_targets_of(task, np.random.default_rng([seed, 1]))
        rates = gene_rates(task.sources, threshold)
        source_fit = fit_to_pseudo_targets(pseudo, hidden, KernelWeights(), rates, threshold, seed)
        gp = source_fit.gp
        work.say(
            f"calibrated on {len(pseudo)} pseudo-targets (slope {gp.slope:.2f}, noise {gp.noise:g}, "
            f"ridge {gp.ridge:g})"
        )
        if cls.share_of_net(params) < 1:
            source_fit = _with_forecasts(source_fit, pseudo, task, seed)
            low, high = source_fit.misses.later
            work.say(
                f"intervals of forecasts: {low:+.1f} to {high:+.1f} spreads (first drugs "
                f"{source_fit.misses.first[0]:+.1f} to {source_fit.misses.first[1]:+.1f})"
            )
        settings = cls.net_settings(params, task.device)
        if settings is None:
            return ResponseState(source_fit, None)
        from anchordrug.predictors.response.net_training import pretrain_net

        basis = basis_of(prior_of(task))
        network, losses = pretrain_net(pseudo, basis, task.features.cell_lines, threshold, settings, seed)
        work.say(f"{len(losses)} epochs, loss {losses[0]:.4f} to {losses[-1]:.4f}")
        return ResponseState(source_fit, (network, basis), losses)

    @classmethod
    def load_state(cls, folder: Path, params: Any) -> ResponseState:
        """Read the files of `ResponseState.save`."""
        return ResponseState(*load_state(folder, cls.net_settings(params, "cpu")))

    @classmethod
    def ready(cls, task: Task, params: Any, state: ResponseState) -> Self:
        """Return the predictor that starts from the prior of `task` and from `state`."""
        prior, source_fit = prior_of(task), state.source_fit
        if task.decision == "likeliest":
            source_fit = replace(source_fit, offsets=np.zeros_like(source_fit.offsets))
        settings = cls.net_settings(params, task.device)
        start = None
        if settings is not None and state.net is not None:
            start = NetStart(*state.net, task.features.cell_lines[task.cell_line], settings)
        scale = mean_square(prior.evidence_of(prior.known).prior)
        share = cls.share_of_net(params)
        return cls(
            task.sources,
            prior,
            scale,
            source_fit,
            task.threshold,
            start,
            share,
            task.decision,
            task.unseen_share(),
        )

    def load(self, folder: Path) -> ResponseFitted:
        """Read the files of `ResponseFitted.save`."""
        return load_fitted(folder, self.prior, self.source_fit, self.scale, self.decision)

    def left_out(self, anchors: np.ndarray, z: np.ndarray) -> np.ndarray | None:
        """Return each anchor's z as predicted from the others by the Gaussian process; None below two."""
        if len(anchors) < 2:
            return None
        return leave_one_out(self.source_fit.gp, self.prior, self.sources, anchors, z, self.scale)[0]

    def expectations(self) -> Sequence[Expectation]:
        """Return how well source lines used as the target predicted each evidence group."""
        return self.source_fit.expected

    def forecaster(self) -> GpForecaster | None:
        """Return the forecast of the Gaussian process; None where the network alone predicts."""
        if self.net_share == 1:
            return None
        return GpForecaster(self.source_fit, self.sources)

    def fit(
        self,
        anchors: np.ndarray,
        z: np.ndarray,
        *,
        seed: int,
        final: bool = False,  # noqa: ARG002  # a final fit is like any other
    ) -> ResponseFitted:
        """Fit to `anchors` (int64 rows of the atlas, maybe none) and their `z`."""
        gp = fit_gp(self.source_fit.gp, self.prior, self.sources, anchors, z, self.scale)
        net = None if self.net is None else self._finetuned(self.net, anchors, z, seed)
        return ResponseFitted(
            self.prior,
            gp,
            self._labels(),
            net,
            self.net_share,
            np.stack([self.source_fit.offsets] * 2),
            self._scale(anchors, z),
            self.decision,
            self.unseen_share,
        )

    def _labels(self) -> LabelModel:
        return self.source_fit.labels.for_library(self.unseen_share)

    def _scale(self, anchors: np.ndarray, z: np.ndarray) -> TemperatureScaling:
        """Return the evidence of anchors, each predicted from the others, on the process' probabilities."""
        if len(anchors) < 2 or self.net_share == 1:
            return UNCALIBRATED
        settings, evidence = self.source_fit.gp, self.prior.evidence_of(anchors)
        mean, deviation = leave_one_out(settings, self.prior, self.sources, anchors, z, self.scale)
        logits = self._labels().logits(NumpyOps, evidence, mean, deviation)
        return fit_temperature_scaling(logits, labels_of(z, self.threshold), evidence.unseen(NumpyOps)[:, 0])

    def _finetuned(self, start: NetStart, anchors: np.ndarray, z: np.ndarray, seed: int) -> NetFit:
        from anchordrug.predictors.response.net_training import finetune_net, net_data, net_fit

        network = copy.deepcopy(start.network)
        if len(anchors):
            evidence, bits = self.prior.evidence_of(anchors), self.prior.bits[anchors]
            data = net_data(start.basis, evidence, bits, start.cell, labels_of(z, self.threshold))
            finetune_net(network, data, start.settings, seed)
        return net_fit(network, start.basis, start.cell)


class GpPredictor(ResponsePredictor):
    """Predictor `response_gp`."""

    Params = GpParams
    uses_cell_lines = False

    @classmethod
    def net_settings(cls, params: Any, device: str) -> None:
        """Return None: it has no network."""

    @classmethod
    def share_of_net(cls, params: Any) -> float:  # noqa: ARG003
        """Return 0."""
        return 0.0


class NetPredictor(ResponsePredictor):
    """Predictor `response_net`."""

    Params = NetParams

    @classmethod
    def net_settings(cls, params: Any, device: str) -> NetSettings:
        """Return how the network is built and trained."""
        return NetSettings(
            params.pretrain.hidden,
            params.pretrain.dropout,
            params.pretrain.epochs,
            params.pretrain.learning_rate,
            params.fit.epochs,
            params.fit.learning_rate,
            device=device,
        )

    @classmethod
    def share_of_net(cls, params: Any) -> float:  # noqa: ARG003
        """Return 1."""
        return 1.0


class EnsemblePredictor(NetPredictor):
    """Predictor `ensemble`."""

    Params = EnsembleParams

    @classmethod
    def share_of_net(cls, params: Any) -> float:
        """Return the share that the settings give."""
        return params.fit.net_share


def _with_forecasts(
    source_fit: SourceFit, targets: Sequence[PseudoTarget], task: Task, seed: int
) -> SourceFit:
    """Return `source_fit` with the unit of the process' variance and the misses of played forecasts."""
    source_fit = replace(source_fit, unit=noise_scale(source_fit.gp, targets))

    def fit(target: PseudoTarget, drugs: np.ndarray, z: np.ndarray) -> ResponseFitted:
        player = GpPredictor(
            *(target.sources, target.prior, target.scale, source_fit, task.threshold), net=None, net_share=0.0
        )
        return player.fit(drugs, z, seed=seed)

    return replace(source_fit, misses=played_misses(targets, fit, source_fit, task.threshold, seed))
