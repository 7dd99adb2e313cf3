"""The response atlas: z-scores measured so far, drug x cell line x gene."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from anchordrug.errors import SettingsError, TableError, counted, shortlist
from anchordrug.raw.line_names import near_line

GENE_COLUMNS = ("gene", "gene_id", "ensembl_id")
EXPERIMENT_COLUMNS = ("replicates", "assay", "dose_um", "time_h", "origin")


@dataclass(frozen=True)
class ResponseAtlas:
    """One response per measured (drug, cell line).

    Attributes
    ----------
    z
        float32 [experiments, genes], NaN where a gene was not measured.
    drug, cell_line
        int64 [experiments]: rows of `drugs` and positions in `cell_lines`.
    drugs
        One row per drug: drug_id, inchikey, smiles, name, moa, ...
    cell_lines, genes
        Names, in the order of the feature blocks.
    gene_table
        One row per gene, in the order of `genes`: gene (symbol), gene_id (Entrez) and ensembl_id, missing
        where unknown. Without it, all ids are missing.
    experiments
        One row per experiment, in the order of `z`: replicates, assay, dose_um, time_h, and origin (the
        release's matrix, or the name of an addition). None if unknown.
    published
        Name, licence and url of the published data that the responses are from; empty if unknown.

    Raises
    ------
    TableError
        `gene_table` lacks a column, or its genes are not `genes`; `experiments` has another number of rows
        than `z`.
    """

    z: np.ndarray
    drug: np.ndarray
    cell_line: np.ndarray
    drugs: pd.DataFrame
    cell_lines: list[str]
    genes: list[str]
    gene_table: pd.DataFrame = field(default=None)  # type: ignore[assignment]  # __post_init__ makes one
    experiments: pd.DataFrame | None = None
    published: Sequence[Mapping[str, str | None]] = ()

    def __post_init__(self) -> None:
        if self.experiments is not None and len(self.experiments) != len(self.z):
            raise TableError(
                f"experiments: {counted(len(self.experiments), 'row')} for "
                f"{counted(len(self.z), 'response')}; give one row per response"
            )
        if self.gene_table is None:
            ids = pd.Series(None, index=range(len(self.genes)), dtype="str")
            table = pd.DataFrame({"gene": self.genes, "gene_id": ids, "ensembl_id": ids})
            object.__setattr__(self, "gene_table", table)
        else:
            _require_genes(self.gene_table, self.genes)

    def restricted_to(self, experiments: np.ndarray) -> "ResponseAtlas":
        """Return the atlas with only `experiments` (positions or mask); the index tables stay whole."""
        table = self.experiments
        return replace(
            self,
            z=self.z[experiments],
            drug=self.drug[experiments],
            cell_line=self.cell_line[experiments],
            experiments=None if table is None else table.iloc[experiments].reset_index(drop=True),
        )

    def of(self, cell_line: str) -> "ResponseAtlas":
        """Return the experiments of one cell line.

        Raises
        ------
        SettingsError
            The atlas has no cell line of this name.
        """
        return self.restricted_to(self.cell_line == self._position(cell_line))

    def without(self, cell_lines: Collection[str]) -> "ResponseAtlas":
        """Return the experiments of all other cell lines: the source cell lines of those targets.

        Raises
        ------
        SettingsError
            The atlas has no cell line of one of these names.
        """
        away = [self._position(name) for name in cell_lines]
        return self.restricted_to(~np.isin(self.cell_line, away))

    def _position(self, cell_line: str) -> int:
        if cell_line not in self.cell_lines:
            raise SettingsError(
                f"the atlas has no cell line '{cell_line}'{near_line(cell_line, self.cell_lines)} "
                f"(cell lines: {shortlist(self.cell_lines, 20)})"
            )
        return self.cell_lines.index(cell_line)

    def measured_lines(self) -> list[str]:
        """Return the names of the cell lines with at least one response, sorted."""
        return sorted(self.cell_lines[line] for line in np.unique(self.cell_line))

    def rows_of(self, drug_ids: Sequence[str]) -> np.ndarray:
        """Return int64 rows of the drug table of those of `drug_ids` that it holds, in their order."""
        row = pd.Index(self.drugs["drug_id"]).get_indexer(pd.Index(list(drug_ids)))
        return row[row >= 0].astype(np.int64)

    def measured_drugs(self) -> np.ndarray:
        """Return the drugs with at least one response, as sorted rows of `drugs`."""
        return np.unique(self.drug)

    def responses_of(self, drugs: np.ndarray) -> np.ndarray:
        """Return z [len(drugs), genes] of an atlas that holds one cell line.

        Raises
        ------
        KeyError
            One of `drugs` is not measured in it.
        """
        position = pd.Series(np.arange(len(self.drug)), index=self.drug)
        return self.z[position.loc[drugs].to_numpy()]

    def consensus(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean response of every drug over the cell lines that measured the gene.

        Returns
        -------
        tuple
            z float32 [drugs, genes], zero where nothing is measured, and int64 [drugs] number of lines.
        """
        measured = ~np.isnan(self.z)
        total = np.zeros((len(self.drugs), self.z.shape[1]), np.float64)
        np.add.at(total, self.drug, np.where(measured, self.z, 0))
        lines = np.bincount(self.drug, minlength=len(self.drugs))
        counts = np.zeros(total.shape, np.int64)
        np.add.at(counts, self.drug, measured)
        return (total / np.maximum(counts, 1)).astype(np.float32), lines


def _require_genes(table: pd.DataFrame, genes: list[str]) -> None:
    missing = [column for column in GENE_COLUMNS if column not in table.columns]
    if missing:
        raise TableError(f"gene table: no column '{missing[0]}'; give {', '.join(GENE_COLUMNS)}")
    found = table["gene"].tolist()
    if len(found) != len(genes):
        rows, named = counted(len(found), "row"), counted(len(genes), "gene")
        raise TableError(f"gene table: {rows} for {named}; give one row per gene")
    for row, (name, gene) in enumerate(zip(found, genes, strict=True)):
        if name != gene:
            raise TableError(
                f"gene table: row {row} is '{name}', but the gene there is '{gene}'; give the rows in the "
                "order of the genes"
            )
