"""Untreated expression from a file, on the scale of the raw bundle's cell lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, message_line, shortlist
from anchordrug.features.bundle import untreated_expression
from anchordrug.features.matching import quantile_match
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.gene_names import match_genes
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.line_tables import read_identities
from anchordrug.raw.no_genes import left_out_note
from anchordrug.raw.tables import read_genes
from anchordrug.raw.untreated import ALIKE, Known, read_untreated


class Described(NamedTuple):
    """Untreated expression, log2 float32 [cell lines x genes of the bundle], and how it was read."""

    expression: pd.DataFrame
    note: str


def described(path: Path, cell_lines: Sequence[str], raw: Path) -> Described:
    """Read the untreated expression of `cell_lines` and bring it to the scale of the bundle in `raw`.

    Raises
    ------
    RawDataError
        A file cannot be read, a cell line has no sample, or fewer than half of the bundle's genes are there.
    """
    bundle = find_bundle(raw)
    reference = untreated_expression(bundle)
    genes = reference.columns.tolist()
    table = _named(genes, bundle.geneinfo)
    identities = read_identities(raw, path.parent)
    own = match_lines(reference.index, cell_lines, identities).found
    known = Known(
        [line for line in reference.index if line not in own],
        identities,
        lambda names: match_genes(names, table).rows >= 0,
    )
    profiles = read_untreated(path, cell_lines, known)
    match = match_genes(profiles.columns.tolist(), table)
    known_genes = profiles.loc[:, match.rows >= 0].to_numpy()
    names = np.array(genes, dtype=object)[match.rows[match.rows >= 0]]
    by_gene = pd.DataFrame(known_genes, profiles.index, pd.Index(names)).T.groupby(level=0).mean()
    try:
        matched = [quantile_match(by_gene[line], reference) for line in cell_lines]
    except RawDataError as error:
        raise RawDataError(
            f"{path}: its genes are called {shortlist(profiles.columns, 3)}; {error}"
        ) from error
    values = [profile.values for profile in matched]
    missing, left_out = matched[0].missing, profiles.attrs["left_out"]
    note = (
        f"untreated expression: {profiles.attrs['unit']} by {match.naming}, {len(genes) - len(missing)} of "
        f"{len(genes)} genes found"
        + (f"; the atlas' median for {shortlist(missing, 3)}" if missing else "")
        + "".join(f"; {told}" for told in profiles.attrs["notes"])
        + (f"; {left_out_note(left_out)}" if left_out else "")
    )
    return Described(
        pd.DataFrame(values, pd.Index(list(cell_lines)), pd.Index(genes)),
        "\n".join(map(message_line, [note, *_samples_in_words(profiles)])),
    )


def _samples_in_words(profiles: pd.DataFrame) -> list[str]:
    """Return a line for each cell line: its samples, and whether they differ more than replicates do."""
    lines = []
    for line, samples in profiles.attrs["samples"].items():
        likeness = profiles.attrs["likeness"][line]
        mean = f"the mean of {len(samples)} samples, " if len(samples) > 1 else ""
        odd = f" (rank correlations from {likeness:.2f}; replicates are above {ALIKE:g}: are they one line?)"
        lines.append(f"  {line}: {mean}{shortlist(samples)}{odd if likeness < ALIKE else ''}")
    return lines


def _named(genes: list[str], geneinfo: Path) -> pd.DataFrame:
    """Return the genes in order with their Entrez and Ensembl ids, where the release has them."""
    info = read_genes(geneinfo).dropna(subset=["gene"]).drop_duplicates("gene").set_index("gene")
    found = resolve(genes, info.index.tolist())
    ids = info.reindex([found.get(gene) for gene in genes]).reset_index(drop=True)
    return ids.assign(gene=genes)
