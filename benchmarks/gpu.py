"""A GPU against the processor: time of training, and agreement of the labels, of predictors with a network.

Both devices pre-train on all cell lines but the target and are fitted to the same 30 random anchors; both
then label the same test drugs. The second run on the GPU shows how much its own runs differ. `project` is a
folder whose stages curate, grow, featurize and split have run.

    python benchmarks/gpu.py --project . --target JURKAT --out gpu.json

needs a GPU, and takes five minutes with 16 cores beside it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from anchordrug.api import Reference, open_project
from anchordrug.atlas.splits import split_drugs
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Work
from anchordrug.predictors.loading import task_of
from anchordrug.predictors.registry import params_of, predictor_class

PREDICTORS = ("mlp", "response_net", "ensemble")
ANCHORS = 30


def labels_on(
    device: str, reference: Reference, target: str, test: np.ndarray, anchors: np.ndarray, z: np.ndarray
) -> tuple[dict[str, float], np.ndarray]:
    """Return seconds of pre-training and of fitting on `device`, and the labels int8 [test, genes]."""
    settings, params = reference.settings, params_of(reference.settings)
    kind = predictor_class(settings.predictor)
    task = task_of(settings, reference.atlas, reference.features, target, device, test)
    begin = time.perf_counter()
    state = kind.pretrain(task, params, Work())
    learned = time.perf_counter()
    fitted = kind.ready(task, params, state).fit(anchors, z, seed=0, final=True).deciding_for(test)
    labels = fitted.labels(test)
    return {"pretrain_s": learned - begin, "fit_s": time.perf_counter() - learned}, labels


def main() -> None:
    """Print one row per predictor and device; write them to --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--target", required=True)
    parser.add_argument("--predictors", nargs="+", default=list(PREDICTORS))
    parser.add_argument("--devices", nargs="+", default=["cuda", "cuda", "cpu"], help="In this order.")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    reference = open_project(arguments.project)
    atlas, target, split = reference.atlas, arguments.target, reference.settings.split
    test, pool = split_drugs(
        atlas, target, by=split.by, test_fraction=split.test_fraction, pool=split.pool, seed=split.seed
    )
    anchors = np.sort(np.random.default_rng(0).choice(pool, min(ANCHORS, len(pool)), replace=False))
    own = atlas.of(target)
    row = {drug: place for place, drug in enumerate(own.drug)}
    anchor_z = own.z[[row[drug] for drug in anchors]]
    truth = labels_of(own.z[[row[drug] for drug in test]], reference.settings.curate.threshold)
    records = []
    for name in arguments.predictors:
        settings = reference.settings.model_copy(update={"predictor": name})
        chosen = Reference(settings, atlas, reference.features)
        first: np.ndarray | None = None
        for device in arguments.devices:
            seconds, labels = labels_on(device, chosen, target, test, anchors, anchor_z)
            first = labels if first is None else first
            told = {"predictor": name, "device": device, **seconds, "macro_f1": macro_f1(truth, labels)}
            records.append({**told, "labels_as_first": float(np.mean(labels == first))})
            print(
                pd.DataFrame(records[-1:]).round(4).to_string(index=False, header=len(records) == 1),
                flush=True,
            )
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name())
    if arguments.out:
        write_json({"records": records}, arguments.out)


if __name__ == "__main__":
    main()
