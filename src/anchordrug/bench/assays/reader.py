"""Files of assay results: the format that each is in, and its contents."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.errors import AssayError, RawDataError
from anchordrug.files.atomic import require_file
from anchordrug.files.kinds import OTHER, STAND_INS
from anchordrug.raw.sheet import Sheet, is_sheet, read_sheet
from anchordrug.raw.text import kind_of_file
from anchordrug.registry import Registry


@dataclass(frozen=True)
class AssayFile:
    """A file whose format is asked for.

    Attributes
    ----------
    is_gene
        Whether a name may denote a gene. It only serves to find the genes in the file.
    plates
        Names of plates; a well's text that starts with one belongs to it.
    layer
        Which matrix of a file that may have several, None if the user does not say.
    """

    path: Path
    is_gene: Callable[[str], bool]
    plates: Collection[str] = ()
    layer: str | None = None

    @property
    def is_sheet(self) -> bool:
        """Whether the file has a `sheet`, by its first bytes."""
        return is_sheet(self.path)

    @cached_property
    def sheet(self) -> Sheet:
        """The file as a table, read once.

        Raises
        ------
        RawDataError
            It is not one.
        """
        return read_sheet(self.path)


@dataclass(frozen=True)
class Format:
    """A format of assay results.

    Attributes
    ----------
    owns
        Whether a file is in this format, by its first bytes, its name or, if it is a sheet, its header.
    read
        Returns the contents of such a file; an AssayError or RawDataError tells its fault.
    general
        Whether any other format that owns a file precedes this format.
    has_layers
        Whether a file may have several matrices, of which the user may name one.
    """

    owns: Callable[[AssayFile], bool]
    read: Callable[[AssayFile], Counts | Profiles | Samples]
    general: bool = False
    has_layers: bool = False


FORMATS: Registry[Format] = Registry(
    "assay format", "anchordrug.bench.assays.formats", "anchordrug.assay_formats"
)


def read_assay(
    path: Path,
    known: Collection[str] | Callable[[str], bool],
    *,
    plates: Collection[str] = (),
    layer: str | None = None,
) -> Counts | Profiles | Samples:
    """Read assay results in the format that owns the file.

    Parameters
    ----------
    path
        A file in one of `FORMATS`.
    known
        Names that may denote genes, or a function that tells (`raw.gene_names.gene_predicate`). It only
        serves to find the genes in the file; genes that are not known are returned, too.
    plates
        Names of plates; a well's text that starts with one belongs to it.
    layer
        Which matrix of AnnData or of a folder of matrices; None to find out.

    Raises
    ------
    AssayError
        The file is missing, damaged, empty or in none of the formats, or two formats own it; a cell is not a
        number; counts are negative or fractional; a well is on no 96- or 384-well plate or occurs twice; a
        drug or a pair of drug and gene occurs twice; genes have become dates; a table lacks a column.
    """
    is_gene = known if callable(known) else frozenset(known).__contains__
    file = AssayFile(path, is_gene, plates, layer)
    try:
        if not path.is_dir():
            require_file(path, "check the name")
        form = _format_of(file)
        if layer is not None and not form.has_layers:
            raise AssayError(f"{path}: has one table, so it has no matrix '{layer}'; leave out --layer")
        return form.read(file)
    except RawDataError as error:
        raise AssayError(str(error)) from error


def _format_of(file: AssayFile) -> Format:
    formats = {name: FORMATS.get(name) for name in FORMATS.names()}
    for general in (False, True):
        owners = [name for name, form in formats.items() if form.general == general and form.owns(file)]
        if len(owners) > 1:
            raise AssayError(
                f"{file.path}: is in format {' and '.join(owners)} together; rename its columns, or the file"
            )
        if owners:
            return formats[owners[0]]
    kind = kind_of_file(file.path) or OTHER
    others = "" if kind in STAND_INS else f" (formats: {', '.join(formats)})"
    raise AssayError(f"{file.path}: is {kind.words}; {kind.remedy}{others}")
