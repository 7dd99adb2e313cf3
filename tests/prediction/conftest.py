"""Fixtures of predictions: commands that read structures in a thread."""

import pytest


@pytest.fixture(autouse=True)
def _structures(worker_threads: None) -> None:
    """Start no process for structures, except where a module has its own `_structures`."""
