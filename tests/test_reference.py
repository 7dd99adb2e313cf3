"""The reference pages are what the code says."""

import re

import pytest

import anchordrug
from docs.reference import make
from docs.reference.docstrings import described
from tests.conftest import ROOT

PAGES = {"cli.md": make.cli_page, "params.md": make.params_page, "python.md": make.python_page}


@pytest.mark.parametrize(("page", "made"), PAGES.items(), ids=PAGES)
def test_a_page_is_what_the_code_makes(page, made):
    text = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert text == made(), "run python -m docs.reference.make"


def test_the_reference_of_python_has_every_public_name_and_contract():
    text = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^###+ (\S+)$", text, re.M))
    assert set(anchordrug.__all__) - {"__version__"} <= headings
    for name in (
        *("Predictor.pretrain", "Predictor.fit", "Fitted.to_graph", "State.save", "Task.of_measured_drugs"),
        *(
            "PoolView",
            "Selection",
            "Format",
            "AssayFile.sheet",
            "TableWriter.write_table",
            "Registry.register",
        ),
    ):
        assert name in headings
    # Shapes, units and errors are lists, and no mark of numpy's style is left.
    assert "**Parameters**\n\n- `" in text
    assert "**Raises**\n\n- `" in text
    assert not re.search(r"^-{3,}$", text, re.M)


def test_a_docstring_becomes_markdown():
    def shift(z, by=1.5, *, names: dict[str, tuple[int, ...]] | None = None, more: list[str] | None = None):
        """Return z [drugs, genes] moved by `by` *stars*.

        Parameters
        ----------
        z
            float32 [drugs, genes],
            NaN where nothing was measured.
        by, names
            As `dict[str]`.

        Returns
        -------
        numpy.ndarray

        Raises
        ------
        ValueError
            Never.
        """

    assert described("shift", shift, 3).splitlines() == [
        "### shift",
        "",
        "```python",
        "def shift(",
        "    z,",
        "    by=1.5,",
        "    *,",
        "    names: dict[str, tuple[int, ...]] | None=None,",
        "    more: list[str] | None=None,",
        ")",
        "```",
        "",
        r"Return z \[drugs, genes\] moved by `by` \*stars\*.",
        "",
        "**Parameters**",
        "",
        r"- `z`: float32 \[drugs, genes\], NaN where nothing was measured.",
        "- `by, names`: As `dict[str]`.",
        "",
        "**Returns**",
        "",
        "- numpy.ndarray",
        "",
        "**Raises**",
        "",
        "- `ValueError`: Never.",
    ]
