"""The reference pages are what the code says."""

import pytest

from docs.reference import make
from tests.conftest import ROOT


@pytest.mark.parametrize(("page", "made"), [("cli.md", make.cli_page), ("params.md", make.params_page)])
def test_a_page_is_what_the_code_makes(page, made):
    text = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert text == made(), "run python docs/reference/make.py"
