"""Counts of samples without wells: placed in the wells of a plate map, or of a plate map of their own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.bench.assays.contents import Counts, Samples
from anchordrug.bench.assays.request import AssayRequest, BelongsError, ResultFile
from anchordrug.bench.plates.plate_map import VEHICLE, replicates
from anchordrug.bench.plates.wells import SHAPES, well_name
from anchordrug.errors import AssayError, near, shortlist
from anchordrug.raw.line_names import match_lines

_SAME_DOSE = 1e-3  # relative; doses are rounded when they are written


def placed(samples: Samples, file: ResultFile, request: AssayRequest) -> Counts:
    """Return the counts of the samples that the plate map asks for, each in a well of its drug.

    The samples of a drug, cell line and plate get its wells in the order of their replicates. So a well is
    one of the drug's wells, not always the well that the cells were in.

    Raises
    ------
    BelongsError
        The samples could be of several cell lines or plates.
    AssayError
        No sample is asked for, a plate is not in the plate map, or a drug has more samples than wells; or it
        has several doses, and the dose asked for cannot be found.
    """
    table = samples.table.assign(
        drug_id=_drug_ids(samples.table, request.names),
        cell_line=_lines(samples, file, request),
        plate=_plates(samples, file, request),
    )
    places = _places(samples, table, request.plate_map)
    if not places:
        raise AssayError(
            f"{samples.path}: none of its drugs ({shortlist(pd.unique(table['drug']))}) is in the plate map "
            f"in {shortlist(request.cell_lines)}; name drugs and cell lines as there"
        )
    values = samples.values[list(places)]
    values.columns = pd.MultiIndex.from_tuples(list(places.values()), names=["plate", "well_position"])
    return Counts(samples.path, values, (*samples.notes, *_placing_notes(table, list(places))))


def _places(samples: Samples, table: pd.DataFrame, plate_map: pd.DataFrame) -> dict[int, tuple[str, str]]:
    """Return plate and well of the rows of `table` that the plate map asks for."""
    keys = ["cell_line", "plate", "drug_id"]
    is_vehicle = plate_map["pert_type"] == "negcon"
    wells = plate_map.assign(drug_id=plate_map["drug_id"].mask(is_vehicle, VEHICLE))
    found = dict(iter(wells.sort_values(["replicate", "well_position"]).groupby(keys)))
    places: dict[int, tuple[str, str]] = {}
    for key, rows in table.groupby(keys, sort=False):
        own = found.get(key)
        if own is None:
            continue
        rows = _of_dose(samples, rows, own)
        if len(rows) > len(own):
            line, plate, drug = key
            raise AssayError(
                f"{samples.path}: '{drug}' in {line} has {len(rows)} samples ({_in_words(rows)}), but "
                f"{len(own)} wells in plate {plate} of the plate map; correct the plate map, or leave out "
                "samples"
            )
        in_order = sorted(rows.index, key=lambda row: _counted(str(rows.at[row, "replicate"])))
        named = zip(own["plate"], own["well_position"], strict=True)
        places |= dict(zip(in_order, named, strict=False))
    return places


def own_plate_map(
    path: Path,
    table: pd.DataFrame,
    cell_line: str,
    names: Mapping[str, str],
    dose_um: float | None,
    usual_um: float,
) -> pd.DataFrame:
    """Return a plate map in which each sample of a cell line has a well of its own (schemas.PLATE_MAP).

    Parameters
    ----------
    path
        The file of the samples, for errors.
    table
        As `Samples.table`.
    names
        drug_id by the other names of drugs, casefolded.
    dose_um
        The dose whose samples are taken, None for all.
    usual_um
        The dose where the samples do not tell it.

    Raises
    ------
    AssayError
        There is no sample of the cell line or dose, or a plate has more than 384.
    """
    lines = [line for line in pd.unique(table["cell_line"]) if line]
    found = match_lines(lines, [cell_line]).found
    own = table[table["cell_line"].map(lambda line: not line or line in found)]
    if own.empty:
        raise AssayError(
            f"{path}: no sample is of cell line '{cell_line}' (cell lines: {shortlist(lines)})"
            f"{near(cell_line, lines)}; name one of them with --cell-line"
        )
    dose = own["dose_um"].fillna(usual_um if dose_um is None else dose_um)
    if dose_um is not None:
        kept = own["is_control"] | np.isclose(dose, dose_um, rtol=_SAME_DOSE, atol=0)
        own, dose = own[kept], dose[kept]
    if own["is_control"].all():
        raise AssayError(f"{path}: no sample of a drug has the dose {dose_um:g} uM; correct --dose-um")
    number = own.groupby("plate").cumcount()
    rows, columns = SHAPES[384]
    if number.max() >= rows * columns:
        raise AssayError(
            f"{path}: {int(number.max()) + 1} samples of a plate are more than {rows * columns} wells; keep "
            "those of one dose, or give a plate map"
        )
    is_control = own["is_control"].to_numpy()
    result = pd.DataFrame(
        {
            "plate": own["plate"].where(own["plate"] != "", "1"),
            "well_position": [well_name(*divmod(int(place), columns)) for place in number],
            "pert_type": np.where(is_control, "negcon", "trt"),
            "drug_id": _drug_ids(own, names),
            "name": None,
            "InChIKey": None,
            "SMILES": None,
            "concentration": np.where(is_control, 0.0, dose),
            "unit": "uM",
            "cell_line": cell_line,
        }
    )
    return schemas.PLATE_MAP.validate(
        result.assign(replicate=replicates(result))[list(schemas.PLATE_MAP.columns)]
    )


def _drug_ids(table: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    pairs = zip(table["drug"], table["is_control"], strict=True)
    return [VEHICLE if control else names.get(drug.casefold(), drug) for drug, control in pairs]


def _lines(samples: Samples, file: ResultFile, request: AssayRequest) -> list[str]:
    """Return the cell line of every sample, of those asked for, "" for others."""
    lines = samples.table["cell_line"]
    if (lines == "").all():
        own = [file.belongs_to] if file.belongs_to in request.cell_lines else list(request.cell_lines)
        if len(own) > 1:
            raise BelongsError(
                f"{file.path}: does not say of which cell line its samples are; name one of them: "
                f"{shortlist(own)}"
            )
        return own * len(lines)
    found = match_lines(lines, request.cell_lines).found
    return [found.get(line, "") for line in lines]


def _plates(samples: Samples, file: ResultFile, request: AssayRequest) -> list[str]:
    """Return the plate of every sample; a single plate does not need a name."""
    plates = samples.table["plate"]
    if file.belongs_to in request.plates:
        return [str(file.belongs_to)] * len(plates)
    unknown = sorted(set(plates) - set(request.plates))
    if not unknown:
        return plates.tolist()
    if len(request.plates) == len(set(plates)) == 1:
        return request.plates * len(plates)
    if unknown == [""]:
        raise BelongsError(
            f"{file.path}: does not say of which plate its samples are; add the column 'plate', or name one "
            f"of them: {shortlist(request.plates)}"
        )
    raise AssayError(
        f"{file.path}: plate '{unknown[-1]}' is not in the plate map{near(unknown[-1], request.plates)} "
        f"(plates: {shortlist(request.plates)}); rename it"
    )


def _of_dose(samples: Samples, rows: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """Return the samples of one drug at the dose of its wells; without a unit, those of a single dose."""
    if rows["dose_um"].isna().any():
        if rows["dose"].nunique() < 2:
            return rows
        raise AssayError(
            f"{samples.path}: '{rows['drug'].iloc[0]}' has several doses ({shortlist(rows['dose'].unique())})"
            " without a unit; name the column of doses 'dose_um', or keep the samples of one dose"
        )
    wanted = wells["concentration"].unique()
    near_dose = [np.isclose(dose, wanted, rtol=_SAME_DOSE, atol=0).any() for dose in rows["dose_um"]]
    return rows[near_dose]


def _counted(replicate: str) -> tuple[int, str]:
    """Return a key by which '2' comes before '10'."""
    return len(replicate), replicate


def _in_words(rows: pd.DataFrame) -> str:
    return shortlist(
        " ".join(filter(None, (row["dose"], row["replicate"]))) or "no dose" for _, row in rows.iterrows()
    )


def _placing_notes(table: pd.DataFrame, used: Sequence[int]) -> list[str]:
    notes = [f"samples are named after wells of their drug in the plate map ({len(used)} samples)"]
    lost = table.drop(index=list(used))
    if len(lost):
        cells = int(lost["cells"].sum())
        notes.append(
            f"{len(lost)} samples ({cells:,} cells) of other drugs, doses or cell lines are left out "
            f"({shortlist(pd.unique(lost['drug']), 3)})"
        )
    return notes
