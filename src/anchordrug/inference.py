"""Prediction from an exported ONNX file; needs onnxruntime, numpy and rdkit only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from anchordrug.errors import LibraryError
from anchordrug.features.drugs import fingerprints, standardise


@dataclass(frozen=True)
class OnnxPredictor:
    """An exported predictor: its session and its card (target, genes, labels, fingerprint, ...)."""

    session: onnxruntime.InferenceSession
    card: dict[str, Any]

    @property
    def genes(self) -> list[str]:
        """Gene symbols in the order of the output."""
        return self.card["genes"]

    def predict(self, bits: np.ndarray, inchikeys: Sequence[str]) -> "Prediction":
        """Return probabilities, labels and, where the predictor has one, z of n drugs.

        Parameters
        ----------
        bits
            [n, bits] fingerprints.
        inchikeys
            [n], by which a drug is found among those of the atlas; "" for an unknown one.
        """
        names = [one.name for one in self.session.get_outputs()]
        takes_keys = any(one.name == "inchikey" for one in self.session.get_inputs())
        keys, at_once = np.array(inchikeys, object), self.card["drugs_a_run"]
        parts = []
        for start in range(0, len(bits), at_once):
            feed = {"fingerprint": bits[start : start + at_once].astype(np.float32)}
            if takes_keys:
                feed["inchikey"] = keys[start : start + at_once]
            parts.append(self.session.run(names, feed))
        # Not every operator takes zero rows.
        empty = {"probabilities": (0, len(self.genes), 3), "z": (0, len(self.genes))}
        parts = parts or [[np.empty(empty[name], np.float32) for name in names]]
        joined = dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True))
        probabilities = joined["probabilities"]
        offsets = np.array(self.card["decision_offsets"], np.float32)
        logs = np.log(np.maximum(probabilities, 1e-12)) + offsets
        return Prediction(probabilities, logs.argmax(axis=2).astype(np.int8), joined.get("z"))


@dataclass(frozen=True)
class Prediction:
    """Probabilities float32 [n, genes, 3] of down, none, up; labels int8 [n, genes]; z float32 or None."""

    probabilities: np.ndarray
    labels: np.ndarray
    z: np.ndarray | None


def load_onnx(path: Path) -> OnnxPredictor:
    """Open an exported predictor.

    Raises
    ------
    LibraryError
        The file is missing, is not ONNX, or was not exported by anchordrug.
    """
    if not path.is_file():
        raise LibraryError(f"{path}: no such model; 'dvc repro' writes one per target into models/onnx")
    try:
        session = onnxruntime.InferenceSession(path.as_posix(), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        raise LibraryError(f"{path}: not a readable ONNX model; export it again") from error
    stored = session.get_modelmeta().custom_metadata_map
    if "format_version" not in stored or "fingerprint" not in stored:
        raise LibraryError(f"{path}: an ONNX model, but not one of anchordrug's; give one from models/onnx")
    if "decision_offsets" not in stored:
        raise LibraryError(f"{path}: written by an older anchordrug; run 'anchordrug export' again")
    return OnnxPredictor(session, {key: json.loads(value) for key, value in stored.items()})


@dataclass(frozen=True)
class Parsed:
    """Fingerprints uint8 [n, bits], InChIKeys and positions of readable SMILES; reasons for the others."""

    bits: np.ndarray
    inchikeys: list[str]
    positions: list[int]
    reasons: dict[int, str]


def parse(predictor: OnnxPredictor, smiles: Sequence[str]) -> Parsed:
    """Standardise `smiles` and compute the fingerprints that `predictor` was trained on."""
    drugs, positions, reasons = [], [], {}
    for position, text in enumerate(smiles):
        try:
            drugs.append(standardise(text))
            positions.append(position)
        except ValueError as error:
            reasons[position] = str(error)
    kind = predictor.card["fingerprint"]
    bits = fingerprints([drug.molecule for drug in drugs], kind["radius"], kind["bits"])
    return Parsed(bits, [drug.inchikey for drug in drugs], positions, reasons)
