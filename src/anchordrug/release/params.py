"""The params.yaml next to a manifest: a mirror to fetch from, the terms of GO to pack, the slice to take."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from anchordrug.errors import SettingsError
from anchordrug.files.atomic import require_file
from anchordrug.files.experiments import seen_from
from anchordrug.settings import CellLineName, Section, SectionType, validated


class GoTerms(Section):
    """Which terms of the Gene Ontology become features: see `anchordrug.raw.gene_ontology.annotate`."""

    evidence: tuple[str, ...] = Field(min_length=1)
    aspects: tuple[Literal["P", "F", "C"], ...] = Field(min_length=1)
    min_genes: int = Field(ge=1)
    max_genes: int = Field(ge=1)


class SliceParams(Section):
    """Which signatures of a release a slice has."""

    cell_lines: Annotated[int, Field(ge=1)] | Annotated[tuple[CellLineName, ...], Field(min_length=1)]
    dose_um: float = Field(gt=0)
    time_h: float = Field(gt=0)
    quality: Literal["gold", "any"]
    most: int = Field(ge=1)


# The commands read a part of the file each.
class _FetchParams(Section):
    mirror: Path | None
    go: object = None
    slice: object = None


class _PackParams(Section):
    mirror: object
    go: GoTerms
    slice: object = None


class _SliceParams(Section):
    mirror: object
    go: object
    slice: SliceParams


def mirror_of(params: Path) -> Path | None:
    """Return the folder to copy files from, None where they are downloaded.

    A relative path is relative to the folder of `params`.

    Raises
    ------
    SettingsError
        The file has a wrong key or value, or the folder does not exist.
    RawDataError
        There is no such file.
    """
    mirror = _read(params, _FetchParams).mirror
    if mirror is None:
        return None
    place = seen_from(params.parent, mirror)
    if not place.is_dir():
        raise SettingsError(
            f"{params}: mirror: no folder {place}; mount it, or set 'mirror: null' to use the net"
        )
    return place


def go_terms_of(params: Path) -> GoTerms:
    """Return the terms that a bundle is packed with.

    Raises
    ------
    SettingsError
        The file has a wrong key or value.
    RawDataError
        There is no such file.
    """
    return _read(params, _PackParams).go


def slice_of(params: Path) -> SliceParams:
    """Return the signatures that a slice has; errors as `go_terms_of`."""
    return _read(params, _SliceParams).slice


def _read(params: Path, section: type[SectionType]) -> SectionType:
    require_file(params, "run the command in sources/lincs/pipeline or name the file with --params")
    return validated(params, section)
