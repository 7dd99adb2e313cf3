"""GCT: CMap's text matrix, a line per gene. For small data: the whole matrix is held in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted, printable
from anchordrug.files.kinds import GCT
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.text import MISSING_TEXT, clean_text, open_text


@contextmanager
def open_gct(path: Path) -> Iterator[SignatureMatrix]:
    """Read a GCT 1.3 or 1.2 file.

    Raises
    ------
    RawDataError
        The file is missing, of another version, disagrees with its own counts, holds a cell that is
        not a number, or holds an id twice.
    """
    with open_text(path, (GCT,)) as text:
        matrix = _parse(path, text)
    yield matrix


def _parse(path: Path, text: TextIO) -> SignatureMatrix:
    version = text.readline().strip()
    if version not in ("#1.2", "#1.3"):
        raise RawDataError(
            f"{path}: line 1 is '{printable(version, 40)}', expected '#1.3'; is it a GCT file?"
        )
    genes, signatures, gene_fields, signature_fields = _counts(path, version, _fields(text.readline()))
    # GCT 1.2 is GCT 1.3 with exactly one field per gene, the description, and none per signature.
    width = 1 + gene_fields + signatures

    # Lines stay text until their turn: a split line takes ten times the memory.
    lines = [(number, line) for number, line in enumerate(text, start=3) if line.strip()]
    expected = 1 + signature_fields + genes
    if len(lines) != expected:
        raise RawDataError(
            f"{path}: line 2 promises {counted(genes, 'gene')} and {counted(signature_fields, 'field')} per "
            f"signature, that is {expected} more lines, but there are {len(lines)}; the file is cut or line "
            "2 is wrong"
        )
    for number, line in lines:
        found = line.count("\t") + 1
        if found != width:
            raise RawDataError(
                f"{path}: line {number} has {counted(found, 'field')}, but line 2 promises {width} (1 id, "
                f"{gene_fields} per gene, {counted(signatures, 'signature')}); the file is cut or line 2 is "
                "wrong"
            )

    first = 1 + gene_fields
    header = _fields(lines[0][1])
    described = [_fields(line) for _, line in lines[1 : 1 + signature_fields]]
    descriptions = []
    z = np.empty((signatures, genes), dtype=np.float32)
    for gene, (number, line) in enumerate(lines[1 + signature_fields :]):
        fields = _fields(line)
        descriptions.append(fields[:first])
        z[:, gene] = _numbers(path, number, header[first:], fields[first:])
    return SignatureMatrix(
        path,
        _table("sig_id", header[first:], {fields[0]: fields[first:] for fields in described}),
        _table(
            "gene_id",
            [fields[0] for fields in descriptions],
            {name: [fields[i] for fields in descriptions] for i, name in enumerate(header[1:first], start=1)},
        ),
        chunk_rows=1,
        read=lambda rows, columns: z[rows, columns],
    )


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.rstrip("\n").split("\t")]


def _counts(path: Path, version: str, fields: list[str]) -> tuple[int, int, int, int]:
    """Return genes, signatures, fields per gene, fields per signature from line 2."""
    while fields and not fields[-1]:  # spreadsheets pad every line to the width of the widest
        fields = fields[:-1]
    wanted = 4 if version == "#1.3" else 2
    # Of more digits than a file has room for, Python makes no number.
    if len(fields) != wanted or not all(field.isdecimal() and len(field) < 20 for field in fields):
        raise RawDataError(
            f"{path}: line 2 is '{' '.join(fields)[:40]}', expected {wanted} counts separated by tabs"
        )
    genes, signatures, *rest = (int(field) for field in fields)
    gene_fields, signature_fields = rest or (1, 0)
    return genes, signatures, gene_fields, signature_fields


def _numbers(path: Path, line: int, columns: list[str], cells: list[str]) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError:  # a missing value or a mistake; only now is it worth a look at every cell
        return [_number(path, line, column, cell) for column, cell in zip(columns, cells, strict=True)]


def _number(path: Path, line: int, column: str, cell: str) -> float:
    if cell in MISSING_TEXT:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise RawDataError(
            f"{path}: line {line}, column '{column}': '{cell[:40]}' is not a number; "
            "correct it or leave it empty"
        ) from None


def _table(id_column: str, ids: list[str], fields: dict[str, list[str]]) -> pd.DataFrame:
    """Return the ids, which name the matrix whatever a field of the same name says, and the fields."""
    texts = {id_column: ids} | {name: values for name, values in fields.items() if name != id_column}
    return pd.DataFrame({name: clean_text(pd.Series(values, dtype="str")) for name, values in texts.items()})
