"""The manifest of a release: which files can be fetched, from where, and how each is checked."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from anchordrug.errors import SettingsError, near
from anchordrug.files.atomic import require_file
from anchordrug.raw.published import Published
from anchordrug.settings import Section, checked, validated

# DVC names stages by it and splits names of params at dots.
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
Checksum = Annotated[
    str,
    StringConstraints(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"),
]


class ManifestFile(Section):
    """A file to fetch. `size` (bytes) and `checksum` are null where nobody has published them."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    size: int | None = Field(gt=0)
    checksum: Checksum | None
    licence: str
    what: str

    @property
    def check(self) -> str:
        """How a download of the file is checked, in words."""
        if self.checksum is not None:
            return f"{self.checksum.partition(':')[0]} checked"
        return "size checked" if self.size is not None else "no published checksum: taken on trust"


class Manifest(Section):
    """manifest.yaml; each file is checked as a `ManifestFile`."""

    files: dict[Key, object]


def file_of(key: str, manifest: Path) -> ManifestFile:
    """Return the file `key` of a manifest, after a check of all its files.

    Raises
    ------
    SettingsError
        The manifest has a wrong key or value, or has no such file.
    RawDataError
        There is no manifest.
    """
    require_file(manifest, "run the command in sources/lincs/pipeline or name the file with --manifest")
    files = _files_of(manifest)
    if key not in files:
        raise SettingsError(f"{key}: no such file in {manifest} ({', '.join(files)}){near(key, files)}")
    return files[key]


def published_of(manifest: Path, names: Collection[str]) -> list[Published]:
    """Return name, licence and url of the files that a manifest lists under `names`; none without a manifest.

    Raises
    ------
    SettingsError
        The manifest has a wrong key or value.
    """
    if not manifest.is_file():
        return []
    return [
        {"name": entry.what, "licence": entry.licence, "url": entry.url}
        for entry in _files_of(manifest).values()
        if entry.file in names
    ]


def _files_of(manifest: Path) -> dict[str, ManifestFile]:
    return {
        name: checked(values, ManifestFile, f"{manifest}: files.{name}")
        for name, values in validated(manifest, Manifest).files.items()
    }
