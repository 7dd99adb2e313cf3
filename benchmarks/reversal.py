"""Does `anchordrug rank` find a drug class? Measured signature in one line, predicted profiles of another.

    python benchmarks/reversal.py --raw $ANCHORDRUG_LINCS --targets THP1 JURKAT XC.L10 --out FILE.json

For every target and class: the query is the measured z of one drug of the class in another cell line, the
drugs to rank are all of the atlas but the query and the anchors, by their predicted responses in the target,
which was fitted to 30 anchors that the default strategy chose. Printed are the mean area under the ROC curve
of the class' other drugs, and how many of the ten best places they hold (of those they could), over targets
and query lines, for the connectivity score and the cosine, of expected changes and of plain predicted z.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from predictors import prepare
from projects import loaded

from anchordrug.acquisition import Catalogue, strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.files.tables import write_json
from anchordrug.prediction.connectivity import Signature, expected_change, score
from anchordrug.prediction.rank import MOST_GENES_A_SIDE
from anchordrug.predictors.base import Fitted

HERE = Path(__file__).resolve().parent
BUDGET = 30
# A class by its mechanism as the release has it, or by names where it has none.
CLASSES = {
    "HSP90": ("HSP inhibitor", ()),
    "HDAC": ("HDAC inhibitor", ()),
    "MEK": ("MEK inhibitor", ()),
    "proteasome": (
        "proteasome inhibitor",
        ("bortezomib", "carfilzomib", "ixazomib", "delanzomib", "oprozomib", "mg-132", "epoxomicin"),
    ),
}


def members(atlas: ResponseAtlas, name: str) -> np.ndarray:
    """Return the rows of a class' drugs."""
    mechanism, names = CLASSES[name]
    by_mechanism = atlas.drugs["moa"].fillna("").str.lower().str.contains(mechanism.lower(), regex=False)
    by_name = atlas.drugs["name"].fillna("").str.lower().isin(names)
    return np.flatnonzero(by_mechanism | by_name)


def signature_of(z: np.ndarray) -> Signature:
    """Return the query as `anchordrug rank` makes it of a table."""
    order = np.argsort(-z, kind="stable")
    up, down = order[:MOST_GENES_A_SIDE], order[::-1][:MOST_GENES_A_SIDE]
    return Signature(z.astype(np.float64), up[z[up] > 0], down[z[down] < 0])


def area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve."""
    ranks = pd.Series(scores).rank().to_numpy()
    n, m = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def fitted_of(folder: Path, target: str) -> tuple[Fitted, np.ndarray]:
    """Return the predictor of `target` and its anchors, chosen from all its drugs."""
    data = loaded(folder)
    task, measured = data.task(target), data.atlas.of(target)
    predictor, drugs = data.predictor(task), np.arange(len(data.atlas.drugs))
    pool = np.unique(measured.drug)
    campaign = Campaign(pool, Catalogue.of(task, drugs), strategy("a_optimal"), BUDGET, BUDGET, seed=0)
    rounds = play(campaign, predictor, measured.responses_of)
    anchors = np.concatenate([played.drugs for played in rounds])
    return predictor.fit(anchors, measured.responses_of(anchors), seed=0), anchors


def queries(atlas: ResponseAtlas, target: str, drugs: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return, for every other line that has measured one of `drugs`, the first of them and its z."""
    found = []
    for line in np.unique(atlas.cell_line):
        own = np.flatnonzero((atlas.cell_line == line) & np.isin(atlas.drug, drugs))
        if len(own) and atlas.cell_lines[line] != target:
            found.append((int(atlas.drug[own[0]]), atlas.z[own[0]]))
    return found


def main() -> None:
    """Score every target and class, print the table and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of a raw bundle")
    parser.add_argument("--targets", nargs="+", required=True, help="cell lines")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    asked = parser.parse_args()
    out, work = asked.out.resolve(), asked.work.resolve() / asked.raw.resolve().name
    folder = prepare(work, asked.raw.resolve(), asked.targets, "ensemble", "known")
    atlas = loaded(folder).atlas
    records = []
    for target in asked.targets:
        fitted, anchors = fitted_of(folder, target)
        everything = np.arange(len(atlas.drugs))
        probabilities, z = fitted.probabilities(everything), fitted.z(everything)
        assert z is not None
        responses = {"expected": expected_change(probabilities, z), "z": z.astype(np.float64)}
        for name in CLASSES:
            drugs = members(atlas, name)
            for query, signature in queries(atlas, target, drugs):
                ranked = np.setdiff1d(everything, np.append(anchors, query))
                positive = np.isin(ranked, drugs)
                if not positive.any():
                    continue
                for kind, response in responses.items():
                    scores = score(response[ranked], signature_of(signature), 0, 0, reverse=False)
                    for by, values in (("connectivity", scores.connectivity), ("cosine", scores.cosine)):
                        top = np.argsort(-values, kind="stable")[:10]
                        record = {"target": target, "class": name, "response": kind, "score": by}
                        found = positive[top].sum() / min(10, positive.sum())
                        records.append({**record, "auc": area(values, positive), "top_ten": float(found)})
    table = pd.DataFrame(records)
    means = table.groupby(["class", "response", "score"], sort=False)[["auc", "top_ten"]].mean()
    print(means.assign(queries=table.groupby(["class", "response", "score"], sort=False).size()).round(3))
    rows = means.reset_index().round(4).to_dict("records")
    write_json({"targets": asked.targets, "budget": BUDGET, "means": rows}, out)


if __name__ == "__main__":
    main()
