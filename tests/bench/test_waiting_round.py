"""A round that waits: edits that it follows, and those that it does not."""

import json
import re
import shutil

import pandas as pd
import pytest
import yaml

from anchordrug.errors import AnchorDrugError
from tests.bench.conftest import must
from tests.conftest import run_cli


@pytest.fixture
def here(played, monkeypatch):
    """A campaign whose round 1 waits; texts are so wide that no line is broken."""
    monkeypatch.setenv("COLUMNS", "600")
    return played


def edit(campaign, section, **values):
    path = campaign / "campaign.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content[section] |= values
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def said_by(campaign, command, *options):
    """Return what a command says, without the folder."""
    output = must("campaign", command, campaign, *options, folder=campaign.parent).output
    return output.replace(f"{campaign.parent}/", "")


def status_of(campaign):
    """Return the notes of status, which are the same for a program and on the screen."""
    notes = json.loads(said_by(campaign, "status", "--json"))["notes"]
    screen = re.sub(r"[\s│]+", " ", said_by(campaign, "status"))
    assert all(note in screen for note in notes)
    return notes


def test_next_and_status_name_the_edits_that_a_waiting_round_does_not_follow(here):
    assert status_of(here) == []
    edit(here, "plates", wells=384, replicates=5)
    edit(here, "constraints", exclude=["SIM-D0001"])
    told = (
        "campaign.yaml: edited since round 1 was laid out. The round keeps its settings; these count from "
        "the next round on: constraints.exclude ([] -> [SIM-D0001]), plates.wells (96 -> 384), "
        "plates.replicates (3 -> 5). To have them now, if nothing is pipetted yet: delete campaign/rounds/01 "
        "and run 'anchordrug campaign next campaign'"
    )
    said = said_by(here, "next")
    assert told in said.splitlines()
    assert "renewed" not in said
    assert status_of(here) == [told]


def test_the_plate_map_says_dose_and_wells_whatever_the_settings_say(here):
    plate_map = here / "rounds/01/plate_map.csv"
    text = plate_map.read_text(encoding="utf-8")
    table = pd.read_csv(plate_map)
    gone, fewer = pd.read_csv(here / "rounds/01/selection.csv")["drug_id"][:2]
    lost = (table["drug_id"] == gone) | ((table["drug_id"] == fewer) & (table["replicate"] == 1))
    edited = table[~lost].replace({"concentration": {10.0: 1.0}})
    edited.to_csv(plate_map, index=False)
    older = "pick list and pack are older than the plate map or the settings; run 'anchordrug campaign next"
    assert status_of(here) == [f"{older} campaign'"]
    counts = "the plate map counts, edit it to change the dose of this round"
    told = [
        f"dose: plate_map.csv has 1 uM, campaign.yaml has 10 uM; {counts}",
        "dose and time: drugs are at 1 uM and 24 h, but ",
        f"plate_map.csv: no well of {gone}; the round will have no result of it",
        f"plate_map.csv: fewer wells than the 3 laid out: {fewer} (2)",
    ]
    lines = said_by(here, "next").splitlines()
    for note in (lines[1:5], status_of(here)):
        assert [line[: len(start)] for line, start in zip(note, told, strict=True)] == told
    # The settings alone change no dose.
    plate_map.write_text(text, encoding="utf-8")
    edit(here, "plates", concentration_um=1)
    said_by(here, "next")
    assert status_of(here) == [f"dose: plate_map.csv has 10 uM, campaign.yaml has 1 uM; {counts}"]


def test_a_round_that_is_deleted_is_laid_out_anew(here):
    edit(here, "plates", replicates=2)
    shutil.rmtree(here / "rounds/01")
    assert "edited since" not in said_by(here, "next")
    treated = pd.read_csv(here / "rounds/01/plate_map.csv").query("pert_type == 'trt'")
    assert set(treated["drug_id"].value_counts()) == {2}


def write(campaign, **values):
    """Change keys of campaign.yaml that are in no section."""
    path = campaign / "campaign.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(content | values), encoding="utf-8")


