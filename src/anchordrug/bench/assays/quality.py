"""Which wells, drugs and layouts of an assay can be trusted.

Wells are compared by log2 counts per million of well-read genes. Nothing here needs a fitted model, so
that a plate can be judged within a second of its results' arrival.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.bench.plates.wells import SHAPES, column_of, row_of, well_name
from anchordrug.errors import AssayError

NO_COLUMN = "no column in the results"
NO_READS = "no reads"
FEW_READS = "too few reads (<10% of the plate's median)"
UNLIKE = "unlike the other wells of the plate"
FEWEST_READS = 0.1  # of the plate's median
WELL_READ = 5.0  # mean reads of a gene
FEWEST_GENES = 200  # compared even where fewer are well read
FEWEST_COMPARED = 3  # wells, of which the most unlike one can be told
SIMILARITY_LOSS = 0.1  # below the plate's median; another cell line's wells lose more
VARIED_GENES = 500  # that differ most between wells: where an effect shows, if there is one
STRONG = 0.3  # correlation of a drug's wells if all beyond the controls' scatter is its effect
DISAGREE = 0.4  # of that correlation; one foreign well among three leaves a third
SHUFFLES = 200
CHANCE = 4.0  # standard deviations above shuffled wells, which one layout in a thousand reaches by chance
CLEAR = 6.0  # which of hundreds of right layouts without any effect none came near
TIMES_CLEARER = 3.0


def require_controls(plate_map: pd.DataFrame) -> None:
    """Check that every plate with a drug has a control.

    Raises
    ------
    AssayError
        Naming the first plate without one.
    """
    for plate, rows in plate_map.groupby("plate"):
        if not (rows["pert_type"] == "negcon").any():
            raise AssayError(
                f"plate {plate}: no control well (pert_type negcon) is left to compare its {len(rows)} wells "
                "with; assay the plate again with controls, or leave the plate out"
            )


def check_wells(counts: pd.DataFrame, plate_map: pd.DataFrame) -> pd.DataFrame:
    """Judge every well of a plate map by its reads and its likeness to the other wells.

    A well is unlike the others if its profile correlates worse than theirs with the plate's median
    profile, and does not agree with the other wells of its drug either: a drug may change a cell that much.

    Parameters
    ----------
    counts
        int64 [genes x wells], columns (plate, well_position); further columns are ignored.
    plate_map
        schemas.PLATE_MAP.

    Returns
    -------
    DataFrame
        The rows of `plate_map` with reads, genes_detected, similarity (Pearson's correlation of log2 counts
        per million with the median of the plate's wells of this cell line; NaN without reads), failed, and
        reason (empty if not failed).
    """
    wells = plate_map.reset_index(drop=True)
    positions = _positions(counts, wells)
    found = positions >= 0
    reads, detected = np.zeros(len(wells), np.int64), np.zeros(len(wells), np.int64)
    reads[found] = counts.to_numpy()[:, positions[found]].sum(axis=0)
    detected[found] = (counts.to_numpy()[:, positions[found]] > 0).sum(axis=0)
    similarity = np.full(len(wells), np.nan)
    reason = np.where(found, np.where(reads > 0, "", NO_READS), NO_COLUMN).astype(object)
    for rows in _groups(wells, ["plate", "cell_line"]):
        read = rows[reads[rows] > 0]
        if len(read) == 0:
            continue
        few = reads[read] < FEWEST_READS * np.median(reads[read])
        reason[read[few]] = FEW_READS
        profiles = _profiles(counts.to_numpy()[:, positions[read]]).log2
        centre = np.median(profiles[~few], axis=0)
        similarity[read] = [_correlation(profile, centre) for profile in profiles]
        if (~few).sum() >= FEWEST_COMPARED:
            unlike = ~few & _unlike(profiles, similarity[read], ~few, wells.loc[read, "drug_id"].to_numpy())
            reason[read[unlike]] = UNLIKE
    return wells.assign(
        reads=reads,
        genes_detected=detected,
        similarity=similarity,
        failed=reason != "",
        reason=pd.Series(reason, dtype=str),
    )


def replicate_correlations(counts: pd.DataFrame, plate_map: pd.DataFrame) -> pd.DataFrame:
    """Measure how well the wells of each drug agree on its effect.

    Parameters
    ----------
    counts
        int64 [genes x wells], columns (plate, well_position).
    plate_map
        The good wells of one cell line (schemas.PLATE_MAP); each has its column in `counts`.

    Returns
    -------
    DataFrame
        Index drug_id, sorted. wells; correlation: the mean over pairs of wells of Pearson's correlation of
        log2 counts per million less the mean of their plate's controls, NaN for one well; by_chance: its
        value without an effect, because wells of a plate share its controls; expected: its value if the
        wells' distance from the controls, beyond the controls' own scatter, is all effect. The last two are
        equal for a drug without effect, and NaN where no plate has two controls.

    Raises
    ------
    AssayError
        A plate has no control.
    """
    require_controls(plate_map)
    wells = plate_map.reset_index(drop=True)
    profiles = _profiles(counts.to_numpy()[:, _positions(counts, wells)])
    profiles = _varied(profiles, wells["plate"].to_numpy())
    control = (wells["pert_type"] == "negcon").to_numpy()
    noise = profiles.sampling.mean(axis=1)
    scatter = _scatter_of_controls(profiles.log2, noise, wells)
    deviation, of_controls = np.empty_like(profiles.log2), np.empty(len(wells))
    for rows in _groups(wells, ["plate"]):
        controls = rows[control[rows]]
        deviation[rows] = profiles.log2[rows] - profiles.log2[controls].mean(axis=0)
        of_controls[rows] = (scatter + noise[controls].mean()) / len(controls)
    own, plate = scatter + noise, wells["plate"].to_numpy()
    found = {
        wells["drug_id"].iloc[rows[0]]: _agreement(deviation[rows], own[rows], of_controls[rows], plate[rows])
        for rows in _groups(wells, ["drug_id"])
        if not control[rows[0]]
    }
    columns = ["wells", "correlation", "by_chance", "expected"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns).rename_axis("drug_id")


def _agreement(
    deviation: np.ndarray, own: np.ndarray, of_controls: np.ndarray, plate: np.ndarray
) -> tuple[int, float, float, float]:
    """Return wells, correlation, by_chance and expected of the wells of one drug.

    `deviation` [wells, genes] is from the mean of the plate's controls; `own` and `of_controls` [wells] are
    the variances of a well and of that mean.
    """
    number = len(deviation)
    pairs = np.triu_indices(number, 1)
    correlation = np.corrcoef(deviation)[pairs].mean() if number > 1 else np.nan
    shared = of_controls.mean() * (plate[pairs[0]] == plate[pairs[1]]).mean() if number > 1 else 0.0
    total = own.mean() + of_controls.mean()
    effect = (deviation**2).mean(axis=1) - own - of_controls
    strength = np.maximum(np.median(effect), 0.0)
    return number, correlation, shared / total, (strength + shared) / (strength + total)


def _scatter_of_controls(log2: np.ndarray, noise: np.ndarray, wells: pd.DataFrame) -> float:
    """Return the variance between controls of a plate beyond the sampling of reads; NaN if none has two."""
    squares, freedom = 0.0, 0
    for controls in _groups(wells, ["plate", "pert_type"]):
        if wells["pert_type"].iloc[controls[0]] == "negcon" and len(controls) > 1:
            squares += (len(controls) - 1) * (
                log2[controls].var(axis=0, ddof=1).mean() - noise[controls].mean()
            )
            freedom += len(controls) - 1
    return max(squares / freedom, 0.0) if freedom else np.nan


def failed_drugs(wells: pd.DataFrame, correlations: pd.DataFrame) -> pd.DataFrame:
    """Name the drugs whose response cannot be told.

    Parameters
    ----------
    wells
        The result of `check_wells`, of one cell line.
    correlations
        The result of `replicate_correlations` for its good wells.

    Returns
    -------
    DataFrame
        drug_id, sorted, and reason. A drug fails with one good well of several, with none, or if its wells
        are further from the controls than chance takes them but not in one direction; a weak drug does not.
    """
    treated = wells[wells["pert_type"] == "trt"]
    failed = []
    for drug_id, rows in treated.groupby("drug_id"):
        good = int((~rows["failed"]).sum())
        if good < min(2, len(rows)):
            failed.append((drug_id, f"{good} good wells of {len(rows)}"))
        elif good > 1:
            measures = correlations.loc[[str(drug_id)], ["correlation", "by_chance", "expected"]]
            found, chance, expected = measures.to_numpy(float)[0]
            if expected - chance >= STRONG and found - chance < DISAGREE * (expected - chance):
                reason = f"replicates disagree (correlation {found:.2f}, expected {expected:.2f})"
                failed.append((drug_id, reason))
    return pd.DataFrame(failed, columns=["drug_id", "reason"])


def swapped_layout(counts: pd.DataFrame, plate_map: pd.DataFrame) -> str | None:
    """Tell whether wells were read in another order than the plate map says.

    Controls resemble one another, and so do the replicates of a drug. If they do so no more than shuffled
    wells under the stated layout, and clearly under another layout, the other layout is returned. Drugs too
    weak to tell layouts apart raise no alarm. For another layout, wells that were read in one row or column
    do not count: they share a pipette. So a swap of replicates that are all in line is not noticed.

    Parameters
    ----------
    counts
        int64 [genes x wells], columns (plate, well_position).
    plate_map
        schemas.PLATE_MAP.

    Returns
    -------
    str or None
        The other layout, such as "rotated by 180 degrees", with the plate if not all plates share it.
    """
    wells = plate_map.reset_index(drop=True)
    read = counts.loc[:, (counts.sum(axis=0) > 0) & counts.columns.isin(wells["plate"].unique(), level=0)]
    if read.shape[1] < FEWEST_COMPARED:
        return None
    profiles = _varied(_profiles(read.to_numpy()), read.columns.get_level_values(0).to_numpy()).log2
    likeness = np.corrcoef(profiles)
    row, column = (np.array([part(well) for _, well in read.columns]) for part in (row_of, column_of))
    in_line = (row[:, None] == row) | (column[:, None] == column)
    group = wells.groupby(["cell_line", "pert_type", "drug_id"]).ngroup().to_numpy()
    alike = (group[:, None] == group) & ~np.eye(len(group), dtype=bool)
    stated = _positions(read, wells)
    plates = sorted(wells["plate"].unique())
    best, found = CLEAR, None
    for scope in [plates] if len(plates) == 1 else [plates, *([plate] for plate in plates)]:
        inside = wells["plate"].isin(scope).to_numpy()
        pairs = alike & (inside[:, None] | inside)
        as_stated = _concordance(likeness, pairs, stated, wells)
        for name, moved in _other_layouts(wells):
            other = np.where(inside, _positions(read, wells.assign(well_position=moved)), stated)
            concordance = _concordance(likeness, pairs & ~in_line[np.ix_(other, other)], other, wells)
            if concordance > best and as_stated < min(CHANCE, concordance / TIMES_CLEARER):
                best, found = concordance, name if len(scope) == len(plates) else f"{name} (plate {scope[0]})"
    return found


class _Profiles(NamedTuple):
    """Wells by their well-read genes, float64 [wells, genes].

    `sampling` is the variance that log2 counts have because reads are drawn at random.
    """

    log2: np.ndarray
    sampling: np.ndarray


def _profiles(counts: np.ndarray) -> _Profiles:
    """Return the profiles of `counts` [genes, wells], all of which have reads."""
    mean = counts.mean(axis=1)
    enough = min(WELL_READ, np.sort(mean)[-min(FEWEST_GENES, len(mean))])
    # The one fewest read may have none; a gene without reads would only add equal zeros.
    kept = counts[(mean >= enough) & (mean > 0)].T
    reads = counts.sum(axis=0)[:, None]
    # One read more, in proportion to the well's reads, keeps wells of different size equal at no reads.
    size = reads / reads.mean()
    expected = size * (kept / reads).mean(axis=0) * reads.mean()
    return _Profiles(
        np.log2((kept + size) / (reads + 2 * size) * 1e6), 1 / (np.log(2) ** 2 * (expected + size))
    )


def _unlike(profiles: np.ndarray, similarity: np.ndarray, judged: np.ndarray, drug: np.ndarray) -> np.ndarray:
    """Return bool [wells]: profiles that agree neither with the plate nor with the others of their drug."""
    usual = np.median(similarity[judged])
    scatter = 1.4826 * np.median(np.abs(similarity[judged] - usual))
    limit = usual - max(SIMILARITY_LOSS, 5 * scatter)
    unlike = similarity < limit
    for well in np.flatnonzero(unlike):
        siblings = judged & (drug == drug[well])
        siblings[well] = False
        if siblings.any() and _correlation(profiles[well], np.median(profiles[siblings], axis=0)) >= limit:
            unlike[well] = False
    return unlike


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation, 0 if either is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0


def _positions(counts: pd.DataFrame, wells: pd.DataFrame) -> np.ndarray:
    """Return int64 [wells]: the column of each well, -1 without one."""
    return counts.columns.get_indexer(pd.MultiIndex.from_frame(wells[["plate", "well_position"]]))


def _varied(profiles: _Profiles, plate: np.ndarray) -> _Profiles:
    """Return the profiles less their plate's mean, of the genes that vary most beyond sampling."""
    log2 = profiles.log2.copy()
    for name in np.unique(plate):
        log2[plate == name] -= log2[plate == name].mean(axis=0)
    excess = (log2**2 - profiles.sampling).mean(axis=0)
    kept = excess >= np.sort(excess)[-min(VARIED_GENES, len(excess))]
    return _Profiles(log2[:, kept], profiles.sampling[:, kept])


def _concordance(
    likeness: np.ndarray, pairs: np.ndarray, positions: np.ndarray, wells: pd.DataFrame
) -> float:
    """Return the summed likeness of `pairs` in standard deviations above wells shuffled within plates.

    `likeness` is [columns, columns], `pairs` bool [wells, wells], `positions` int [wells] the column that
    each well is taken from, -1 for none. Without pairs, 0.
    """
    there = np.flatnonzero(positions >= 0)
    pairs, positions = pairs[np.ix_(there, there)], positions[there]
    if not pairs.any():
        return 0.0
    first, second = np.nonzero(np.triu(pairs))
    rng = np.random.default_rng(0)
    # The first of the orders is the one asked about.
    orders = np.tile(positions, (1 + SHUFFLES, 1))
    for rows in _groups(wells.iloc[there], ["plate"]):
        orders[1:, rows] = rng.permuted(orders[1:, rows], axis=1)
    found = likeness[orders[:, first], orders[:, second]].sum(axis=1)
    spread = found[1:].std()
    return float((found[0] - found[1:].mean()) / spread) if spread else 0.0


def _other_layouts(wells: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yield the name of another layout and, for each of `wells`, the position where it then is.

    Each is tried on the whole plate and, because results may name the used wells only, on those.
    """
    plates = [_other_layouts_of_plate(rows["well_position"]) for _, rows in wells.groupby("plate")]
    for same in zip(*plates, strict=True):
        yield same[0][0], pd.concat([moved for _, moved in same]).loc[wells.index]


def _other_layouts_of_plate(positions: pd.Series) -> list[tuple[str, pd.Series]]:
    row, column = (positions.map(part).to_numpy() for part in (row_of, column_of))
    rows, columns = next(
        shape for shape in SHAPES.values() if row.max() < shape[0] and column.max() < shape[1]
    )
    by_rows, by_columns = row * columns + column, column * rows + row
    in_rows, in_columns = np.sort(by_rows), np.sort(by_columns)
    nth_by_columns = in_columns[np.searchsorted(in_rows, by_rows)]
    nth_by_rows = in_rows[np.searchsorted(in_columns, by_columns)]
    moved = [
        ("filled by columns instead of by rows", by_rows % rows, by_rows // rows),
        ("filled by columns instead of by rows", nth_by_columns % rows, nth_by_columns // rows),
        ("filled by rows instead of by columns", by_columns // columns, by_columns % columns),
        ("filled by rows instead of by columns", nth_by_rows // columns, nth_by_rows % columns),
    ]
    whole, used = (rows - 1, columns - 1), (row.min() + row.max(), column.min() + column.max())
    for down, across in (whole, used):
        moved += [
            ("rotated by 180 degrees", down - row, across - column),
            ("mirrored left to right", row, across - column),
            ("rows in reverse order", down - row, column),
        ]
    return [
        (name, pd.Series([well_name(*place) for place in zip(*at, strict=True)], positions.index))
        for name, *at in moved
    ]


def _groups(wells: pd.DataFrame, columns: list[str]) -> list[np.ndarray]:
    """Return the positions of the rows of each group, int64 [rows], groups sorted."""
    number = wells.groupby(columns).ngroup().to_numpy()
    return [np.flatnonzero(number == group) for group in range(number.max() + 1)]
