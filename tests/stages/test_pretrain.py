"""Stage pretrain on a library of which most drugs were never measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.settings import read_settings
from anchordrug.stages import pretrain
from tests.predictors.response.response_worlds import TARGET, random_world

PARAMS = Path(__file__).parents[2] / "params.yaml"


def settings_of(predictor):
    settings = read_settings(PARAMS)
    small = {"hidden": (12, 8, 4), "epochs": 2}
    return settings.model_copy(
        update={
            "predictor": predictor,
            "pretrain": settings.pretrain.model_copy(update=small),
            "response_net": settings.response_net.model_copy(update={"hidden": (12, 8), "epochs": 2}),
        }
    )


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
    pretrain.learn(settings_of(predictor), features, atlas, TARGET, folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("predictor", ["response_gp", "response_net", "mlp", "mlp_response"])
def test_drugs_that_were_never_measured_teach_nothing(predictor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrain, "data_hashes", dict)
    without = learned(predictor, 0, tmp_path / "without")
    assert without == learned(predictor, 60, tmp_path / "with")
    assert set(without) == {"model.json", "weights.safetensors"}
