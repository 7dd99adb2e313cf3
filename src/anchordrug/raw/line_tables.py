"""Tables of cell lines that list the names and ids of a line in one row."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from anchordrug.errors import RawDataError, counted, shortlist
from anchordrug.raw.line_names import Identities, core_name, plain_name
from anchordrug.raw.sheet import Sheet, read_sheet

_TABLES = (
    *("cellinfo_beta.txt", "GSE*cell_info*.txt", "GSE*cell_info*.txt.gz"),
    *("Model.csv", "Model.csv.gz", "sample_info.csv", "sample_info.csv.gz"),
)
# Columns of those tables that name a line, without case and punctuation.
_NAME_COLUMNS = (
    *("celliname", "cellid", "cellalias", "cclename", "cellosaurusid", "cellosaurus", "rrid"),
    *("modelid", "depmapid", "strippedcelllinename", "celllinename", "celllinedisplayname"),
    *("cosmicid", "sangermodelid", "sangermodelidentifier"),
)


def read_identities(*folders: Path) -> Identities:
    """Read the names of cell lines from the tables of them in `folders`.

    These are DepMap's Model.csv or sample_info.csv, and CMap's cellinfo_beta.txt or GSE*cell_info*.txt. They
    list DepMap, Cellosaurus and COSMIC ids, CCLE names and aliases of a line in one row.

    Returns
    -------
    dict
        Empty where the folders hold no such table.

    Raises
    ------
    RawDataError
        A table is damaged, or has no two columns that name lines.
    """
    paths = {
        path.resolve(): path for folder in folders for pattern in _TABLES for path in folder.glob(pattern)
    }
    rows: dict[str, set[str]] = defaultdict(set)
    for path in paths.values():
        sheet = read_sheet(path)
        columns = sorted(set(sheet.columns_named(_NAME_COLUMNS)))
        if len(columns) < 2:
            raise RawDataError(
                f"{path}: has {counted(len(columns), 'column')} of names of cell lines (found: "
                f"{shortlist(sheet.header)}), expected two or more such as ModelID and CCLEName; download it "
                "again or remove it"
            )
        for key, row in _names_in(sheet, columns):
            rows[key].add(f"{path} {row}")
    return {key: tuple(sorted(places)) for key, places in rows.items()}


def _names_in(sheet: Sheet, columns: Sequence[int]) -> Iterable[tuple[str, int]]:
    """Yield the plain names in some columns and the row of each."""
    for column in columns:
        for row, cell in enumerate(sheet.names(column)):
            for name in re.split(r"[|;,]", cell):
                key = plain_name(name)
                if key and name.strip() != "-666":
                    yield key, row
                    yield core_name(name), row
