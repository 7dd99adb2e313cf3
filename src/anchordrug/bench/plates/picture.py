"""Plate maps as pictures: one A4 page a plate, to be taped to the hood. SVG written by hand, in mm."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

import pandas as pd

from anchordrug.bench.plates.wells import ROWS, SHAPES, well_name

_WIDTH, _HEIGHT, _MARGIN = 297.0, 210.0, 8.0
_TOP = 24.0
_AXIS = 7.0
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
# Okabe and Ito's colours without black: told apart by colour-blind people.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
# Legend, best first: text height (mm), most width of a name (em). The first that leaves the wells their
# least pitch (mm) is taken, else the one that leaves most.
_LEGENDS = (
    *((3.2, 28), (2.8, 28), (2.5, 24), (2.3, 22), (2.1, 22)),
    *((2.1, 18), (2.1, 14), (1.9, 12), (1.9, 9), (1.8, 7)),
)
_LEAST_PITCH = {96: 17.5, 384: 7.6}
_LINE = 1.35
# Where the name stands in an entry, after circle and number, and all of an entry but the name (em).
_NAME_AT, _LEAD = 4.0, 5.0
_BOLD = 1.13
_VEHICLE_LABEL = "DMSO (vehicle control)"


@dataclass(frozen=True)
class _Drug:
    """How a drug appears: its number, its text, its colour."""

    code: str
    label: str
    colour: str


def picture(
    plate_map: pd.DataFrame, title: str, *, wells: Literal[96, 384] | None = None, note: str | None = None
) -> dict[str, str]:
    """Return an A4 landscape SVG text for each plate of `plate_map`, under the plate's name.

    Parameters
    ----------
    plate_map : DataFrame
        All plates, in schema PLATE_MAP. A drug has the same number and colour on each of them.
    title : str
        What the plates are for, such as campaign and round.
    wells : int, optional
        Size of the plates; by default 384 if a well lies beyond H12, else 96.
    note : str, optional
        What the user must know; it stands above the wells of every plate.
    """
    drugs = _appearance(plate_map)
    if wells is None:
        fits = plate_map["well_position"].str.match(r"[A-H](0\d|1[0-2])$").all()
        wells = 96 if fits else 384
    return {
        str(plate): _page(table, title, wells, drugs, note)
        for plate, table in plate_map.groupby("plate", sort=False)
    }


def _appearance(plate_map: pd.DataFrame) -> dict[str, _Drug]:
    """Give each drug_id its number, by name, so that a name is quickly found in a legend."""
    table = plate_map[plate_map["pert_type"] == "trt"].drop_duplicates("drug_id")
    names = table["name"].fillna(table["drug_id"])
    # Two salts or batches may share a name; then only the id tells them apart.
    labels = names.mask(names.duplicated(keep=False), table["drug_id"])
    ordered = sorted(
        zip(labels, table["drug_id"], strict=True), key=lambda pair: (pair[0].casefold(), pair[1])
    )
    return {
        drug: _Drug(str(number + 1), _printable(label), _COLOURS[number % len(_COLOURS)])
        for number, (label, drug) in enumerate(ordered)
    }


def _page(
    table: pd.DataFrame,
    title: str,
    wells: Literal[96, 384],
    drugs: Mapping[str, _Drug],
    note: str | None,
) -> str:
    rows, columns = SHAPES[wells]
    here = sorted(
        {drugs[drug] for drug in table["drug_id"] if drug in drugs}, key=lambda drug: int(drug.code)
    )
    pitch, size, entry, lines = _sizes([drug.label for drug in here] + [_VEHICLE_LABEL], wells)
    left = (_WIDTH - pitch * columns + _AXIS) / 2
    top = _TOP + _AXIS
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:g}mm" height="{_HEIGHT:g}mm" '
        f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" font-family="{_FONT}">',
        f'<rect width="{_WIDTH:g}" height="{_HEIGHT:g}" fill="white"/>',
        *_header(table, title, len(here)),
        *_note(note),
        *_frame(left, top, pitch, rows, columns),
    ]
    in_well = dict(
        zip(table["well_position"], zip(table["drug_id"], table["replicate"], strict=True), strict=True)
    )
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.5) * pitch, top + (row + 0.5) * pitch
            parts += _well(in_well.get(well_name(row, column)), x, y, pitch, drugs)
    parts += _legend(here, table, top + rows * pitch + 4, size, entry, lines)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _sizes(labels: list[str], wells: Literal[96, 384]) -> tuple[float, float, float, int]:
    """Return pitch of the wells, text height and width of a legend entry (mm), lines of the legend."""
    rows, columns = SHAPES[wells]
    inner = _WIDTH - 2 * _MARGIN
    longest = max(map(_ems, labels))
    choices = []
    for size, ems in _LEGENDS:
        across = int(inner // (size * (min(ems, longest) + _LEAD)))
        lines = math.ceil(len(labels) / across)
        space = _HEIGHT - _TOP - _AXIS - 4 - lines * size * _LINE - _MARGIN
        pitch = min((inner - _AXIS - 2) / columns, space / rows)
        choices.append((pitch, size, inner / math.ceil(len(labels) / lines), lines))
    return next((choice for choice in choices if choice[0] >= _LEAST_PITCH[wells]), max(choices))


def _header(table: pd.DataFrame, title: str, drugs: int) -> list[str]:
    treated = table["pert_type"] == "trt"
    levels = ", ".join(f"{level:g}" for level in sorted(table.loc[treated, "concentration"].unique()))
    facts = [f"{levels} µM"] if levels else []
    facts += [f"{drugs} drug{'s' * (drugs != 1)} in {treated.sum()} wells", f"{(~treated).sum()} DMSO"]
    right = _WIDTH - _MARGIN
    plate, lines = str(table["plate"].iloc[0]), ", ".join(table["cell_line"].unique())
    return [
        _text(_MARGIN, 13, 7, _fit(plate, 21 / _BOLD), bold=True, anchor="start"),
        _text(right, 13, 7, _fit(lines, 17 / _BOLD), bold=True, anchor="end"),
        _text(_MARGIN, 19.5, 4, _fit(title, 38), anchor="start"),
        _text(right, 19.5, 4, _fit("  ·  ".join(facts), 30), anchor="end"),
    ]


def _note(note: str | None) -> list[str]:
    """Return the line above the wells, small enough to be read as a whole."""
    if note is None:
        return []
    width = _WIDTH - 2 * _MARGIN
    size = min(2.8, width / (_BOLD * _ems(note)))
    return [_text(_MARGIN, _TOP - 1, size, note, bold=True, anchor="start")]


def _frame(left: float, top: float, pitch: float, rows: int, columns: int) -> list[str]:
    """Return the outline with its cut corner at A01, row letters and column numbers."""
    right, bottom = left + columns * pitch + 1, top + rows * pitch + 1
    x, y, cut = left - _AXIS, top - _AXIS, 5.0
    size = min(5.0, pitch * 0.5)
    return [
        f'<path d="M{x + cut:.2f} {y:.2f}H{right:.2f}V{bottom:.2f}H{x:.2f}V{y + cut:.2f}Z" fill="none" '
        'stroke="black" stroke-width="0.5"/>',
        f'<path d="M{x:.2f} {y:.2f}H{x + cut:.2f}L{x:.2f} {y + cut:.2f}Z" fill="black"/>',
        _text(x - 0.8, y + 2.6, 3, "A01", bold=True, anchor="end"),
        *(
            _text(left + (column + 0.5) * pitch, top - 1.8, size, str(column + 1), bold=True)
            for column in range(columns)
        ),
        *(
            _text(left - 3.4, top + (row + 0.5) * pitch + 0.36 * size, size, ROWS[row], bold=True)
            for row in range(rows)
        ),
    ]


def _well(
    well: tuple[str, int] | None, x: float, y: float, pitch: float, drugs: Mapping[str, _Drug]
) -> list[str]:
    """Return circle and text of the well around (`x`, `y`); a big well has room for the drug's name."""
    radius = 0.46 * pitch
    circle = f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}"'
    if well is None:
        return [f'{circle} fill="none" stroke="#c8c8c8" stroke-width="0.2"/>']
    drug_id, replicate = well
    big = pitch >= 13
    if drug_id not in drugs:
        return [
            f'{circle} fill="#c4c4c4" stroke="black" stroke-width="{0.045 * pitch:.2f}"/>',
            _text(x, y + 0.04 * pitch, 0.22 * pitch, "DMSO", bold=True),
            _text(
                x, y + 0.29 * pitch, (0.13 if big else 0.22) * pitch, f"{'rep ' * big}{replicate}", bold=big
            ),
        ]
    drug = drugs[drug_id]
    parts = [
        f'{circle} fill="{drug.colour}" fill-opacity="0.3" stroke="{drug.colour}" '
        f'stroke-width="{0.06 * pitch:.2f}"/>'
    ]
    if not big:
        size = min(0.4, 0.76 / (_BOLD * _ems(drug.code))) * pitch
        return [
            *parts,
            _text(x, y + 0.07 * pitch, size, drug.code, bold=True),
            _text(x, y + 0.31 * pitch, 0.23 * pitch, f"r{replicate}"),
        ]
    lines, size = _short_name(drug.label, 0.84 * pitch, (0.145 * pitch, 0.13 * pitch, 0.112 * pitch))
    first = y + (0.02 if len(lines) > 1 else 0.09) * pitch
    return [
        *parts,
        _text(x, y - 0.15 * pitch, 0.24 * pitch, drug.code, bold=True),
        *(_text(x, first + 0.135 * pitch * line, size, text) for line, text in enumerate(lines)),
        _text(x, y + 0.34 * pitch, 0.13 * pitch, f"rep {replicate}", bold=True),
    ]


