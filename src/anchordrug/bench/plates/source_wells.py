"""Source wells: where the stock of each drug is, the same well in all rounds, and the volume left in it."""

import math
from collections.abc import Mapping, Sequence
from itertools import count

import pandas as pd

from anchordrug.bench.plates.plate_map import VEHICLE, read_well
from anchordrug.bench.plates.wells import SHAPES, well_name
from anchordrug.bench.settings import Plates
from anchordrug.errors import TableError

# Columns of a pick list that say which drug comes from which well, and how much of it.
SAMPLE = "Sample ID"
SOURCE_PLATE = "Source Plate Name"
SOURCE_WELL = "Source Well"
VOLUME = "Transfer Volume"
SOURCE_WELLS = 384
_DECIMALS = 4  # a tenth of a nanolitre
_TINY = 1e-6


def source_wells(
    wanted: Sequence[str], sources: pd.DataFrame, earlier: Sequence[pd.DataFrame]
) -> dict[str, tuple[str, str]]:
    """Return the source plate and well (A01) of the `wanted` drugs.

    Parameters
    ----------
    wanted
        The drugs of a plate map in its order; the vehicle may be among them.
    sources
        `drug_id`, `source_plate`, `source_well`: where the library has the stocks. Drugs without a source get
        the next free wells of plates SOURCE1, SOURCE2, ..., in the order of `sources`, then of `wanted`. The
        vehicle comes last.
    earlier
        The pick lists of the earlier rounds, in order. A drug keeps the well that it first had, and no other
        drug gets a well that is in one of these lists.

    Raises
    ------
    TableError
        `sources` has no such column, names a drug or a well twice, or gives half a source or a wrong well;
        or a well of it has another drug in an earlier pick list.
    """
    given = _given_sources(sources)
    drug_in = _earlier_sources(earlier)
    _require_free(given, drug_in)
    # A well belongs to the drug that it had first; the lists of older versions gave some wells twice.
    kept = {drug: well for well, drug in reversed(drug_in.items())}
    known = kept | given
    is_wanted = set(wanted)
    order = [drug for drug in dict.fromkeys([*sources["drug_id"], *wanted]) if drug in is_wanted - {VEHICLE}]
    taken = {*given.values(), *drug_in}
    rows, columns = SHAPES[SOURCE_WELLS]
    free = (
        (f"SOURCE{number}", well_name(row, column))
        for number in count(1)
        for row in range(rows)
        for column in range(columns)
        if (f"SOURCE{number}", well_name(row, column)) not in taken
    )
    order += [VEHICLE] if VEHICLE in is_wanted else []
    return {drug: known[drug] if drug in known else next(free) for drug in order}


def unpadded(well: str) -> str:
    """Return the well A01 as A1, as the Echo writes it."""
    return f"{well[0]}{int(well[1:])}"


def wells_in(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the source plate and well (A01) of every row of a pick list."""
    rows = table[[SOURCE_PLATE, SOURCE_WELL, SAMPLE]].itertuples(index=False)
    return [(plate, read_well(well, f"pick list: source of '{drug}'")) for plate, well, drug in rows]


def ledger(lists: Sequence[pd.DataFrame], plates: Plates) -> pd.DataFrame:
    """Return the volumes that the last of some pick lists takes from its source wells, and those left there.

    A well is filled to `source_volume_ul` for the first list that uses it. If a list would take it below
    `dead_volume_ul`, the well is filled again before that list.

    Parameters
    ----------
    lists
        The pick lists of all rounds, in order.

    Returns
    -------
    DataFrame
        One row per source well of the last list, by plate and well: source_plate, source_well (A01), drug_id;
        before_ul (in the well after the earlier rounds, 0 if it was never filled); added_ul (the first fill
        or the refills); used_ul (by the last list); left_ul = before_ul + added_ul - used_ul; fills (how
        often the well is filled for the last list; more than once means between its transfers); rounds_left
        (the number of further lists like the last that the well can serve).
    """
    left: dict[tuple[str, str], float] = {}
    rows: list[dict[str, object]] = []
    for table in lists:
        rows = []
        wells = [well for _, well in wells_in(table)]
        used = table.assign(well=wells).groupby([SOURCE_PLATE, "well"]).agg({SAMPLE: "first", VOLUME: "sum"})
        for (plate, well), drug, volume_nl in used.itertuples(name=None):
            before, needed = left.get((plate, well), 0.0), volume_nl / 1000
            fills, added = _fills(before, needed, plates)
            after = round(before + added - needed, _DECIMALS)
            left[plate, well] = after
            rows.append(
                {
                    "source_plate": plate,
                    "source_well": well,
                    "drug_id": drug,
                    "before_ul": before,
                    "added_ul": added,
                    "used_ul": round(needed, _DECIMALS),
                    "left_ul": after,
                    "fills": fills,
                    "rounds_left": int((after - plates.dead_volume_ul + _TINY) // needed),
                }
            )
    return pd.DataFrame(rows)


def _fills(before: float, needed: float, plates: Plates) -> tuple[int, float]:
    """Return how often a well is filled for the `needed` volume, and with how much in all (uL)."""
    usable = plates.source_volume_ul - plates.dead_volume_ul
    if before - needed >= plates.dead_volume_ul - _TINY:
        return 0, 0.0
    fills = max(1, math.ceil(needed / usable - _TINY))
    # Each fill but the first finds the dead volume in the well.
    first = plates.source_volume_ul - min(before, plates.source_volume_ul)
    return fills, round(first + (fills - 1) * usable, _DECIMALS)


def _earlier_sources(earlier: Sequence[pd.DataFrame]) -> dict[tuple[str, str], str]:
    """Return the drug that each source plate and well had first in the pick lists of earlier rounds."""
    drug_in: dict[tuple[str, str], str] = {}
    for table in earlier:
        for well, drug in zip(wells_in(table), table[SAMPLE], strict=True):
            drug_in.setdefault(well, drug)
    return drug_in


def _require_free(given: Mapping[str, tuple[str, str]], drug_in: Mapping[tuple[str, str], str]) -> None:
    for drug, (plate, well) in given.items():
        other = drug_in.get((plate, well), drug)
        if other != drug:
            raise TableError(
                f"sources: drug '{drug}': well {unpadded(well)} of plate '{plate}' held '{other}' in an "
                f"earlier round; give '{drug}' another well"
            )


def _given_sources(sources: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the source plate and well of each drug that has one, checked."""
    missing = [name for name in ("drug_id", "source_plate", "source_well") if name not in sources.columns]
    if missing:
        raise TableError(f"sources: no column '{missing[0]}'; add it (it may be empty)")
    twice = sources["drug_id"][sources["drug_id"].duplicated()]
    if len(twice):
        raise TableError(f"sources: drug '{twice.iloc[0]}' is listed twice; keep one of its sources")
    given: dict[str, tuple[str, str]] = {}
    drug_in: dict[tuple[str, str], str] = {}
    for drug, plate, well in sources[["drug_id", "source_plate", "source_well"]].itertuples(index=False):
        if pd.isna(plate) and pd.isna(well):
            continue
        place = f"sources: drug '{drug}'"
        if pd.isna(plate) or pd.isna(well):
            raise TableError(f"{place}: source_plate '{plate}', source_well '{well}'; give both or neither")
        given[drug] = (str(plate), read_well(well, place))
        other = drug_in.setdefault(given[drug], drug)
        if other != drug:
            raise TableError(
                f"{place}: well {well} of plate '{plate}' also holds '{other}'; correct one of them"
            )
    return given
