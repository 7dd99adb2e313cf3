"""docs/architecture.md tells what the code really is."""

import ast
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


MODULES = sorted((ROOT / "src").rglob("*.py"))


def test_every_module_says_its_job_in_its_first_line():
    for path in MODULES:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert re.fullmatch(r'""".+\.("""| *)', first), (path.name, first)


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators and docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    first = function.body[0]
    assert first.end_lineno is not None
    return lines - (first.end_lineno - first.lineno + 1)


def test_no_function_has_more_than_fifty_lines_of_code():
    long = [
        (path.name, node.name, code_lines(node))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > 50
    ]
    assert long == []


def test_stages_load_call_and_save():
    for path in (ROOT / "src/anchordrug/stages").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 100, path.name


def test_predictors_are_told_apart_in_their_own_room_alone():
    """A predictor's abilities are asked for through its contract."""
    kinds = re.compile(r"isinstance\([^()]*\b(?!Onnx)\w*(Predictor|Fitted|Network)\b")
    for path in MODULES:
        if "predictors" not in path.parts:
            assert not kinds.search(path.read_text(encoding="utf-8")), path
