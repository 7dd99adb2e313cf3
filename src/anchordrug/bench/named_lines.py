"""Cell lines that a user names, under the names that the atlas has for them."""

from collections.abc import Sequence
from pathlib import Path

import typer

from anchordrug.errors import SettingsError
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.line_tables import read_identities


def as_in_atlas(asked: Sequence[str], lines: Sequence[str], raw: Path, option: str) -> tuple[str, ...]:
    """Return the atlas' names of cell lines that are spelled otherwise there, and report it.

    Parameters
    ----------
    lines
        The cell lines of the atlas.
    raw
        The folder of the raw bundle, whose tables of cell lines count.
    option
        Where the lines are named, for errors.

    Raises
    ------
    SettingsError
        Several lines of the atlas may be meant.
    RawDataError
        A table of cell lines is damaged.
    """
    match = match_lines(asked, lines, read_identities(raw))
    for line, candidates in match.unclear.items():
        raise SettingsError(
            f"{option} {line}: may be {' or '.join(candidates)} of the atlas; name one of them"
        )
    for line, name in match.found.items():
        if line != name:
            typer.echo(f"{line}: is {name} in the atlas, and is called so from here on")
    return tuple(match.found.get(line, line) for line in asked)
