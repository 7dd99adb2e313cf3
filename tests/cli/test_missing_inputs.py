"""The commands of the README, each without what it reads: a line that says so, and nothing changed."""

import hashlib
import re
import shlex

import pytest

from anchordrug.errors import AnchorDrugError
from tests.conftest import ROOT, copied, run_cli
from tests.documents import commands

COMMANDS = [
    command
    for command in commands(ROOT / "README.md")
    if command.startswith("anchordrug ") and command != "anchordrug doctor"
]


def contents(folder):
    """Return the digest of every file of a project but its locks."""
    return {
        path: hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file() and ".anchordrug" not in path.parts and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def without_models(project, tmp_path_factory):
    """A project without exported models, compounds, expression and results."""
    folder = copied(project, tmp_path_factory.mktemp("missing"))
    for model in (folder / "models/onnx").iterdir():
        model.unlink()
    return folder


def test_the_readme_has_such_commands():
    assert {command.split()[1] for command in COMMANDS} >= {"campaign", "predict", "rank", "inspect"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_its_input_changes_nothing(without_models, monkeypatch, command):
    monkeypatch.chdir(without_models)
    before = contents(without_models)
    result = run_cli(*shlex.split(command)[1:], folder=without_models)
    assert isinstance(result.exception, AnchorDrugError), result.output
    assert re.search("no such (file|model)|no campaign there", str(result.exception))
    assert contents(without_models) == before
