"""The stages on the demo bundle: their tables, their keys, and going on after a cut."""

import numpy as np
import pandas as pd
import pytest

from anchordrug import schemas
from anchordrug.acquisition.retrospective import campaign_key
from anchordrug.errors import SettingsError, TableError
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.files.lock import locked
from anchordrug.files.tables import read_json
from anchordrug.labels import labels_of
from tests.conftest import copied, load_fitted, project_at, run_cli, small_params, write_params


@pytest.fixture
def copy(project, tmp_path):
    """A copy of the finished project that a test may change."""
    return copied(project, tmp_path)


def test_the_selection_has_a_row_per_anchor(project):
    table = pd.read_csv(project / "tables/selections/SIM-T1-0.csv")
    assert list(table.columns) == list(schemas.SELECTIONS.columns)
    assert table["rank"].tolist() == list(range(1, 21))
    assert table["round"].tolist() == [1] * 10 + [2] * 10
    pool = pd.read_csv(project / "tables/splits/splits.csv").query("role == 'pool'")["drug_id"]
    assert set(table["drug_id"]) <= set(pool)
    drugs = pd.read_parquet(project / "tables/atlas/drugs.parquet").set_index("drug_id")
    assert (drugs.loc[table["drug_id"], "inchikey"].to_numpy() == table["inchikey"].to_numpy()).all()


def test_scores_equal_a_computation_by_hand(either_project):
    fitted, atlas = load_fitted(either_project, "drugs-10")
    test = project_at(either_project).split(atlas, "SIM-T1").test
    truth = labels_of(atlas.of("SIM-T1").responses_of(test), 1.5)
    scores = pd.read_csv(either_project / "metrics/scores/SIM-T1-0.csv").set_index("predictor")
    predicted = fitted.labels(test)
    assert scores.loc["drugs-10", "macro_f1"] == pytest.approx(macro_f1(truth, predicted), abs=1e-6)
    seen = np.isin(test, atlas.without(["SIM-T1"]).measured_drugs())
    assert 0 < seen.sum() < len(seen)
    assert scores.loc["drugs-10", "macro_f1_unseen"] == pytest.approx(
        macro_f1(truth[~seen], predicted[~seen]), abs=1e-6
    )
    assert scores.loc["all_none", "macro_f1"] == pytest.approx(macro_f1(truth, np.ones_like(truth)), abs=1e-6)
    summary = read_json(either_project / "metrics/summary.json")
    assert summary["macro_f1"]["drugs-10"]["SIM-T1"] == pytest.approx(
        scores.loc["drugs-10", "macro_f1"], abs=1e-4
    )
    figures = read_json(either_project / "metrics/key_figures.json")
    shown = ["consensus", "pretrained", "drugs-10", "drugs-20", "whole-pool"]
    assert figures == {
        "macro_f1": {name: pytest.approx(scores.loc[name, "macro_f1"], abs=1e-4) for name in shown},
        "macro_f1_unseen": pytest.approx(scores.loc["drugs-20", "macro_f1_unseen"], abs=1e-4),
        "ece": pytest.approx(scores.loc["drugs-20", "ece"], abs=1e-4),
    }


def test_the_target_is_no_source_line(project):
    card = read_json(project / "models/pretrained/SIM-T1/model.json")
    assert "SIM-T1" not in card["source_cell_lines"]
    assert len(card["source_cell_lines"]) == 8
    assert pd.read_csv(project / "metrics/pretrain/SIM-T1.csv")["epoch"].tolist() == [1, 2]


def test_no_checkpoint_is_left_behind(either_project):
    kept = [path for path in (either_project / ".anchordrug").rglob("*") if path.is_file()]
    assert {path.name for path in kept} == {".lock"}


