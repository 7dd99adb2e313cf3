"""A fitted predictor as one ONNX file: structures in, probabilities out, everything else inside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from onnx import TensorProto, helper

import anchordrug
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.chem.parents import KINDS, PARENT_RULE, counter_ions
from anchordrug.evidence_group import NEAR_SIMILARITY
from anchordrug.files.checksums import write_with_sum
from anchordrug.graph.onnx_ops import Graph, GraphOps, Tensor
from anchordrug.labels import LABELS, margins
from anchordrug.prediction.inference import FORMAT_VERSION, opened

# Drugs of the atlas from which the usual margins are taken.
MARGIN_DRUGS = 2000
INTENDED_USE = (
    "Research: to choose which drugs to assay next in this cell line, and which genes to look at. "
    "A predicted response is a hypothesis for the bench, not advice for the clinic."
)
LIMITS = (
    "Answers for this cell line, the genes listed, and the dose and time of its training data only. "
    f"A drug far from all learned drugs (similarity below {NEAR_SIMILARITY:g}) and seen in no source line "
    "is a guess. "
    "Labels are of L1000 z-scores, not of protein or viability; it knows no doses, combinations or biologics."
)


class Exportable(Protocol):
    """The parts of a fitted predictor that a file is made from; `predictors.base.Fitted` has them."""

    @property
    def drugs_a_run(self) -> int:
        """Drugs per call for the best speed."""
        ...

    @property
    def offsets(self) -> np.ndarray:
        """float32 [3], added to log probabilities to decide between labels of seen drugs."""
        ...

    @property
    def offsets_unseen(self) -> np.ndarray:
        """float32 [3], the offsets for drugs that no source line has measured."""
        ...

    def offsets_of(self, drugs: np.ndarray) -> np.ndarray:
        """Return the offsets of each drug, float32 [drugs, 1, 3]."""
        ...

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]."""
        ...

    def to_graph(self, bits: Any, row: Any) -> tuple[Any, Any | None]:
        """Return tensors of probabilities and of z (or None)."""
        ...


@dataclass(frozen=True)
class AtlasDrugs:
    """The atlas' drugs: how the file recognises one, and which of them the predictor has learned from.

    Attributes
    ----------
    inchikeys, drug_ids
        [drugs].
    bits
        float32 [drugs, bits], 0 or 1.
    lines
        int64 [drugs] number of source lines that have measured it.
    learned
        int64 rows of the drugs of the source lines and of the anchors.
    """

    inchikeys: list[str]
    drug_ids: list[str]
    bits: np.ndarray
    lines: np.ndarray
    learned: np.ndarray

    @classmethod
    def of(
        cls, atlas: ResponseAtlas, fingerprints: np.ndarray, sources: ResponseAtlas, anchors: np.ndarray
    ) -> "AtlasDrugs":
        """Return the atlas' drugs for a file of a predictor that learned from `sources` and `anchors`.

        Parameters
        ----------
        fingerprints
            [drugs, bits], above 0 where a bit is set.
        anchors
            int64 rows of the drug table.
        """
        return cls(
            atlas.drugs["inchikey"].tolist(),
            atlas.drugs["drug_id"].tolist(),
            (fingerprints > 0).astype(np.float32),
            np.bincount(sources.drug, minlength=len(atlas.drugs)),
            np.union1d(sources.measured_drugs(), anchors),
        )


@dataclass(frozen=True)
class Fingerprint:
    """The Morgan fingerprint that a file takes: radius, and number of bits."""

    radius: int
    bits: int

    def card(self) -> dict[str, object]:
        """Return the entry of the card."""
        return {
            "kind": "morgan",
            "radius": self.radius,
            "bits": self.bits,
            "input": "0/1 bits; the graph scales them as it needs",
            "standardisation": PARENT_RULE,
        }


def export(
    fitted: Exportable, path: Path, card: Mapping[str, object], genes: list[str], drugs: AtlasDrugs
) -> None:
    """Write `fitted` as an ONNX file that predicts the atlas' first drugs, and its SHA-256 next to it.

    Parameters as `model_bytes`.

    Raises
    ------
    LibraryError
        The card lacks an entry, or the model gives values that cannot be; nothing is written.
    """
    data = model_bytes(fitted, card, genes, drugs)
    few = slice(0, fitted.drugs_a_run)
    opened(data, path, threads=1).predict(drugs.bits[few], drugs.inchikeys[few])
    write_with_sum(data, path)


