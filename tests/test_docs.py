"""What the documents say must be so."""

from anchordrug.acquisition import strategies
from tests.conftest import ROOT

STRATEGIES = ROOT / "docs/strategies"


def test_every_strategy_has_a_page_that_tells_its_principle_formula_cost_and_source():
    index = (STRATEGIES / "README.md").read_text(encoding="utf-8")
    pages = set()
    for name in strategies():
        page = f"{name.removesuffix('_points')}.md"
        text = (STRATEGIES / page).read_text(encoding="utf-8")
        assert f"`{name}`" in index
        assert name in text.splitlines()[0]
        for part in ("Principle", "Formula", "Cost", "Source"):
            assert f"**{part}.**" in text, (page, part)
        assert f"({page})" in index
        pages.add(page)
    assert {path.name for path in STRATEGIES.glob("*.md")} == pages | {"README.md"}