def refused(campaign, command, *options):
    """Return the error that a command ends with, without the folder."""
    result = run_cli("campaign", command, campaign, *options, folder=campaign.parent)
    assert isinstance(result.exception, AnchorDrugError), (command, result.output, result.exception)
    return str(result.exception).replace(f"{campaign.parent}/", "")


WRONG = {
    "strategy": (lambda c: write(c, strategy="foo"), "strategy: 'foo' is unknown"),
    "include": (
        lambda c: edit(c, "constraints", include=["SIM-D00O1"]),
        "constraints.include: 'SIM-D00O1' is not a drug_id of library.csv; did you mean",
    ),
    "controls": (
        lambda c: edit(c, "plates", controls=60),
        "plates.controls: 60 leave no well for drugs: 60 of the 96 wells of a plate are usable; ask for",
    ),
    "dmso": (
        lambda c: edit(c, "plates", dmso_percent_max=0.01),
        "plates: 10 uM in 50 uL from a stock of 10 mM brings 0.1% of DMSO, more than plates.dmso_percent_max",
    ),
    "budget": (
        lambda c: write(c, budget=3),
        "budget: 3 is less than the 6 drugs measured or laid out so far; write 6 or more, or end with",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_setting_that_the_next_round_could_not_use_is_refused_at_once_and_status_says_so(here, wrong):
    change, told = WRONG[wrong]
    change(here)
    error = refused(here, "next")
    assert error.startswith(f"campaign/campaign.yaml: {told}")
    assert status_of(here) == [f"the next step is refused: {error}"]


def test_a_budget_of_the_drugs_that_are_laid_out_ends_the_campaign_with_this_round(here):
    write(here, budget=6)
    assert "round 1 waits for its results" in said_by(here, "next")


@pytest.mark.parametrize(
    ("key", "value", "before"),
    [
        ("targets", ["SIM-T2"], "[SIM-T1]"),
        ("targets", ["SIM-T1", "SIM-T2"], "[SIM-T1]"),
        ("rehearsal", False, "true"),
    ],
)
def test_cell_lines_and_rehearsal_stay_as_the_campaign_was_made(here, waiting, key, value, before):
    write(here, **{key: value})
    now = "false" if value is False else f"[{', '.join(value)}]"
    for command in (["next"], ["status"], ["ingest", waiting / "counts.csv", "--yes"], ["finish"]):
        assert refused(here, *command) == (
            f"campaign/campaign.yaml: {key}: {now} differs from the value that the campaign was "
            f"made with; write {key}: "
            f"{before} again, or make another campaign with 'anchordrug campaign new'"
        )


def test_plates_without_dmso_are_warned_of_before_they_are_laid_out(here):
    edit(here, "plates", controls=0)
    told = (
        "campaign.yaml: plates.controls: 0 leaves the next plates without DMSO, and counts without controls "
        "are refused; set it to 1 or more"
    )
    assert told in said_by(here, "next").splitlines()
    assert told in status_of(here)


def test_status_says_that_next_refuses_a_plate_map_with_its_own_words(here):
    plate_map = here / "rounds/01/plate_map.csv"
    table = pd.read_csv(plate_map)
    well = table.index[table["pert_type"] == "trt"][0]
    drug = table.at[well, "drug_id"]
    table.at[well, "concentration"] = 5.0
    table.to_csv(plate_map, index=False)
    error = refused(here, "next")
    assert f"plate_map.csv: drug '{drug}' in SIM-T1 has wells at 5, 10 uM" in error
    assert status_of(here) == [f"the next step is refused: {error}"]
    table.loc[table["drug_id"] == drug, "concentration"] = 100.0
    table.to_csv(plate_map, index=False)
    error = refused(here, "next")
    assert error.startswith(
        f"campaign/rounds/01/plate_map.csv: drug '{drug}': 100 uM in 50 uL from a stock of"
    )
    assert error.endswith("(plates of campaign/campaign.yaml)")
    assert status_of(here) == [f"the next step is refused: {error}"]
