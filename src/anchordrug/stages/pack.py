"""anchordrug pack: the fetched files of a release become a raw bundle."""

from pathlib import Path

import typer

from anchordrug.errors import counted
from anchordrug.files.outputs import require_replaceable
from anchordrug.release.pack import pack
from anchordrug.release.params import go_terms_of


def run(name: str, downloads: Path, out: Path, params: Path) -> None:
    """Make the raw bundle `out` of release `name`, whole or not at all.

    Raises
    ------
    SettingsError
        There is no such release, the params have a wrong key or value, or `out` is not a packed bundle.
    OutputError
        `out` is a file or a link, has an input in it, or cannot be written.
    RawDataError
        A file is missing or damaged, or the disk is too small for the matrix.
    """
    manifest = params.with_name("manifest.yaml")
    require_replaceable(out, [downloads, params, manifest])
    packed = pack(name, downloads, out, go_terms_of(params), manifest)
    annotation, lines = packed.annotation, packed.lines
    typer.echo(
        f"{out}: {counted(lines.written, 'cell line')} with expression, {lines.known} of them in the "
        f"release; {counted(len(annotation.genes), 'gene')} x {counted(len(annotation.terms), 'GO term')} "
        f"({counted(annotation.unknown, 'annotation')} to obsolete or unknown terms); mechanisms of "
        f"{counted(packed.mechanisms, 'drug')} from the Repurposing Hub"
    )
    if not manifest.is_file():
        typer.echo(f"{manifest}: no such file, so the bundle names no sources and licences")
    if lines.repeated:
        typer.echo(f"left out, because a model of the same name came before: {', '.join(lines.repeated)}")