def model_bytes(fitted: Exportable, card: Mapping[str, object], genes: list[str], drugs: AtlasDrugs) -> bytes:
    """Return `fitted` as the bytes of an ONNX file; docs/onnx.md describes the contract.

    The atlas' drugs travel inside: their InChIKeys, their bits, and the number of source lines that have
    measured them.

    Parameters
    ----------
    card
        Entries of metadata_props besides genes, labels, margins and versions; values are stored as JSON.
    """
    graph = Graph()
    bits, row = _inputs(graph, drugs)
    probabilities, z = fitted.to_graph(bits, row)
    outputs = {"probabilities": probabilities, **({} if z is None else {"z": z})}
    unseen = {"decision_offsets_unseen": fitted.offsets_unseen.tolist()}
    card = {
        "decision_offsets": fitted.offsets.tolist(),
        **({} if np.array_equal(fitted.offsets, fitted.offsets_unseen) else unseen),
        "drugs_a_run": fitted.drugs_a_run,
        **card,
        "intended_use": INTENDED_USE,
        "limits": LIMITS,
        "margins": _margins(fitted, len(drugs.inchikeys)),
    }
    return _serialised(graph, {**outputs, **_domain(graph, bits, row, drugs)}, card, genes, drugs)


def _margins(fitted: Exportable, drugs: int) -> list[float]:
    """Return the percentiles 0 to 100 of the margin with which the atlas' labels are decided.

    From them a consumer abstains from the least certain share of labels; `drugs` beyond many are sampled.
    """
    chosen = np.linspace(0, drugs - 1, min(drugs, MARGIN_DRUGS)).astype(np.int64)
    margin = margins(fitted.probabilities(chosen), fitted.offsets_of(chosen))
    return [round(float(value), 4) for value in np.percentile(margin, range(101))]


def _inputs(graph: Graph, drugs: AtlasDrugs) -> tuple[Tensor, Tensor]:
    """Return the bits of n drugs and their rows of the atlas, -1 where it does not hold the InChIKey."""
    bits = graph.input("fingerprint", TensorProto.FLOAT, ["n", drugs.bits.shape[1]])
    row = graph.node(
        "LabelEncoder",
        graph.input("inchikey", TensorProto.STRING, ["n"]),
        domain="ai.onnx.ml",
        keys_strings=drugs.inchikeys,
        values_int64s=range(len(drugs.inchikeys)),
        default_int64=-1,
    )
    return bits, row


def _domain(graph: Graph, bits: Tensor, row: Tensor, drugs: AtlasDrugs) -> dict[str, Tensor]:
    """Return the tables that tell whether a drug is like those the predictor has learned from.

    Another drug may have the same bits (a stereo-isomer); a drug that was learned from is nearest to itself.
    """
    learned = np.ascontiguousarray(drugs.bits[drugs.learned])
    both = bits @ np.ascontiguousarray(learned.T)
    either = GraphOps.total(bits) + learned.sum(axis=1) - both
    similarity = both / GraphOps.maximum(either, np.float32(1))
    itself = GraphOps.cast(GraphOps.equal(GraphOps.expand(row, 1), drugs.learned), np.float32)
    similarity = similarity + itself * np.float32(2)
    return {
        "nearest": graph.node("ArgMax", similarity, axis=1, keepdims=0),
        "similarity": graph.node(
            "Min", graph.node("ReduceMax", similarity, axes=[1], keepdims=0), np.float32(1)
        ),
        "source_lines": GraphOps.rows(np.append(drugs.lines, 0), row),
    }


# Axes of outputs after the first, n.
_AXES = {"probabilities": ("genes", 3), "z": ("genes",)}
_INTEGERS = ("nearest", "source_lines")


def _serialised(
    graph: Graph,
    outputs: dict[str, Tensor],
    card: Mapping[str, object],
    genes: list[str],
    drugs: AtlasDrugs,
) -> bytes:
    for name, tensor in outputs.items():
        axes = [len(genes) if axis == "genes" else axis for axis in _AXES.get(name, ())]
        kind = TensorProto.INT64 if name in _INTEGERS else TensorProto.FLOAT
        graph.output(name, tensor, ["n", *axes], kind)
    model = graph.model(producer_name="anchordrug", producer_version=anchordrug.__version__)
    properties = {
        "format_version": FORMAT_VERSION,
        "genes": genes,
        "labels": list(LABELS),
        "package_version": anchordrug.__version__,
        "learned_drugs": [drugs.drug_ids[row] for row in drugs.learned],
        "counter_ions": {
            kind: [key for key, row in counter_ions().items() if row.kind == kind] for kind in KINDS
        },
        **card,
    }
    helper.set_model_props(model, {key: json.dumps(value) for key, value in properties.items()})
    return model.SerializeToString(deterministic=True)
