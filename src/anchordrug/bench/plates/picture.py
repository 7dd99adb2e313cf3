"""Plate maps as pictures: one A4 page per plate, to be taped to the hood."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pandas as pd

from anchordrug.bench.plates.drawing import (
    GREY,
    HEIGHT,
    MARGIN,
    WIDTH,
    as_svg,
    drawing,
    ems,
    fit,
    header,
    new_page,
    write,
)
from anchordrug.bench.plates.wells import ROWS, SHAPES, column_of, row_of, size_of
from anchordrug.errors import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Wells = Literal[96, 384]
_TOP = 24.0
_AXIS = 7.0
# Okabe and Ito's colours without black: told apart by colour-blind people. More drugs than colours have lines
# of another kind around their wells; each has a number besides.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
LINES = ("solid", (0, (3, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)))
_VEHICLE_FILL, _CONTROL_FILL = "#c4c4c4", "#ffffff"
# Legend, best first: text height (mm), most width of an entry's text (em). The first that leaves the wells
# their least pitch (mm) is taken, else the shape that leaves most.
_LEGENDS = (
    *((3.2, 28), (2.8, 28), (2.5, 24), (2.3, 22), (2.1, 22)),
    *((2.1, 18), (2.1, 14), (1.9, 12), (1.9, 9), (1.8, 7)),
)
_LEAST_PITCH = {96: 17.0, 384: 7.6}
_LINE = 1.35
# Where the name is in an entry, after circle and number, and all of an entry but the name (em).
_NAME_AT, _LEAD = 4.0, 5.0
# Height of a catalogue number next to a name of height 1, and the gap between the two (em).
_SMALL, _GAP = 0.8, 0.8
_VEHICLE_LABEL = "DMSO (vehicle control)"


@dataclass(frozen=True)
class Caption:
    """Words on the pages of plates.

    Attributes
    ----------
    title
        The purpose of the plates, such as campaign and round.
    conditions
        Time and the like, in the line of facts.
    notes
        Warnings for the user, above the wells of every plate, one line each; at most two.
    ranks
        The number of each drug; other drugs get the numbers after them. A positive control has a + before it.
    catalogue
        The catalogue number of each drug, shown in the legend.
    """

    title: str
    conditions: str = ""
    notes: Sequence[str] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    catalogue: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """How a drug appears: its number, its name, its catalogue number, fill, edge and kind of line."""

    code: str
    label: str
    number: str
    fill: str
    edge: str
    line: object


EMPTY = Look("", "", "", "none", "#c8c8c8", "solid")
_VEHICLE = Look("", _VEHICLE_LABEL, "", _VEHICLE_FILL, "black", "solid")


def picture(plate_map: pd.DataFrame, caption: Caption, wells: Wells | None = None) -> dict[str, str]:
    """Return an A4 landscape SVG text for each plate, as `plate_pages`."""
    with drawing():
        return {plate: as_svg(page) for plate, page in plate_pages(plate_map, caption, wells).items()}


def plate_pages(plate_map: pd.DataFrame, caption: Caption, wells: Wells | None = None) -> "dict[str, Figure]":
    """Return an A4 landscape page for each plate of `plate_map`, under the plate's name.

    Parameters
    ----------
    plate_map : DataFrame
        All plates, in schema PLATE_MAP. A drug has the same number and colour on each of them.
    caption : Caption
        The words.
    wells : int, optional
        Size of the plates; 384 if a well is beyond H12.
    """
    looks = appearance(plate_map, caption)
    wells = size_of(plate_map, wells)
    return {
        str(plate): _page(table, caption, wells, looks)
        for plate, table in plate_map.groupby("plate", sort=False)
    }


def appearance(plate_map: pd.DataFrame, caption: Caption) -> dict[str, Look]:
    """Return how each drug_id and control looks; drugs without a rank are numbered by name."""
    table = plate_map[plate_map["pert_type"] == "trt"].drop_duplicates("drug_id")
    names = table["name"].fillna(table["drug_id"])
    # Two salts or batches may share a name; then only the id tells them apart.
    labels = names.mask(names.duplicated(keep=False), table["drug_id"])
    label_of = dict(zip(table["drug_id"], labels, strict=True))
    others = sorted(
        (drug for drug in label_of if drug not in caption.ranks),
        key=lambda drug: (label_of[drug].casefold(), drug),
    )
    last = max(caption.ranks.values(), default=0)
    numbers = {drug: last + place for place, drug in enumerate(others, start=1)} | dict(caption.ranks)
    looks = {}
    for drug, label in label_of.items():
        number = numbers[drug]
        colour = COLOURS[(number - 1) % len(COLOURS)]
        line = LINES[(number - 1) // len(COLOURS) % len(LINES)]
        looks[drug] = Look(str(number), label, caption.catalogue.get(drug, ""), colour, colour, line)
    controls = plate_map[plate_map["pert_type"] == "poscon"].drop_duplicates("drug_id")
    for place, (drug, name) in enumerate(zip(controls["drug_id"], controls["name"], strict=True), start=1):
        label = f"{drug if pd.isna(name) else name} (positive control)"
        looks[f"poscon {drug}"] = Look(
            f"+{caption.ranks.get(drug, place)}", label, "", _CONTROL_FILL, "black", "solid"
        )
    return looks


def _page(table: pd.DataFrame, caption: Caption, wells: Wells, looks: Mapping[str, Look]) -> "Figure":
    rows, columns = SHAPES[wells]
    keys = _keys(table)
    here = sorted((looks[key] for key in keys.unique() if key in looks), key=_in_legend)
    legend = [*here, *([_VEHICLE] if (table["pert_type"] == "negcon").any() else [])]
    layout = _sizes(legend, wells)
    axes = new_page()
    _header(axes, table, caption, sum(look.edge != "black" for look in here))
    for place, note in enumerate(caption.notes[:2]):
        size = min(2.8, (WIDTH - 2 * MARGIN) / ems(note, bold=True))
        write(axes, MARGIN, _TOP - 0.8 + 3.4 * place, size, note, bold=True)
    left, top = (WIDTH - layout.pitch * columns + _AXIS) / 2, _TOP + 2.5 + _AXIS
    _frame(axes, left, top, layout.pitch, rows, columns)
    _wells(axes, table.assign(key=keys), (left, top, layout.pitch), (rows, columns), looks)
    _legend(axes, legend, top + rows * layout.pitch + 4, layout)
    return axes.figure  # pyright: ignore[reportReturnType]


def _keys(table: pd.DataFrame) -> pd.Series:
    """Return the key of each well in the looks: a positive control is not the drug of the same id."""
    return table["drug_id"].where(table["pert_type"] != "poscon", "poscon " + table["drug_id"])


def _in_legend(look: Look) -> tuple[bool, int]:
    return look.code.startswith("+"), int(look.code)


@dataclass(frozen=True)
class _Layout:
    """Pitch of the wells, text height and width of a legend entry (mm), lines of the legend."""

    pitch: float
    size: float
    entry: float
    lines: int
    numbers: bool


def _sizes(legend: Sequence[Look], wells: Wells) -> _Layout:
    """Return the first layout that leaves the wells their least pitch, with catalogue numbers if it can."""
    plain = _choices(legend, wells, numbers=False)
    # Numbers are on the page of drugs, too, so names go before them.
    for choice in [*_choices(legend, wells, numbers=True), *plain]:
        if choice.pitch >= _LEAST_PITCH[wells]:
            return choice
    return max(plain, key=lambda choice: choice.pitch)


def _choices(legend: Sequence[Look], wells: Wells, *, numbers: bool) -> list[_Layout]:
    rows, columns = SHAPES[wells]
    inner = WIDTH - 2 * MARGIN
    lengths = sorted(_entry_ems(look, numbers=numbers) for look in legend)
    longest, usual = lengths[-1], lengths[3 * (len(lengths) - 1) // 4]
    choices = []
    for size, most in _LEGENDS:
        if numbers and usual > most:
            break
        across = max(1, int(inner // (size * (min(most, longest) + _LEAD))))
        lines = math.ceil(len(legend) / across)
        space = HEIGHT - _TOP - 2.5 - _AXIS - 4 - lines * size * _LINE - MARGIN
        pitch = min((inner - _AXIS - 2) / columns, space / rows)
        choices.append(_Layout(pitch, size, inner / math.ceil(len(legend) / lines), lines, numbers))
    return choices


def _entry_ems(look: Look, *, numbers: bool) -> float:
    number = _GAP + _SMALL * ems(look.number) if numbers and look.number else 0.0
    return ems(look.label) + number


def _header(axes: "Axes", table: pd.DataFrame, caption: Caption, drugs: int) -> None:
    kinds = table["pert_type"].value_counts()
    levels = sorted(table.loc[table["pert_type"] == "trt", "concentration"].unique())
    facts = [", ".join(f"{level:g}" for level in levels) + " µM"] if levels else []
    facts += [caption.conditions] if caption.conditions else []
    facts += [f"{counted(drugs, 'drug')} in {counted(kinds.get('trt', 0), 'well')}"]
    facts += [f"{kinds.get('negcon', 0)} DMSO"]
    facts += [f"{kinds['poscon']} positive controls"] if "poscon" in kinds else []
    lines = ", ".join(table["cell_line"].unique())
    header(axes, str(table["plate"].iloc[0]), lines, caption.title, "  ·  ".join(facts))


def _frame(axes: "Axes", left: float, top: float, pitch: float, rows: int, columns: int) -> None:
    """Draw the outline with its cut corner at A01, row letters and column numbers."""
    right, bottom = left + columns * pitch + 1, top + rows * pitch + 1
    x, y, cut = left - _AXIS, top - _AXIS, 5.0
    size = min(5.0, pitch * 0.5)
    outline = [(x + cut, y), (right, y), (right, bottom), (x, bottom), (x, y + cut), (x + cut, y)]
    axes.plot(*zip(*outline, strict=True), color="black", linewidth=1.4)
    axes.fill([x, x + cut, x], [y, y, y + cut], color="black", linewidth=0)
    write(axes, x - 0.8, y + 2.6, 3, "A01", bold=True, anchor="right")
    for column in range(columns):
        place = left + (column + 0.5) * pitch
        write(axes, place, top - 1.8, size, str(column + 1), bold=True, anchor="center")
    for row in range(rows):
        place = top + (row + 0.5) * pitch + 0.36 * size
        write(axes, left - 3.4, place, size, ROWS[row], bold=True, anchor="center")


def _wells(
    axes: "Axes",
    table: pd.DataFrame,
    place: tuple[float, float, float],
    shape: tuple[int, int],
    looks: Mapping[str, Look],
) -> None:
    """Draw the wells of a plate from `place` (left, top, pitch) on; big wells have room for names."""
    left, top, pitch = place
    in_well = {
        (row_of(well), column_of(well)): (looks.get(key, _VEHICLE), replicate)
        for well, key, replicate in table[["well_position", "key", "replicate"]].itertuples(index=False)
    }
    grid = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    circles(
        axes,
        [(left + (column + 0.5) * pitch, top + (row + 0.5) * pitch) for row, column in grid],
        0.92 * pitch,
        [in_well.get(well, (EMPTY, 0))[0] for well in grid],
        0.055 * pitch,
        "wells",
    )
    for (row, column), (look, replicate) in in_well.items():
        _in_well(axes, left + (column + 0.5) * pitch, top + (row + 0.5) * pitch, pitch, look, replicate)


def circles(
    axes: "Axes",
    centres: Sequence[tuple[float, float]],
    diameter: float,
    looks: Sequence[Look],
    line: float,
    gid: str,
) -> None:
    """Draw a circle (mm) around each centre; an empty well has a thin line."""
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import to_rgba

    size = [diameter] * len(centres)
    collection = EllipseCollection(
        size,
        size,
        [0] * len(centres),
        units="xy",
        offsets=centres,
        offset_transform=axes.transData,
        facecolors=[
            to_rgba(look.fill, None if look.edge in ("black", EMPTY.edge) else 0.3) for look in looks
        ],
        edgecolors=[look.edge for look in looks],
        linewidths=[(0.2 if look.fill == "none" else line) * 72 / 25.4 for look in looks],
        linestyles=[look.line for look in looks],
        gid=gid,
    )
    axes.add_collection(collection, autolim=False)


def _in_well(axes: "Axes", x: float, y: float, pitch: float, look: Look, replicate: int) -> None:
    big = pitch >= 13
    if look is _VEHICLE:
        write(axes, x, y + 0.04 * pitch, 0.22 * pitch, "DMSO", bold=True, anchor="center")
        size = (0.13 if big else 0.22) * pitch
        write(axes, x, y + 0.29 * pitch, size, f"{'rep ' * big}{replicate}", bold=big, anchor="center")
        return
    if not big:
        size = min(0.4, 0.76 / ems(look.code, bold=True)) * pitch
        write(axes, x, y + 0.07 * pitch, size, look.code, bold=True, anchor="center")
        write(axes, x, y + 0.31 * pitch, 0.23 * pitch, f"r{replicate}", anchor="center")
        return
    lines, size = short_name(look.label, 0.84 * pitch, (0.145 * pitch, 0.13 * pitch, 0.112 * pitch))
    first = y + (0.02 if len(lines) > 1 else 0.09) * pitch
    write(axes, x, y - 0.15 * pitch, 0.24 * pitch, look.code, bold=True, anchor="center")
    for place, text in enumerate(lines):
        write(axes, x, first + 0.135 * pitch * place, size, text, anchor="center")
    write(axes, x, y + 0.34 * pitch, 0.13 * pitch, f"rep {replicate}", bold=True, anchor="center")


def _legend(axes: "Axes", legend: Sequence[Look], top: float, layout: _Layout) -> None:
    """Draw number, colour, name and catalogue number of each drug of the plate, and explain grey wells."""
    size = layout.size
    places = [
        (MARGIN + place // layout.lines * layout.entry, top + (place % layout.lines + 0.75) * size * _LINE)
        for place in range(len(legend))
    ]
    circles(axes, [(x + 0.42 * size, y - 0.36 * size) for x, y in places], 0.84 * size, legend, 0.4, "legend")
    for look, (x, y) in zip(legend, places, strict=True):
        write(axes, x + (_NAME_AT - 0.4) * size, y, size, look.code, bold=True, anchor="right")
        room = layout.entry / size - _LEAD
        number = look.number if layout.numbers else ""
        label = fit(look.label, room - (_GAP + _SMALL * ems(number) if number else 0))
        write(axes, x + _NAME_AT * size, y, size, label)
        if number:
            at = x + (_NAME_AT + ems(label) + _GAP) * size
            write(axes, at, y, _SMALL * size, number, colour=GREY)


def short_name(text: str, width: float, sizes: tuple[float, ...]) -> tuple[list[str], float]:
    """Return `text` on one or two lines of at most `width`, and the largest of `sizes` that tears no word."""
    breaks = [at for at in range(1, len(text)) if text[at - 1] == "-" or text[at] == " "]
    for size in sizes:
        most = width / size
        if ems(text) <= most:
            return [text], size
        for at in reversed(breaks):
            lines = [text[:at], text[at:].strip()]
            if max(map(ems, lines)) <= most:
                return lines, size
    room = width / sizes[-1]
    longest = max(at for at in range(1, len(text)) if at == 1 or ems(text[:at] + "-") <= room)
    at = max((at for at in breaks if longest / 2 < at <= longest), default=None)
    if at is not None:
        return [text[:at], fit(text[at:].strip(), room)], sizes[-1]
    torn = min(longest, math.ceil(len(text) / 2))
    return [f"{text[:torn]}-", fit(text[torn:].strip(), room)], sizes[-1]
