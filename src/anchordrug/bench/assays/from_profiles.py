"""From profiles of drugs or wells (z-scores, statistics, fold changes) to the result of an assay."""

import numpy as np
import pandas as pd

from anchordrug.bench.assays.contents import Profiles
from anchordrug.bench.assays.request import AssayRequest, BelongsError, Reference, ResultFile
from anchordrug.bench.assays.result import OK, AssayResult, gene_notes, mean_correlation, stranger_notes
from anchordrug.bench.assays.scale import shrink, to_atlas_scale
from anchordrug.bench.plates.plate_map import controls_of, positive_control_notes
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.gene_names import GeneMatch


def result_from_profiles(
    profiles: Profiles, match: GeneMatch, cell_line: str, request: AssayRequest, reference: Reference
) -> AssayResult:
    """Find the drugs that were asked for; scale, unless these are z-scores on the atlas' scale already.

    Parameters
    ----------
    match
        The genes of `reference` that the genes of `profiles` are.

    Raises
    ------
    AssayError
        None of the drugs was asked for, or all effects are 0.
    """
    drug_of, strangers = _drugs(profiles, request.wells_of(cell_line), request)
    values = profiles.values[[name in drug_of for name in profiles.values.index]]
    known = match.rows >= 0
    effect = values.to_numpy()[:, known]
    if profiles.standard_error is not None:
        error = profiles.standard_error.loc[values.index].to_numpy()[:, known]
        effect = np.where(np.isfinite(error) & np.isfinite(effect), shrink(effect, error), np.nan)
    symbols = reference.genes["gene"].to_numpy(dtype=object)
    wide = pd.DataFrame(effect, columns=symbols[match.rows[known]])
    # A gene under two names, such as two Ensembl ids, is their mean.
    wide = wide.T.groupby(level=0, sort=False).mean().T.reindex(columns=symbols)
    by_drug = wide.groupby([drug_of[name] for name in values.index], sort=False)
    z, factor = by_drug.median(), 1.0
    if profiles.kind != "z":
        measured = z.columns[z.notna().any()].tolist()
        _, factor = to_atlas_scale(z[measured].to_numpy(), reference.responses_to(z.index.tolist(), measured))
        z = z * factor
    correlation = {drug: mean_correlation(rows.to_numpy()) for drug, rows in by_drug}
    drugs = pd.DataFrame(
        {
            "wells": by_drug.size(),
            "wells_failed": 0,
            "replicate_correlation": pd.Series(correlation, dtype=float),
            "reason": None,
            "status": OK,
        }
    )
    notes = [*stranger_notes(strangers), *profiles.notes, *gene_notes(z)]
    return AssayResult(cell_line, z, drugs, None, notes, factor, str(profiles.path))


def cell_line_of(file: ResultFile, request: AssayRequest) -> str:
    """Return the cell line of a file without wells.

    Raises
    ------
    BelongsError
        There are several, and the file belongs to none of them.
    """
    first, *others = request.cell_lines
    if file.belongs_to is None:
        if others:
            raise BelongsError(
                f"{file.path}: does not say of which cell line it is; name one of "
                f"them: {', '.join(request.cell_lines)}"
            )
        return first
    line_of = dict(zip(request.plate_map["plate"], request.plate_map["cell_line"], strict=True))
    return line_of.get(file.belongs_to, file.belongs_to)


def _drugs(
    profiles: Profiles, plate_map: pd.DataFrame, request: AssayRequest
) -> tuple[dict[str, str], list[str]]:
    """Return the drug_id of every name in the file that was asked for, and the other names."""
    in_well = plate_map.set_index(["plate", "well_position"])["drug_id"].to_dict()
    # A positive control may be a drug of the round, whose own wells count.
    poscon = plate_map[plate_map["pert_type"] == "poscon"].set_index(["plate", "well_position"]).index
    plates = plate_map["plate"].unique().tolist()
    controls = controls_of(plate_map)
    found: dict[str, str] = {}
    strangers = []
    for name in profiles.values.index:
        plate, well = parse_plate_and_well(str(name), plates) or ("", "")
        place = (plate or plates[0], well) if plate or len(plates) == 1 else None
        if place in poscon:
            continue
        drug = in_well.get(place) if place else None
        drug = drug or request.names.get(str(name).casefold(), str(name))
        if drug in controls:
            continue
        if drug in request.drug_ids:
            found[name] = drug
        else:
            strangers.append(str(name))
    if not found:
        raise AssayError(
            f"{profiles.path}: none of its drugs ({shortlist(strangers)}) was asked for in {request.source} "
            f"({shortlist(request.drug_ids)}); name drugs as there"
        )
    return found, strangers
