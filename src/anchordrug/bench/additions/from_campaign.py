"""From the folder of a campaign to an addition: the accepted responses of its rounds, and their drugs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.atlas.additions import Addition
from anchordrug.bench import folder as files
from anchordrug.bench.assays.result import OK, assay_in_words
from anchordrug.bench.doses import doses_of_rounds
from anchordrug.bench.laid_out import campaign_of
from anchordrug.bench.library import read_library
from anchordrug.bench.measurements import read_outcome
from anchordrug.errors import SettingsError, TableError, shortlist
from anchordrug.files.tables import read_json, read_table
from anchordrug.raw.expression import read_expression

_KEY = ["drug_id", "cell_line"]


def addition_from_campaign(
    name: str,
    folder: Path,
    *,
    assay: str | None,
    dose_um: float | None,
    time_h: float | None,
    usual_time_h: float,
    known: Mapping[str, str],
) -> Addition:
    """Return the accepted responses of all rounds so far; of a drug that was measured again, the last.

    Parameters
    ----------
    assay, dose_um, time_h
        None: the kind of results that the rounds took up, the concentration of their plate maps, and the time
        in campaign.yaml.
    usual_time_h
        The time of a campaign that does not say it.
    known
        InChIKey by drug_id of the atlas. A new drug of the campaign whose id is taken by another compound
        gets the addition's name behind its id.

    Raises
    ------
    SettingsError
        The folder is not a campaign's, the campaign is a rehearsal, nothing is measured yet, or the plate
        maps have several concentrations.
    TableError
        A table of the campaign was changed.
    """
    with files.working_in(folder):
        campaign = campaign_of(folder)
        if campaign.rehearsal:
            raise SettingsError(
                f"{folder}: is a rehearsal, whose responses come from the atlas itself; add a real campaign"
            )
        rounds = files.ingested_rounds(folder)
        table = _responses(folder, rounds)
        index = table[[*_KEY, "replicates"]].reset_index(drop=True)
        values = table.drop(columns=[*_KEY, "replicates"])
        drugs = _drugs(folder, index["drug_id"])
        ids = _free_ids(drugs, known, name)
        expression = pd.DataFrame()
        if (folder / files.EXPRESSION).exists():
            lines, genes, levels = read_expression(folder / files.EXPRESSION)
            expression = pd.DataFrame(levels, index=pd.Index(lines), columns=pd.Index(genes))
        return Addition(
            name,
            assay or shortlist(dict.fromkeys(_assay(folder, number) for number in rounds)),
            _dose(folder, rounds, campaign.targets) if dose_um is None else dose_um,
            time_h or campaign.plates.time_h or usual_time_h,
            folder.resolve().name,
            index.assign(drug_id=index["drug_id"].map(ids)),
            values.columns.tolist(),
            values.to_numpy(np.float32),
            drugs.assign(drug_id=drugs["drug_id"].map(ids)),
            expression,
        )


def _dose(folder: Path, rounds: list[int], cell_lines: Sequence[str]) -> float:
    doses = doses_of_rounds(folder, rounds, cell_lines)
    if len(doses) > 1:
        raise SettingsError(
            f"{folder}: its plate maps have drugs at {shortlist(f'{dose:g}' for dose in doses)} uM, and an "
            "addition has one dose; name it with --dose-um"
        )
    return doses[0]


def _responses(folder: Path, rounds: list[int]) -> pd.DataFrame:
    """Return drug_id, cell_line, replicates, and z of every gene, one row per drug and cell line."""
    parts = []
    for number in rounds:
        outcome = read_outcome(folder, number)
        good = outcome.loc[outcome["status"] == OK, [*_KEY, "wells", "wells_failed"]]
        # Tables of differential expression do not tell their wells.
        wells = (good.pop("wells") - good.pop("wells_failed")).clip(lower=1)
        path = files.round_of(folder, number) / files.RESPONSES
        z = read_table(path, files.TEXT)
        own = good.assign(replicates=wells).merge(z, on=_KEY, how="right")
        if own["replicates"].isna().any():
            drug = own.loc[own["replicates"].isna(), "drug_id"].iloc[0]
            raise TableError(f"{path}: drug '{drug}' is not ok in {files.OUTCOME}; {files.RESTORE}")
        parts.append(own.astype({"replicates": int}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if table.empty:
        raise SettingsError(
            f"{folder}: nothing is measured yet; take up results with 'anchordrug campaign ingest {folder}'"
        )
    return table.drop_duplicates(_KEY, keep="last")


def _drugs(folder: Path, measured: pd.Series) -> pd.DataFrame:
    path = folder / files.LIBRARY
    library = read_library(path).assign(other_ids=None)
    drugs = library.loc[library["drug_id"].isin(measured), list(schemas.DRUGS.columns)]
    missing = measured[~measured.isin(drugs["drug_id"])]
    if len(missing):
        raise TableError(f"{path}: has no drug '{missing.iloc[0]}', which was measured; restore the file")
    return drugs.reset_index(drop=True)


def _free_ids(drugs: pd.DataFrame, known: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the drug_id that each of the campaign's gets."""
    pairs = zip(drugs["drug_id"], drugs["inchikey"], strict=True)
    return {drug: drug if known.get(drug, key) == key else f"{drug} ({name})" for drug, key in pairs}


def _assay(folder: Path, number: int) -> str:
    here = files.round_of(folder, number)
    found = read_json(here / files.INGEST, "factor")["factor"]
    factors = [factor for factor in found.values() if factor is not None]
    return assay_in_words((here / files.WELLS).exists(), factors[0] if factors else float("nan"))
