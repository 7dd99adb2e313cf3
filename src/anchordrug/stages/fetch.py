"""anchordrug fetch: one file of the release, by its key in the manifest."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field, StringConstraints

from anchordrug.errors import SettingsError, near
from anchordrug.files.atomic import require_file
from anchordrug.release.download import download
from anchordrug.settings import Section, checked, validated

# DVC names stages by it and splits names of params at dots.
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
Checksum = Annotated[
    str,
    StringConstraints(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"),
]


class File(Section):
    """A file to fetch. `size` (bytes) and `checksum` are null where nobody has published them."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    size: int | None = Field(gt=0)
    checksum: Checksum | None
    licence: str
    what: str


class Manifest(Section):
    """manifest.yaml; each file is checked as a `File`."""

    files: dict[Key, object]


class ReleaseParams(Section):
    """params.yaml beside the manifest; `go` is for anchordrug pack."""

    mirror: Path | None
    go: object = None


def run(key: str, manifest: Path, params: Path, into: Path) -> None:
    """Fetch the file `key` of the manifest into the folder `into`.

    Raises
    ------
    SettingsError
        The manifest or the params have a wrong key or value, or there is no such file in the manifest.
    RawDataError
        As `anchordrug.release.download.download`.
    """
    wanted, mirror = _file_of(key, manifest), _mirror_of(params)
    path = into / wanted.file
    fetched = download(wanted.url, path, size=wanted.size, checksum=wanted.checksum, mirror=mirror)
    typer.echo(
        f"{path}: {path.stat().st_size:,} bytes, "
        f"{'' if fetched else 'was there already, '}{_how_checked(wanted)}; licence: {wanted.licence}"
    )


def _file_of(key: str, manifest: Path) -> File:
    require_file(manifest, "run the command in sources/lincs or name the file with --manifest")
    files = {
        name: checked(values, File, f"{manifest}: files.{name}")
        for name, values in validated(manifest, Manifest).files.items()
    }
    if key not in files:
        raise SettingsError(f"{key}: no such file in {manifest} ({', '.join(files)}){near(key, files)}")
    return files[key]


def _mirror_of(params: Path) -> Path | None:
    require_file(params, "run the command in sources/lincs or name the file with --params")
    mirror = validated(params, ReleaseParams).mirror
    if mirror is not None and not mirror.is_dir():
        raise SettingsError(
            f"{params}: mirror: no folder {mirror}; mount it, or set 'mirror: null' to use the net"
        )
    return mirror


def _how_checked(wanted: File) -> str:
    if wanted.checksum is not None:
        return f"{wanted.checksum.partition(':')[0]} checked"
    return "size checked" if wanted.size is not None else "no published checksum: taken on trust"
