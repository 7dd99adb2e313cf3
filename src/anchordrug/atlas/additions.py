"""Additions to the atlas: a lab's own responses, one folder each, read and written with their schemas."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.errors import SettingsError, TableError
from anchordrug.files.atomic import atomic_folder, require_file
from anchordrug.files.tables import read_json, read_matrix, read_table, write_json, write_matrix, write_table

ABOUT = "addition.json"
RESPONSES = "responses.parquet"
DRUGS = "drugs.csv"
EXPRESSION = "expression.parquet"
_AGAIN = "restore it, or add it again ('anchordrug atlas remove', then 'anchordrug atlas add')"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Addition:
    """Responses of one assay that are not part of the raw bundle.

    Attributes
    ----------
    name
        Its name, that of its folder.
    assay, dose_um, time_h
        The kind of assay in words, the dose in uM and the time in hours of all its responses.
    source
        Names of the files or the campaign's folder that it was made of.
    responses
        schemas.ADDED_RESPONSES.
    genes
        Symbols, in the order of the columns of `z`.
    z
        float32 [responses, genes], NaN where a gene was not measured.
    drugs
        schemas.DRUGS, one row per drug of `responses`.
    expression
        Untreated expression, log2 [cell lines x genes] on the scale of the bundle's; may be empty.
    """

    name: str
    assay: str
    dose_um: float
    time_h: float
    source: str
    responses: pd.DataFrame
    genes: list[str]
    z: np.ndarray
    drugs: pd.DataFrame
    expression: pd.DataFrame


def require_name(name: str, what: str) -> None:
    """Check a name that becomes the name of a file; `what` it names begins the error.

    Raises
    ------
    SettingsError
        It has other characters than letters, digits and ``._+-``, or begins with one of these four.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{what} '{name}': cannot be a name; use letters, digits and ._+-, a letter or digit first"
        )


def addition_names(folder: Path) -> list[str]:
    """Return the names of the additions in `folder`, sorted; none if there is no such folder."""
    return sorted(path.parent.name for path in folder.glob(f"*/{ABOUT}") if path.parent.name[0] != ".")


def read_additions(folder: Path) -> list[Addition]:
    """Read the additions in `folder`, by name.

    Raises
    ------
    RawDataError
        A file is missing or damaged.
    TableError
        A file breaks its schema, or names a drug that the addition does not describe.
    """
    return [_read(folder / name) for name in addition_names(folder)]


def write_addition(addition: Addition, folder: Path) -> None:
    """Write an addition into a folder of its name in `folder`, whole or not at all.

    Genes that none of its responses measured are left out.

    Raises
    ------
    TableError
        A table breaks its schema.
    """
    path = folder / addition.name
    about = {"assay": addition.assay, "dose_um": addition.dose_um, "time_h": addition.time_h}
    about = {**about, "source": addition.source}
    schemas.validate(pd.DataFrame([about]), schemas.ADDITION, path / ABOUT)
    index = schemas.validate(addition.responses, schemas.ADDED_RESPONSES, path / RESPONSES)
    drugs = schemas.validate(addition.drugs, schemas.DRUGS, path / DRUGS)
    measured = np.flatnonzero((~np.isnan(addition.z)).any(axis=0))
    genes = [addition.genes[column] for column in measured]
    with atomic_folder(path) as temporary:
        write_matrix(temporary / RESPONSES, index, genes, addition.z[:, measured], missing=True)
        write_table(drugs, temporary / DRUGS)
        write_expression_table(addition.expression, temporary / EXPRESSION)
        write_json(about, temporary / ABOUT)


def _read(path: Path) -> Addition:
    about = read_json(path / ABOUT)
    schemas.validate(pd.DataFrame([about]), schemas.ADDITION, path / ABOUT, _AGAIN)
    for name in (RESPONSES, DRUGS, EXPRESSION):
        require_file(path / name, _AGAIN)
    index, genes, z = read_matrix(path / RESPONSES, list(schemas.ADDED_RESPONSES.columns), missing=True)
    responses = schemas.validate(index, schemas.ADDED_RESPONSES, path / RESPONSES, _AGAIN)
    drugs = read_table(path / DRUGS, list(schemas.DRUGS.columns))
    drugs = schemas.validate(drugs, schemas.DRUGS, path / DRUGS, _AGAIN)
    known = drugs["drug_id"].tolist()
    schemas.require_known(responses["drug_id"], known, path / RESPONSES, path / DRUGS)
    expression = read_expression_table(path / EXPRESSION)
    return Addition(
        path.name,
        **about,
        responses=responses,
        genes=genes,
        z=z.astype(np.float32),
        drugs=drugs,
        expression=expression,
    )


def write_expression_table(expression: pd.DataFrame, path: Path) -> None:
    """Write untreated expression [cell lines x genes] with one row per gene; it may be empty."""
    table = expression.T.rename_axis("gene").rename_axis(None, axis=1).reset_index()
    write_table(table.astype({"gene": str}), path)


def read_expression_table(path: Path) -> pd.DataFrame:
    """Read the files of `write_expression_table`: log2 [cell lines x genes].

    Raises
    ------
    TableError
        A gene occurs twice, or a value is not a finite number.
    """
    table = read_table(path)
    schemas.validate(table[["gene"]] if "gene" in table else table, schemas.EXPRESSION_GENES, path, _AGAIN)
    values = table.set_index("gene").T.astype(np.float32)
    if not np.isfinite(values.to_numpy()).all():
        raise TableError(f"{path}: holds values that are not finite numbers; {_AGAIN}")
    return values
