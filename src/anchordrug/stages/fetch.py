"""anchordrug fetch: one file of the release, by its key in the manifest."""

from pathlib import Path

import typer

from anchordrug.files.outputs import require_outputs
from anchordrug.release.download import download
from anchordrug.release.manifest import file_of
from anchordrug.release.params import mirror_of


def run(key: str, manifest: Path, params: Path, into: Path) -> None:
    """Fetch the file `key` of the manifest into the folder `into`.

    Raises
    ------
    SettingsError
        The manifest or the params have a wrong key or value, or there is no such file in the manifest.
    OutputError
        The file would overwrite the manifest or the params, or cannot be written.
    RawDataError
        As `anchordrug.release.download.download`.
    """
    wanted, mirror = file_of(key, manifest), mirror_of(params)
    path = into / wanted.file
    # A large file may be a link to another disk.
    if not path.is_symlink():
        require_outputs([("--into", path)], [manifest, params])
    fetched = download(wanted.url, path, size=wanted.size, checksum=wanted.checksum, mirror=mirror)
    typer.echo(
        f"{path}: {path.stat().st_size:,} bytes, {'' if fetched else 'was there already, '}{wanted.check}; "
        f"licence: {wanted.licence}"
    )
