"""DepMap's expression of cell lines, under the names that LINCS gives to lines and genes."""

import csv
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from anchordrug.errors import RawDataError, counted, shortlist
from anchordrug.files.atomic import atomic_path
from anchordrug.raw.line_names import plain_name
from anchordrug.raw.text import clean_text, one_line, open_text

_GENE = re.compile(r"(.+) \((\d+)\)")  # TSPAN6 (7105)
_MODEL_ID = re.compile(r"ACH-\d+")


class Lines(NamedTuple):
    """How many cell lines were written, how many of them LINCS knows, and which were left out as repeated."""

    written: int
    known: int
    repeated: list[str]


def read_line_names(model: Path, cells: Path) -> tuple[dict[str, str], set[str]]:
    """Return the name of every DepMap model, and which names are LINCS'.

    A model is a line of LINCS by its CCLE name, else by its name without case and punctuation, unless two
    lines share it; another model goes by its own stripped name.

    Parameters
    ----------
    model
        DepMap's Model.csv.
    cells
        cellinfo_beta.txt, or a cell_info.txt of the 2017 release, which has no CCLE names.

    Raises
    ------
    RawDataError
        A file is missing or damaged, or lacks a column.
    """
    models = _columns(model, ",", ["ModelID", "StrippedCellLineName"], ["CCLEName"])
    table = _columns(cells, "\t", [], ["cell_iname", "cell_id", "ccle_name"])
    name = "cell_iname" if "cell_iname" in table else "cell_id"
    if name not in table:
        raise RawDataError(f"{cells}: no column cell_iname or cell_id; download it again")
    lines = table.dropna(subset=[name]).drop_duplicates(name)
    called = lines.dropna(subset=["ccle_name"]) if "ccle_name" in lines else lines.iloc[:0]
    by_ccle = dict(zip(called.get("ccle_name", called[name]), called[name], strict=True))
    stripped = lines[name].map(plain_name)
    alone = ~stripped.duplicated(keep=False)
    by_name = dict(zip(stripped[alone], lines.loc[alone, name], strict=True))
    by_name.pop("", None)
    names = {}
    for row in models.dropna(subset=["ModelID", "StrippedCellLineName"]).to_dict("records"):
        own = row["StrippedCellLineName"]
        ccle = row.get("CCLEName")
        names[row["ModelID"]] = by_ccle.get(ccle) or by_name.get(plain_name(own)) or own
    return names, set(lines[name])


def write_expression(
    source: Path, names: Mapping[str, str], lincs: set[str], symbols: Mapping[str, str], path: Path
) -> Lines:
    """Write log2(TPM + 1) as a raw bundle's basal expression, a line at a time.

    Parameters
    ----------
    source
        OmicsExpressionProteinCodingGenesTPMLogp1.csv: a row per model, columns such as TSPAN6 (7105).
    names, lincs
        As `read_line_names` returns.
    symbols
        Symbols by Entrez id; other genes keep DepMap's.
    path
        .csv

    Raises
    ------
    RawDataError
        The file is missing, damaged or of another layout, or no line of it is LINCS'.
    """
    written: dict[str, str] = {}
    repeated = []
    try:
        with open_text(source) as text, atomic_path(path) as temporary:
            rows = csv.reader(text)
            genes = _genes(source, next(rows, []), symbols)
            with temporary.open("w", encoding="utf-8", newline="") as file:
                out = csv.writer(file, lineterminator="\n")
                out.writerow(["cell_line", *genes.values()])
                for number, row in enumerate(rows, start=2):
                    if len(row) <= max(genes) or not _MODEL_ID.fullmatch(row[0]):
                        raise RawDataError(
                            f"{source}: line {number} starts '{shortlist(row[:1])}', "
                            f"{counted(len(row), 'field')}; expected a model such as ACH-000001 and a value "
                            "per gene; the file is cut or of another release"
                        )
                    name = names.get(row[0], row[0])
                    if name in written:
                        repeated.append(f"{row[0]} ({name})")
                        continue
                    written[name] = row[0]
                    out.writerow([name, *(row[column] for column in genes)])
            known = sum(name in lincs for name in written)
            if not known:
                raise RawDataError(
                    f"{source}: none of its {counted(len(written), 'cell line')} is a line of LINCS"
                )
    except csv.Error as error:
        raise RawDataError(f"{source}: is not CSV ({one_line(error)}); download it again") from error
    return Lines(len(written), known, repeated)


def _genes(source: Path, header: list[str], symbols: Mapping[str, str]) -> dict[int, str]:
    """Return the symbol of each column of genes; where two columns share a symbol, the Entrez id decides."""
    found = {column: _GENE.fullmatch(name.strip()) for column, name in enumerate(header)}
    matches = {column: match for column, match in found.items() if match}
    if not matches or len(matches) < len(header) - 1:
        raise RawDataError(
            f"{source}: the header starts '{shortlist(header)[:80]}', expected a model and genes such as "
            "TSPAN6 (7105); this is another file of DepMap, or of another release"
        )
    names = {column: symbols.get(match[2], match[1]) for column, match in matches.items()}
    count = Counter(names.values())
    sure = {column for column, match in matches.items() if match[2] in symbols}
    seen: set[str] = set()
    kept = {}
    for column in sorted(
        names, key=lambda position: (count[names[position]] > 1 and position not in sure, position)
    ):
        if names[column] not in seen:
            seen.add(names[column])
            kept[column] = names[column]
    return dict(sorted(kept.items()))


def _columns(path: Path, separator: str, needed: list[str], welcome: list[str]) -> pd.DataFrame:
    with open_text(path) as text:
        try:
            table = pd.read_csv(
                text, sep=separator, dtype="str", usecols=lambda name: name in {*needed, *welcome}
            )
        except ValueError as error:
            raise RawDataError(f"{path}: cannot be read ({one_line(error)}); download it again") from error
    missing = [name for name in needed if name not in table]
    if missing:
        raise RawDataError(f"{path}: no column {missing[0]}; download it again")
    return table.apply(clean_text)
