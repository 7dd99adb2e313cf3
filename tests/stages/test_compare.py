"""Strategies next to the chosen one: played as select plays, and written for the report."""

import pandas as pd
import pytest

from anchordrug.errors import SettingsError
from tests.conftest import copied, run_cli, small_params, write_params
from tests.tiny import tiny_params

COMPARE = ["compare", "--target", "SIM-T1", "--seed", "0"]


def compare(folder, *names: str):
    params = small_params()
    params["compare"] = list(names)
    write_params(folder, params)
    return run_cli(*COMPARE, folder=folder)


def test_the_chosen_strategy_played_again_has_the_curve_that_select_wrote(project, tmp_path):
    folder = copied(project, tmp_path)
    assert compare(folder, "random", "a_optimal").exit_code == 0
    curves = pd.read_csv(folder / "metrics/compared/SIM-T1-0.csv")
    assert curves["strategy"].unique().tolist() == ["random", "a_optimal"]
    chosen = curves[curves["strategy"] == "a_optimal"].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen, pd.read_csv(folder / "metrics/rounds/SIM-T1-0.csv"))
    assert not list(folder.glob(".anchordrug/select-*"))


def test_nothing_to_compare_is_an_empty_table_and_the_report_does_without(tiny_project, tmp_path):
    folder = copied(tiny_project, tmp_path)
    write_params(folder, tiny_params(small_params()) | {"compare": []})
    assert run_cli(*COMPARE, folder=folder).exit_code == 0
    assert pd.read_csv(folder / "metrics/compared/SIM-T1-0.csv").empty
    for command in ("summarise", "report"):
        result = run_cli(command, folder=folder)
        assert result.exit_code == 0, (result.output, result.exception)
    assert pd.read_csv(folder / "metrics/learning_curve.csv")["strategy"].unique().tolist() == ["a_optimal"]
    assert "instead" not in (folder / "metrics/report.html").read_text(encoding="utf-8")


def test_an_unknown_strategy_is_named(project, tmp_path):
    result = compare(copied(project, tmp_path), "badl")
    assert isinstance(result.exception, SettingsError)
    with pytest.raises(SettingsError, match="compare: 'badl' is unknown; did you mean 'bald'"):
        raise result.exception