def _legend(
    here: list[_Drug], table: pd.DataFrame, top: float, size: float, entry: float, lines: int
) -> list[str]:
    """Return number, colour and name of each drug of the plate, and what a grey well is."""
    entries = [(drug.code, drug.label, drug.colour) for drug in here]
    if (table["pert_type"] == "negcon").any():
        entries.append(("", _VEHICLE_LABEL, "#c4c4c4"))
    radius = 0.42 * size
    parts = []
    for number, (code, label, colour) in enumerate(entries):
        x = _MARGIN + number // lines * entry
        y = top + (number % lines + 0.75) * size * _LINE
        parts += [
            f'<circle cx="{x + radius:.2f}" cy="{y - 0.36 * size:.2f}" r="{radius:.2f}" fill="{colour}" '
            f'stroke="black" stroke-width="0.15"/>',
            _text(x + (_NAME_AT - 0.4) * size, y, size, code, bold=True, anchor="end"),
            _text(x + _NAME_AT * size, y, size, _fit(label, entry / size - _LEAD), anchor="start"),
        ]
    return parts


def _text(x: float, y: float, size: float, text: str, *, bold: bool = False, anchor: str = "middle") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:.2f}" text-anchor="{anchor}"{weight}>'
        f"{escape(_printable(text))}</text>"
    )


