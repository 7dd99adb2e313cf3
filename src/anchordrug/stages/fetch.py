"""anchordrug fetch: one file of the release, by its key in the manifest."""

from pathlib import Path

import typer

from anchordrug.release.download import download
from anchordrug.release.manifest import file_of
from anchordrug.release.params import mirror_of


def run(key: str, manifest: Path, params: Path, into: Path) -> None:
    """Fetch the file `key` of the manifest into the folder `into`.

    Raises
    ------
    SettingsError
        The manifest or the params have a wrong key or value, or there is no such file in the manifest.
    RawDataError
        As `anchordrug.release.download.download`.
    """
    wanted, mirror = file_of(key, manifest), mirror_of(params)
    path = into / wanted.file
    fetched = download(wanted.url, path, size=wanted.size, checksum=wanted.checksum, mirror=mirror)
    typer.echo(
        f"{path}: {path.stat().st_size:,} bytes, {'' if fetched else 'was there already, '}{wanted.check}; "
        f"licence: {wanted.licence}"
    )
