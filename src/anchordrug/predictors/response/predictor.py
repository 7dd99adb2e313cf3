"""Predictors that start from prior responses: response_gp, response_net, and the ensemble of both."""

import copy
from dataclasses import dataclass

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.labels import decide, labels_of
from anchordrug.predictors.response.gp import GpFit, fit_gp, leave_one_out
from anchordrug.predictors.response.label_model import LabelModel
from anchordrug.predictors.response.net import (
    NetFit,
    NetSettings,
    PriorBasis,
    ResponseNet,
    finetune_net,
    net_data,
    net_fit,
)
from anchordrug.predictors.response.prior import Evidence, ResponsePrior
from anchordrug.predictors.response.pseudo_targets import SourceFit
from anchordrug.predictors.temperature import UNCALIBRATED, TemperatureScaling, fit_temperature_scaling

DRUGS_AT_ONCE = 256


@dataclass(frozen=True)
class ResponseFitted:
    """A fitted predictor of one target; a `FittedPredictor`.

    Attributes
    ----------
    gp
        The process and the label model; it gives z, and probabilities where it is part of the prediction.
    net
        The network, or None (response_gp).
    net_share
        0 for response_gp, 1 for response_net, between for the ensemble.
    offsets
        float32 [3], added to log probabilities to decide between labels.
    calibration
        What the anchors say of the probabilities.
    """

    prior: ResponsePrior
    gp: GpFit
    labels_from_gp: LabelModel
    net: NetFit | None
    net_share: float
    offsets: np.ndarray
    calibration: TemperatureScaling = UNCALIBRATED

    def predict(self, ops: type, bits: Array, row: Array) -> tuple[Array, Array]:
        """Return probabilities float32 [n, genes, 3] and z float32 [n, genes].

        Parameters
        ----------
        bits
            float32 [n, bits], 0 or 1.
        row
            int64 [n], the drug's row of the atlas, -1 for a drug that is not in it.
        """
        evidence = self.prior.evidence(ops, bits, row)
        mean, deviation = self.gp.predict(ops, evidence, bits, row)
        net = None if self.net is None else self.net.logits(ops, evidence, bits)
        return self.mixed(ops, evidence, mean, deviation, net), mean

    def mixed(self, ops: type, evidence: Evidence, mean: Array, deviation: Array, net: Array | None) -> Array:
        """Return probabilities [n, genes, 3] from what the process and the network (its logits) say."""
        if net is not None and self.net_share == 1:
            return ops.softmax(net)
        gp = self.labels_from_gp.logits(ops, evidence, mean, deviation)
        if net is None:
            return ops.softmax(self.calibration.of(gp))
        share = np.float32(self.net_share)
        logs = ops.log_softmax(gp) * (np.float32(1) - share) + ops.log_softmax(net) * share
        return ops.softmax(self.calibration.of(logs))

    def _rows(self, drugs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = np.split(drugs, range(DRUGS_AT_ONCE, len(drugs), DRUGS_AT_ONCE))
        results = [self.predict(NumpyOps, self.prior.bits[part], part) for part in parts]
        probabilities, z = zip(*results, strict=True)
        return np.concatenate(probabilities), np.concatenate(z)

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        return self._rows(drugs)[0]

    def z(self, drugs: np.ndarray) -> np.ndarray:
        """Return the posterior mean of z, float32 [drugs, genes]; sizes beyond 4 are not learned."""
        return self._rows(drugs)[1]

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return the labels it decides for, int8 [drugs, genes]: the largest log probability plus offset.

        The offsets make up for the many genes that do not change, one class of three in macro-F1.
        """
        return decide(self.probabilities(drugs), self.offsets)


@dataclass(frozen=True)
class NetStart:
    """A pre-trained network, and what it needs to be fine-tuned in the target with embedding `cell` [dim]."""

    network: ResponseNet
    basis: PriorBasis
    cell: np.ndarray
    settings: NetSettings


@dataclass(frozen=True)
class ResponsePredictor:
    """Fits the target's anchors, starting from what the source lines say; a `Predictor`.

    Attributes
    ----------
    sources
        The experiments that `prior` was made of.
    scale
        Mean square of the prior responses of the drugs that source lines have measured.
    net_share
        See `ResponseFitted`.
    """

    sources: ResponseAtlas
    prior: ResponsePrior
    scale: float
    calibration: SourceFit
    threshold: float
    net: NetStart | None
    net_share: float

    def fit(
        self,
        anchors: np.ndarray,
        z: np.ndarray,
        *,
        seed: int,
        final: bool = False,  # noqa: ARG002  # a final fit is like any other
    ) -> ResponseFitted:
        """Fit to `anchors` (int64 rows of the atlas, maybe none) and their `z`."""
        gp = fit_gp(self.calibration.gp, self.prior, self.sources, anchors, z, self.scale)
        net = None if self.net is None else self._finetuned(self.net, anchors, z, seed)
        learned = self.calibration
        return ResponseFitted(
            self.prior, gp, learned.labels, net, self.net_share, learned.offsets, self._scale(anchors, z)
        )

    def _scale(self, anchors: np.ndarray, z: np.ndarray) -> TemperatureScaling:
        """Return what anchors that are predicted from the others say of the process' probabilities."""
        if len(anchors) < 2 or self.net_share == 1:
            return UNCALIBRATED
        settings, evidence = self.calibration.gp, self.prior.evidence_of(anchors)
        mean, deviation = leave_one_out(settings, self.prior, self.sources, anchors, z, self.scale)
        logits = self.calibration.labels.logits(NumpyOps, evidence, mean, deviation)
        return fit_temperature_scaling(logits, labels_of(z, self.threshold))

    def _finetuned(self, start: NetStart, anchors: np.ndarray, z: np.ndarray, seed: int) -> NetFit:
        network = copy.deepcopy(start.network)
        if len(anchors):
            evidence, bits = self.prior.evidence_of(anchors), self.prior.bits[anchors]
            data = net_data(start.basis, evidence, bits, start.cell, labels_of(z, self.threshold))
            finetune_net(network, data, start.settings, seed)
        return net_fit(network, start.basis, start.cell)
