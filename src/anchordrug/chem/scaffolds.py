"""deepchem's scaffold splitter, behind the one function we use of it."""

import contextlib
import io
import logging
import warnings

import numpy as np


def scaffold_order(smiles: list[str]) -> np.ndarray:
    """Return positions of `smiles` ordered by deepchem's ScaffoldSplitter, int64 [drugs].

    Drugs of one Bemis-Murcko scaffold stand together, large scaffolds first: the tail of the order
    holds scaffolds that the head does not.
    """
    # deepchem prints some eighteen lines about optional packages when imported.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _no_logging():
        from deepchem.data import NumpyDataset
        from deepchem.splits import ScaffoldSplitter

        dataset = NumpyDataset(np.zeros((len(smiles), 1)), ids=np.array(smiles, dtype=object))
        groups = ScaffoldSplitter().generate_scaffolds(dataset)
    return np.array([position for group in groups for position in group], dtype=np.int64)


@contextlib.contextmanager
def _no_logging():
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
