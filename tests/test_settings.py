"""params.yaml: every wrong key or value is named, with the near one where there is one."""

import pytest
import yaml

from anchordrug.errors import RawDataError, SettingsError
from anchordrug.settings import Curate, checked, read_settings
from tests.conftest import ROOT, small_params, write_params


def settings_of(folder, params):
    write_params(folder, params)
    return read_settings(folder / "params.yaml")


def test_the_shipped_params_are_valid():
    settings = read_settings(ROOT / "params.yaml")
    assert settings.select.budget == (30,)


def test_a_list_of_budgets_and_one_budget_are_both_read(tmp_path):
    params = small_params()
    params["select"]["budget"] = [30, 100]
    assert settings_of(tmp_path, params).select.budget == (30, 100)
    params["select"]["budget"] = 5
    assert settings_of(tmp_path, params).select.budget == (5,)


def wrong(section, key, value):
    def change(params):
        (params[section] if section else params)[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wrong("split", "sede", 3), "unknown key 'split.sede'; did you mean 'split.seed'?"),
        (wrong(None, "target", ["A"]), "unknown key 'target'; did you mean 'targets'?"),
        (lambda params: params["select"].pop("batch"), "key 'select.batch' is missing"),
        (wrong("select", "budget", []), "select.budget: "),
        (wrong("select", "scenario", "all"), "select.scenario: 'all' is not allowed"),
        (wrong("curate", "threshold", "high"), "curate.threshold: 'high' is not allowed"),
        (wrong("curate", "threshold", True), "curate.threshold: true is not allowed (write a number"),
        (wrong("curate", "dose_um", "10"), "curate.dose_um: '10' is not allowed (write a number"),
        (wrong("select", "budget", [30, True]), "select.budget: true is not allowed"),
        (wrong("select", "budget", "30"), "select.budget: '30' is not allowed"),
        (wrong(None, "seeds", [False]), "seeds: false is not allowed"),
        (wrong(None, "targets", ["A", "A"]), "targets names the same value twice"),
        (wrong(None, "targets", ["../A"]), "targets.0: '../A' is not allowed"),
        (wrong(None, "targets", "JURKAT"), "targets: 'JURKAT' is not a list; write [JURKAT]"),
        (wrong(None, "targets", [""]), "targets.0: '' is not allowed (use letters, digits and ._+-"),
        (wrong(None, "seeds", [1, 1]), "seeds names the same value twice"),
    ],
)
def test_wrong_settings_are_named(tmp_path, change, message):
    params = small_params()
    change(params)
    with pytest.raises(SettingsError) as error:
        settings_of(tmp_path, params)
    assert str(error.value).startswith(f"{tmp_path / 'params.yaml'}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        (None, "raw", 3, "raw: 3 is not allowed (it must be a section with keys of its own)"),
        (None, "raw", None, "raw: an empty value is not allowed (it must not be empty)"),
        (None, "predictors", {"mlp": 1}, "predictors.mlp: 1 is not allowed (it must be a section with keys"),
        (None, "targets", [], "targets: [] is not allowed (it must have at least 1 of them)"),
        (None, "seeds", [1.5], "seeds.0: 1.5 is not allowed (it must be a whole number)"),
        (None, "seeds", [-1], "seeds.0: -1 is not allowed (it must be at least 0)"),
        (None, "seeds", 3, "seeds: 3 is not a list; write [3]"),
        (None, "predictor", ["a"], "predictor: ['a'] is not allowed (it must be a text)"),
        ("curate", "dose_um", [1], "curate.dose_um: [1] is not allowed (it must be a number)"),
        ("curate", "dose_um", 0, "curate.dose_um: 0 is not allowed (it must be more than 0)"),
        ("curate", "quality", "x", "curate.quality: 'x' is not allowed (it must be 'gold' or 'any')"),
        ("split", "test_fraction", 1, "split.test_fraction: 1 is not allowed (it must be less than 1)"),
        (
            "finetune",
            "whole_pool",
            "maybe",
            "finetune.whole_pool: 'maybe' is not allowed (it must be true or fal",
        ),
        (
            "predict",
            "library",
            {},
            "predict.library: {} is not allowed (it must be the name of a file or folder)",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_our_words(tmp_path, section, key, value, told):
    params = small_params()
    wrong(section, key, value)(params)
    with pytest.raises(SettingsError) as error:
        settings_of(tmp_path, params)
    assert str(error.value).startswith(f"{tmp_path / 'params.yaml'}: {told}")


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("5637", "a number"),
        ("0042", "a number"),
        ("1.5e+3", "a number"),
        ("697_1", "a number"),
        ("NO", "true or false"),
        ("off", "true or false"),
        ("2020-05-01", "a date"),
        ("Null", "nothing"),
    ],
)
@pytest.mark.parametrize("key", ["targets", "pretrain.leave_out", "compare"])
def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(tmp_path, key, written, kind):
    params = small_params()
    section = params["pretrain"] if key.startswith("pretrain.") else params
    section[key.rpartition(".")[2]] = ["SIM-T1", "a-name"]
    write_params(tmp_path, params)
    path = tmp_path / "params.yaml"
    text = path.read_text()
    path.write_text(text.replace("a-name", written))
    with pytest.raises(SettingsError) as error:
        read_settings(path)
    told = f"{key}.1: {written} is read as {kind}, not as a name; put it in quotes: '{written}'"
    assert str(error.value) == f"{path}: {told}"
    path.write_text(text.replace("a-name", f"'{written}'"))
    read = read_settings(path)
    assert read.seeds == tuple(params["seeds"])
    assert written in {"targets": read.targets, "compare": read.compare}.get(key, read.pretrain.leave_out)


@pytest.mark.parametrize("text", ["", "- 1", "a: [1", "a: b: c"])
def test_files_that_are_no_settings(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"params\.yaml: (line 1 is not YAML|expected keys)"):
        read_settings(tmp_path / "params.yaml")


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(RawDataError, match=r"params\.yaml: no such file; .*--params"):
        read_settings(tmp_path / "params.yaml")


def test_small_params_differ_from_the_shipped_ones_in_values_only():
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert small_params().keys() == shipped.keys()


def test_a_common_list_needs_every_target_left_out_of_pretraining(tmp_path):
    params = small_params()
    params["targets"] = ["SIM-T1", "SIM-T2"]
    params["select"]["scenario"] = "common"
    params["pretrain"]["leave_out"] = ["SIM-T1"]
    with pytest.raises(SettingsError, match=r"pretrain\.leave_out to \[SIM-T1, SIM-T2\]"):
        settings_of(tmp_path, params)
    params["pretrain"]["leave_out"] = ["SIM-T2", "SIM-S1", "SIM-T1"]
    assert settings_of(tmp_path, params).select.scenario == "common"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "inf", "nan"])
def test_a_number_that_is_not_finite_is_refused_however_it_is_given(value):
    with pytest.raises(SettingsError, match=r"^given: dose_um: .* is not allowed"):
        checked(small_params()["curate"] | {"dose_um": value}, Curate, "given")


def test_a_long_value_is_shortened(tmp_path):
    params = small_params()
    params["curate"]["quality"] = "\u202e" + "x" * 10_000
    write_params(tmp_path, params)
    with pytest.raises(SettingsError, match=r"curate\.quality: '.*xxx\.\.\. is not allowed") as error:
        read_settings(tmp_path / "params.yaml")
    assert len(str(error.value)) < 500
