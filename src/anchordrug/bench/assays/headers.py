"""Which columns of a long table of assay results hold values."""

from collections.abc import Callable

from anchordrug.bench.assays.gene_columns import gene_hits
from anchordrug.errors import AssayError
from anchordrug.raw.changes import columns_by_role
from anchordrug.raw.sheet import Sheet


def value_columns(sheet: Sheet, is_gene: Callable[[str], bool]) -> dict[str, int]:
    """Return the columns of a long table's values by their role (`raw.changes`); none if it is not one.

    Raises
    ------
    AssayError
        Two columns have the same role.
    """
    if gene_hits(sheet.header, is_gene) > len(sheet.header) / 2:  # single letters name genes, too
        return {}
    columns = columns_by_role(sheet)
    for role, found in columns.items():
        if len(found) > 1:
            both = " and ".join(f"'{sheet.header[column]}'" for column in found[:2])
            raise AssayError(f"{sheet.path}: columns {both} both look like the {role}; keep one of them")
    return {role: found[0] for role, found in columns.items()}
