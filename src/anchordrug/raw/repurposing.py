"""The Repurposing Hub's table of drugs: mechanisms of action and targets by name."""

from pathlib import Path

import pandas as pd

from anchordrug.errors import RawDataError
from anchordrug.raw.delimited import header_of
from anchordrug.raw.text import clean_text, one_line, open_text


def read_mechanisms(path: Path) -> pd.DataFrame:
    """Return moa and target (NaN where missing; several joined by "|") by name in lower case.

    Raises
    ------
    RawDataError
        The file is missing or damaged, or has no column pert_iname, moa or target.
    """
    try:
        with open_text(path) as text:
            top = header_of(text)
            rows = [line.rstrip("\n").split("\t") for line in text if line.strip()]
        header = top.text.rstrip("\n").split("\t") if top else []
        table = pd.DataFrame(rows, columns=pd.Index(header))
        table = table[["pert_iname", "moa", "target"]].apply(clean_text)
    except (ValueError, KeyError) as error:
        raise RawDataError(
            f"{path}: is not the Repurposing Hub's table of drugs ({one_line(error)}); expected "
            "the columns pert_iname, moa, target, separated by tabs"
        ) from error
    table["name"] = table["pert_iname"].str.lower()
    return table.dropna(subset=["name"]).drop_duplicates("name").set_index("name")[["moa", "target"]]
