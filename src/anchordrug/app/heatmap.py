"""A heatmap of drugs x genes as one SVG, whose texts are escaped."""

from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

CELL, LEFT, TOP = 15, 150, 90
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#1a1c1e}@media(prefers-color-scheme:dark){text{fill:#e8eaec}}"
)
# Down, none, up: blue to white to red, told apart with any colour vision.
_ENDS = np.array([[33, 102, 172], [247, 247, 247], [178, 24, 43]])


def drawn(matrix: pd.DataFrame, names: dict[str, str]) -> str:
    """Return the SVG of expected changes, [drugs x genes] from -1 to 1.

    Parameters
    ----------
    names
        What to call drugs, by id.
    """
    rows, columns = matrix.shape
    width, height = LEFT + columns * CELL + 10, TOP + rows * CELL + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><style>{_STYLE}</style>'
    ]
    for column, gene in enumerate(matrix.columns):
        x = LEFT + column * CELL + 11
        parts.append(
            f'<text x="{x}" y="{TOP - 5}" transform="rotate(-60 {x} {TOP - 5})">{_word(gene)}</text>'
        )
    for row, (drug, values) in enumerate(zip(matrix.index, matrix.to_numpy(), strict=True)):
        y = TOP + row * CELL
        parts.append(
            f'<text x="{LEFT - 5}" y="{y + 11}" text-anchor="end">{_word(names.get(drug, drug))}</text>'
        )
        for column, value in enumerate(values):
            parts.append(
                f'<rect x="{LEFT + column * CELL}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" '
                f'fill="{_colour(value)}"><title>{_word(drug)}, {_word(matrix.columns[column])}: {value:+.2f}'
                "</title></rect>"
            )
    return "".join([*parts, "</svg>"])


def _colour(value: float) -> str:
    if not np.isfinite(value):
        return "none"
    low, middle, high = _ENDS
    mixed = middle + abs(value) * ((high if value > 0 else low) - middle)
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


def _word(text: object) -> str:
    line = "".join(c if c.isprintable() else " " for c in str(text))
    return escape(line if len(line) <= 22 else f"{line[:20]}…")