def _printable(text: str) -> str:
    """Return `text` without the control characters that XML forbids even when they are escaped."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _ems(text: str) -> float:
    """Return about how wide `text` is, in heights of its font; rather too wide than too narrow."""
    width = 0.0
    for char in text:
        if unicodedata.combining(char):
            continue
        if unicodedata.east_asian_width(char) in "WF":
            width += 1.0
        elif char in "ijlI.,:;'|! ":
            width += 0.33
        elif char in "frt()[]-":
            width += 0.42
        elif char in "mwMW@%—…":
            width += 1.0
        else:
            width += 0.74 if char.isupper() else 0.63
    return width


def _fit(text: str, ems: float) -> str:
    """Return `text`, or as much of it as is at most `ems` wide, with an ellipsis."""
    if _ems(text) <= ems:
        return text
    while text and _ems(text + "…") > ems:
        text = text[:-1]
    return text.rstrip() + "…"


def _short_name(text: str, width: float, sizes: tuple[float, ...]) -> tuple[list[str], float]:
    """Return `text` on one or two lines of at most `width`, and the largest of `sizes` that tears no word."""
    breaks = [at for at in range(1, len(text)) if text[at - 1] == "-" or text[at] == " "]
    for size in sizes:
        ems = width / size
        if _ems(text) <= ems:
            return [text], size
        for at in reversed(breaks):
            lines = [text[:at], text[at:].strip()]
            if max(map(_ems, lines)) <= ems:
                return lines, size
    ems = width / sizes[-1]
    most = max(at for at in range(1, len(text)) if at == 1 or _ems(text[:at] + "-") <= ems)
    at = max((at for at in breaks if most / 2 < at <= most), default=None)
    if at is not None:
        return [text[:at], _fit(text[at:].strip(), ems)], sizes[-1]
    torn = min(most, math.ceil(len(text) / 2))
    return [f"{text[:torn]}-", _fit(text[torn:].strip(), ems)], sizes[-1]
