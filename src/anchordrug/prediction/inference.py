"""Prediction from an exported ONNX file; needs onnxruntime, numpy, rdkit and fastjsonschema only."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anchordrug.chem.fingerprints import fingerprints
from anchordrug.chem.parents import PARENT_RULE
from anchordrug.chem.structures import standardise
from anchordrug.cores import core_count
from anchordrug.errors import LibraryError, counted, printable
from anchordrug.evidence_group import evidence_groups
from anchordrug.files.checksums import checked, sum_of
from anchordrug.files.kinds import OTHER, STAND_INS, kind_of_bytes
from anchordrug.labels import decided
from anchordrug.prediction.answers import outputs_of, require_ends, require_possible
from anchordrug.prediction.card import read_card
from anchordrug.prediction.inside import holds_all_its_data
from anchordrug.prediction.onnx_reasons import reason_of, why_it_failed
from anchordrug.prediction.runtime import onnxruntime

FORMAT_VERSION = "6"
# Files of format 5 have less about the data and settings that they were made from. Files of format 4 also
# identify their drugs by another rule of the parent. Files of format 3 also have one decision for all drugs.
# They are otherwise the same.
READABLE_VERSIONS = ("3", "4", "5", FORMAT_VERSION)
# The identifier of drugs in files before format 5.
FORMER_RULE = "rdkit ChargeParent"
# The answer where the predictor abstains, after down, none, up.
UNKNOWN = 3


@dataclass(frozen=True)
class Prediction:
    """The predictions for n drugs.

    Attributes
    ----------
    probabilities
        float32 [n, genes, 3] of down, none, up.
    z
        float32 [n, genes], or None where the predictor has none.
    labels
        int8 [n, genes]: 0 down, 1 none, 2 up.
    margin
        float32 [n, genes]: by how much the label is decided, log probability (plus offset) of the best
        less that of the second.
    nearest
        int64 [n] position in the card's `learned_drugs` of the drug with the most similar structure.
    similarity
        float32 [n], its Tanimoto similarity.
    source_lines
        int64 [n] number of source lines that have measured the drug itself.
    evidence
        object [n], evidence group of the drug: "seen", "near" or "far".
    """

    probabilities: np.ndarray
    z: np.ndarray | None
    labels: np.ndarray
    margin: np.ndarray
    nearest: np.ndarray
    similarity: np.ndarray
    source_lines: np.ndarray
    evidence: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """float32 [n]: share of the drug's labels that are expected to be right."""
        return np.take_along_axis(self.probabilities, self.labels[..., None], axis=2).mean(axis=(1, 2))

    @property
    def strength(self) -> np.ndarray:
        """float32 [n]: number of genes that are expected to change."""
        return (1 - self.probabilities[..., 1]).sum(axis=1)

    def answers(self, least_margin: float) -> np.ndarray:
        """Return `labels`, `UNKNOWN` where they are decided by less than `least_margin`."""
        return np.where(self.margin < least_margin, np.int8(UNKNOWN), self.labels)


