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

# The first hidden layer of so few drugs stays in the processor's cache.
DRUGS_A_RUN = 4


@dataclass(frozen=True)
class OnnxPredictor:
    """An exported predictor: its session and its card (target, genes, labels, fingerprint, ...)."""

    session: onnxruntime.InferenceSession
    card: dict[str, Any]

    @property
    def genes(self) -> list[str]:
        """Gene symbols in the order of the output."""
        return self.card["genes"]

    def probabilities(self, bits: np.ndarray) -> np.ndarray:
        """Return float32 [n, genes, 3] (down, none, up) for fingerprints [n, bits]."""
        result = np.empty((len(bits), len(self.genes), 3), np.float32)
        for start in range(0, len(bits), DRUGS_A_RUN):
            block = bits[start : start + DRUGS_A_RUN].astype(np.float32)
            (output,) = self.session.run(["probabilities"], {"fingerprint": block})
            result[start : start + DRUGS_A_RUN] = np.asarray(output)
        return result


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
    return OnnxPredictor(session, {key: json.loads(value) for key, value in stored.items()})


@dataclass(frozen=True)
class Parsed:
    """Fingerprints uint8 [n, bits] of the readable SMILES, their positions, and reasons for the others."""

    bits: np.ndarray
    positions: list[int]
    reasons: dict[int, str]


def parse(predictor: OnnxPredictor, smiles: Sequence[str]) -> Parsed:
    """Standardise `smiles` and compute the fingerprints that `predictor` was trained on."""
    molecules, positions, reasons = [], [], {}
    for position, text in enumerate(smiles):
        try:
            molecules.append(standardise(text).molecule)
            positions.append(position)
        except ValueError as error:
            reasons[position] = str(error)
    kind = predictor.card["fingerprint"]
    return Parsed(fingerprints(molecules, kind["radius"], kind["bits"]), positions, reasons)
