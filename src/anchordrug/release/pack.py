"""Packing: the fetched files of a release and of other sources become a raw bundle."""

import os
import re
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from anchordrug.errors import RawDataError, SettingsError
from anchordrug.files.atomic import require_file
from anchordrug.files.digests import sha256
from anchordrug.files.progress import stream
from anchordrug.files.tables import write_json
from anchordrug.raw.depmap import Lines, read_line_names, write_expression
from anchordrug.raw.gene_ontology import GoAnnotation, annotate
from anchordrug.raw.hgnc import read_other_names
from anchordrug.raw.published import SOURCES
from anchordrug.raw.repurposing import read_mechanisms
from anchordrug.raw.tables import read_compounds, read_genes
from anchordrug.raw.text import open_text
from anchordrug.raw.unpacked import unpacking
from anchordrug.release.bundle_folder import replacing
from anchordrug.release.layouts import EXPRESSION, GAF, HGNC, MECHANISMS, MODELS, OBO, Release, release_called
from anchordrug.release.manifest import published_of
from anchordrug.release.params import GoTerms

BLOCK = 2**22
# The checksum of a larger file is in dvc.lock; it took minutes to compute.
LARGEST_HASHED = 2**30


class Packed(NamedTuple):
    """Contents of a packed bundle; `mechanisms` counts the drugs whose mechanism is the Repurposing Hub's."""

    annotation: GoAnnotation
    mechanisms: int
    lines: Lines


def pack(name: str, downloads: Path, out: Path, go: GoTerms, manifest: Path) -> Packed:
    """Make the raw bundle `out` of release `name`, whole or not at all.

    Parameters
    ----------
    manifest
        The file that names the sources and their licences; it may be missing.

    Raises
    ------
    SettingsError
        There is no such release, or `out` is something else than a packed bundle.
    RawDataError
        A file is missing or damaged, or the disk is too small for the matrix.
    """
    release = release_called(name)
    for file in release.files():
        require_file(downloads / file, f"fetch it: dvc repro pack@{name}, in sources/lincs/pipeline")
    require_packed(out)
    about = {"release": name, "sources": published_of(manifest, release.files())}
    return put_bundle(release, downloads, out, go, about)


def require_packed(out: Path) -> None:
    """Check that `out` is a packed bundle, or is not there.

    Raises
    ------
    SettingsError
        It is something else.
    """
    if out.exists() and not (out.is_dir() and (out / SOURCES).is_file()):
        raise SettingsError(
            f"{out}: already exists and was not created by 'anchordrug pack'; give another folder with --out"
        )


def put_bundle(
    release: Release, downloads: Path, out: Path, go: GoTerms, about: Mapping[str, object]
) -> Packed:
    """Make the raw bundle `out` of the files of `release` in `downloads`; `about` heads its SOURCES.json."""
    with replacing(out) as folder:
        packed = _put_all(downloads, release, go, folder)
        files = [downloads / file for file in release.files()]
        sources = {**about, "go": go.model_dump(), "files": sources_of(files)}
        write_json(sources, folder / SOURCES)
    return packed


def _put_all(downloads: Path, release: Release, go: GoTerms, folder: Path) -> Packed:
    """Write the files of the bundle into `folder`."""
    _put_matrix(downloads / release.matrix, folder)
    _put_signatures(downloads, release, folder)
    put_link(downloads / release.genes, folder / release.genes)
    mechanisms = _put_compounds(downloads, release, folder)
    genes = read_genes(downloads / release.genes).dropna(subset=["gene"])
    annotation = _put_annotation(downloads, genes["gene"].unique().tolist(), go, folder)
    names, lincs = read_line_names(downloads / MODELS, downloads / release.cells)
    symbols = dict(zip(genes["gene_id"], genes["gene"], strict=True))
    expression = folder / "basal_expression_depmap.csv"
    lines = write_expression(downloads / EXPRESSION, names, lincs, symbols, expression)
    return Packed(annotation, mechanisms, lines)


def put_link(source: Path, path: Path) -> None:
    """Make `path` the same file as `source`, or a copy where that cannot be."""
    try:
        os.link(source, path)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, path)


