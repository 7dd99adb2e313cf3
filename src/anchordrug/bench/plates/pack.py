"""The tables of a pack for the lab: pick list, drugs, source wells, solutions and samples of a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug.bench.plates.by_hand import working_solutions
from anchordrug.bench.plates.pick_list import pick_list, stocks_of
from anchordrug.bench.plates.plate_map import VEHICLE
from anchordrug.bench.plates.sample_sheet import sample_sheet
from anchordrug.bench.plates.source_wells import (
    SAMPLE,
    SOURCE_PLATE,
    SOURCE_WELL,
    VOLUME,
    ledger,
    wells_in,
)
from anchordrug.bench.plates.volumes import reached_um, transfer_nl
from anchordrug.bench.settings import Plates


@dataclass(frozen=True)
class Round:
    """A round for the lab.

    Attributes
    ----------
    title
        Campaign and round.
    plate_map
        schemas.PLATE_MAP, as it is now.
    selection
        `drug_id`, `rank`, and columns that the drugs' table shows, such as `name`, `moa`, `reason`.
    library
        `drug_id`, `source_plate`, `source_well`, perhaps `stock_mm` and columns of catalogue numbers.
    catalogue
        Names of the columns of catalogue numbers in `library`.
    plates
        The settings.
    atlas
        Dose and time of the experiments that the model learned from, in words.
    warnings
        Notes on the round's doses, time and wells before it is pipetted.
    earlier
        The pick lists of the earlier rounds, in order.
    own
        The pick list that the round had before its plate map was edited, None if there was none.
    """

    title: str
    plate_map: pd.DataFrame
    selection: pd.DataFrame
    library: pd.DataFrame
    catalogue: Sequence[str]
    plates: Plates
    atlas: str
    warnings: Sequence[str] = ()
    earlier: Sequence[pd.DataFrame] = ()
    own: pd.DataFrame | None = None


@dataclass(frozen=True)
class Pack:
    """The lab's working data for a round; volumes are in uL, those of `picks` in nL.

    Attributes
    ----------
    of
        The round.
    picks
        See `pick_list`.
    drugs
        One row per drug of the plates, by rank.
    sources
        See `ledger`, with the stock (mM), `todo` and the drug's name.
    by_hand
        See `working_solutions`, by rank.
    samples
        See `sample_sheet`.
    """

    of: Round
    picks: pd.DataFrame
    drugs: pd.DataFrame
    sources: pd.DataFrame
    by_hand: pd.DataFrame
    samples: pd.DataFrame

    def used_before(self, source_plate: str) -> set[str]:
        """Return the wells (A01) of a source plate that earlier rounds used."""
        return {well for table in self.of.earlier for plate, well in wells_in(table) if plate == source_plate}

    @property
    def ranks(self) -> dict[str, int]:
        """The rank of each drug."""
        return dict(zip(self.drugs["drug_id"], self.drugs["rank"], strict=True))


def make_pack(asked: Round) -> Pack:
    """Return the pack of a round.

    Raises
    ------
    SettingsError, TableError
        As `pick_list`.
    """
    plates, plate_map = asked.plates, asked.plate_map
    known = [*asked.earlier, *([] if asked.own is None else [asked.own])]
    picks = pick_list(plate_map, asked.library, plates, known)
    stocks = stocks_of(asked.library, plates)
    drugs = _drugs(asked, picks, stocks)
    names = dict(zip(drugs["drug_id"], drugs["name"], strict=True))
    sources = ledger([*asked.earlier, picks], plates)
    sources.insert(3, "name", [names.get(drug) for drug in sources["drug_id"]])
    stock_of = {drug: stocks.get(drug, plates.stock_mm) for drug in names}
    sources.insert(4, "stock_mm", sources["drug_id"].map(stock_of))
    filled = zip(sources["before_ul"], sources["fills"], strict=True)
    sources["todo"] = [_todo(before, int(fills), plates) for before, fills in filled]
    by_hand = working_solutions(plate_map, stocks, plates)
    ranks = dict(zip(drugs["drug_id"], drugs["rank"], strict=True))
    by_hand.insert(0, "rank", by_hand["drug_id"].map(ranks).astype("Int64"))
    by_hand.insert(2, "name", by_hand["drug_id"].map(names))
    by_hand = by_hand.sort_values(["rank", "concentration_um"], kind="stable", ignore_index=True)
    return Pack(
        asked,
        picks,
        drugs,
        sources,
        by_hand,
        sample_sheet(plate_map, plates.time_h),
    )


def _drugs(asked: Round, picks: pd.DataFrame, stocks: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per drug of the plates: rank, ids, source, stock, wells, volumes; controls come last."""
    plate_map = asked.plate_map
    treated = plate_map[plate_map["pert_type"] != "negcon"].drop_duplicates("drug_id")
    library = asked.library.drop_duplicates("drug_id").set_index("drug_id")
    selection = asked.selection.drop_duplicates("drug_id").set_index("drug_id")
    table = treated[["drug_id", "name"]].reset_index(drop=True)
    rank = table["drug_id"].map(selection["rank"])
    order = sorted(table.index, key=lambda row: (np.isnan(rank[row]), rank[row], table["drug_id"][row]))
    table = table.loc[order].reset_index(drop=True)
    # Drugs that an edited map has besides those of the selection get the numbers after them.
    last = int(selection["rank"].max()) if len(selection) else 0
    rank = table["drug_id"].map(selection["rank"])
    table.insert(0, "rank", rank.where(rank.notna(), last + rank.isna().cumsum()).astype(int))
    shown = [name for name in ("moa", "vendor", "cost", "reason") if name in selection]
    for name in asked.catalogue:
        table[name] = table["drug_id"].map(library[name])
    for name in shown:
        table[name] = table["drug_id"].map(selection[name])
    table["stock_mm"] = [stocks.get(drug, asked.plates.stock_mm) for drug in table["drug_id"]]
    own = picks[picks[SAMPLE] != VEHICLE].groupby(SAMPLE)
    first = own[[SOURCE_PLATE, SOURCE_WELL]].first()
    table["source_plate"] = table["drug_id"].map(first[SOURCE_PLATE])
    table["source_well"] = table["drug_id"].map(first[SOURCE_WELL])
    table["wells"] = table["drug_id"].map(plate_map["drug_id"].value_counts())
    table["total_nl"] = table["drug_id"].map(own[VOLUME].sum())
    doses = plate_map[plate_map["concentration"] > 0].groupby("drug_id")["concentration"].unique()
    asked_for = [doses.get(drug, ()) for drug in table["drug_id"]]
    table["concentration_um"] = [", ".join(f"{dose:g}" for dose in own) for own in asked_for]
    table["reached_um"] = [
        ", ".join(f"{_reached(dose, stock, asked.plates):.4g}" for dose in own)
        for own, stock in zip(asked_for, table["stock_mm"], strict=True)
    ]
    return table


def _reached(dose: float, stock: float, plates: Plates) -> float:
    return reached_um(transfer_nl(dose, stock, plates), stock, plates)


def _todo(before_ul: float, fills: int, plates: Plates) -> str:
    """Return the work on a source well before its plate is used."""
    if fills == 0:
        return "enough"
    verb = "refill" if before_ul else "fill"
    more = f", and {fills - 1} more time{'s' * (fills > 2)} during the run" if fills > 1 else ""
    return f"{verb} to {plates.source_volume_ul:g} uL{more}"


def catalogue_numbers(drugs: pd.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """Return the numbers to order each drug by: its id, if that is not its name, and its other numbers."""
    numbers = {}
    for drug, name, *others in drugs[["drug_id", "name", *columns]].itertuples(index=False, name=None):
        own = [] if pd.isna(name) or name == drug else [drug]
        numbers[drug] = ", ".join(
            dict.fromkeys([*own, *(value for value in others if isinstance(value, str))])
        )
    return numbers
