"""Results as they were judged, kept for the page until someone accepts them."""

from pathlib import Path

import pandas as pd

from anchordrug.bench.assays.result import AssayResult
from anchordrug.files.tables import write_json


def write_judged(results: list[AssayResult], about: dict[str, object], path: Path) -> bool:
    """Write how drugs and wells of a round fared; return that the results are not accepted yet.

    Parameters
    ----------
    about
        Number of the round and state of the files, kept with it.
    """
    lines = []
    for result in results:
        drugs = result.drugs.rename_axis("drug_id").reset_index()
        wells = result.wells
        lines.append(
            {
                "cell_line": result.cell_line,
                "notes": list(result.notes),
                "drugs": _records(drugs),
                "wells": [] if wells is None else _records(wells),
            }
        )
    write_json({**about, "lines": lines}, path)
    return False


def _records(table: pd.DataFrame) -> list[dict]:
    """Return the rows of a table as JSON values, None where one is missing."""
    rounded = table.round(3).astype(object)
    return rounded.where(rounded.notna(), None).to_dict("records")
