"""Gene annotation: a 0/1 matrix (CSV), gene sets (GMT) or GO associations (GAF)."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anchordrug.errors import RawDataError, counted
from anchordrug.raw.csv_matrix import read_csv_matrix
from anchordrug.raw.gene_sets import read_gene_sets
from anchordrug.raw.text import text_lines

# Positions in a GAF 2.x line.
_SYMBOL, _QUALIFIER, _TERM, _EVIDENCE = 2, 3, 4, 6
_GAF_FIELDS = 15  # columns 16 and 17 are optional


def read_annotation(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Read which gene belongs to which term, by the suffix: .csv, .gmt or .gaf, or these with .gz.

    A matrix keeps the order of the file; genes and terms of GMT and GAF are sorted. GAF gives the direct
    annotations without those negated by NOT; nothing is propagated to parent terms.

    Returns
    -------
    genes, terms, annotation
        Names, and uint8 [genes, terms] with 1 where the gene belongs to the term.

    Raises
    ------
    RawDataError
        The file is missing, damaged, empty or of another format, a name is repeated, or a cell of a
        matrix is neither 0 nor 1.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".csv":
        return _read_matrix(path)
    if suffix == ".gmt":
        sets = read_gene_sets(path)
        return _to_matrix((gene, term) for term, genes in sets.items() for gene in genes)
    if suffix == ".gaf":
        return _to_matrix((association.symbol, association.term) for association in associations(path))
    raise RawDataError(f"{path}: not an annotation format; expected .csv, .gmt or .gaf, or these with .gz")


def _read_matrix(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    genes, terms, values = read_csv_matrix(path, "gene", "term")
    wrong = np.argwhere((values != 0) & (values != 1))
    if len(wrong):
        gene, term = wrong[0]
        raise RawDataError(
            f"{path}: gene '{genes[gene]}', term '{terms[term]}' is {values[gene, term]:g}, expected 0 or 1"
        )
    return genes, terms, values.astype(np.uint8)


class Association(NamedTuple):
    """A gene's symbol, the GO term it is annotated with, and the code of the evidence."""

    symbol: str
    term: str
    evidence: str


def associations(path: Path) -> list[Association]:
    """Return the associations of a GAF 2.x file, in which '!' starts a comment, without those negated by NOT.

    Raises
    ------
    RawDataError
        The file is missing, damaged or of another format, or holds none.
    """
    found = []
    for number, line in text_lines(path):
        if line.startswith("!") or not line.strip():
            continue
        fields = line.rstrip("\n").split("\t")
        if len(fields) < _GAF_FIELDS or not fields[_SYMBOL] or not fields[_TERM]:
            raise RawDataError(
                f"{path}: line {number} is not GAF 2: it has {counted(len(fields), 'field')}, expected "
                f"{_GAF_FIELDS} or more, with a symbol in the third and a GO term in the fifth; "
                "the file is cut or of another format"
            )
        if "NOT" not in fields[_QUALIFIER].split("|"):
            found.append(Association(fields[_SYMBOL], fields[_TERM], fields[_EVIDENCE]))
    if not found:
        raise RawDataError(f"{path}: holds no annotations; download it again")
    return found


def _to_matrix(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str], np.ndarray]:
    pairs = set(pairs)
    genes = sorted({gene for gene, _ in pairs})
    terms = sorted({term for _, term in pairs})
    row = {gene: position for position, gene in enumerate(genes)}
    column = {term: position for position, term in enumerate(terms)}
    matrix = np.zeros((len(genes), len(terms)), dtype=np.uint8)
    for gene, term in pairs:
        matrix[row[gene], column[term]] = 1
    return genes, terms, matrix
