"""anchordrug pack --table: a table of profiles becomes a raw bundle."""

from pathlib import Path

import numpy as np
import typer

from anchordrug.errors import SettingsError, counted, shortlist
from anchordrug.files.outputs import require_replaceable
from anchordrug.raw.profile_columns import Usual
from anchordrug.raw.profile_tables import read_profiles
from anchordrug.release.pack_profiles import Beside, Packed, pack_profiles


def run(
    table: Path,
    out: Path,
    beside: Beside,
    usual: Usual,
    *,
    assay: str,
    centre_lines: bool,
    layer: str | None,
) -> None:
    """Make the raw bundle `out` of a table of profiles, and print the assumptions and the settings to make.

    Raises
    ------
    SettingsError
        `out` is not a packed bundle, or a dose or time is not positive.
    OutputError
        `out` is a file or a link, has an input in it, or cannot be written.
    RawDataError
        A file is missing or damaged, or lacks a part that a bundle needs.
    """
    for option, value in (("--dose-um", usual.dose_um), ("--time-h", usual.time_h)):
        if value is not None and not 0 < value < float("inf"):
            raise SettingsError(f"{option}: {value:g} is not a positive number; correct it")
    if not assay.strip() or not assay.isprintable():
        raise SettingsError("--assay: is empty or has characters that cannot be printed; name the assay")
    require_replaceable(out, [table, *(path for path in beside if path is not None)])
    packed = pack_profiles(
        read_profiles(table, usual, layer), beside, out, assay=assay, centre_lines=centre_lines
    )
    for note in packed.notes:
        typer.echo(note)
    for line in _in_words(packed, out):
        typer.echo(line)


def _in_words(packed: Packed, out: Path) -> list[str]:
    table = packed.signatures
    groups = table.groupby(["dose_um", "time_h"])
    # Of doses with as many signatures, the highest first.
    sizes = groups.size().iloc[::-1].sort_values(ascending=False, kind="stable")
    doses = shortlist((f"{dose:g} uM and {time:g} h ({count:,})" for (dose, time), count in sizes.items()), 9)  # type: ignore[misc]
    known = np.abs(packed.z[np.isfinite(packed.z)])
    shares = ", ".join(f"{np.mean(known > bound):.1%} beyond {bound:g}" for bound in (1.0, 1.5, 2.0))
    repeated = int(table.duplicated(["drug_id", "cell_line", "dose_um", "time_h"]).sum())
    dose, time = sizes.index[0]  # type: ignore[misc]
    lines = [
        f"{out}: {counted(len(table), 'signature')} of {counted(table['drug_id'].nunique(), 'drug')} in "
        f"{counted(table['cell_line'].nunique(), 'cell line')}, {counted(packed.z.shape[1], 'gene')}; z: "
        f"{shares}",
        f"signatures by dose and time: {doses}",
    ]
    if repeated:
        replicates = counted(repeated, "signature is a replicate", "signatures are replicates")
        lines.append(f"{replicates} of another signature; curation takes their median")
    if len(known) != packed.z.size:
        lines.append(f"{1 - len(known) / packed.z.size:.1%} of the values are missing and stay missing")
    lines.append(
        f"then, in params.yaml: raw.dir: {out}, curate.dose_um: {dose:g}, curate.time_h: {time:g}, targets "
        f"of {shortlist(table['cell_line'].unique(), 3)}"
    )
    return lines
