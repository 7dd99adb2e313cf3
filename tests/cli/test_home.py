"""A home that cannot be written to, as in containers and batch systems."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import copied

DRAWING = "from anchordrug.cli import main; main()"
IMPORTING = """
from anchordrug.cli.home import give_matplotlib_a_home
give_matplotlib_a_home()
import matplotlib
print(matplotlib.get_cachedir(), matplotlib.get_configdir())
"""


def ended(tmp_path: Path, script: str, *words: object, **environment: str) -> subprocess.CompletedProcess:
    """Run a script whose temporary files are in an empty folder, and check that it leaves none."""
    (tmp_path / "tmp").mkdir()
    given = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        env={**given, "TMPDIR": str(tmp_path / "tmp"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    return done


def test_figures_are_drawn_without_a_home_and_without_a_word_on_it(project, tmp_path):
    folder = copied(project, tmp_path / "project")
    page = folder / "metrics/report.html"
    page.unlink()
    # Root may write everywhere but there.
    done = ended(tmp_path, DRAWING, "--project", folder, "report", HOME="/dev/null")
    assert "atplotlib" not in done.stderr
    assert page.exists()


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR"])
def test_other_folders_that_cannot_be_written_to_are_replaced(tmp_path, variable):
    done = ended(tmp_path, IMPORTING, **{variable: "/dev/null"})
    assert done.stderr == ""
    assert set(map(Path, done.stdout.split())).pop().parent == tmp_path / "tmp"


def test_a_home_that_can_be_written_to_stays(tmp_path):
    (tmp_path / "home").mkdir()
    home = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    done = ended(tmp_path, IMPORTING, **home)
    assert all(Path(folder).is_relative_to(tmp_path / "home") for folder in done.stdout.split())
