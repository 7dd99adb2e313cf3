"""Which cell lines of a raw bundle are usable: one spelling of each, and untreated expression."""

import pandas as pd

from anchordrug.atlas import nothing_left as empty
from anchordrug.atlas.funnel import Funnel
from anchordrug.errors import RawDataError
from anchordrug.raw.bundle import RawBundle
from anchordrug.raw.expression import read_expression
from anchordrug.raw.line_names import LineMatch, match_lines, plain_name
from anchordrug.raw.line_tables import read_identities


def one_spelling(
    bundle: RawBundle, signatures: pd.DataFrame
) -> tuple[pd.DataFrame, LineMatch | None, list[str]]:
    """Return signatures with one spelling of a cell line, the lines' rows in the basal expression, notes.

    The rows are None in a bundle without expression.

    Raises
    ------
    RawDataError
        The expression is damaged, or describes none of the lines.
    """
    rows, genes = ([], []) if bundle.expression is None else read_expression(bundle.expression)[:2]
    counts = signatures["cell_line"].value_counts()
    spelled = sorted(counts.index, key=lambda line: (line not in rows, -counts[line], line))
    first: dict[str, str] = {}
    called = {line: first.setdefault(plain_name(line), line) for line in spelled}
    notes = [
        f"{line}: is {called[line]} under another spelling" for line in sorted(called) if called[line] != line
    ]
    if bundle.expression is None:
        return signatures.assign(cell_line=signatures["cell_line"].map(called)), None, notes
    match = match_lines(first.values(), rows, read_identities(bundle.expression.parent))
    if not match.found and not match.unclear:
        raise RawDataError(
            empty.no_expression(bundle.source, signatures["cell_line"], bundle.expression, rows, genes)
        )
    notes += [
        f"{line}: its untreated expression is {row}'s in {bundle.expression.name}"
        for line, row in sorted(match.found.items())
        if line != row
    ]
    return signatures.assign(cell_line=signatures["cell_line"].map(called)), match, notes


def of_usable_lines(
    bundle: RawBundle, signatures: pd.DataFrame, match: LineMatch | None, funnel: Funnel
) -> pd.DataFrame:
    """Return the signatures of cell lines with untreated expression; of all lines where none is given.

    Raises
    ------
    RawDataError
        None is left.
    """
    expression = bundle.expression
    nameless = signatures["cell_line"].isna()
    funnel.reject_unnamed("cell_line", signatures.loc[nameless, "sig_id"])
    if match is None or expression is None:
        step = "cell line with a name (no untreated expression given)"
        return funnel.keep(signatures, ~nameless, step, lambda _: empty.no_line_named(bundle.source))
    known = signatures["cell_line"].isin(match.found)
    name = expression.name
    for line in sorted(signatures.loc[~known & ~nameless, "cell_line"].unique()):
        several = match.unclear.get(line, [])
        reason = f"several rows of {name} may be its" if several else f"no untreated expression in {name}"
        funnel.rejects.append(("cell_line", line, reason, " or ".join(several) or None))
    return funnel.keep(
        signatures,
        known,
        "cell line with untreated expression",
        lambda before: empty.no_line_left(bundle.source, before["cell_line"], expression, funnel.rejects),
    )
