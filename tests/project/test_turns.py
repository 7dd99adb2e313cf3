"""Commands of a project at the same time: nothing is read while another writes it, and the rest may run."""

import multiprocessing
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import anchordrug
from anchordrug.errors import SettingsError
from anchordrug.files import lock
from anchordrug.project import turns
from tests.conftest import ROOT, project_at, run_cli, small_params, write_params
from tests.processes import MOST_SECONDS

SEVERAL = {"targets": ["SIM-T1", "SIM-T2"], "seeds": [0, 1]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_params(tmp_path, small_params() | SEVERAL)
    return tmp_path


def hold(home: Path, held, words: tuple) -> None:
    """Run in a process of its own: a stage that does not end."""
    with turns.alone(project_at(home), *words):
        held.set()
        signal.pause()


@contextmanager
def running(home: Path, *words: object):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=hold, args=(home, held, words), daemon=True)
    process.start()
    assert held.wait(MOST_SECONDS)
    yield
    process.kill()
    process.join()


def is_refused(home: Path, *words: object) -> bool:
    told = ""
    try:
        with turns.alone(project_at(home), *words):
            pass
    except SettingsError as error:
        told = str(error)
    assert not told or "another anchordrug command works in it" in told
    return bool(told)


def test_stages_read_what_dvc_says():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    made = {
        next(iter(out)) if isinstance(out, dict) else out: name
        for name, s in stages.items()
        for out in s["outs"]
    }

    def reads(dependency: str) -> set[str]:
        # The first target and seed stand for all.
        path = dependency.replace("${seeds[0]}", "${item.seed}")
        return {
            name
            for out, name in made.items()
            if f"{path}/".startswith(f"{out}/") or out.startswith(f"{path}/")
        }

    for name, stage in stages.items():
        if name in turns.READS:
            needed = set().union(*map(reads, stage["deps"])) - {name}
            assert needed == set(turns.READS[name]), name


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (("grow",), ("pretrain", "SIM-T1"), True),
        (("pretrain", "SIM-T1"), ("grow",), True),
        (("pretrain", "SIM-T1"), ("pretrain", "SIM-T2"), False),
        (("pretrain", "SIM-T1"), ("select", "SIM-T2", 0), False),
        (("select", "SIM-T1", 0), ("finetune", "SIM-T1", 0), True),
        (("select", "SIM-T1", 0), ("finetune", "SIM-T1", 1), False),
        (("select", "SIM-T2", 1), ("summarise",), True),
        (("compare", "SIM-T1", 0), ("finetune", "SIM-T1", 0), False),
        (("split",), ("featurize",), False),
    ],
)
def test_what_runs_at_the_same_time(home, first, second, refused):
    with running(home, *first):
        assert is_refused(home, *second) == refused
    assert not is_refused(home, *second)


@pytest.mark.parametrize("words", [["next", "c"], ["finish", "c"], ["rehearse", "c", "--out", "a.csv"]])
def test_a_campaign_does_not_read_an_atlas_that_grows(home, words):
    with running(home, "grow"):
        result = run_cli("campaign", *words, folder=home)
    assert "another anchordrug command works in it" in str(result.exception)


@pytest.mark.parametrize("stage", ["curate", "grow", "featurize"])
def test_python_does_not_read_tables_that_are_written(home, stage):
    """It would join tables of before with tables of after."""
    with running(home, stage), pytest.raises(SettingsError, match="another anchordrug command works in it"):
        anchordrug.open_project(home)


def test_additions_are_not_listed_while_they_change(home):
    with lock.locked(home / ".anchordrug/additions"):
        assert "another anchordrug command works in it" in str(
            run_cli("atlas", "list", folder=home).exception
        )


def test_who_may_not_write_reads_without_a_lock(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with lock.reading(tmp_path / "locks/grow"):
        pass
