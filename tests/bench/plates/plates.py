"""Drugs, settings and maps of plates for tests."""

import hypothesis
import pandas as pd

from anchordrug.bench.plates.layout import lay_out
from anchordrug.bench.settings import Plates

KEY = "AAAAAAAAAAAAAA-BBBBBBBBBB-C"
# For properties of which an example takes a tenth of a second.
few_examples = hypothesis.settings(max_examples=hypothesis.settings().max_examples // 4)


def plates_of(**changes):
    values = {"wells": 96, "replicates": 3, "controls": 6, "use_edge": False}
    values |= {"concentration_um": 10.0, "well_volume_ul": 100.0, "stock_mm": 10.0}
    return Plates(**(values | changes))


def drugs_of(count, names=None):
    return pd.DataFrame(
        {
            "drug_id": [f"BRD-K{i:03}" for i in range(count)],
            "name": names or [f"drug {i}" for i in range(count)],
            "inchikey": KEY,
            "smiles": "CC",
        }
    )


def laid_out(count=10, seed=1, prefix="R1", cell_line="THP1", **changes):
    return lay_out(drugs_of(count), plates_of(**changes), prefix=prefix, cell_line=cell_line, seed=seed)


def sources_of(*rows):
    """Return a table of sources: drug_id, plate, well."""
    return pd.DataFrame(rows, columns=["drug_id", "source_plate", "source_well"], dtype="str")
