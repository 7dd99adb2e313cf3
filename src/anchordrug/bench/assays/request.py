"""The drugs, wells and cell lines that an assay was asked for, and the atlas whose scale its results take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.line_names import match_lines, near_line


@dataclass(frozen=True)
class AssayRequest:
    """The drugs and wells that an assay was asked to measure.

    Attributes
    ----------
    plate_map
        schemas.PLATE_MAP.
    cell_lines
        Cell lines whose results are wanted.
    drug_ids
        Drugs whose results are wanted, in order.
    names
        drug_id by the other names of drugs, casefolded.
    source
        The file that lists the drugs, for errors.
    """

    plate_map: pd.DataFrame
    cell_lines: tuple[str, ...]
    drug_ids: Sequence[str]
    names: Mapping[str, str]
    source: Path

    @property
    def plates(self) -> list[str]:
        """Names of the plates, in order."""
        return self.plate_map["plate"].unique().tolist()

    def wells_of(self, cell_line: str) -> pd.DataFrame:
        """Return the rows of the plate map with this cell line."""
        return self.plate_map[self.plate_map["cell_line"] == cell_line]


@dataclass(frozen=True)
class Reference:
    """The atlas whose genes and scale results take.

    Attributes
    ----------
    genes
        One row per gene, in order: gene (symbol), gene_id (Entrez), ensembl_id; ids may be missing.
    drug_ids
        object [experiments]: the drug of each response, None if it is not asked for.
    z
        float [experiments, genes]: responses measured in other cell lines, NaN where a gene was not measured.
    """

    genes: pd.DataFrame
    drug_ids: np.ndarray
    z: np.ndarray

    @property
    def symbols(self) -> list[str]:
        """Symbols of the genes, in order."""
        return self.genes["gene"].tolist()

    def responses_to(self, drug_ids: Sequence[str], genes: Sequence[str]) -> np.ndarray:
        """Return the responses to these drugs on `genes`, or all responses if there are none to them."""
        z = self.z[:, pd.Index(self.genes["gene"]).get_indexer(pd.Index(genes))]
        own = pd.Series(self.drug_ids, dtype=object).isin(list(drug_ids)).to_numpy()
        return z[own] if own.any() else z


@dataclass(frozen=True)
class ResultFile:
    """A file or folder of results.

    Attributes
    ----------
    belongs_to
        The plate or cell line that it belongs to, None if the file names it.
    layer
        Which of its matrices is read, None to find out.
    """

    path: Path
    belongs_to: str | None = None
    layer: str | None = None


class BelongsError(AssayError):
    """A file that does not say, or of which it is wrongly said, to which plate or cell line it belongs."""


def belonging(file: ResultFile, plates: Sequence[str], cell_lines: Sequence[str]) -> ResultFile:
    """Return a file with the name of the plate or cell line, of those asked for, that it belongs to.

    Raises
    ------
    BelongsError
        It does not.
    """
    known = [*plates, *cell_lines]
    if file.belongs_to is None or file.belongs_to in known:
        return file
    match = match_lines([file.belongs_to], cell_lines)
    if not match.found:
        raise BelongsError(
            f"{file.path}: its plate or cell line is given as '{file.belongs_to}', which was not asked for"
            f"{near_line(file.belongs_to, known)}; name one of them: {shortlist(known)}"
        )
    return replace(file, belongs_to=match.found[file.belongs_to])
