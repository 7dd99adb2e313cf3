"""Fixtures of plates and packs: their pages are drawn."""

import pytest


@pytest.fixture(autouse=True)
def _blank_pages() -> None:
    """Draw the pages of packs; other tests of the bench do not."""
