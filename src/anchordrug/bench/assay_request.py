"""The assay that a round asks for, and the reference of its results, from a campaign and its atlas."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.bench.assays.request import AssayRequest, Reference
from anchordrug.bench.doses import require_one_dose_per_drug
from anchordrug.bench.measurements import read_selection
from anchordrug.bench.plates.plate_map import controls_of
from anchordrug.bench.settings import CampaignSettings
from anchordrug.errors import AssayError, near

# Brings the atlas, which who only reads a campaign's folder need not wait for.
if TYPE_CHECKING:
    from anchordrug.bench.world import World


def request_of(
    folder: Path, campaign: CampaignSettings, library: pd.DataFrame, number: int, plate_map: pd.DataFrame
) -> AssayRequest:
    """Return the request of round `number`, whose plate map may have been edited.

    Raises
    ------
    AssayError
        The plate map has a cell line that is not a target, a drug that is not in the library, or a drug at
        several concentrations.
    """
    here = files.round_of(folder, number)
    # A positive control need not be a drug of the library.
    of_drugs = plate_map[plate_map["pert_type"] != "poscon"]
    for table, column, known, what in (
        (plate_map, "cell_line", list(campaign.targets), "no target of the campaign"),
        (of_drugs, "drug_id", [*library["drug_id"], *controls_of(plate_map)], "no drug of library.csv"),
    ):
        strange = table[~table[column].isin(known)]
        if len(strange):
            well = strange.iloc[0]
            raise AssayError(
                f"{here / files.PLATE_MAP}: plate {well['plate']}, well {well['well_position']}: {column} "
                f"'{well[column]}' is {what}{near(str(well[column]), known)}; correct it"
            )
    require_one_dose_per_drug(plate_map, here / files.PLATE_MAP)
    asked = read_selection(folder, number)["drug_id"].tolist()
    names = names_of_drugs(library)
    return AssayRequest(plate_map, campaign.targets, asked, names, here / files.SELECTION)


def reference_of(world: "World", request: AssayRequest) -> Reference:
    """Return the genes of the atlas, and the responses of its source lines.

    Raises
    ------
    TableError
        A drug that was asked for is no longer in the library.
    """
    rows = world.rows_of(pd.Series(request.drug_ids, dtype=object))
    drug_of = dict(zip(rows, request.drug_ids, strict=True))
    drug_ids = np.array([drug_of.get(row) for row in world.sources.drug], dtype=object)
    return Reference(world.atlas.gene_table, drug_ids, world.sources.z)


def names_of_drugs(library: pd.DataFrame) -> dict[str, str]:
    """Return drug_ids of the library by every other value that names one drug alone, casefolded."""
    columns = [name for name in ("drug_id", "inchikey", "atlas_id", "name") if name in library]
    names: dict[str, str] = {}
    for column in columns:
        given = library.dropna(subset=[column])
        folded = given[column].astype(str).str.casefold()
        alone = ~folded.duplicated(keep=False)
        for name, drug in zip(folded[alone], given.loc[alone, "drug_id"], strict=True):
            names.setdefault(name, drug)
    return names
