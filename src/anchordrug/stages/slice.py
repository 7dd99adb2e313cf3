"""anchordrug slice: some cell lines of a release become a raw bundle, without a download of the whole."""

from pathlib import Path

import typer

from anchordrug.atlas.sliced import Wanted, choose_signatures
from anchordrug.errors import counted
from anchordrug.files.atomic import require_file
from anchordrug.files.outputs import require_replaceable
from anchordrug.raw.depmap import read_line_names
from anchordrug.raw.tables import read_compounds, read_genes, read_signatures
from anchordrug.release import sliced
from anchordrug.release.layouts import EXPRESSION, MODELS, release_called
from anchordrug.release.manifest import file_of, published_of
from anchordrug.release.pack import put_bundle, put_link, require_packed
from anchordrug.release.params import SliceParams, go_terms_of, mirror_of, slice_of

RELEASE = "lincs2020"


def run(downloads: Path, out: Path, manifest: Path, params: Path) -> None:
    """Make the raw bundle `out` of a slice, whole or not at all, and print how much was fetched for it.

    Raises
    ------
    SettingsError
        The manifest or the params have a wrong key or value, or no signature is of the slice; or `out` is not
        a packed bundle; or another process makes a slice of the same downloads.
    OutputError
        `out` is a file or a link, has an input in it, or cannot be written.
    RawDataError
        A table is missing or damaged, or a server does not give a file.
    """
    require_replaceable(out, [downloads, params, manifest])
    require_packed(out)
    settings, go, mirror = slice_of(params), go_terms_of(params), mirror_of(params)
    release = release_called(RELEASE)
    tables = [name for name in release.files() if name not in (release.matrix, EXPRESSION)]
    for name in tables:
        require_file(downloads / name, "fetch it: dvc repro slice, in sources/lincs/pipeline")
    large = [
        sliced.find_whole(file_of(key, manifest), downloads, mirror)
        for key in ("depmap_expression", "lincs2020_matrix")
    ]
    with sliced.work_folder(downloads) as folder:
        matrix, fetched = _write_large(large, settings, downloads, folder)
        for name in tables:
            if not (folder / name).exists():
                put_link(downloads / name, folder / name)
        about = {
            "release": RELEASE,
            "slice": settings.model_dump(mode="json"),
            "url": large[1].entry.url,
            "sources": published_of(manifest, release.files()),
        }
        put_bundle(release._replace(matrix=matrix), folder, out, go, about)
    typer.echo(f"{out}: a bundle of {matrix}")
    for line in fetched:
        typer.echo(line)


def _write_large(
    large: list[sliced.LargeFile], settings: SliceParams, downloads: Path, folder: Path
) -> tuple[str, list[str]]:
    """Write rows of the large files and of their tables; return the matrix and a note on the download."""
    release, (depmap, matrix) = release_called(RELEASE), large
    names, _ = read_line_names(downloads / MODELS, downloads / release.cells)
    compounds = read_compounds(downloads / release.compounds)
    drugs = set(compounds.loc[compounds["smiles"].notna(), "drug_id"])
    signatures, genes = read_signatures(downloads / release.signatures), read_genes(downloads / release.genes)
    if "feature_space" in genes:
        genes = genes[genes["feature_space"] == "landmark"]
    with sliced.open_models(depmap) as models, sliced.open_rows(matrix) as rows:
        signatures, genes = rows.placed(signatures, "sig_id"), rows.placed(genes, "gene_id")
        called = {model: names.get(model, model) for model in models.names}
        wanted = Wanted(**settings.model_dump())
        signatures = choose_signatures(signatures, set(called.values()), drugs, wanted)
        lines = sorted(signatures["cell_line"].unique())
        typer.echo(
            f"{counted(len(signatures), 'signature')} x {counted(len(genes), 'gene')} of "
            f"{counted(signatures['drug_id'].nunique(), 'drug')} in {counted(len(lines), 'cell line')}: "
            f"{', '.join(lines)}"
        )
        models.write([model for model, line in called.items() if line in lines], folder / EXPRESSION)
        path = sliced.write_slice(rows, signatures, genes, folder)
        fetched = [file.told(opened.pieces) for file, opened in ((depmap, models), (matrix, rows))]
    for name, table, column in (
        (release.signatures, signatures, "sig_id"),
        (release.genes, genes, "gene_id"),
    ):
        sliced.write_some(downloads / name, column, set(table[column]), folder / name)
    return path.name, fetched
