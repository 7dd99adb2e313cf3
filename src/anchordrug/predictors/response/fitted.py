"""A response predictor fitted to the anchors of one target, and its files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.predictors.base import Card, Decision, Fitted
from anchordrug.predictors.decision import best_offsets, sample_of
from anchordrug.predictors.response.files import part, prefixed, reading, require, write
from anchordrug.predictors.response.gp import DrugKernel, GpFit
from anchordrug.predictors.response.label_model import LabelModel
from anchordrug.predictors.response.net import PATHS, NetFit, PriorBasis
from anchordrug.predictors.response.prior import Evidence, ResponsePrior
from anchordrug.predictors.response.pseudo_targets import SourceFit
from anchordrug.predictors.temperature import UNCALIBRATED, TemperatureScaling

DRUGS_AT_ONCE = 256


@dataclass(frozen=True)
class ResponseFitted(Fitted):
    """A fitted predictor of one target.

    Attributes
    ----------
    gp
        The process and the label model; it gives z, and probabilities where it is part of the prediction.
    net
        The network, or None (response_gp).
    net_share
        0 for response_gp, 1 for response_net, between for the ensemble.
    decision_offsets
        float32 [2, 3], added to log probabilities to decide between labels: of drugs that a source line has
        measured, and of all others. They make up for the many genes that do not change, one class of three in
        macro-F1.
    temperature
        The temperature scaling that anchors ask for, as predicted from the others.
    decision
        See `predictors.base.Task`.
    unseen_share
        The share of the library's drugs that no source line has measured, for which the label model is.
    """

    prior: ResponsePrior
    gp: GpFit
    labels_from_gp: LabelModel
    net: NetFit | None
    net_share: float
    decision_offsets: np.ndarray
    temperature: TemperatureScaling = UNCALIBRATED
    decision: Decision = "balanced"
    unseen_share: float = 0.0

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
        """Return probabilities [n, genes, 3] from the process and the network (its logits)."""
        if net is not None and self.net_share == 1:
            return ops.softmax(net)
        gp = self.labels_from_gp.logits(ops, evidence, mean, deviation)
        new = ops.expand(evidence.unseen(ops), 2)
        if net is None:
            return ops.softmax(self.temperature.of(gp, new))
        share = np.float32(self.net_share)
        logs = ops.log_softmax(gp) * (np.float32(1) - share) + ops.log_softmax(net) * share
        return ops.softmax(self.temperature.of(logs, new))

    def _rows(self, drugs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = np.split(drugs, range(DRUGS_AT_ONCE, len(drugs), DRUGS_AT_ONCE))
        results = [self.predict(NumpyOps, self.prior.bits[part], part) for part in parts]
        probabilities, z = zip(*results, strict=True)
        return np.concatenate(probabilities), np.concatenate(z)

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        return self._rows(drugs)[0]

    def z(self, drugs: np.ndarray) -> np.ndarray:
        """Return the posterior mean of z, float32 [drugs, genes]; learned z are clipped at 4, it is not."""
        return self._rows(drugs)[1]

    def deciding_for(self, drugs: np.ndarray) -> Self:
        """Return the same predictor that decides for the best expected macro-F1 over `drugs`.

        Before an anchor is measured, the strength of new drugs against that of known drugs is a guess, so
        each group's own score counts; later, that of all drugs together. With decision "by_group", seen and
        unseen drugs always have offsets of their own; a group without drugs takes those of the other.
        """
        if self.decision == "likeliest" or not len(drugs):
            return self
        drugs = sample_of(drugs)
        probabilities, seen = self.probabilities(drugs), self.prior.lines[drugs] > 0
        if self.decision == "by_group" and 0 < seen.sum() < len(seen):
            own = [best_offsets(probabilities[seen]), best_offsets(probabilities[~seen])]
            return replace(self, decision_offsets=np.stack(own))
        best = best_offsets(probabilities, None if len(self.gp.kernel.drugs) else seen)
        return replace(self, decision_offsets=np.stack([best, best]))

    @property
    def offsets(self) -> np.ndarray:
        """float32 [3], added to log probabilities to decide between labels of seen drugs."""
        return self.decision_offsets[0]

    @property
    def offsets_unseen(self) -> np.ndarray:
        """float32 [3], the offsets for drugs that no source line has measured."""
        return self.decision_offsets[1]

    def offsets_of(self, drugs: np.ndarray) -> np.ndarray:
        """Return the offsets of each drug, float32 [drugs, 1, 3]."""
        return self.decision_offsets[np.where(self.prior.lines[drugs] > 0, 0, 1), None]

    def save(self, folder: Path, card: Card) -> None:
        """Write all that was fitted to the anchors, and `card`; the atlas and the state hold the rest."""
        save_fitted(self, folder, card)

    def to_graph(self, bits: Any, row: Any) -> tuple[Any, Any]:
        """Write the prediction as nodes of an ONNX graph."""
        from anchordrug.graph.onnx_ops import GraphOps

        return self.predict(GraphOps, bits, row)


def save_fitted(fitted: ResponseFitted, folder: Path, card: Mapping[str, object]) -> None:
    """Write the fit to the anchors; the atlas and the pre-trained part hold the rest."""
    arrays = {
        "anchors": fitted.gp.kernel.drugs,
        "slope": np.array([fitted.gp.slope]),
        "shift": fitted.gp.shift,
        "coefficients": fitted.gp.coefficients,
        "precision": fitted.gp.precision,
        "pattern": fitted.gp.pattern,
        "offsets": fitted.decision_offsets,
    }
    if fitted.net is not None:
        arrays |= prefixed("net", fitted.net) | prefixed("basis", fitted.net.basis)
    own = {
        "net_share": fitted.net_share,
        "unseen_share": fitted.unseen_share,
        "temperature": asdict(fitted.temperature),
    }
    write(folder, arrays, {**own, **card})


def load_fitted(
    folder: Path, prior: ResponsePrior, source_fit: SourceFit, scale: float, decision: Decision
) -> ResponseFitted:
    """Read the files of `save_fitted`.

    Parameters
    ----------
    prior, source_fit, scale, decision
        Those of the predictor it was fitted by.

    Raises
    ------
    RawDataError
        A file is missing or damaged.
    """
    with reading(folder) as (arrays, card):
        anchors, genes = arrays["anchors"], prior.total.shape[1]
        for name, shape in {
            "shift": prior.total.shape,
            "slope": (1,),
            "coefficients": (len(anchors), genes),
            "precision": (len(arrays["precision"]), len(anchors), len(anchors)),
            "pattern": (genes,),
            "offsets": (2, 3),
        }.items():
            require(name, arrays[name].shape == shape)
        require("anchors", anchors.ndim == 1 and not len(anchors[anchors >= len(prior.bits)]))
        require("pattern", bool(np.isin(arrays["pattern"], range(len(arrays["precision"]))).all()))
        for name in ("net_share", "unseen_share"):
            require(name, isinstance(card[name], int | float) and 0 <= card[name] <= 1)
        kernel = DrugKernel(source_fit.gp.kernel, prior, anchors, prior.evidence_of(anchors), scale)
        gp = GpFit(
            np.float32(arrays["slope"][0]),
            arrays["shift"],
            kernel,
            arrays["coefficients"],
            arrays["precision"],
            arrays["pattern"],
        )
        net = None
        if card["net_share"]:
            net = NetFit(PriorBasis(**part(arrays, "basis")), **part(arrays, "net"))
            require("net", _fits(net, prior.bits.width, genes))
        scale_of_logits = TemperatureScaling(**card["temperature"])
        return ResponseFitted(
            prior,
            gp,
            source_fit.labels.for_library(card["unseen_share"]),
            net,
            card["net_share"],
            arrays["offsets"],
            scale_of_logits,
            decision,
            card["unseen_share"],
        )
    raise AssertionError


def _fits(net: NetFit, bits: int, genes: int) -> bool:
    """Say whether the arrays of a network fit each other."""
    components = net.basis.components.shape[-1]
    first, second = len(net.drug_bias), len(net.hidden_bias)
    return (
        net.basis.mean.shape == (genes,)
        and net.basis.components.shape == (genes, components)
        and net.drug.shape == (bits + components + 2, first)
        and net.hidden.shape == (first, second)
        and net.output.shape == (second, genes * 3)
        and net.output_bias.shape == (genes, 3)
        and net.path.shape == (PATHS, genes, 3)
    )