@dataclass(frozen=True)
class OnnxPredictor:
    """An exported predictor.

    Attributes
    ----------
    session
        It computes.
    card
        Its target, genes, labels, fingerprint and so on, checked.
    outputs
        Names of its outputs.
    path
        Its file, for messages.
    threads
        So many calls of the session are made at the same time, each of which computes in one thread.
    """

    session: onnxruntime.InferenceSession
    card: dict[str, Any]
    outputs: list[str]
    path: Path
    threads: int

    @property
    def genes(self) -> list[str]:
        """Gene symbols in the order of the output."""
        return self.card["genes"]

    @property
    def fingerprint(self) -> tuple[int, int]:
        """Radius and number of bits of the fingerprints it takes."""
        return self.card["fingerprint"]["radius"], self.card["fingerprint"]["bits"]

    @property
    def parent_rule(self) -> str:
        """The rule of the parent by which its drugs are named."""
        return self.card["fingerprint"].get("standardisation", FORMER_RULE)

    @property
    def remark(self) -> str | None:
        """A warning to read before use, or None: its drugs may be named by another rule."""
        if self.parent_rule == PARENT_RULE:
            return None
        return (
            f"names its drugs by the rule '{self.parent_rule}', and yours are read by '{PARENT_RULE}': "
            "a drug that it learned from as a salt of an organic counter-ion may count as unseen; "
            "export it again"
        )

    def least_margin(self, coverage: float) -> float:
        """Return the margin below which to abstain, so that about this share of labels is answered.

        The share is that of the drugs of the atlas.
        """
        if coverage >= 1:
            return 0.0
        return float(np.interp(100 * (1 - coverage), range(101), self.card["margins"]))

    def predict(self, bits: np.ndarray, inchikeys: Sequence[str]) -> Prediction:
        """Predict n drugs; for n = 0 the model is not asked.

        Parameters
        ----------
        bits
            [n, bits] fingerprints, 0 or 1.
        inchikeys
            [n], by which a drug is found among those of the atlas; "" for an unknown drug.

        Raises
        ------
        LibraryError
            The two differ in length, a bit is neither 0 nor 1 (NaN, say), or the number of bits differs;
            or the model fails or gives impossible values.
        """
        self._require_inputs(bits, inchikeys)
        at_once = self.card["drugs_a_run"]
        # Always as many drugs per call: the arithmetic, to its last digit, may depend on their number.
        n, short = len(bits), -len(bits) % at_once
        padded = np.concatenate([bits, np.zeros((short, bits.shape[1]), bits.dtype)])
        keys = np.array([*inchikeys, *[""] * short], object)
        kinds = outputs_of(self.card)
        found = {name: np.empty((n + short, *kinds[name].axes), kinds[name].dtype) for name in self.outputs}

        def answer(start: int) -> None:
            rows = slice(start, start + at_once)
            for name, values in self._answers(padded[rows].astype(np.float32), keys[rows]).items():
                found[name][rows] = values

        starts = range(0, n, at_once)
        with ThreadPoolExecutor(self.threads, "inference") as pool:
            # The first error, in the order of the drugs.
            for _ in pool.map(answer, starts):
                pass
        found = {name: values[:n] for name, values in found.items()}
        labels, margin = decided(found["probabilities"], self._offsets(found["source_lines"]))
        return Prediction(
            found["probabilities"],
            found.get("z"),
            labels,
            margin,
            found["nearest"],
            found["similarity"],
            found["source_lines"],
            self._evidence(found["nearest"], found["similarity"], found["source_lines"]),
        )

    def _require_inputs(self, bits: np.ndarray, inchikeys: Sequence[str]) -> None:
        wanted = self.fingerprint[1]
        if bits.ndim != 2 or bits.shape[1] != wanted:
            raise LibraryError(
                f"{self.path}: fingerprints of shape {bits.shape}; its card asks for [n, {wanted}]"
            )
        if len(inchikeys) != len(bits):
            raise LibraryError(
                f"{self.path}: {counted(len(inchikeys), 'InChIKey')} for "
                f"{counted(len(bits), 'fingerprint')}; give one per drug, '' for an unknown drug"
            )
        if bits.dtype == bool:
            return
        (wrong,) = np.nonzero(~((bits == 0) | (bits == 1)).all(axis=1))
        if len(wrong):
            row = bits[wrong[0]]
            value = row[(row != 0) & (row != 1)][0]
            raise LibraryError(
                f"{self.path}: the fingerprint of drug {wrong[0]} (counted from 0) has the value {value:g}; "
                "give 0 or 1"
            )

    def _answers(self, bits: np.ndarray, keys: np.ndarray) -> dict[str, np.ndarray]:
        """Return the checked outputs of one call by name."""
        try:
            values = self.session.run(self.outputs, {"fingerprint": bits, "inchikey": keys})
        except Exception as error:  # onnxruntime's errors have no public base class
            raise LibraryError(f"{self.path}: {why_it_failed(error)}") from error
        named = dict(zip(self.outputs, values, strict=True))
        return require_possible(named, len(bits), self.card, self.path)

    def _offsets(self, lines: np.ndarray) -> np.ndarray:
        """Return the offsets of the log probabilities of n drugs, [n, 1, 3]."""
        seen = self.card["decision_offsets"]
        unseen = self.card.get("decision_offsets_unseen", seen)
        return np.where(lines[:, None, None] > 0, seen, unseen)

    def _evidence(self, nearest: np.ndarray, similarity: np.ndarray, lines: np.ndarray) -> np.ndarray:
        """Return the evidence groups of n drugs, object [n].

        An anchor is nearest to itself. A drug with the fingerprint of an anchor (a stereo-isomer) cannot be
        told from it and counts as seen.
        """
        anchors = np.isin(self.card["learned_drugs"], self.card["anchors"])
        return evidence_groups((lines > 0) | (anchors[nearest] & (similarity == 1)), similarity)


def load_onnx(path: Path | str) -> OnnxPredictor:
    """Open an exported predictor; if the file of its SHA-256 is next to it, they have to agree.

    Raises
    ------
    LibraryError
        The SHA-256 next to it is another; or as `open_unchecked`.
    """
    path = Path(path)
    predictor = open_unchecked(path)
    require_sum(path)
    return predictor


NO_SUM = "is not a line of sha256sum (64 hexadecimal digits, and perhaps a name)"


