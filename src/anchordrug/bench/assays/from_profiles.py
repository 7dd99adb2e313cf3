"""From profiles of drugs or wells (z-scores, statistics, fold changes) to the result of an assay."""

import numpy as np
import pandas as pd

from anchordrug.bench.assays.contents import Profiles
from anchordrug.bench.assays.request import AssayRequest, BelongsError, Reference, ResultFile
from anchordrug.bench.assays.result import (
    FAILED,
    FEWEST_GENES,
    OK,
    AssayResult,
    gene_notes,
    mean_correlation,
    positive_control_notes,
    stranger_notes,
)
from anchordrug.bench.assays.scale import factor_notes, shrink, to_atlas_scale
from anchordrug.bench.plates.plate_map import controls_of
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError, shortlist
from anchordrug.prediction.connectivity import false_discovery_rate
from anchordrug.raw.gene_names import GeneMatch

# A false discovery rate up to which a gene counts as changed by a drug.
SIGNIFICANT = 0.05


def result_from_profiles(
    profiles: Profiles, match: GeneMatch, cell_line: str, request: AssayRequest, reference: Reference
) -> AssayResult:
    """Find the drugs that were asked for; scale, unless these are z-scores on the atlas' scale already.

    A missing value is that drug's alone. A drug with too few values fails.

    Parameters
    ----------
    match
        The genes of `reference` that the genes of `profiles` are.

    Raises
    ------
    AssayError
        None of the drugs was asked for, or all effects are 0.
    """
    drug_of, notes = _drugs(profiles, request.wells_of(cell_line), request)
    values = profiles.values[[name in drug_of for name in profiles.values.index]]
    told = [*notes, *profiles.notes, *_noise_notes(profiles, values)]
    wide = _on_genes(profiles, values, match, reference)
    # An array, because a list of one name would be taken for a list of keys.
    by_drug = wide.groupby(np.array([drug_of[name] for name in values.index], dtype=object), sort=False)
    z = by_drug.median()
    correlation = {drug: mean_correlation(rows.to_numpy()) for drug, rows in by_drug}
    drugs = pd.DataFrame(
        {
            "wells": by_drug.size(),
            "wells_failed": 0,
            "replicate_correlation": pd.Series(correlation, dtype=float),
            "reason": _too_few(z, match),
        }
    )
    drugs["status"] = np.where(drugs["reason"].isna(), OK, FAILED)
    z, factor, of_scale = _scaled(z[drugs["status"] == OK], profiles, reference)
    return AssayResult(
        cell_line,
        z,
        drugs,
        None,
        [*told, *of_scale, *gene_notes(z)],
        factor,
        str(profiles.path),
    )


def _noise_notes(profiles: Profiles, values: pd.DataFrame) -> list[str]:
    """Tell if no gene of `values`, rows of `profiles`, changes more than it would without any effect."""
    if profiles.kind == "z":
        return []
    # Imported here because it takes a moment.
    from scipy.special import erfc

    statistic = values.to_numpy()
    if profiles.standard_error is not None:
        statistic = statistic / profiles.standard_error.loc[values.index].to_numpy()
    rates = false_discovery_rate(erfc(np.abs(statistic[np.isfinite(statistic)]) / np.sqrt(2)))
    least = rates.min(initial=1.0)
    if least <= SIGNIFICANT:
        return []
    return [
        f"no gene of any drug changes significantly (smallest false discovery rate {least:.2g}): if the "
        "cells did not respond, 'changed' counts noise, which is scaled up to the size of responses in "
        "the atlas; do not accept it, or assay again"
    ]


def _on_genes(
    profiles: Profiles, values: pd.DataFrame, match: GeneMatch, reference: Reference
) -> pd.DataFrame:
    """Return the effects [names, genes of the atlas] of `values`, rows of `profiles`; NaN where missing."""
    known = match.rows >= 0
    effect = values.to_numpy()[:, known]
    if profiles.standard_error is not None:
        error = profiles.standard_error.loc[values.index].to_numpy()[:, known]
        complete = np.isfinite(error) & np.isfinite(effect)
        some = complete.any(axis=1)
        shrunk = np.full(effect.shape, np.nan)
        shrunk[some] = shrink(np.where(complete, effect, 0)[some], np.where(complete, error, np.inf)[some])
        effect = np.where(complete, shrunk, np.nan)
    symbols = reference.genes["gene"].to_numpy(dtype=object)
    wide = pd.DataFrame(effect, columns=symbols[match.rows[known]])
    # A gene under two names, such as two Ensembl ids, is their mean.
    return wide.T.groupby(level=0, sort=False).mean().T.reindex(columns=symbols)


def _too_few(z: pd.DataFrame, match: GeneMatch) -> pd.Series:
    """Return by drug why it has too few values; None if it has enough."""
    named = len(np.unique(match.rows[match.rows >= 0]))
    measured = z.notna().sum(axis=1)
    needed = min(FEWEST_GENES, z.shape[1])
    return pd.Series(
        [
            None
            if number >= needed
            else f"missing values of {1 - number / named:.0%} of {named} genes; {needed} genes are needed"
            for number in measured
        ],
        index=z.index,
        dtype=object,
    )


def _scaled(
    z: pd.DataFrame, profiles: Profiles, reference: Reference
) -> tuple[pd.DataFrame, float, list[str]]:
    """Return `z` on the atlas' scale, the factor (NaN without drugs), and notes for the user."""
    if z.empty:
        return z, float("nan"), []
    measured = z.columns[z.notna().any()].tolist()
    scaled, factor = to_atlas_scale(
        z[measured].to_numpy(), reference.responses_to(z.index.tolist(), measured)
    )
    notes = factor_notes(profiles.kind, factor)
    if profiles.kind == "z":
        return z, 1.0, notes
    return pd.DataFrame(scaled, z.index, measured).reindex(columns=z.columns), factor, notes


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
    """Return the drug_id of every name in the file that was asked for, and notes on the others."""
    in_well = plate_map.set_index(["plate", "well_position"])["drug_id"].to_dict()
    # A positive control may be a drug of the round, whose own wells count.
    poscon = plate_map[plate_map["pert_type"] == "poscon"]
    is_poscon = set(zip(poscon["plate"], poscon["well_position"], strict=True)).__contains__
    plates = plate_map["plate"].unique().tolist()
    controls = controls_of(plate_map)
    found: dict[str, str] = {}
    strangers, positive = [], []
    for name in profiles.values.index:
        plate, well = parse_plate_and_well(str(name), plates) or ("", "")
        place = (plate or plates[0], well) if plate or len(plates) == 1 else None
        if is_poscon(place):
            positive.append(str(name))
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
    return found, [*positive_control_notes(positive), *stranger_notes(strangers)]
