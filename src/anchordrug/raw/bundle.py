"""The raw bundle: a folder whose files are found by the release's own names."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anchordrug.errors import RawDataError, near, shortlist
from anchordrug.files.atomic import atomic_path
from anchordrug.raw.text import open_text

_PATTERNS = {
    "matrix": (
        *("level5_beta_trt_cp_*.gctx", "level5_beta_trt_cp_*.gct", "level5_beta_trt_cp_*.gct.gz"),
        "GSE*_Level5_COMPZ*.gctx",
    ),
    "siginfo": ("siginfo_beta.txt", "GSE*sig_info*.txt", "GSE*sig_info*.txt.gz"),
    "compoundinfo": ("compoundinfo_beta.txt", "GSE*pert_info*.txt", "GSE*pert_info*.txt.gz"),
    "geneinfo": ("geneinfo_beta.txt", "GSE*gene_info*.txt", "GSE*gene_info*.txt.gz"),
    "expression": ("basal_expression*.csv", "basal_expression*.csv.gz"),
    "annotation": ("gene_ontology*.csv", "gene_ontology*.csv.gz", "*.gmt", "*.gaf", "*.gaf.gz"),
    "panel": ("gene_panel*.txt",),
}


@dataclass(frozen=True)
class RawBundle:
    """The paths of the files of a raw bundle.

    Attributes
    ----------
    matrix
        Level 5 signatures, GCTX or GCT.
    siginfo
        Signature metadata, None where the matrix must carry it.
    compoundinfo, geneinfo
        Compound and gene metadata.
    expression
        Basal expression, cell line x gene; None where there is none.
    annotation
        Gene annotation, matrix, GMT or GAF; None where there is none.
    panel
        Genes to use, None for all.
    """

    matrix: Path
    siginfo: Path | None
    compoundinfo: Path
    geneinfo: Path
    expression: Path | None
    annotation: Path | None
    panel: Path | None

    @property
    def source(self) -> Path:
        """The file that describes the signatures."""
        return self.siginfo or self.matrix


def find_bundle(folder: Path) -> RawBundle:
    """Find the files of a raw bundle in `folder`.

    Raises
    ------
    RawDataError
        The folder or a file that is not optional is missing, a name fits two files, or an optional file has
        a name that is nearly right.
    """
    if not folder.is_dir():
        raise RawDataError(
            f"{folder}: no such folder; set raw.dir in params.yaml, or run 'dvc repro' for the demo"
        )
    return RawBundle(
        matrix=_required(folder, "matrix"),
        siginfo=_optional(folder, "siginfo"),
        compoundinfo=_required(folder, "compoundinfo"),
        geneinfo=_required(folder, "geneinfo"),
        expression=_if_meant(folder, "expression"),
        annotation=_if_meant(folder, "annotation"),
        panel=_optional(folder, "panel"),
    )


def no_file(folder: Path, role: str) -> str:
    """Return the message that a bundle lacks the file of a role, with the file whose name is nearly right."""
    patterns = _PATTERNS[role]
    hint = near(patterns[0], (entry.name for entry in folder.iterdir()))
    return f"{folder}: no file named {' or '.join(patterns)} ({role}){hint}"


def read_panel(path: Path) -> list[str]:
    """Read gene symbols, one per line in the order of the file; '#' starts a comment.

    Raises
    ------
    RawDataError
        The file is missing, names no gene, or names one twice.
    """
    lines: dict[str, int] = {}
    with open_text(path) as text:
        for number, line in enumerate(text, start=1):
            gene = line.partition("#")[0].strip()
            if gene in lines:
                raise RawDataError(
                    f"{path}: gene '{gene}' occurs twice, in lines {lines[gene]} and {number}; "
                    "keep one of them"
                )
            if gene:
                lines[gene] = number
    if not lines:
        raise RawDataError(f"{path}: names no gene; list one symbol per line or remove the file")
    return list(lines)


def write_panel(genes: Iterable[str], path: Path) -> Path:
    """Write gene symbols as `read_panel` reads them; return `path`."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{gene}\n" for gene in genes), encoding="utf-8")
    return path


def _required(folder: Path, role: str) -> Path:
    path = _optional(folder, role)
    if path is None:
        raise RawDataError(f"{no_file(folder, role)}; add it")
    return path


def _if_meant(folder: Path, role: str) -> Path | None:
    """Return a file without which a bundle is usable; a file under a nearly right name is a mistake."""
    path = _optional(folder, role)
    if path is None:
        others = {
            found for patterns in _PATTERNS.values() for name in patterns for found in folder.glob(name)
        }
        hint = near(_PATTERNS[role][0], (entry.name for entry in folder.iterdir() if entry not in others))
        if hint:
            raise RawDataError(f"{folder}: no file named {' or '.join(_PATTERNS[role])} ({role}){hint}")
    return path


def _optional(folder: Path, role: str) -> Path | None:
    # A name that starts with a dot is a file being written.
    found = sorted(
        path
        for pattern in _PATTERNS[role]
        for path in folder.glob(pattern)
        if path.is_file() and not path.name.startswith(".")
    )
    if len(found) > 1:
        names = shortlist(path.name for path in found)
        raise RawDataError(
            f"{folder}: {len(found)} files for the {role}: {names}; keep one of them in this folder"
        )
    return found[0] if found else None
