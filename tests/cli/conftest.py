"""Fixtures of the command line: commands in this process read structures in a thread."""

import pytest


@pytest.fixture(autouse=True)
def _structures(worker_threads: None) -> None:
    """Start no process for structures."""
