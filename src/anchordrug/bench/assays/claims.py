"""Statements of a file on its wells or drugs besides their values, compared with the plate map."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.atlas.conditions import DOSE_TOLERANCE
from anchordrug.bench.assays.from_profiles import cell_line_of
from anchordrug.bench.assays.request import AssayRequest, ResultFile
from anchordrug.errors import AssayError
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.sample_columns import TYPE_HEADERS, doses_in_um, is_control, is_vehicle
from anchordrug.raw.sheet import Sheet

COLUMNS = ("plate", "well_position", "drug", "dose_um", "cell_line", "is_control", "treated")
# Words by which a column of kinds of wells says that a well has a drug.
_TREATED = frozenset(("trt", "trt_cp", "trt_poscon", "treated", "treatment", "false", "0", "no"))


def claims_of(samples: Sheet, columns: dict[str, int], wells: list[tuple[str, str]]) -> pd.DataFrame:
    """Return the statements of a table of samples on its wells.

    Parameters
    ----------
    columns
        As `sample_columns` gives them.
    wells
        Plate ("" if unknown) and well of each sample, "" of one that is in no well.

    Returns
    -------
    DataFrame
        `COLUMNS`, each statement on a well once; text is "", and dose_um NaN, where nothing is said.
        `treated` is the word for a treated well.
    """
    kinds = _names(samples, columns, "control")
    table = _conditions(samples, columns).assign(
        plate=[plate for plate, _ in wells],
        well_position=[well for _, well in wells],
        drug=_names(samples, columns, "drug"),
        treated=[kind if kind.casefold() in _TREATED else "" for kind in kinds],
    )
    table["is_control"] = [
        is_vehicle(drug) or is_control(kind) for drug, kind in zip(table["drug"], kinds, strict=True)
    ]
    return table.loc[table["well_position"] != "", list(COLUMNS)].drop_duplicates(ignore_index=True)


def claims_of_drugs(samples: Sheet, columns: dict[str, int], drugs: list[str]) -> pd.DataFrame:
    """Return the statements of a table without wells on the dose and the cell line of its `drugs` [rows].

    These are as `claims_of` returns them, with "" as plate and well. A column of controls counts for nothing:
    next to a drug it may name the control that the drug was compared with.
    """
    table = _conditions(samples, columns).assign(drug=drugs, plate="", well_position="", treated="")
    return table.assign(is_control=False)[list(COLUMNS)].drop_duplicates(ignore_index=True)


def _conditions(samples: Sheet, columns: dict[str, int]) -> pd.DataFrame:
    # A type of cells may be a line, or not.
    is_type = columns.get("cell line") in samples.columns_named(TYPE_HEADERS)
    lines = [""] * len(samples.cells) if is_type else _names(samples, columns, "cell line")
    return pd.DataFrame({"dose_um": doses_in_um(samples, columns), "cell_line": lines})


def _names(samples: Sheet, columns: dict[str, int], role: str) -> list[str]:
    return samples.names(columns[role]) if role in columns else [""] * len(samples.cells)


def require_agreement(claims: pd.DataFrame, path: Path, file: ResultFile, request: AssayRequest) -> None:
    """Check that the statements of a file on its wells or drugs agree with the plate map, for known drugs.

    Raises
    ------
    AssayError
        It names another drug, dose or cell line, or says of a control that it is treated.
    """
    known = {drug.casefold(): drug for drug in request.plate_map["drug_id"]} | dict(request.names)
    is_of_well = claims["well_position"] != ""
    told = [_of_wells(claims[is_of_well], file, request)]
    if not is_of_well.all():
        told.append(_of_drugs(claims[~is_of_well], known, file, request))
    for table in told:
        lines = match_lines(table["cell_line_said"], request.plate_map["cell_line"].unique()).found
        for claim in table.to_dict("records"):
            problem = _problem(claim, known, lines)
            if problem is not None:
                place = f"plate {claim['plate']}, well {claim['well_position']}"
                place = place if claim["well_position"] else f"drug '{claim['drug_id']}'"
                raise AssayError(
                    f"{path}: {place}: {problem}; correct one of them, or remove the column from the file"
                )


def _of_wells(claims: pd.DataFrame, file: ResultFile, request: AssayRequest) -> pd.DataFrame:
    """Return the wells of the plate map with the file's statements on them, such as `cell_line_said`."""
    plates = [file.belongs_to] if file.belongs_to in request.plates else request.plates
    only = plates[0] if len(plates) == 1 else ""
    claims = claims.assign(plate=claims["plate"].where(claims["plate"] != "", only))
    return request.plate_map.merge(claims, on=["plate", "well_position"], suffixes=("", "_said"))


def _of_drugs(
    claims: pd.DataFrame, known: Mapping[str, str], file: ResultFile, request: AssayRequest
) -> pd.DataFrame:
    """Return the same of the drugs of the plate map in the file's cell line; each has one dose there."""
    wells = request.wells_of(cell_line_of(file, request))
    wells = wells[wells["pert_type"] == "trt"].drop_duplicates("drug_id")
    found = [known.get(drug.casefold()) for drug in claims["drug"]]
    claims = claims.assign(drug_id=pd.Series(found, claims.index, object))
    claims = claims.drop(columns=["plate", "well_position"])
    return wells.assign(well_position="").merge(claims, on="drug_id", suffixes=("", "_said"))


def _problem(well: dict, known: dict[str, str], lines: dict[str, str]) -> str | None:
    """Return in which statement file and plate map differ, with both values."""
    drug, said = well["drug_id"], known.get(well["drug"].casefold())
    is_vehicle_well = well["pert_type"] == "negcon"
    if is_vehicle_well and said is not None and not well["is_control"]:
        return f"the file says drug '{well['drug']}', the plate map says it is a control ({drug})"
    if is_vehicle_well and well["treated"]:
        return (
            f"the file says it is treated ('{well['treated']}'), the plate map says it is a control ({drug})"
        )
    if not is_vehicle_well and well["is_control"] and well["pert_type"] == "trt":
        return f"the file says it is a control, the plate map says drug '{drug}'"
    if not is_vehicle_well and said not in (None, drug):
        return f"the file says drug '{well['drug']}', the plate map says drug '{drug}'"
    dose, asked = well["dose_um"], well["concentration"]
    if asked > 0 and np.isfinite(dose) and abs(dose - asked) > DOSE_TOLERANCE * asked:
        return f"the file says {dose:g} uM, the plate map says {asked:g} uM"
    if well["cell_line_said"] and lines.get(well["cell_line_said"]) != well["cell_line"]:
        return f"the file says cell line '{well['cell_line_said']}', the plate map says '{well['cell_line']}'"
    return None
