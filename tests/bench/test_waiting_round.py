"""A round that waits: edits that it follows, and those that it does not."""

import json
import re
import shutil

import pandas as pd
import pytest
import yaml

from tests.bench.conftest import must


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