def require_sum(model: Path) -> None:
    """Check a model against the SHA-256 in the file next to it, if there is one.

    Raises
    ------
    LibraryError
        The two differ, or that file has no SHA-256.
    """
    state = checked(model)
    if state == "differs":
        raise LibraryError(
            f"{model}: differs from its checksum in {sum_of(model).name}; copy or export both of them again"
        )
    if state == "unreadable":
        raise LibraryError(f"{sum_of(model)}: {NO_SUM}; write it again, or remove it")


def open_unchecked(path: Path) -> OnnxPredictor:
    """Open an exported predictor, whatever its SHA-256 is.

    Raises
    ------
    LibraryError
        The file is missing or not ONNX (a Git LFS or DVC pointer, say); or it is too new for this
        onnxruntime, or was not exported by this version of anchordrug; or its card, inputs or outputs are not
        a model's.
    """
    if path.is_dir():
        raise LibraryError(f"{path}: is a folder; give a model in it, such as TARGET.onnx")
    if not path.is_file():
        pointer = path.with_name(f"{path.name}.dvc")
        remedy = "'dvc repro' writes one per target into models/onnx"
        if pointer.is_file():
            remedy = f"{pointer.name} is there: run 'dvc pull {pointer}'"
        raise LibraryError(f"{path}: no such model; {remedy}")
    return opened(path.read_bytes(), path, threads=core_count())


def opened(model: bytes, path: Path, threads: int) -> OnnxPredictor:
    """Open an exported predictor from the bytes of its file.

    Parameters
    ----------
    path
        Its name, for messages.
    threads
        Threads that compute with it.

    Raises
    ------
    LibraryError
        As `load_onnx`.
    """
    _require_whole(model, path)
    options = onnxruntime.SessionOptions()
    # Threads of one call wait for each other after every step. Several calls do not.
    options.intra_op_num_threads = 1
    # Its words about a model go into errors, not to the screen.
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        raise LibraryError(f"{path}: {_other_kind(model) or reason_of(error)}") from error
    card = read_card(_stored(session, path), path)
    outputs = require_ends(session.get_inputs(), session.get_outputs(), card, path)
    return OnnxPredictor(session, card, outputs, path, threads)


def _stored(session: onnxruntime.InferenceSession, path: Path) -> dict[str, str]:
    """Return the metadata_props of a model that anchordrug wrote in a format that it reads."""
    try:
        stored = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise LibraryError(
            f"{path}: its card is not UTF-8, so it is damaged; export or copy it again"
        ) from error
    if "format_version" not in stored or "fingerprint" not in stored:
        raise LibraryError(f"{path}: an ONNX model, but not one of anchordrug's; give one from models/onnx")
    version = stored["format_version"].strip('"')
    if version not in READABLE_VERSIONS:
        raise LibraryError(
            f"{path}: has format {printable(version, 20)}, this anchordrug reads {FORMAT_VERSION}; "
            "run 'anchordrug export' again"
        )
    return stored


def _require_whole(model: bytes, path: Path) -> None:
    """Refuse a model with data in another file, which onnxruntime would read, wherever it is."""
    try:
        whole = holds_all_its_data(model)
    except ValueError as error:
        raise LibraryError(f"{path}: {_other_kind(model) or reason_of(error)}") from error
    if not whole:
        raise LibraryError(
            f"{path}: has data in another file, and none is read but the model itself; export it again, or "
            "save it as one file"
        )


def _other_kind(model: bytes) -> str | None:
    """Return the kind of a file that is not a model, with a remedy; None if its first bytes do not tell."""
    kind = kind_of_bytes(model[:4096])
    if kind is None or kind is OTHER:
        return None
    remedy = kind.remedy if kind in STAND_INS else "give an exported model, such as models/onnx/TARGET.onnx"
    return f"is {kind.words}; {remedy}"


@dataclass(frozen=True)
class Parsed:
    """Fingerprints uint8 [n, bits], InChIKeys and positions of readable SMILES; reasons for the others."""

    bits: np.ndarray
    inchikeys: list[str]
    positions: list[int]
    reasons: dict[int, str]


def parse(predictor: OnnxPredictor, structures: Sequence[str]) -> Parsed:
    """Standardise structures and compute the fingerprints that `predictor` takes, in this process."""
    drugs, positions, reasons = [], [], {}
    for position, text in enumerate(structures):
        try:
            drugs.append(standardise(text))
            positions.append(position)
        except ValueError as error:
            reasons[position] = str(error)
    bits = fingerprints([drug.molecule for drug in drugs], *predictor.fingerprint)
    return Parsed(bits, [drug.inchikey for drug in drugs], positions, reasons)
