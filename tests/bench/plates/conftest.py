"""Fixtures of plates and packs, which are drawn and filled."""

import pytest


@pytest.fixture(autouse=True)
def _undrawn() -> None:
    """Draw and fill packs; other tests of the bench do not."""
