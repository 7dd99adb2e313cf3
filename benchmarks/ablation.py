"""What each part of response_gp is worth: macro-F1 without it, on the tables that predictors.py prepared.

    python benchmarks/ablation.py --targets THP1 JURKAT XC.L10 --out benchmarks/results/ablation.json

Every variant is fitted to the source lines again; all have the same anchors, those of a_optimal.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from projects import Loaded, loaded

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.evaluation.metrics import correlations, macro_f1, per_drug_macro_f1
from anchordrug.files.atomic import atomic_path
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import labels_of
from anchordrug.predictors.base import PredictorParams, Task
from anchordrug.predictors.registry import params_of
from anchordrug.predictors.response import prior, pseudo_targets
from anchordrug.predictors.response.fitted import ResponseFitted
from anchordrug.predictors.response.gp import GpSettings, KernelWeights, fit_gp, leave_one_out
from anchordrug.predictors.response.predictor import GpPredictor, ResponseState

HERE = Path(__file__).resolve().parent
Noise = Callable[[GpPredictor, np.ndarray, np.ndarray], float]


@contextmanager
def constants(changes: dict[tuple[ModuleType, str], object]) -> Iterator[None]:
    """Set constants of modules for a while."""
    before = {(module, name): getattr(module, name) for module, name in changes}
    for (module, name), value in changes.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


def with_noise(predictor: GpPredictor, noise: float) -> GpSettings:
    """Return the settings of a predictor with another noise."""
    return replace(predictor.source_fit.gp, noise=noise)


def by_leave_one_out(predictor: GpPredictor, anchors: np.ndarray, z: np.ndarray) -> float:
    """Return the noise with the best leave-one-out correlation on the anchors."""

    def agreement(noise: float) -> float:
        known = predictor.prior, predictor.sources
        left_out, _ = leave_one_out(with_noise(predictor, noise), *known, anchors, z, predictor.scale)
        return float(correlations(prior.clipped(z), left_out).mean())

    return max(pseudo_targets.NOISES, key=agreement)


def by_likelihood(predictor: GpPredictor, anchors: np.ndarray, z: np.ndarray) -> float:
    """Return the noise with the largest marginal likelihood, the residuals' size being free."""

    def likelihood(noise: float) -> float:
        tables = predictor.prior
        fit = fit_gp(with_noise(predictor, noise), tables, predictor.sources, anchors, z, predictor.scale)
        between = fit.kernel.to(NumpyOps, tables.evidence_of(anchors), tables.bits[anchors], anchors)
        noisy = between + noise * np.eye(len(anchors))
        residual = noisy @ fit.coefficients
        size = (residual * fit.coefficients).sum() / residual.size
        return float(-np.linalg.slogdet(noisy)[1] - len(anchors) * np.log(size))

    return max(pseudo_targets.NOISES, key=likelihood)


VARIANTS: dict[str, tuple[dict[tuple[ModuleType, str], object], KernelWeights, Noise | None]] = {
    "as it is": ({}, KernelWeights(), None),
    "no mechanisms": ({(prior, "SAME_MECHANISM"): np.float32(0)}, KernelWeights(), None),
    "10 neighbours": ({(prior, "NEIGHBOURS"): 10}, KernelWeights(), None),
    "z not limited": ({(prior, "LARGEST_Z"): 10.0}, KernelWeights(), None),
    "no line weights": ({(pseudo_targets, "RIDGES"): (1e9,)}, KernelWeights(), None),
    "no residual process": ({(pseudo_targets, "NOISES"): (1e6,)}, KernelWeights(), None),
    "kernel: offset only": ({}, KernelWeights(0, 0, 0, 1, 0), None),
    "kernel: structure and offset": ({}, KernelWeights(0, 0, 1, 0.1, 0), None),
    "kernel: cosine and offset": ({}, KernelWeights(1, 0, 0, 0.1, 0), None),
    "kernel: inner product and offset": ({}, KernelWeights(0, 1, 0, 0.1, 0), None),
    "kernel: no part for unknown priors": ({}, KernelWeights(unknown=0), None),
    "noise by leave-one-out on anchors": ({}, KernelWeights(), by_leave_one_out),
    "noise by marginal likelihood": ({}, KernelWeights(), by_likelihood),
}


def fitted(
    predictor: GpPredictor, anchors: np.ndarray, z: np.ndarray, choose: Noise | None
) -> ResponseFitted:
    """Fit, with a noise chosen on the anchors where a variant does that."""
    if choose is not None and len(anchors):
        gp = with_noise(predictor, choose(predictor, anchors, z))
        predictor = replace(predictor, source_fit=replace(predictor.source_fit, gp=gp))
    return predictor.fit(anchors, z, seed=0)


def learned(task: Task, kernel: KernelWeights, params: PredictorParams) -> GpPredictor:
    """Return the predictor with other weights of the kernel's parts."""
    played = pseudo_targets.pseudo_targets_of(task)
    hidden = pseudo_targets.pseudo_targets_of(task, np.random.default_rng([0, 1]))
    rates = pseudo_targets.gene_rates(task.sources, task.threshold)
    fit = pseudo_targets.fit_to_pseudo_targets(played, hidden, kernel, rates, task.threshold, seed=0)
    return GpPredictor.ready(task, params, ResponseState(fit, None))


def scores(data: Loaded, target: str, variant: str) -> Iterator[dict]:
    """Yield a record for every split, budget and decision."""
    changes, kernel, choose = VARIANTS[variant]
    task, measured = data.task(target), data.atlas.of(target)
    catalogue = Catalogue.of(task)
    orders = []
    for split in range(3):
        test, pool = data.split(target, split)
        view = PoolView(None, pool, pool[:0], replace(catalogue, queries=test))  # pyright: ignore[reportArgumentType]
        order = strategy("a_optimal")(view, 100, np.random.default_rng(0)).positions
        orders.append((split, test, pool[order]))
    with constants(changes):
        predictor = learned(task, kernel, params_of(data.project.settings))
        for split, test, order in orders:
            truth = labels_of(measured.responses_of(test), task.threshold)
            for budget in (0, 30, 100):
                anchors = order[:budget]
                z = measured.responses_of(anchors)
                fit = fitted(predictor, anchors, z, choose)
                for decision, labels in (
                    ("balanced", fit.labels(test)),
                    ("likeliest", fit.probabilities(test).argmax(axis=2)),
                ):
                    yield {
                        "variant": variant,
                        "target": target,
                        "split": split,
                        "budget": budget,
                        "decision": decision,
                        "macro_f1": macro_f1(truth, labels),
                        "per_drug_f1": float(per_drug_macro_f1(truth, labels).mean()),
                    }


def main() -> None:
    """Score every variant and print the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", nargs="+", required=True)
    parser.add_argument("--work", type=Path, default=HERE / "work/lincs", help="work folder of predictors.py")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    out = asked.out.resolve()
    data = loaded(asked.work / "response_gp")
    records = []
    for variant in VARIANTS:
        new = [record for target in asked.targets for record in scores(data, target, variant)]
        records += new
        table = pd.DataFrame(new).groupby(["decision", "budget"])["macro_f1"].mean().round(4)
        print(variant, table.to_dict(), flush=True)
    with atomic_path(out) as temporary:
        temporary.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    means = pd.DataFrame(records).groupby(["variant", "decision", "budget"], sort=False)
    print(means[["macro_f1", "per_drug_f1"]].mean().round(3).unstack("budget").to_string())


if __name__ == "__main__":
    main()
