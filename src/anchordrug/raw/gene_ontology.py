"""Gene Ontology: which gene belongs to which term, from associations (GAF) and the terms' hierarchy (OBO)."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import numpy as np

from anchordrug.errors import RawDataError, counted, shortlist
from anchordrug.files.atomic import require_file
from anchordrug.raw.aliases import resolve
from anchordrug.raw.ontology import associations
from anchordrug.raw.text import one_line, open_text, text_lines

# A gene that belongs to a term also belongs to the terms that this term is, or is a part of.
RELATIONS = ("is_a", "part_of")
ASPECTS = {"P": "biological_process", "F": "molecular_function", "C": "cellular_component"}
# obonet takes a time that grows with the square of a line's length; the longest of go-basic.obo has 3,000.
_LONGEST_LINE = 10_000


class GoAnnotation(NamedTuple):
    """Genes and terms with uint8 [genes, terms] memberships, and how many associations could not be used.

    `terms` are identifiers, `names` give their meaning. `unknown` counts associations to terms that the
    ontology does not have or calls obsolete.
    """

    genes: list[str]
    terms: list[str]
    names: list[str]
    matrix: np.ndarray
    unknown: int


def annotate(
    gaf: Path,
    obo: Path,
    genes: Sequence[str],
    *,
    evidence: Collection[str],
    aspects: Collection[str],
    min_genes: int,
    max_genes: int,
    other_names: Mapping[str, set[str]] | None = None,
) -> GoAnnotation:
    """Annotate `genes` with the terms of the Gene Ontology.

    Associations negated by NOT are left out, and so are those with another evidence code. The others are
    propagated along is_a and part_of; then a term is kept if its aspect is asked for and it has from
    `min_genes` to `max_genes` of `genes`. Genes without any association are left out.

    Parameters
    ----------
    genes
        Symbols; the associations may name them by an older or newer one.
    evidence
        Evidence codes, such as IDA and IEA.
    aspects
        Of P (process), F (function), C (component).
    other_names
        Further names of symbols, as `anchordrug.raw.hgnc.read_other_names` returns.

    Raises
    ------
    RawDataError
        A file is missing or damaged, the hierarchy has a cycle, or no gene or term is left.
    """
    ontology = _read_obo(obo)
    current = {old: term for term, data in ontology.nodes(data=True) for old in data.get("alt_id", ())}
    found = [association for association in associations(gaf) if association.evidence in set(evidence)]
    names_of = resolve(genes, list(dict.fromkeys(association.symbol for association in found)), other_names)
    row = {name: position for position, name in enumerate(names_of.values())}
    order = _children_first(obo, ontology)
    place = {term: position for position, term in enumerate(order)}
    # One bit per gene: 45,000 terms x 12,000 genes are 70 MB.
    members = np.zeros((len(order), -(-len(row) // 8)), np.uint8)
    unknown = 0
    for association in found:
        term = current.get(association.term, association.term)
        if term not in place:
            unknown += 1
        elif association.symbol in row:
            members[place[term], row[association.symbol] // 8] |= 128 >> row[association.symbol] % 8
    for term in order:
        for parent in ontology.successors(term):
            members[place[parent]] |= members[place[term]]
    sizes = np.bitwise_count(members).sum(axis=1)
    wanted = {ASPECTS[aspect] for aspect in aspects}
    kept = sorted(
        term
        for term, size in zip(order, sizes, strict=True)
        if min_genes <= size <= max_genes and ontology.nodes[term].get("namespace") in wanted
    )
    if not kept:
        raise RawDataError(
            f"{gaf}: annotates {len(row)} of {counted(len(genes), 'gene')}, and no term has from {min_genes} "
            f"to {max_genes} of them; widen go.min_genes and go.max_genes, or go.evidence"
        )
    matrix = np.unpackbits(members[[place[term] for term in kept]], axis=1, count=len(row)).T
    names = [str(ontology.nodes[term].get("name", term)) for term in kept]
    return GoAnnotation(list(names_of), kept, names, matrix, unknown)


def _read_obo(path: Path) -> "nx.DiGraph":
    """Return the terms that are not obsolete, with an edge from each to the terms it is, or is part of."""
    import obonet

    for _ in text_lines(require_file(path, "download go-basic.obo"), _LONGEST_LINE):
        pass
    try:
        with open_text(path) as text, _without_log():
            graph = obonet.read_obo(text)
    # Tags are arguments to networkx, so those with a name that it uses itself are errors of any kind.
    except (ValueError, OSError, LookupError, TypeError, AttributeError, nx.NetworkXError) as error:
        raise RawDataError(f"{path}: cannot be read as OBO ({one_line(error)}); download it again") from error
    hierarchy = nx.DiGraph()
    hierarchy.add_nodes_from((term, data) for term, data in graph.nodes(data=True) if "name" in data)
    if not len(hierarchy):
        raise RawDataError(f"{path}: holds no terms; download it again")
    hierarchy.add_edges_from(
        (child, parent)
        for child, parent, relation in graph.edges(keys=True)
        if relation in RELATIONS and child in hierarchy and parent in hierarchy
    )
    return hierarchy


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep obonet from printing that a file has no header or name; only its terms are used."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _children_first(path: Path, ontology: "nx.DiGraph") -> list[str]:
    try:
        return list(nx.topological_sort(ontology))
    except nx.NetworkXUnfeasible:
        cycle = [child for child, _ in nx.find_cycle(ontology)]
        raise RawDataError(
            f"{path}: {shortlist(cycle)} are parts of each other in a circle; use go-basic.obo"
        ) from None
