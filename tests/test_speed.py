"""The table of speed: measured in a tiny size, put into its page, and compared with the shares kept."""

import json
import shutil
import sys

import pytest

from tests.conftest import ROOT
from tests.test_benchmarks import run


@pytest.fixture
def speed(monkeypatch):
    """The module of the table."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import speed_table

    yield speed_table
    del sys.modules["speed_table"]


def test_a_tiny_run_prints_each_way_beside_its_limit(tmp_path):
    page = tmp_path / "page.md"
    shutil.copy(ROOT / "docs/performance.md", page)
    ways = ("structures", "mlp")
    told = run("speed.py", "--tiny", "--page", page, "--kept", tmp_path / "kept.json", "--only", *ways)
    rows = [line.split(" | ") for line in told.splitlines()[2:]]
    assert [row[0].lstrip("| ").split(",")[0] for row in rows] == [
        "structures",
        "mlp",
    ]
    assert all(0 < float(row[-1].rstrip(" |")) < 2 for row in rows)
    # A part of the table takes the place of nothing.
    assert page.read_text(encoding="utf-8") == (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert not (tmp_path / "kept.json").exists()


def test_the_table_takes_its_place_and_a_fall_by_a_tenth_is_told(speed, tmp_path, capsys):
    figures = [
        speed.Figure(what, "drugs", rate, "bare", 1234567.0, rate / 1234567)
        for what, rate in (("fallen", 111111.0), ("like before", 120000.0), ("new", 1.0))
    ]
    page, kept = tmp_path / "page.md", tmp_path / "kept.json"
    page.write_text(f"Above.\n\n{speed.BEGIN}\nold\n{speed.END}\n\nBelow.\n", encoding="utf-8")
    kept.write_text(json.dumps({"fallen": 0.1, "like before": 0.1, "gone": 1}), encoding="utf-8")
    table = speed.told(figures, kept)
    said = capsys.readouterr()
    assert said.out == f"{table}\n"
    assert said.err == "warning: fallen: 0.09 of its limit, 0.10 before\n"
    assert "| fallen | 111,000 drugs | bare | 1,230,000 | 0.09 |" in table
    speed.write(figures, table, page, kept)
    text = page.read_text(encoding="utf-8")
    assert text == f"Above.\n\n{speed.BEGIN}\n\n{table}\n\n{speed.END}\n\nBelow.\n"
    assert json.loads(kept.read_text()) == {"fallen": 0.09, "like before": 0.097, "new": 0.0}


def test_a_page_without_its_marks_is_left_alone(speed, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"Above.\n\n{speed.BEGIN}\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"has no marks <!-- speed: begin --> and <!-- speed: end -->"):
        speed.write([], "| table |", page, tmp_path / "kept.json")
    assert page.read_text(encoding="utf-8") == f"Above.\n\n{speed.BEGIN}\n"


def test_the_page_shows_the_shares_that_are_kept(speed):
    _, _, rest = (ROOT / "docs/performance.md").read_text(encoding="utf-8").partition(speed.BEGIN)
    table, end, _ = rest.partition(speed.END)
    assert end
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    kept = json.loads((ROOT / "benchmarks/results/speed.json").read_text(encoding="utf-8"))
    assert {row[0]: row[-1] for row in rows} == {what: f"{share:.2f}" for what, share in kept.items()}
