"""The drill on outside campaigns: cell lines, compounds and an assay that the atlas does not have.

    python benchmarks/outside.py --raw $ANCHORDRUG_LINCS --outside outside --anchors 20 \
        --with-others --out benchmarks/results/outside.json

--outside is a folder with one folder per cell line: library.csv (drug_id, smiles) and z.csv (drug, gene, z).
The untreated profiles of the lines are in the bundle, their responses are not. For each line the library is
halved at random four times. Anchors are chosen from one half to predict the whole library; the other half is
scored, on the genes that were measured. --with-others adds the results with the other outside lines as source
lines.

The output is a JSON list with one record per line, half, sources, method and rule. Rule "delivered" gives the
labels that a user gets. Rule "hindsight" takes the best threshold of a baseline's z, or the best offset of a
predictor's "none", for each score apart: no user can know it. Tables in Markdown are printed.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from projects import ROOT, Loaded, loaded, prepared
from scores import scores

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.acquisition.campaign import choose, fit_seed, round_seed
from anchordrug.atlas.further_drugs import with_drugs
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.tables import positions
from anchordrug.bench.library import resolve_library
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.evaluation.scores import masks_of
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.bundle import line_features, untreated_expression
from anchordrug.files.atomic import atomic_path
from anchordrug.labels import decide, labels_of
from anchordrug.predictors.base import Fitted, Predictor, Task, Work
from anchordrug.predictors.contenders import Contender, baselines, predicted
from anchordrug.predictors.loading import task_of
from anchordrug.predictors.registry import params_of, predictor_class
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.compounds import read_compounds_for_sale
from anchordrug.settings import Settings, read_settings

HERE = Path(__file__).resolve().parent
BASE = ROOT / "params.yaml"
HALVES = (0, 1, 2, 3)
STRATEGIES = ("random", "a_optimal")
THRESHOLDS = np.arange(0.05, 2.001, 0.05)
OFFSETS = np.arange(-3, 1.001, 0.05)
ATLAS, OTHERS = "atlas", "atlas and outside lines"
SHOWN = ("macro_f1", "correlation", "ece", "changed", "changed_called", "changed_expected")


@dataclass(frozen=True)
class OutsideLine:
    """One outside cell line.

    Attributes
    ----------
    library
        int64 rows of the drug table, ordered by InChIKey.
    drugs
        Those of them that were measured, in the same order.
    z
        float32 [drugs, genes], NaN where a gene was not measured.
    """

    name: str
    library: np.ndarray
    drugs: np.ndarray
    z: np.ndarray

    def responses_of(self, drugs: np.ndarray) -> np.ndarray:
        """Return z of measured drugs, given as rows of the drug table."""
        return self.z[positions(drugs, self.drugs)]


@dataclass(frozen=True)
class Outside:
    """The atlas with the compounds and names of the outside lines, and what was measured in these lines."""

    settings: Settings
    atlas: ResponseAtlas
    features: FeatureBlocks
    lines: Sequence[OutsideLine]

    def task(self, line: OutsideLine, *, with_others: bool) -> Task:
        """Return the task of learning `line` from the atlas, and from the other outside lines if asked."""
        others = [other for other in self.lines if other is not line and with_others]
        own = self.atlas
        cell_lines = [np.full(len(other.drugs), own.cell_lines.index(other.name)) for other in others]
        atlas = ResponseAtlas(
            np.concatenate([own.z, *(other.z for other in others)]),
            np.concatenate([own.drug, *(other.drugs for other in others)]),
            np.concatenate([own.cell_line, *cell_lines]),
            own.drugs,
            own.cell_lines,
            own.genes,
            own.gene_table,
        )
        return task_of(self.settings, atlas, self.features, line.name, library=line.library)


def read_outside(folder: Path, data: Loaded, predictors: Sequence[str]) -> Outside:
    """Read the outside lines of `folder`, and add their compounds and names to the atlas."""
    settings, atlas = data.project.settings, data.atlas
    names = sorted(path.parent.name for path in folder.glob("*/library.csv"))
    known = [name for name in names if name in atlas.cell_lines]
    if known or not names:
        raise SystemExit(f"{folder}: {known[0] + ' is in the atlas' if known else 'has no */library.csv'}")
    libraries = [
        resolve_library(read_compounds_for_sale(folder / name / "library.csv"), atlas.drugs).library
        for name in names
    ]
    tables = [pd.read_csv(folder / name / "z.csv") for name in names]
    cell_lines = atlas.cell_lines + names
    atlas, features = with_drugs(atlas, data.features, pd.concat(libraries), settings.featurize.drug)
    if any(predictor_class(name).uses_cell_lines for name in predictors):
        expression = untreated_expression(find_bundle(data.project.raw))
        embedded = line_features(expression, cell_lines, settings.featurize)
        features = replace(features, cell_lines=unit_rows(embedded.values))
    atlas = replace(atlas, cell_lines=cell_lines)
    lines = [outside_line(*found, atlas) for found in zip(names, libraries, tables, strict=True)]
    return Outside(settings, atlas, features, lines)


def outside_line(name: str, library: pd.DataFrame, table: pd.DataFrame, atlas: ResponseAtlas) -> OutsideLine:
    """Return one line from its resolved library and its table of z (drug, gene, z)."""
    named = resolve(table["gene"].unique().tolist(), atlas.genes)
    table = table.assign(gene=table["gene"].map(named)).dropna(subset=["gene"])
    measured = table.pivot(index="drug", columns="gene", values="z").reindex(columns=atlas.genes)
    library = library.sort_values("inchikey", kind="stable")
    row = positions(library["inchikey"], atlas.drugs["inchikey"])
    known = library["drug_id"].isin(measured.index).to_numpy()
    z = measured.loc[library["drug_id"][known]].to_numpy(np.float32)
    print(f"{name}: {len(row)} compounds, {known.sum()} measured, {np.isfinite(z).any(axis=0).sum()} genes")
    return OutsideLine(name, row, row[known], z)


def pretrained(settings: Settings, task: Task, names: Sequence[str]) -> dict[str, object]:
    """Return what the source lines of a task taught each predictor."""
    states = {}
    for name in names:
        own = settings.model_copy(update={"predictor": name})
        work = Work(lambda said, name=name: print(f"{task.target}, {name}: {said}", flush=True))
        states[name] = predictor_class(name).pretrain(task.of_measured_drugs(), params_of(own), work)
    return states


def ready(settings: Settings, task: Task, states: dict[str, object]) -> dict[str, Predictor]:
    """Return the predictors of a task that start from `states`."""
    found = {}
    for name, state in states.items():
        params = params_of(settings.model_copy(update={"predictor": name}))
        found[name] = predictor_class(name).ready(task, params, state)
    return found


def fit(predictor: Predictor, anchors: np.ndarray, z: np.ndarray, library: np.ndarray, half: int) -> Fitted:
    """Return the predictor fitted to anchors, deciding for the library."""
    return predictor.fit(anchors, z, seed=fit_seed(half, len(anchors)), final=True).deciding_for(library)


def gene_mean(anchors: np.ndarray, drugs: int, threshold: float) -> Contender:
    """Return each gene's mean z over anchors [anchors, genes] as the prediction of every drug."""
    known = np.isfinite(anchors)
    mean = np.where(known, anchors, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    z = np.tile(mean, (drugs, 1))
    return Contender("gene_mean", len(anchors), labels_of(z, threshold), z)


def hindsight(z: np.ndarray, seen: np.ndarray, threshold: float, contender: Contender) -> dict:
    """Return the macro-F1 of the best threshold, or of the best offset, for each group of drugs apart."""
    if contender.probabilities is None:
        tried = [labels_of(contender.z, candidate) for candidate in THRESHOLDS]
    else:
        offsets = [np.array([0, offset, 0], np.float32) for offset in OFFSETS]
        tried = [decide(contender.probabilities, offset) for offset in offsets]
    truth, measured = labels_of(z, threshold), np.isfinite(z)
    best = {}
    for ending, drugs in masks_of(seen).items():
        scored = measured & drugs[:, None]
        found = [macro_f1(truth[scored], labels[scored]) for labels in tried]
        best[f"macro_f1{ending}"] = max(found) if scored.any() else None
    return best


def contenders(
    task: Task,
    line: OutsideLine,
    predictors: dict[str, Predictor],
    half: int,
    anchors: int,
    truth: np.ndarray,
) -> Iterator[tuple[str | None, Contender]]:
    """Yield every prediction of the drugs `truth`, with the strategy that chose its anchors, if any."""
    pool = line.drugs[~np.isin(line.drugs, truth)]
    nothing = np.zeros(0, np.int64), np.zeros((0, len(task.sources.genes)), np.float32)
    for found in baselines(task, *nothing, truth):
        if found.name != "gene_majority":
            yield None, found
    unfitted = {name: fit(own, *nothing, line.library, half) for name, own in predictors.items()}
    for name, fitted in unfitted.items():
        yield None, predicted(name, 0, fitted, truth)
    view = PoolView(next(iter(unfitted.values())), pool, nothing[0], Catalogue.of(task, line.library))
    for chosen_by in STRATEGIES:
        count = min(anchors, len(pool))
        chosen = choose(view, strategy(chosen_by), count, round_seed(half, 1)).drugs
        z = line.responses_of(chosen)
        yield chosen_by, gene_mean(z, len(truth), task.threshold)
        for name, predictor in predictors.items():
            yield chosen_by, predicted(name, count, fit(predictor, chosen, z, line.library, half), truth)


def play(task: Task, line: OutsideLine, predictors: dict[str, Predictor], anchors: int) -> Iterator[dict]:
    """Yield the records of one line without its sources' name."""
    for half in HALVES:
        order = np.random.default_rng(half).permutation(len(line.drugs))
        truth = line.drugs[np.sort(order[len(order) // 2 :])]
        z, seen = line.responses_of(truth), np.isin(truth, task.sources.measured_drugs())
        drugs = {"drugs_seen": int(seen.sum()), "drugs_unseen": int((~seen).sum())}
        for chosen_by, found in contenders(task, line, predictors, half, anchors, truth):
            about = {"line": line.name, "half": half, "method": found.name, "strategy": chosen_by}
            about |= {"anchors": found.learned_from, **drugs}
            yield {**about, "rule": "delivered", **scores(z, seen, task.threshold, found)}
            if found.name != "all_none":
                yield {**about, "rule": "hindsight", **hindsight(z, seen, task.threshold, found)}


def tables(records: list[dict]) -> Iterator[tuple[str, str]]:
    """Yield titles and Markdown tables: means over halves by line, and over lines."""
    table = pd.DataFrame(records)
    table["strategy"] = table["strategy"].fillna("")
    table["anchors"] = np.where(table["anchors"] > 0, "with", "none")
    methods = ["sources", "method", "anchors", "strategy", "rule"]
    values = [f"{name}{ending}" for name in SHOWN for ending in ("", "_seen", "_unseen")]
    lines = table.groupby([*methods, "line"], sort=False)[values].mean()
    for ending, drugs in (("", "all drugs"), ("_seen", "seen drugs"), ("_unseen", "unseen drugs")):
        wide = lines[f"macro_f1{ending}"].unstack("line", sort=False)
        wide["mean"] = wide.mean(axis=1)
        yield f"Macro-F1, {drugs}", wide.round(3).reset_index().to_markdown(index=False)
    delivered = (
        table[table["rule"] == "delivered"].groupby([*methods[:-1], "line"], sort=False)[values].mean()
    )
    means = delivered.groupby(methods[:-1], sort=False).mean()
    for ending, drugs in (("", "all drugs"), ("_seen", "seen drugs"), ("_unseen", "unseen drugs")):
        own = means[[f"{name}{ending}" for name in SHOWN]]
        own.columns = list(SHOWN)
        yield f"Delivered, mean over lines, {drugs}", own.round(3).reset_index().to_markdown(index=False)


def main() -> None:
    """Play every line, write the records and print their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of a raw bundle")
    parser.add_argument("--outside", type=Path, required=True, help="folder with one folder per cell line")
    parser.add_argument("--anchors", type=int, default=20)
    default = read_settings(BASE).predictor
    parser.add_argument("--predictors", nargs="+", default=[default, "response_gp"])
    parser.add_argument("--with-others", action="store_true", help="also learn from the other outside lines")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    asked = parser.parse_args()
    raw, folder = asked.raw.resolve(), asked.outside.resolve()
    project = prepared(
        asked.work.resolve() / raw.name, raw, "outside", BASE, {"predictor": asked.predictors[0]}
    )
    outside = read_outside(folder, loaded(project.root), asked.predictors)
    records, states = [], None
    for with_others in (False, True) if asked.with_others else (False,):
        for line in outside.lines:
            task = outside.task(line, with_others=with_others)
            # The atlas alone is the same for every outside line.
            if states is None or with_others:
                states = pretrained(outside.settings, task, asked.predictors)
            predictors = ready(outside.settings, task, states)
            sources = {"sources": OTHERS if with_others else ATLAS}
            records += [{**sources, **record} for record in play(task, line, predictors, asked.anchors)]
    with atomic_path(asked.out.resolve()) as temporary:
        temporary.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    for title, table in tables(records):
        print(f"\n{title}\n\n{table}")


if __name__ == "__main__":
    main()
