"""Which code a stage reaches, on a small package with every kind of use, and how dvc.yaml names it."""

from pathlib import Path

import pytest

from scripts.dvc_dependencies import CodeGraph, DependencyError, lines_for

HOUSE = {
    "__init__.py": '"""House."""\nVERSION = "1"\nROOMS = {"Roof": "tinyhouse.roof"}\n\n\n'
    "def __getattr__(name):\n    from importlib import import_module\n\n"
    "    return import_module(ROOMS[name])\n",
    "roof.py": "SLATE = 1\n",
    "plain/__init__.py": '"""Plain imports."""\n',
    "plain/top.py": "from typing import TYPE_CHECKING\nfrom tinyhouse.plain import below\n"
    "if TYPE_CHECKING:\n    from tinyhouse.plain import for_checkers\n\n\n"
    "def run():\n    from tinyhouse.plain import inside\n    return inside, below\n",
    "plain/below.py": "import tinyhouse\n\nV = tinyhouse.VERSION\n",
    "plain/inside.py": "X = 1\n",
    "plain/for_checkers.py": "X = 1\n",
    "plain/alone.py": '"""Tells of tinyhouse.roof in its docstring alone."""\nX = 1\n',
    "by_name/__init__.py": "",
    "by_name/imported.py": "from importlib import import_module\n\n"
    'X = import_module("tinyhouse.by_name.a")\n',
    "by_name/process.py": 'import sys\n\nCOMMAND = [sys.executable, "-m", "tinyhouse.by_name.a"]\n',
    "by_name/script.py": 'from pathlib import Path\n\nX = Path(__file__).with_name("a.py")\n',
    "by_name/place.py": "from importlib import import_module\n\n\n"
    'def later(place):\n    return import_module(place.partition(":")[0])\n',
    "by_name/placed.py": 'from tinyhouse.by_name.place import later\n\nX = later("tinyhouse.by_name.a:X")\n',
    "by_name/a.py": "X = 1\n",
    "registry.py": "from importlib import import_module\nfrom pkgutil import iter_modules\n\n\n"
    "class Registry:\n    def __init__(self, noun, package):\n        self.package = package\n\n"
    "    def load(self):\n        package = import_module(self.package)\n"
    "        for module in iter_modules(package.__path__):\n"
    '            import_module(f"{self.package}.{module.name}")\n',
    "things/__init__.py": '"""Things."""\n',
    "things/shelf.py": "from tinyhouse.registry import Registry\n\n"
    'SHELF = Registry[int]("thing", package="tinyhouse.things")\n',
    "things/cup.py": "X = 1\n",
    "things/box/__init__.py": "from tinyhouse.things.box import content\n",
    "things/box/content.py": "X = 1\n",
    "all/__init__.py": "from importlib import import_module\nfrom pkgutil import iter_modules\n\n"
    'for _module in iter_modules(__path__):\n    import_module(f"{__name__}.{_module.name}")\n',
    "all/first.py": "X = 1\n",
    "all/second.py": "X = 1\n",
    "data/__init__.py": "",
    "data/reader.py": 'PAGE = "page.html"\n',
    "data/other.py": "X = 1\n",
    "data/page.html": '{% extends "base.html" %}',
    "data/base.html": "<html>",
    "read/__init__.py": "",
    "read/all.py": "X = 1\n",
    "read/numbers.csv": "1",
}


def build(folder: Path, files: dict[str, str], monkeypatch) -> CodeGraph:
    for name, text in files.items():
        path = folder / "tinyhouse" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return CodeGraph(folder / "tinyhouse")


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("plain.top", {"plain/top.py", "plain/below.py", "plain/inside.py"}),
        ("plain.alone", {"plain/alone.py"}),
        ("by_name.imported", {"by_name/imported.py", "by_name/a.py"}),
        ("by_name.process", {"by_name/process.py", "by_name/a.py"}),
        ("by_name.script", {"by_name/script.py", "by_name/a.py"}),
        ("by_name.placed", {"by_name/placed.py", "by_name/place.py", "by_name/a.py"}),
        (
            "things.shelf",
            {
                *("registry.py", "things/shelf.py", "things/cup.py"),
                *("things/box/__init__.py", "things/box/content.py"),
            },
        ),
        ("things.box.content", {"things/box/__init__.py", "things/box/content.py"}),
        ("all.first", {"all/__init__.py", "all/first.py", "all/second.py"}),
        ("data.reader", {"data/reader.py", "data/page.html", "data/base.html"}),
        ("data.other", {"data/other.py"}),
        ("read.all", {"read/all.py", "read/numbers.csv"}),
    ],
)
def test_a_module_reaches_what_it_uses_in_any_way(module, expected, tmp_path, monkeypatch):
    reached = build(tmp_path, HOUSE, monkeypatch).reached_from(f"tinyhouse.{module}")
    assert {path.as_posix() for path in reached} == expected | {"__init__.py"}


def test_an_import_that_nobody_can_follow_is_an_error(tmp_path, monkeypatch):
    text = "from importlib import import_module\n\n\ndef load(name):\n    return import_module(name)\n"
    with pytest.raises(DependencyError, match=r"lost\.py, line 5: .*give its name as a string"):
        build(tmp_path, HOUSE | {"lost.py": text}, monkeypatch).reached_from("tinyhouse.lost")


def test_a_folder_is_named_where_most_of_it_is_reached():
    files = [Path(name) for name in ("top.py", "a/x.py", "a/y.py", "a/z.py", "b/x.py", "b/y.py", "c/x.py")]

    def named(*reached: str) -> list[str]:
        return lines_for([Path(name) for name in reached], files)

    assert named("a/x.py", "a/z.py", "b/y.py") == ["a", "b/y.py"]
    assert named("a/y.py", "top.py", "c/x.py") == ["a/y.py", "c/x.py", "top.py"]
    assert named(*(path.as_posix() for path in files)) == ["a", "b", "c/x.py", "top.py"]
