"""The Repurposing Hub's table of drugs: mechanisms of action and targets by name."""

from pathlib import Path

import pandas as pd

from anchordrug.errors import RawDataError
from anchordrug.raw.text import clean_text, open_text


def read_mechanisms(path: Path) -> pd.DataFrame:
    """Return moa and target (NaN where missing; several joined by "|") by name in lower case.

    Raises
    ------
    RawDataError
        The file is missing or damaged, or has no column pert_iname, moa or target.
    """
    try:
        with open_text(path) as text:
            lines = [line for line in text if not line.startswith("!")]
        header = lines[0].rstrip("\n").split("\t") if lines else []
        table = pd.DataFrame(
            [line.rstrip("\n").split("\t") for line in lines[1:] if line.strip()], columns=pd.Index(header)
        )
        table = table[["pert_iname", "moa", "target"]].apply(clean_text)
    except (ValueError, KeyError) as error:
        raise RawDataError(
            f"{path}: is not the Repurposing Hub's table of drugs ({' '.join(str(error).split())}); expected "
            "the columns pert_iname, moa, target, separated by tabs"
        ) from error
    table["name"] = table["pert_iname"].str.lower()
    return table.dropna(subset=["name"]).drop_duplicates("name").set_index("name")[["moa", "target"]]
