"""GMT: gene sets by name, a line each."""

from itertools import islice
from pathlib import Path

from anchordrug.errors import RawDataError, printable
from anchordrug.raw.text import open_text, text_lines

_FIRST_LINES = 20


def is_gene_sets(path: Path) -> bool:
    """Return whether a file is GMT by its name, or by lines of a set's name, a description and genes.

    A list of genes that are separated by tabs has no description: a web address, 'na' or words.

    Raises
    ------
    RawDataError
        The file is missing or no text.
    """
    with open_text(path) as text:
        if path.name.lower().endswith((".gmt", ".gmt.gz")):
            return True
        lines = [line.rstrip("\r\n").split("\t") for line in islice(text, _FIRST_LINES) if line.strip()]
    return bool(lines) and all(len(cells) > 2 and _is_description(*cells[:2]) for cells in lines)


def _is_description(name: str, text: str) -> bool:
    return (
        "://" in text
        or " " in text.strip()
        or text.strip().lower() in {"", "na", "n/a", "none", name.lower()}
    )


def read_gene_sets(path: Path) -> dict[str, list[str]]:
    """Read a GMT file: each line is the name of a set, a description and genes, separated by tabs.

    Returns
    -------
    dict
        Genes of every set by its name, in the order of the file.

    Raises
    ------
    RawDataError
        The file is missing, damaged or empty, a line is not GMT, or a name occurs twice.
    """
    members: dict[str, list[str]] = {}
    for number, line in text_lines(path):
        if not line.strip():
            continue
        term, *rest = (field.strip() for field in line.split("\t"))
        genes = [gene for gene in rest[1:] if gene]
        if not term or not genes:
            raise RawDataError(
                f"{path}: line {number} starts '{printable(line, 40)}', expected a term, a description and "
                "genes, separated by tabs"
            )
        if term in members:
            raise RawDataError(
                f"{path}: term '{printable(term, 60)}' occurs again in line {number}; keep one of them"
            )
        members[term] = genes
    if not members:
        raise RawDataError(f"{path}: holds no gene sets; download it again")
    return members
