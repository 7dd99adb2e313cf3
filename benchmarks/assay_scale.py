"""Which way from counts to the atlas' z scale loses least, on counts simulated from measured responses.

Random sets of ten drugs of a cell line, three wells each and six controls, are simulated with their
measured z as the truth. Their differential expression is put on the atlas' scale by each statistic, rule
for the factor and reference, and compared with the truth: Pearson's correlation per drug, macro-F1 and
share of changed labels at 1.5, slope of the result over the truth, root mean square error.

    python benchmarks/assay_scale.py --raw $ANCHORDRUG_LINCS --out benchmarks/results/assay_scale.json
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.atlas.curate import Curated, Rules, curate
from anchordrug.bench.assays.differential_expression import Effects, differential_expression
from anchordrug.bench.assays.scale import shrink, to_atlas_scale
from anchordrug.bench.assays.simulated_counts import simulate_counts
from anchordrug.bench.plates.wells import well_name
from anchordrug.evaluation.metrics import correlations, macro_f1
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression

THRESHOLD = 1.5
DRUGS, REPLICATES, CONTROLS = 10, 3, 6
CONDITIONS = [(0.3e6, 0.05), (2e6, 0.02), (2e6, 0.05), (2e6, 0.1), (10e6, 0.05)]  # reads a well, dispersion
CONDITION = ["reads", "dispersion"]
MEASURES = ["pearson", "macro_f1", "changed", "slope", "rmse", "factor_error"]


def wald(change: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the Wald statistic."""
    return change / error