def _put_matrix(source: Path, folder: Path) -> None:
    """Link the matrix, or unpack it."""
    if source.suffix != ".gz":
        put_link(source, folder / source.name)
        return
    shape = re.search(r"_n(\d+)x(\d+)", source.name)
    needed = 4 * int(shape[1]) * int(shape[2]) if shape else 0
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RawDataError(
            f"{folder.parent}: {source.name} unpacked needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} free; "
            "make room or choose another folder with --out"
        )
    size = source.stat().st_size
    try:
        with (
            source.open("rb") as packed,
            unpacking(source, packed) as unpacked,
            (folder / source.stem).open("wb") as file,
        ):
            blocks = ((block,) for block in iter(lambda: unpacked.read(BLOCK), b""))
            for (block,) in stream(blocks, "unpacking the matrix", lambda: packed.tell() / size, unit="MB"):
                file.write(block)
    except (OSError, EOFError, zlib.error) as error:
        raise RawDataError(f"{source}: cannot be unpacked ({error}); delete it and fetch it again") from error


def _put_signatures(downloads: Path, release: Release, folder: Path) -> None:
    """Link the table of signatures; with the older releases, join the table of their quality to it."""
    if release.quality is None:
        put_link(downloads / release.signatures, folder / release.signatures)
        return
    tables = []
    for name in (release.signatures, release.quality):
        with open_text(downloads / name) as text:
            tables.append(pd.read_csv(text, sep="\t", dtype="str", keep_default_na=False, quoting=3))
    signatures, quality = tables
    known = ["distil_cc_q75", "pct_self_rank_q25"]
    missing = [name for name in ("sig_id", *known) if name not in quality]
    if missing or "sig_id" not in signatures:
        raise RawDataError(
            f"{downloads / release.quality}: no column {(missing or ['sig_id'])[0]}; fetch it again"
        )
    signatures = signatures.drop(columns=[name for name in known if name in signatures])
    joined = signatures.merge(quality[["sig_id", *known]].drop_duplicates("sig_id"), on="sig_id", how="left")
    joined.fillna("-666").to_csv(
        folder / "siginfo_beta.txt", sep="\t", index=False, lineterminator="\n", quoting=3
    )


def _put_compounds(downloads: Path, release: Release, folder: Path) -> int:
    """Write the compounds with mechanisms; return how many of them come from the Repurposing Hub."""
    compounds = read_compounds(downloads / release.compounds)
    hub = read_mechanisms(downloads / MECHANISMS)
    names = compounds["name"].str.lower()
    filled = 0
    for column in ("moa", "target"):
        own = compounds[column].notna()
        found = names.map(hub[column])
        filled = max(filled, int((~own & found.notna()).sum())) if column == "moa" else filled
        compounds[column] = compounds[column].where(own, found)
    table = compounds.rename(
        columns={
            "drug_id": "pert_id",
            "name": "cmap_name",
            "smiles": "canonical_smiles",
            "inchikey": "inchi_key",
        }
    )
    table.fillna("").to_csv(
        folder / "compoundinfo_beta.txt", sep="\t", index=False, lineterminator="\n", quoting=3
    )
    return filled


def _put_annotation(downloads: Path, genes: list[str], go: GoTerms, folder: Path) -> GoAnnotation:
    """Write the terms as gene sets (GMT)."""
    found = annotate(
        downloads / GAF,
        downloads / OBO,
        genes,
        evidence=go.evidence,
        aspects=go.aspects,
        min_genes=go.min_genes,
        max_genes=go.max_genes,
        other_names=read_other_names(downloads / HGNC),
    )
    with (folder / "gene_ontology.gmt").open("w", encoding="utf-8") as file:
        for position, (term, name) in enumerate(zip(found.terms, found.names, strict=True)):
            annotated = found.matrix[:, position] == 1
            members = [gene for gene, is_member in zip(found.genes, annotated, strict=True) if is_member]
            file.write("\t".join([term, name, *members]) + "\n")
    return found


def sources_of(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Return name and size of every file, and the SHA-256 of those that are not too large for it."""
    sizes = {path: path.stat().st_size for path in paths}
    return [
        {
            "file": path.name,
            "bytes": size,
            "sha256": sha256(path) if size <= LARGEST_HASHED else None,
        }
        for path, size in sizes.items()
    ]
