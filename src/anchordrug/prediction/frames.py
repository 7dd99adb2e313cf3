"""Predictions of structures as a pandas table or as AnnData, for notebooks and other programs."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa

from anchordrug.chem.workers import Fingerprinted, Fingerprinter
from anchordrug.errors import LibraryError, counted, require_packages
from anchordrug.prediction.engine import predict_each
from anchordrug.prediction.inference import OnnxPredictor, load_onnx
from anchordrug.prediction.tables import (
    STRUCTURES,
    TableShape,
    drugs_table,
    identity_columns,
    tables,
    with_structures,
)
from anchordrug.prediction.writers import Contents
from anchordrug.raw.molecule_text import ColumnNames, Compound, compound_of
from anchordrug.raw.molecules import text_of

if TYPE_CHECKING:
    from anndata import AnnData


def predict(
    model: OnnxPredictor | Path | str,
    smiles: Sequence[str] | pd.DataFrame,
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
        One structure per drug. Or a table of compounds, one per row: columns of structures, ids and names are
        found as in a file (docs/howto/compounds.md), and other columns are left out.
    ids
        One id per drug; default: the SMILES. A table has its own.
    coverage
        Share of labels to answer; the least certain labels are "unknown".

    Returns
    -------
    pandas.DataFrame
        One row per drug and gene: target, drug_id, name, further ids as the table calls them, gene, label,
        p_down, p_none, p_up, z, and measures of trust per drug (docs/prediction.md). A structure that cannot
        be read has one row with the `reason` and no prediction; a warning tells how many there are. Another
        warning names a file that was exported when structures were read by another rule.

    Raises
    ------
    LibraryError
        The file cannot be used, or `coverage` is not in (0, 1]; or ids and structures differ in number, are a
        single text, or are a table without a column of structures.
    """
    found = _predicted(model, smiles, ids, TableShape(coverage=coverage), "column 'reason'")
    frame = found.table.to_pandas().assign(reason=None)
    if found.bad:
        target = found.predictor.card["target"]
        rejects = drugs_table((compound for compound, _ in found.bad), found.identity).to_pandas()
        rejects.insert(0, "target", target)
        rejects["reason"] = [reason for _, reason in found.bad]
        frame = pd.concat([frame, rejects], ignore_index=True)
    return frame


def predict_anndata(
    model: OnnxPredictor | Path | str,
    smiles: Sequence[str] | pd.DataFrame,
    ids: Sequence[str] | None = None,
    *,
    coverage: float = 0.8,
) -> "AnnData":
    """Predict structures as `predict` does, and return AnnData; needs the package anndata.

    Returns
    -------
    anndata.AnnData
        One observation per drug, in the order given, without those whose structure cannot be read, which are
        in `uns["rejects"]`; one variable per gene. docs/prediction.md describes it.

    Raises
    ------
    LibraryError
        As `predict`.
    AnchorDrugError
        anndata is not installed.
    """
    require_packages(("anndata",), "predict_anndata", "formats")
    from anchordrug.prediction.annotated import Annotated

    shape = TableShape(coverage=coverage)
    found = _predicted(model, smiles, ids, shape, "uns['rejects']", structures=True)
    rows = [
        [compound.drug_id, compound.structure, reason, compound.name, *compound.further]
        for compound, reason in found.bad
    ]
    header = ["drug_id", "structure", "reason", *found.identity[1:]]
    drugs = pa.schema([(name, pa.string()) for name in [*found.identity, *STRUCTURES]])
    of_drug = tuple(shape.of_drug(drugs).names)
    annotated = Annotated(
        Contents(found.table.schema, of_drug, [found.predictor.card], (header, lambda: rows))
    )
    annotated.add(found.table)
    return annotated.anndata()


class _Found(NamedTuple):
    """The predictor, the names of the columns of ids, the long table, and compounds with reasons."""

    predictor: OnnxPredictor
    identity: list[str]
    table: pa.Table
    bad: list[tuple[Compound, str]]


def _predicted(
    model: OnnxPredictor | Path | str,
    smiles: Sequence[str] | pd.DataFrame,
    ids: Sequence[str] | None,
    shape: TableShape,
    told: str,
    *,
    structures: bool = False,
) -> _Found:
    """Predict compounds; a warning says that `told` lists those that cannot be read."""
    if not 0 < shape.coverage <= 1:
        raise LibraryError(f"coverage {shape.coverage:g}: give a share above 0 and up to 1")
    compounds, further = _compounds(smiles, ids)
    identity = identity_columns(further)
    predictor = model if isinstance(model, OnnxPredictor) else load_onnx(Path(model))
    if predictor.remark:
        warnings.warn(f"the model {predictor.remark}", stacklevel=3)
    kinds = [predictor.fingerprint]
    with Fingerprinter(kinds) as workers:
        texts = [compound.structure for compound in compounds]
        (found,) = workers.of([texts], ahead=1) if texts else ([],)
    good: list[tuple[Compound, Fingerprinted]] = []
    bad: list[tuple[Compound, str]] = []
    for compound, result in zip(compounds, found, strict=True):
        if isinstance(result, str):
            bad.append((compound, result))
        else:
            good.append((compound, result))
    if bad:
        of = counted(len(compounds), "structure")
        warnings.warn(f"{len(bad):,} of {of} cannot be read; see {told}", stacklevel=3)
    predictions = predict_each([predictor], kinds, [drug for _, drug in good])
    drugs = drugs_table((compound for compound, _ in good), identity)
    if structures:
        drugs = with_structures(drugs, (drug for _, drug in good))
    return _Found(predictor, identity, tables(shape, [predictor], drugs, predictions), bad)


def _compounds(
    smiles: Sequence[str] | pd.DataFrame, ids: Sequence[str] | None
) -> tuple[list[Compound], list[str]]:
    """Return the compounds to predict, and the further columns of ids."""
    if isinstance(smiles, pd.DataFrame):
        if ids is not None:
            raise LibraryError(
                "ids: a table of compounds has its own; leave them out, or give a list of SMILES"
            )
        return _of_frame(smiles)
    for name, given in (("smiles", smiles), ("ids", ids)):
        if isinstance(given, str):
            raise LibraryError(
                f"{name}: '{given[:60]}' is a single text; give a list, or a file to 'anchordrug predict'"
            )
    names = list(smiles if ids is None else ids)
    if len(names) != len(smiles):
        given, of = counted(len(names), "id"), counted(len(smiles), "structure")
        raise LibraryError(f"{given} for {of}; give one id per structure")
    # A missing value of a table is as unreadable as an empty text.
    structures = [text if isinstance(text, str) else "" for text in smiles]
    return [Compound("", name, text) for name, text in zip(names, structures, strict=True)], []


def _of_frame(table: pd.DataFrame) -> tuple[list[Compound], list[str]]:
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    names = ColumnNames(Path("table"), None, None)
    structure, identity = names.found_in([str(name) for name in table.columns])
    columns = [[text_of(value) for value in table.iloc[:, column]] for column in range(table.shape[1])]
    rows = zip(*columns, strict=True)
    compounds = [compound_of("", cells[structure], cells[structure], cells, identity) for cells in rows]
    return compounds, names.further