def sam(change: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the fold change over an error that no gene's is far below (Tusher et al. 2001)."""
    return change / np.sqrt(error**2 + np.median(error) ** 2)


def fold_change(change: np.ndarray, _error: np.ndarray) -> np.ndarray:
    """Return the fold change as it is."""
    return change


def quantile(level: float) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return the rule that equates a quantile of the absolute values."""
    return lambda statistic, z: np.quantile(np.abs(z), level) / np.quantile(np.abs(statistic), level)


def share(statistic: np.ndarray, z: np.ndarray) -> float:
    """Equate the share of labels other than none."""
    return THRESHOLD / np.quantile(np.abs(statistic), (np.abs(z) <= THRESHOLD).mean())


def mean(statistic: np.ndarray, z: np.ndarray) -> float:
    """Equate the mean of the absolute values: the choice."""
    return to_atlas_scale(statistic, z)[1]


STATISTICS = {"Wald": wald, "SAM": sam, "fold change": fold_change, "shrunk": shrink}
RULES = {"mean": mean, "share": share, "q75": quantile(0.75), "q90": quantile(0.9), "q95": quantile(0.95)}


def plate_map(drug_ids: list[str], cell_line: str) -> pd.DataFrame:
    """Return one plate of the drugs and the controls."""
    contents = [("trt", drug, one + 1) for drug in drug_ids for one in range(REPLICATES)]
    contents += [("negcon", "DMSO", one + 1) for one in range(CONTROLS)]
    table = pd.DataFrame(contents, columns=["pert_type", "drug_id", "replicate"])
    wells = [well_name(*divmod(place, 12)) for place in range(len(table))]
    return table.assign(plate="P1", well_position=wells, cell_line=cell_line)


def compare(effects: Effects, true_z: np.ndarray, references: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row of measures for each statistic, rule and reference."""
    rows = []
    true_labels = labels_of(true_z, THRESHOLD)
    for name, statistic_of in STATISTICS.items():
        statistic = statistic_of(effects.log2_fold_change, effects.standard_error)
        pearson = correlations(true_z, statistic).mean()
        for rule, factor_of in RULES.items():
            due = factor_of(statistic, true_z)
            for reference, z in references.items():
                factor = factor_of(statistic, z)
                found = labels_of(statistic * factor, THRESHOLD)
                error = statistic * factor - true_z
                slope = factor * (statistic * true_z).sum() / (true_z**2).sum()
                measures = [
                    pearson,
                    macro_f1(true_labels, found),
                    (true_labels != found).mean(),
                    slope,
                    np.sqrt((error**2).mean()),
                    abs(np.log(factor / due)),
                ]
                rows.append((name, rule, reference, *measures))
    return pd.DataFrame(rows, columns=["statistic", "rule", "reference", *MEASURES])


def measure(
    curated: Curated, expression: pd.Series, cell_line: str, sets: int
) -> tuple[pd.DataFrame, list[float]]:
    """Return the measures of every set, condition and candidate, and the seconds of each fit."""
    own = (curated.responses["cell_line"] == cell_line).to_numpy()
    genes = curated.genes["gene"].tolist()
    drug = curated.responses["drug_id"].to_numpy()
    z = pd.DataFrame(curated.z[own], index=drug[own], columns=pd.Index(genes)).astype(float)
    tables, seconds = [], []
    for number in range(sets):
        chosen = sorted(np.random.default_rng(number).choice(z.index.to_numpy(), DRUGS, replace=False))
        wells = plate_map(chosen, cell_line)
        same = ~own & np.isin(drug, chosen)
        references = {"same drugs": curated.z[same], "all drugs": curated.z[~own]}
        for reads, dispersion in CONDITIONS:
            counts = simulate_counts(z, wells, expression, number, reads=reads, dispersion=dispersion)
            start = time.perf_counter()
            effects = differential_expression(counts, wells, genes)
            seconds.append(time.perf_counter() - start)
            true_z = z.loc[effects.drug_ids].to_numpy()
            condition = {"set": number, "reads": reads, "dispersion": dispersion, "sources": int(same.sum())}
            tables.append(compare(effects, true_z, references).assign(**condition))
    return pd.concat(tables, ignore_index=True), seconds


def markdown(table: pd.DataFrame) -> str:
    """Return `table` with its index as a Markdown table, numbers to three digits."""
    table = table.reset_index()
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    lines += [
        [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row] for row in table.itertuples(index=False)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="raw bundle")
    parser.add_argument("--target", default="JURKAT")
    parser.add_argument("--sets", type=int, default=8, help="random sets of ten drugs")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    bundle = find_bundle(asked.raw)
    curated = curate(bundle, Rules(10.0, 24.0, "gold"))
    assert bundle.expression is not None
    lines, genes, expression = read_expression(bundle.expression)
    profile = pd.Series(expression[lines.index(asked.target)], index=genes)
    table, seconds = measure(curated, profile, asked.target, asked.sets)

    same = table[table["reference"] == "same drugs"]
    statistics = same[same["rule"] == "mean"].groupby("statistic", sort=False)[MEASURES].mean()
    rules = table[table["statistic"] == "shrunk"].groupby(["rule", "reference"], sort=False)[MEASURES].mean()
    by_condition = (
        same[same["rule"] == "mean"].groupby([*CONDITION, "statistic"], sort=False)[MEASURES].mean()
    )
    print(
        f"{asked.target}, {asked.sets} sets of {DRUGS} drugs; "
        f"one differential expression: {np.median(seconds):.1f} s\n"
    )
    for title, one in [
        ("Statistic (rule mean, same drugs)", statistics),
        ("Rule and reference (statistic shrunk)", rules),
        ("Depth and dispersion (rule mean, same drugs)", by_condition),
    ]:
        print(f"{title}\n\n{markdown(one)}\n")
    f1 = same[same["rule"] == "mean"].pivot(index=["set", *CONDITION], columns="statistic", values="macro_f1")
    wins = int((f1["shrunk"] > f1["Wald"]).sum())
    print(f"macro-F1 of shrunk is above that of Wald in {wins} of {len(f1)} results")
    if asked.out:
        every = table.groupby([*CONDITION, "statistic", "rule", "reference"], sort=False)[MEASURES].mean()
        write_json(
            {
                "target": asked.target,
                "sets": asked.sets,
                "seconds_of_one_differential_expression": round(float(np.median(seconds)), 2),
                "results": len(f1),
                "results_where_shrunk_beats_wald": wins,
                "rows": every.round(4).reset_index().to_dict(orient="records"),
            },
            asked.out.resolve(),
        )


if __name__ == "__main__":
    main()
