"""Faults for which `next` refuses, as far as the folder of a campaign shows them: `status` names them too."""

from pathlib import Path

import pandas as pd

from anchordrug.acquisition import strategy
from anchordrug.bench import folder as files
from anchordrug.bench.assay_request import request_of
from anchordrug.bench.assays.result import OK
from anchordrug.bench.constraints import require_constraints
from anchordrug.bench.laid_out import earlier_pick_lists, round_notes, settled
from anchordrug.bench.library import read_library
from anchordrug.bench.measurements import read_outcome, read_selection
from anchordrug.bench.plates.layout import usable_wells
from anchordrug.bench.plates.pick_list import stocks_of
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.plates.volumes import problem_with
from anchordrug.bench.settings import CampaignSettings, Plates
from anchordrug.errors import AnchorDrugError, SettingsError, counted


def notes_of(folder: Path, campaign: CampaignSettings) -> list[str]:
    """Return the refusal of the next step, or else the notes on a round that waits.

    It reads the folder alone.
    """
    try:
        require_next(folder, campaign)
    except AnchorDrugError as error:
        return [f"the next step is refused: {error}"]
    waits = _waiting(folder)
    return [] if waits is None else round_notes(folder, campaign, waits)


def require_next(folder: Path, campaign: CampaignSettings) -> None:
    """Check the settings, and the round that waits for results if there is one.

    Raises
    ------
    SettingsError
        As `require_settings`, or a drug of the plate map cannot be pipetted.
    AssayError, TableError, RawDataError
        A plate map cannot be used, or a file of the folder is missing or was changed.
    """
    require_settings(folder, campaign)
    number = _waiting(folder)
    if number is None:
        earlier_pick_lists(folder, 1 + max(files.round_numbers(folder), default=0))
        return
    earlier_pick_lists(folder, number)
    path = files.round_of(folder, number) / files.PLATE_MAP
    plate_map = read_plate_map(path, campaign.targets)
    library = read_library(folder / files.LIBRARY)
    request_of(folder, campaign, library, number, plate_map)
    _require_volumes(plate_map, library, campaign.plates, path, folder / files.SETTINGS)


def require_settings(folder: Path, campaign: CampaignSettings) -> None:
    """Check settings that only the next round would use.

    Raises
    ------
    SettingsError
        The strategy or a drug of the constraints is unknown. Or the plates have no well for a drug, a stock
        cannot be pipetted, or the budget is smaller than the number of drugs laid out.
    TableError, RawDataError
        A file of the folder is missing or was changed.
    """
    path, plates = folder / files.SETTINGS, campaign.plates
    rounds = files.round_numbers(folder)
    # Looking one up takes a moment; that of the last round was known.
    if not rounds or settled(campaign, files.round_of(folder, rounds[-1]))["strategy"] != campaign.strategy:
        strategy(campaign.strategy, f"{path}: strategy")
    library = read_library(folder / files.LIBRARY)
    require_constraints(campaign, library, path)
    try:
        usable_wells(plates)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    offered = ~library["drug_id"].isin(campaign.constraints.exclude) & library["stock"].ne(0)
    has_stock = library["stock_mm"].notna() if "stock_mm" in library else False
    if (offered & ~has_stock).any():
        problem = problem_with(plates.concentration_um, plates.stock_mm, plates)
        if problem is not None:
            raise SettingsError(f"{path}: plates: {problem}")
    laid_out = _laid_out(folder)
    if campaign.budget < laid_out:
        raise SettingsError(
            f"{path}: budget: {campaign.budget} is less than the {counted(laid_out, 'drug')} measured or "
            f"laid out so far; write {laid_out} or more, or end with 'anchordrug campaign finish {folder}'"
        )


def _require_volumes(
    plate_map: pd.DataFrame, library: pd.DataFrame, plates: Plates, path: Path, settings: Path
) -> None:
    stocks = stocks_of(library, plates)
    treated = plate_map[plate_map["concentration"] > 0].drop_duplicates(["drug_id", "concentration"])
    for drug, dose in treated[["drug_id", "concentration"]].itertuples(index=False):
        problem = problem_with(dose, stocks.get(drug, plates.stock_mm), plates)
        if problem is not None:
            raise SettingsError(f"{path}: drug '{drug}': {problem} (plates of {settings})")


def _waiting(folder: Path) -> int | None:
    """Return the round that waits for its results."""
    rounds = files.round_numbers(folder)
    return rounds[-1] if rounds and not files.is_ingested(folder, rounds[-1]) else None


def _laid_out(folder: Path) -> int:
    """Return the number of drugs that gave a result, or are in the round that waits."""
    drugs: set[str] = set()
    for number in files.ingested_rounds(folder):
        outcome = read_outcome(folder, number)
        drugs |= set(outcome.loc[outcome["status"] == OK, "drug_id"])
    waits = _waiting(folder)
    if waits is not None:
        drugs |= set(read_selection(folder, waits)["drug_id"])
    return len(drugs)
