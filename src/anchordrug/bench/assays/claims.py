"""Statements of a file on its wells besides their values, compared with the plate map."""

from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.atlas.conditions import DOSE_TOLERANCE
from anchordrug.bench.assays.request import AssayRequest, ResultFile
from anchordrug.errors import AssayError
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.sample_columns import TYPE_HEADERS, doses_in_um, is_control, is_vehicle
from anchordrug.raw.sheet import Sheet

COLUMNS = ("plate", "well_position", "drug", "dose_um", "cell_line", "is_control")


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
    """
    empty = [""] * len(wells)

    def texts(role: str) -> list[str]:
        return samples.names(columns[role]) if role in columns else empty

    # A type of cells may be a line, or not.
    is_type = columns.get("cell line") in samples.columns_named(TYPE_HEADERS)
    lines = empty if is_type else texts("cell line")
    table = pd.DataFrame(wells, columns=pd.Index(COLUMNS[:2])).assign(
        drug=texts("drug"), dose_um=doses_in_um(samples, columns), cell_line=lines
    )
    table["is_control"] = [
        is_vehicle(drug) or is_control(text)
        for drug, text in zip(table["drug"], texts("control"), strict=True)
    ]
    return table[table["well_position"] != ""].drop_duplicates(ignore_index=True)


def require_agreement(claims: pd.DataFrame, path: Path, file: ResultFile, request: AssayRequest) -> None:
    """Check that a file's statements on its wells agree with the plate map, as far as drugs are known.

    Raises
    ------
    AssayError
        It names another drug, dose or cell line.
    """
    plates = [file.belongs_to] if file.belongs_to in request.plates else request.plates
    only = plates[0] if len(plates) == 1 else ""
    claims = claims.assign(plate=claims["plate"].where(claims["plate"] != "", only))
    told = request.plate_map.merge(claims, on=["plate", "well_position"], suffixes=("", "_said"))
    known = {drug.casefold(): drug for drug in request.plate_map["drug_id"]} | dict(request.names)
    lines = match_lines(told["cell_line_said"], request.plate_map["cell_line"].unique()).found
    for well in told.to_dict("records"):
        problem = _problem(well, known, lines)
        if problem is not None:
            raise AssayError(
                f"{path}: plate {well['plate']}, well {well['well_position']}: {problem}; correct one of "
                "them, or remove the column from the file"
            )


def _problem(well: dict, known: dict[str, str], lines: dict[str, str]) -> str | None:
    """Return in which statement file and plate map differ, with both values."""
    drug, said = well["drug_id"], known.get(well["drug"].casefold())
    is_vehicle_well = well["pert_type"] == "negcon"
    if is_vehicle_well and said is not None and not well["is_control"]:
        return f"the file says drug '{well['drug']}', the plate map says it is a control ({drug})"
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
