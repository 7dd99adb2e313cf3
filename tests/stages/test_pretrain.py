"""Stage pretrain on a library of which most drugs were never measured."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.predictors.base import Task, Work
from anchordrug.predictors.loading import learn
from anchordrug.predictors.registry import predictors
from anchordrug.settings import read_settings
from tests.conftest import small_params, write_params
from tests.predictors.response.response_worlds import TARGET, random_world


def learned(predictor, unmeasured, folder):
    """Learn with so many drugs more, each before one that was there; return the files."""
    world = random_world()
    rng = np.random.default_rng(1)
    drugs = len(world.bits)
    place = np.sort(rng.permutation(drugs + unmeasured)[:drugs])
    bits = rng.integers(0, 2, (drugs + unmeasured, world.bits.shape[1]))
    bits[place] = world.bits
    table = pd.DataFrame({"drug_id": [f"D{k}" for k in range(len(bits))], "moa": "HDAC inhibitor"})
    table.loc[place, "moa"] = world.mechanisms
    atlas = replace(world.sources, drug=place[world.sources.drug], drugs=table)
    annotation = np.random.default_rng(2).integers(0, 2, (8, 5))
    features = FeatureBlocks(unit_rows(bits), world.cells, unit_rows(annotation))
    folder.mkdir()
    write_params(folder, small_params() | {"predictor": predictor})
    settings = read_settings(folder / "params.yaml")
    learn(settings, Task(TARGET, atlas, features, 1.5), folder / "model", {}, Work())
    return {path.name: path.read_bytes() for path in sorted((folder / "model").iterdir())}


@pytest.mark.parametrize("predictor", predictors())
def test_drugs_that_were_never_measured_teach_nothing(predictor, tmp_path):
    without = learned(predictor, 0, tmp_path / "without")
    assert without == learned(predictor, 60, tmp_path / "with")
    assert set(without) == {"model.json", "weights.safetensors"}