def test_every_run_shows_what_needs_no_model_and_what_a_shuffle_leaves(either_project):
    scores = pd.read_csv(either_project / "metrics/scores/SIM-T1-0.csv").set_index("predictor")
    expected = ["all_none", "gene_majority", "consensus", "nearest_neighbours", "extra_trees"]
    expected += ["pretrained", "drugs-10"]
    assert scores.index.tolist() == [*expected, "drugs-20", "shuffled", "whole-pool"]
    parts = [name for name in scores if name.startswith(("macro_f1_", "per_drug_f1", "z_correlation"))]
    assert len(parts) == 5 + 3 + 3
    assert scores.loc["drugs-20", parts].notna().all()
    assert scores["ece"].notna().tolist() == [False] * 5 + [True] * 3 + [True, True]
    diagram = pd.read_csv(either_project / "metrics/reliability/SIM-T1-0.csv")
    shares = diagram.groupby("predictor")["share"].sum()
    np.testing.assert_allclose(shares, 1, atol=1e-4)


def test_models_of_another_predictor_are_refused(copy):
    params = small_params()
    params["predictor"] = "mlp"
    write_params(copy, params)
    result = run_cli("select", "--target", "SIM-T1", folder=copy)
    assert "holds predictor 'ensemble', the settings ask for 'mlp'" in str(result.exception)


def test_a_strategy_that_looks_inside_a_network_says_so(copy):
    params = small_params()
    params["select"]["strategy"] = "bald"
    write_params(copy, params)
    assert "choose predictor mlp, or strategy a_optimal" in str(
        run_cli("select", "--target", "SIM-T1", folder=copy).exception
    )


def test_the_likeliest_label_is_one_parameter_away(copy):
    probabilities = load_fitted(copy, "drugs-20")[0].probabilities(np.arange(30))
    params = small_params()
    params["decision"] = "likeliest"
    write_params(copy, params)
    assert run_cli("finetune", "--target", "SIM-T1", folder=copy).exit_code == 0
    fitted, _ = load_fitted(copy, "drugs-20")
    np.testing.assert_array_equal(fitted.probabilities(np.arange(30)), probabilities)
    np.testing.assert_array_equal(fitted.labels(np.arange(30)), probabilities.argmax(axis=2))


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        # A lock tells of who had it last, which may be a test in another process.
        if path.is_file() and "locks" not in path.parts and path.name != ".lock"
    }


@pytest.mark.parametrize(
    "fixture",
    [
        *("tiny_project", "mlp_project", "mlp_response_project"),
        pytest.param("project", marks=pytest.mark.long),
    ],
)
def test_running_every_stage_again_gives_the_same_bytes(fixture, request, tmp_path):
    copy = copied(request.getfixturevalue(fixture), tmp_path)
    before = files_of(copy)
    for command in (
        *((["curate"], ["grow"], ["featurize"]) if fixture in {"tiny_project", "project"} else ()),
        ["split"],
        ["pretrain", "--target", "SIM-T1"],
        ["select", "--target", "SIM-T1"],
        ["finetune", "--target", "SIM-T1"],
        ["evaluate", "--target", "SIM-T1"],
        ["summarise"],
    ):
        assert run_cli(*command, folder=copy).exit_code == 0
    after = files_of(copy)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_a_campaign_that_was_cut_goes_on_after_its_last_round(copy, monkeypatch):
    from anchordrug.acquisition import retrospective as groups

    path = copy / "tables/selections/SIM-T1-0.csv"
    curve = copy / "metrics/rounds/SIM-T1-0.csv"
    whole, whole_curve = path.read_bytes(), curve.read_bytes()
    path.unlink()
    play, calls = groups.play, []

    def cut(*arguments, **options):
        for one in play(*arguments, **options):
            yield one
            raise KeyboardInterrupt

    def watch(*arguments, **options):
        for one in play(*arguments, **options):
            calls.append(one.number)
            yield one

    monkeypatch.setattr(groups, "play", cut)
    assert run_cli("select", "--target", "SIM-T1", folder=copy).exit_code != 0
    assert not path.exists()
    monkeypatch.setattr(groups, "play", watch)
    assert run_cli("select", "--target", "SIM-T1", folder=copy).exit_code == 0
    assert calls == [2]
    assert path.read_bytes() == whole
    assert curve.read_bytes() == whole_curve


