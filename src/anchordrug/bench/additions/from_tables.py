"""From assay results and a list of compounds to an addition, by the readers and rules of a campaign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.atlas.additions import Addition
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.bench.assay_request import names_of_drugs
from anchordrug.bench.assays.intake import take_in
from anchordrug.bench.assays.placement import own_plate_map
from anchordrug.bench.assays.request import AssayRequest, Reference, ResultFile
from anchordrug.bench.assays.result import AssayResult, assay_in_words
from anchordrug.bench.assays.samples import samples_of_counts
from anchordrug.bench.library import Resolved, resolve_library
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.errors import AssayError, LibraryError, shortlist
from anchordrug.raw.compounds import read_compounds_for_sale
from anchordrug.raw.line_names import near_line
from anchordrug.settings import Curate


@dataclass(frozen=True)
class Tables:
    """The inputs of an addition: files of results, their compounds, the cell line, a plate map or None.

    `id_column` names the compounds' column of ids, if its name does not tell, and `layer` the matrix of
    files that have several.
    """

    results: Sequence[Path]
    compounds: Path
    cell_line: str
    plate_map: Path | None
    id_column: str | None
    layer: str | None = None


@dataclass(frozen=True)
class TakenIn:
    """An addition, how its results fared, and how its compounds were found."""

    addition: Addition
    result: AssayResult
    resolved: Resolved


def addition_from_tables(
    name: str,
    tables: Tables,
    curated: ResponseAtlas,
    curate: Curate,
    *,
    assay: str | None,
    dose_um: float | None,
    time_h: float,
    expression: pd.DataFrame,
) -> TakenIn:
    """Take in results, and give them the scale of the curated responses of other cell lines.

    Parameters
    ----------
    curated
        The atlas of the raw bundle alone, so that an addition does not depend on other additions.
    curate
        Its settings; their dose is that of results without a plate map.
    assay, dose_um
        None: the kind of results, the concentration in the plate map.
    expression
        Untreated expression of the cell line, or an empty table.

    Raises
    ------
    LibraryError
        No compound can be used.
    AssayError
        The results cannot be used, or the plate map has other cell lines alone or several concentrations.
    """
    resolved = resolve_library(read_compounds_for_sale(tables.compounds, tables.id_column), curated.drugs)
    library = resolved.library
    if library.empty:
        raise LibraryError(
            f"{tables.compounds}: none of its {len(resolved.rejects)} compounds can be used "
            f"({resolved.rejects['reason'].iloc[0]}); correct them"
        )
    names = names_of_drugs(library)
    wells = _plate_map(tables, names, dose_um, curate.dose_um)
    request = AssayRequest(wells, (tables.cell_line,), library["drug_id"].tolist(), names, tables.compounds)
    result = _result(tables, request, _reference(curated, library, tables.cell_line), curate.threshold)
    addition = Addition(
        name,
        assay or assay_in_words(result.wells is not None, result.factor),
        dose_um or _dose(tables, wells, curate),
        time_h,
        shortlist(path.name for path in tables.results),
        _replicates(result).assign(cell_line=tables.cell_line)[list(schemas.ADDED_RESPONSES.columns)],
        result.z.columns.tolist(),
        result.z.to_numpy(np.float32),
        library.loc[library["drug_id"].isin(result.z.index)]
        .assign(other_ids=None)[list(schemas.DRUGS.columns)]
        .reset_index(drop=True),
        expression,
    )
    return TakenIn(addition, result, resolved)


def _plate_map(
    tables: Tables, names: Mapping[str, str], dose_um: float | None, usual_um: float
) -> pd.DataFrame:
    """Return the wells of the cell line; without a plate map those of its samples of counts, or none."""
    if tables.plate_map is None:
        of_samples = [samples_of_counts(path, tables.layer) for path in tables.results]
        found = [table for table in of_samples if table is not None]
        if len(found) == 1 == len(of_samples):
            return own_plate_map(tables.results[0], found[0], tables.cell_line, names, dose_um, usual_um)
        return pd.DataFrame(columns=list(schemas.PLATE_MAP.columns))
    table = read_plate_map(tables.plate_map, [tables.cell_line])
    lines = table["cell_line"].unique().tolist()
    if tables.cell_line not in lines:
        meant = near_line(tables.cell_line, lines)
        raise AssayError(
            f"{tables.plate_map}: has no well of cell line '{tables.cell_line}'{meant} "
            f"(cell lines: {shortlist(lines)}); name one of them with --cell-line"
        )
    return table


def _dose(tables: Tables, plate_map: pd.DataFrame, curate: Curate) -> float:
    """Return the dose in uM of the plate map, or of the settings without one."""
    own = plate_map[(plate_map["cell_line"] == tables.cell_line) & (plate_map["pert_type"] == "trt")]
    doses = sorted(own["concentration"].unique())
    if len(doses) > 1:
        raise AssayError(
            f"{tables.plate_map}: {tables.cell_line} has several concentrations ({shortlist(doses)} uM), but "
            "an addition has one; add the wells and counts of one concentration"
        )
    return float(doses[0]) if doses else curate.dose_um


def _reference(curated: ResponseAtlas, library: pd.DataFrame, cell_line: str) -> Reference:
    others = curated.without([cell_line] if cell_line in curated.cell_lines else [])
    drug_of = dict(zip(library["inchikey"], library["drug_id"], strict=True))
    ids = [drug_of.get(key) for key in curated.drugs["inchikey"]]
    return Reference(curated.gene_table, np.array(ids, dtype=object)[others.drug], others.z)


def _result(tables: Tables, request: AssayRequest, reference: Reference, threshold: float) -> AssayResult:
    given = [ResultFile(path, layer=tables.layer) for path in tables.results]
    found = take_in(given, request, reference, threshold)
    files = shortlist(path.name for path in tables.results)
    if not found:
        raise AssayError(f"{files}: no well is of cell line '{tables.cell_line}'; check the plate map")
    (result,) = found
    if result.z.empty:
        reasons = result.drugs["reason"].dropna().value_counts()
        why = f" ({reasons.index[0]})" if len(reasons) else ""
        raise AssayError(f"{files}: no drug has a usable response{why}; repeat the assay")
    return result


def _replicates(result: AssayResult) -> pd.DataFrame:
    """Return drug_id and the number of good wells of the drugs with a response, in the order of its z."""
    drugs = result.drugs.loc[result.z.index]
    good = (drugs["wells"] - drugs["wells_failed"]).clip(lower=1).astype(int)
    return pd.DataFrame({"drug_id": result.z.index.to_numpy(dtype=object), "replicates": good.to_numpy()})
