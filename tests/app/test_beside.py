"""What is kept next to a campaign: files under names that can do no harm, and what was filled in."""

import os
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.app.beside import (
    dropped,
    forget,
    read_form,
    read_seen,
    results_role,
    safe_name,
    state_of,
    write_form,
)
from anchordrug.app.place import Places
from anchordrug.app.start_page import new_campaign
from anchordrug.errors import SettingsError
from anchordrug.files.atomic import atomic_path
from anchordrug.files.lock import hold, locked
from anchordrug.files.tables import write_json


@pytest.mark.parametrize("name", ["counts-1.csv", "plate 1 (µM).tsv.gz", "Zählung.xlsx", "a+b=c.h5ad"])
def test_names_that_a_lab_gives_stay(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\counts.csv", "counts.csv"),
        (".partial-x.csv", "partial-x.csv"),
        ("..", "file"),
        ("", "file"),
        ("a\x00b\n\x1b[31m\u202ec.csv", "a_b__[31m_c.csv"),
        ("<img src=x>.csv", "_img src=x_.csv"),
    ],
)
def test_others_are_changed(name, kept):
    assert safe_name(name) == kept


@given(st.text(max_size=400))
def test_a_name_is_one_that_can_be_shown(name):
    kept = safe_name(name)
    assert PurePosixPath(kept).name == kept
    assert kept.isprintable()
    assert not kept.startswith(".")
    assert 0 < len(kept.encode()) <= 164
    assert safe_name(kept) == kept


def test_a_file_can_be_kept_under_the_longest_name(tmp_path):
    with atomic_path(tmp_path / "library" / safe_name("💊" * 300 + ".csv")) as temporary:
        temporary.write_text("x")
    (path,) = dropped(tmp_path, "library")
    assert path.suffix == ".csv"
    assert state_of(tmp_path, "library")[0][:2] == [path.name, 1]
    forget(tmp_path, "library")
    assert dropped(tmp_path, "library") == []


def test_a_damaged_form_is_an_empty_one(tmp_path):
    write_form(tmp_path, {"budget": 5})
    assert read_form(tmp_path) == {"budget": 5}
    (tmp_path / "form.json").write_text("{", encoding="utf-8")
    assert read_form(tmp_path) == {}


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x.app", "a\x00b", "a\u202eb"])
def test_a_campaign_has_a_name_that_is_a_folder(tmp_path, name):
    with pytest.raises(SettingsError, match="not a name for a folder"):
        Places(tmp_path, None).called(name)


def test_a_page_for_one_campaign_is_for_no_other(tmp_path):
    places = Places(tmp_path, tmp_path / "mine")
    assert places.called("mine").campaign == tmp_path / "mine"
    with pytest.raises(SettingsError, match="mine alone"):
        places.called("other")


def test_only_files_of_the_campaign_are_offered(tmp_path):
    place = Places(tmp_path, None).called("one")
    here = place.campaign / "rounds/01"
    here.mkdir(parents=True)
    (here / "selection.csv").write_text("x")
    (here / ".partial-x").write_text("x")
    (place.campaign / "model").mkdir()
    (place.campaign / "model/weights.safetensors").write_text("x")
    (here / "link.csv").symlink_to("/etc/hostname")
    assert list(place.offered()) == ["rounds/01/selection.csv"]


def test_results_of_a_round_have_a_place_of_their_own():
    assert [results_role(number) for number in (1, 12)] == ["results-01", "results-12"]


def test_a_campaign_begins_once(tmp_path):
    places = Places(tmp_path, None)
    assert new_campaign(places, " mine ") == "mine"
    (tmp_path / "campaigns/left").mkdir()
    for name, said in (("mine", "exists already; open it"), ("left", "exists already"), ("  ", "a name")):
        with pytest.raises(SettingsError, match=said):
            new_campaign(places, name)


def test_it_is_busy_while_a_command_holds_the_campaign(tmp_path):
    place = Places(tmp_path, None).called("one")
    assert place.busy() == ""
    with locked(place.campaign):
        assert "works in this campaign (" in place.busy()
        assert f"process {os.getpid()}" in place.busy()
    assert place.busy() == ""
    held = hold(place.beside)
    assert "run in progress" in place.busy()
    os.close(held)


def test_what_another_version_understood_is_read_again(tmp_path):
    assert read_seen(tmp_path) is None
    write_json({"target": "A"}, tmp_path / "seen.json")
    assert read_seen(tmp_path) is None