def test_a_response_of_an_unknown_drug_is_found(copy):
    path = copy / "tables/atlas/responses.parquet"
    table = pd.read_parquet(path)
    table.loc[7, "drug_id"] = "SIM-NOBODY"
    table.to_parquet(path, index=False)
    with pytest.raises(
        TableError, match=r"responses.parquet: drug_id SIM-NOBODY \(row 7\) not in .*drugs.parquet"
    ):
        project_at(copy).atlas()


@pytest.mark.parametrize(
    ("file", "column", "value", "message"),
    [
        ("tables/atlas/drugs.parquet", "inchikey", "ABC", "column 'inchikey': 'ABC' breaks str_matches"),
        ("tables/atlas/drugs.parquet", "drug_id", "SIM-D0002", "column 'drug_id'"),
        ("tables/atlas/responses.parquet", "replicates", 0, "column 'replicates': '0' breaks"),
    ],
)
def test_a_table_that_breaks_its_schema_is_found(copy, file, column, value, message):
    table = pd.read_parquet(copy / file)
    table.loc[0, column] = value
    table.to_parquet(copy / file, index=False)
    with pytest.raises(TableError) as error:
        project_at(copy).atlas()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_features_of_other_tables_are_refused(copy):
    path = copy / "tables/features/drugs.parquet"
    pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False)
    with pytest.raises(TableError, match=r"features/drugs.parquet: .*run featurize again"):
        project_at(copy).features(project_at(copy).atlas())


@pytest.mark.parametrize(
    ("words", "lock"),
    [
        (("curate",), "curate"),
        (("select", "--target", "SIM-T1", "--seed", "0"), "select-SIM-T1-0"),
        (("panel", "--size", "5"), "panel"),
    ],
)
def test_a_stage_that_another_process_runs_is_refused_and_changes_nothing(copy, words, lock):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    with locked(copy / ".anchordrug/locks" / lock):
        result = run_cli(*words, folder=copy)
        assert isinstance(result.exception, SettingsError)
        assert "another anchordrug command works in it" in str(result.exception)
    after = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    assert {path: time for path, time in after.items() if "locks" not in path.parts} == {
        path: time for path, time in before.items() if "locks" not in path.parts
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda text: "\0" * len(text),
        lambda text: text.replace("\n1,", "\n1,9", 3),
    ],
    ids=["cut", "empty", "zeros", "other drugs"],
)
def test_a_damaged_round_starts_over_with_a_line(copy, damage):
    selection = copy / "tables/selections/SIM-T1-0.csv"
    chosen = pd.read_csv(selection)
    atlas = project_at(copy).atlas()
    row = {name: position for position, name in enumerate(atlas.drugs["drug_id"])}
    first = chosen[chosen["round"] == 1]
    left = pd.DataFrame({"round": 1, "drug": first["drug_id"].map(row), "score": first["score"]})
    left = left.assign(query_seconds=0.0, train_seconds=0.0, evaluate_seconds=0.0)
    left["SIM-T1"] = 0.5
    key = campaign_key(project_at(copy), ["SIM-T1"], "SIM-T1", 0, project_at(copy).settings.select.strategy)
    partial = copy / f".anchordrug/select-{key}.csv"
    partial.write_text(damage(left.to_csv(index=False)), encoding="utf-8")
    result = run_cli("select", "--target", "SIM-T1", "--seed", "0", folder=copy)
    assert result.exit_code == 0, result.output
    assert f"{partial.name}: is damaged; starting over" in result.output
    assert pd.read_csv(selection)["drug_id"].tolist() == chosen["drug_id"].tolist()
