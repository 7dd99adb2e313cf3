"""docs/architecture.md tells what the code really is."""

import re

from docs.draw_architecture import PICTURE, imports, picture
from tests.conftest import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_diagram_shows_the_real_imports():
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run python docs/draw_architecture.py"
    assert f"({PICTURE.relative_to(ROOT / 'docs')})" in PAGE


def test_the_table_of_layers_names_every_module():
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| "))
    for name in imports().nodes:
        assert f"`{name}`" in table, name


def test_every_module_says_its_job_in_its_first_line_and_is_no_longer_than_400():
    for path in (ROOT / "src").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r'""".+\.("""| *)', lines[0]), (path.name, lines[0])
        assert len(lines) <= 400, path.name
