"""What is filled in for a campaign: each field is checked where it is, by the rules of campaign.yaml."""

import json
from pathlib import Path

import pytest
import yaml

from anchordrug.app.change_section import changed, form_of
from anchordrug.app.form import correct_first
from anchordrug.app.place import Place
from anchordrug.app.plan import DEFAULTS, Known, faults, order
from anchordrug.app.words import FIELDS
from anchordrug.bench.settings import CampaignSettings, write_campaign
from anchordrug.errors import SettingsError
from anchordrug.settings import problems

KNOWN = Known([f"D{number:02d}" for number in range(60)], costs=False, stocks=False, dose_um=10.0)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, {}),
        ({"budget": -1}, {"budget": "must be at least 1"}),
        ({"budget": 0}, {"budget": "must be at least 1"}),
        ({"budget": 2.5}, {"budget": "must be a whole number"}),
        ({"budget": None}, {"budget": "must not be empty"}),
        ({"budget": 61}, {"budget": "must be at most 60: so many compounds can be used"}),
        ({"rounds": 1e6}, {"rounds": "1000000 rounds for a budget of 30 drugs; ask for fewer rounds"}),
        ({"dose_um": 0}, {"dose_um": "must be more than 0"}),
        ({"dose_um": -3, "controls": -1}, dict.fromkeys(("dose_um", "controls"), "must be")),
        ({"dose_um": 1e-9}, {"dose_um": "needs 5e-09 nL"}),
        ({"stock_mm": 0.001}, {"stock_mm": "more than the well holds; correct 'Stock' (mM), 'Dose' (uM)"}),
        ({"dmso_percent_max": 0.01}, {"stock_mm": "more than 'DMSO limit'"}),
        ({"dead_volume_ul": 60}, {"dead_volume_ul": "'Dead volume' (60 uL) leaves nothing"}),
        ({"controls": 90}, {"controls": "90 leave no well for drugs"}),
        ({"wells": 97}, {"wells": "must be 96 or 384"}),
        ({"include": "D01, D99", "exclude": "D01"}, {"include": "'D99' is not", "exclude": "'D01'"}),
        ({"cost": 100}, {"cost": "no compound has a cost"}),
        ({"seed": -1}, {"seed": "must be at least 0"}),
    ],
)
def test_each_field_says_what_is_wrong_with_it(form, said):
    found = faults(form, KNOWN)
    assert found.keys() == said.keys()
    for name, part in said.items():
        assert part in found[name]
        assert "command line" not in found[name]
        assert "plates." not in found[name]


def test_stocks_of_the_library_are_judged_later():
    own = Known(KNOWN.ids, costs=True, stocks=True, dose_um=10.0)
    assert faults({"stock_mm": 0.001, "cost": 100}, own) == {}


def test_the_button_tells_what_to_correct():
    assert correct_first({}) == ""
    assert correct_first({"dose_um": "must be more than 0", "rounds": "x"}) == "First correct: Dose, Rounds."


def test_every_setting_of_plates_and_constraints_has_a_field():
    keys = {key for key, _ in FIELDS.values()}
    for section in ("plates", "constraints"):
        model = CampaignSettings.model_fields[section].annotation
        assert {f"{section}.{name}" for name in model.model_fields} <= keys
    assert FIELDS.keys() < DEFAULTS.keys()


def test_problems_are_those_that_a_campaign_is_refused_by():
    found = problems({"budget": 0}, CampaignSettings)
    assert found["budget"] == "must be at least 1"
    assert found["plates"] == "is not allowed"


def campaign_at(path: Path) -> CampaignSettings:
    """Write a campaign of usual settings; return them."""
    plates = {name: DEFAULTS[name] for name in ("wells", "replicates", "controls", "use_edge", "stock_mm")}
    plates |= {"well_volume_ul": 50, "concentration_um": 10.0}
    limits = dict.fromkeys(("cost", "per_mechanism", "per_scaffold"))
    campaign = CampaignSettings.model_validate(
        {
            **{"targets": ["A"], "budget": 30, "rounds": 3, "seed": 0, "strategy": "random"},
            **{"stop_below": 0.005, "rehearsal": False, "plates": plates},
            "constraints": {"include": ["D01"], "exclude": [], **limits},
        }
    )
    write_campaign(campaign, path)
    return campaign


def test_only_what_was_changed_is_written_otherwise(tmp_path):
    before = campaign_at(tmp_path / "before.yaml")
    form = form_of(before)
    assert form["include"] == "D01"
    assert changed(before, form) == before
    write_campaign(changed(before, form | {"dead_volume_ul": 10.0, "include": ""}), tmp_path / "after.yaml")
    lines = {
        name: set((tmp_path / f"{name}.yaml").read_text(encoding="utf-8").splitlines())
        for name in ("before", "after")
    }
    assert lines["after"] - lines["before"] == {"  include: []", "  dead_volume_ul: 10.0"}
    with pytest.raises(SettingsError, match="rounds"):
        changed(before, form | {"rounds": 31})
    assert yaml.safe_load((tmp_path / "after.yaml").read_text())["plates"]["time_h"] is None


def test_an_order_has_what_is_not_usual(tmp_path):
    place = Place("one", tmp_path / "one", tmp_path)
    asked = order(place, {"well_volume_ul": 50.0, "dmso_percent_max": 0.2, "budget": 12.0, "target": " A "})
    assert asked["plates"] == {"dmso_percent_max": 0.2}
    assert (asked["budget"], asked["target"]) == (12, "A")
    json.dumps(asked)
