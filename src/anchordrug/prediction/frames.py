"""Predictions of structures as a pandas table, for notebooks and other programs."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anchordrug.chem.workers import Fingerprinter
from anchordrug.errors import LibraryError
from anchordrug.prediction.engine import predict_each
from anchordrug.prediction.inference import OnnxPredictor, load_onnx
from anchordrug.prediction.tables import TableShape, tables


def predict(
    model: OnnxPredictor | Path | str,
    smiles: Sequence[str],
    ids: Sequence[str] | None = None,
    *,
    coverage: float = 0.8,
) -> pd.DataFrame:
    """Predict structures with an exported predictor; torch and the pipeline's packages are not needed.

    Parameters
    ----------
    model
        An opened predictor, or its file.
    smiles
        One structure per drug.
    ids
        One id per drug; default: the SMILES.
    coverage
        Share of labels to answer; the least certain ones are "unknown".

    Returns
    -------
    pandas.DataFrame
        One row per drug and gene: target, drug_id, gene, label, p_down, p_none, p_up, z, and measures of
        trust per drug (docs/prediction.md). A structure that cannot be read has one row with the `reason` and
        no prediction; a warning tells how many there are. Another one tells of a file that was exported
        when structures were read by another rule.

    Raises
    ------
    LibraryError
        The file cannot be used, ids and structures differ in number, structures or ids are a single text, or
        `coverage` is not in (0, 1].
    """
    for name, given in (("smiles", smiles), ("ids", ids)):
        if isinstance(given, str):
            raise LibraryError(
                f"{name}: '{given[:60]}' is a single text; give a list, or a file to 'anchordrug predict'"
            )
    if not 0 < coverage <= 1:
        raise LibraryError(f"coverage {coverage:g}: give a share above 0 and up to 1")
    names = list(smiles if ids is None else ids)
    if len(names) != len(smiles):
        raise LibraryError(f"{len(names)} ids for {len(smiles)} structures; give one id per structure")
    predictor = model if isinstance(model, OnnxPredictor) else load_onnx(Path(model))
    if predictor.remark:
        warnings.warn(f"the model {predictor.remark}", stacklevel=2)
    kinds = [predictor.fingerprint]
    # A missing value of a table is as unreadable as an empty text.
    structures = [text if isinstance(text, str) else "" for text in smiles]
    with Fingerprinter(kinds) as workers:
        (found,) = workers.of([structures], ahead=1) if structures else ([],)
    good = [(name, drug) for name, drug in zip(names, found, strict=True) if not isinstance(drug, str)]
    bad = [(name, reason) for name, reason in zip(names, found, strict=True) if isinstance(reason, str)]
    predictions = predict_each([predictor], kinds, [drug for _, drug in good])
    table = tables(TableShape(coverage=coverage), [predictor], [name for name, _ in good], predictions)
    frame = table.to_pandas().assign(reason=None)
    if bad:
        warnings.warn(
            f"{len(bad)} of {len(names)} structures cannot be read; see column 'reason'", stacklevel=2
        )
        target = predictor.card["target"]
        rejects = pd.DataFrame([(target, *row) for row in bad], columns=["target", "drug_id", "reason"])
        frame = pd.concat([frame, rejects], ignore_index=True)
    return frame
