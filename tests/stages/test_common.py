"""Scenario common: several targets share one network and one list of anchors."""

import shutil

import pandas as pd
import pytest

from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json
from tests.conftest import copied, project_at, run_stages, small_params, write_params

TARGETS = ["SIM-T1", "SIM-T2"]
STRATEGY = {"mlp": "core_set", "ensemble": "a_optimal"}


@pytest.fixture(scope="module", params=["mlp", "ensemble"])
def shared(project, request, tmp_path_factory):
    """A project in which both targets were selected for in scenario common."""
    folder = tmp_path_factory.mktemp("common")
    params = small_params()
    params["targets"] = TARGETS
    params["pretrain"]["leave_out"] = list(TARGETS)
    params["select"] |= {
        "scenario": "common",
        "budget": [10],
        "batch": 5,
        "strategy": STRATEGY[request.param],
    }
    params["predictor"] = request.param
    write_params(folder, params)
    for name in ("curated", "atlas", "features"):
        shutil.copytree(project / "tables" / name, folder / "tables" / name)
    run_stages(folder, (["split"],))
    run_stages(folder, (["pretrain", "--target", target] for target in TARGETS))
    run_stages(folder, (["select", "--target", target, "--seed", "0"] for target in TARGETS))
    return folder


@pytest.fixture
def copy(shared, tmp_path):
    return copied(shared, tmp_path)


def test_no_target_taught_the_network_that_all_share(copy):
    cards = [read_json(copy / f"models/pretrained/{target}/model.json") for target in TARGETS]
    for card in cards:
        assert not set(TARGETS) & set(card["source_cell_lines"])
    weights = {sha256(copy / f"models/pretrained/{target}/weights.safetensors") for target in TARGETS}
    assert len(weights) == 1


def test_the_pool_is_shared_and_holds_no_test_drug_of_any_target(copy):
    project = project_at(copy)
    atlas = project.atlas()
    splits = [project.split(atlas, target) for target in TARGETS]
    assert splits[0].pool.tolist() == splits[1].pool.tolist()
    for target, split in zip(TARGETS, splits, strict=True):
        assert set(split.pool) <= set(atlas.of(target).measured_drugs())
        assert not set(split.test) & set(splits[0].pool)


def test_all_targets_get_the_same_list_and_a_curve_of_their_own(copy):
    lists = [pd.read_csv(copy / f"tables/selections/{target}-0.csv") for target in TARGETS]
    same = ["round", "rank", "drug_id", "score"]
    pd.testing.assert_frame_equal(lists[0][same], lists[1][same])
    assert [table["target"].unique().tolist() for table in lists] == [[target] for target in TARGETS]
    curves = [pd.read_csv(copy / f"metrics/rounds/{target}-0.csv") for target in TARGETS]
    assert [curve["drugs"].tolist() for curve in curves] == [[0, 5, 10]] * 2
    assert curves[0]["macro_f1"].tolist() != curves[1]["macro_f1"].tolist()


def test_a_target_that_plays_alone_gets_what_it_would_have_taken_up(copy):
    outputs = [copy / folder / "SIM-T2-0.csv" for folder in ("tables/selections", "metrics/rounds")]
    before = [path.read_bytes() for path in outputs]
    shutil.rmtree(copy / ".anchordrug")
    run_stages(copy, (["select", "--target", "SIM-T2", "--seed", "0"],))
    assert [path.read_bytes() for path in outputs] == before


def test_the_predictors_are_fitted_and_scored_target_by_target(copy):
    for target in TARGETS:
        run_stages(copy, ([stage, "--target", target, "--seed", "0"] for stage in ("finetune", "evaluate")))
        scores = pd.read_csv(copy / f"metrics/scores/{target}-0.csv")
        assert {"pretrained", "drugs-10", "consensus"} <= set(scores["predictor"])


def test_strategies_are_compared_on_the_list_that_all_share(copy):
    for target in TARGETS:
        run_stages(copy, (["compare", "--target", target, "--seed", "0"],))
    curves = [pd.read_csv(copy / f"metrics/compared/{target}-0.csv") for target in TARGETS]
    for target, curve in zip(TARGETS, curves, strict=True):
        assert curve["strategy"].unique().tolist() == ["random"]
        assert curve["drugs"].tolist() == [0, 5, 10]
        start = pd.read_csv(copy / f"metrics/rounds/{target}-0.csv")["macro_f1"].iloc[0]
        assert curve["macro_f1"].iloc[0] == start
