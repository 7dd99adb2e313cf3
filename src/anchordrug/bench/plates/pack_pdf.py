"""The pack of a round as pages to print: protocol and checklist, plates, drugs, source wells, solutions."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from anchordrug.bench.plates.drawing import (
    GREY,
    HEIGHT,
    MARGIN,
    WIDTH,
    ems,
    fit,
    header,
    lines,
    new_page,
    paragraph,
    table,
    wrapped,
    write,
)
from anchordrug.bench.plates.pack import Pack
from anchordrug.bench.plates.picture import EMPTY, Look, circles
from anchordrug.bench.plates.plate_map import VEHICLE
from anchordrug.bench.plates.protocol import checklist, facts, warnings
from anchordrug.bench.plates.source_wells import unpadded
from anchordrug.bench.plates.wells import ROWS, SHAPES, column_of, row_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TOP = 26.0
# Lines of a table per page, by the height of its texts (mm).
_ROWS = {2.4: 39, 2.5: 37, 2.6: 36}
_SIZE = 2.6
_EARLIER = Look("", "", "", "#e4e4e4", EMPTY.edge, "solid")
_INNER = WIDTH - 2 * MARGIN


def pack_pages(pack: Pack, plates: "Sequence[Figure]", looks: Mapping[str, Look]) -> "list[Figure]":
    """Return the pages of a pack, those of its plates after the first.

    Parameters
    ----------
    plates
        The pages of `plate_pages`.
    looks
        The colours and numbers that drugs have there.
    """
    pages = [_protocol(pack), *plates, *_drugs(pack), *_sources(pack, looks), *_by_hand(pack)]
    for number, page in enumerate(pages, start=1):
        axes = page.axes[0]
        foot = f"page {number} of {len(pages)}"
        write(axes, WIDTH - MARGIN, HEIGHT - 3.5, 2.2, foot, anchor="right", colour=GREY)
        write(axes, MARGIN, HEIGHT - 3.5, 2.2, fit(pack.of.title, 80), colour=GREY)
    return pages


def _start(pack: Pack, title: str, below: str, right: str = "") -> "Axes":
    axes = new_page()
    header(axes, title, ", ".join(pack.of.plate_map["cell_line"].unique()), below, right)
    return axes


def _protocol(pack: Pack) -> "Figure":
    """Draw the facts of the round, the warnings, and the steps to tick off."""
    axes = _start(pack, "Protocol", pack.of.title, "done by ____________________   date ______________")
    size, left, middle = 3.3, MARGIN, 46.0
    y = _TOP + 6
    for label, value in facts(pack):
        write(axes, left, y, size, label, bold=True)
        y = paragraph(axes, middle, y, size, value, 98) + 2.6
    told = warnings(pack)
    if told:
        y += 4
        write(axes, left, y, 4, "Attention", bold=True)
        y += 7
        for warning in told:
            write(axes, left, y, size, "!", bold=True)
            y = paragraph(axes, left + 4, y, size, warning, 132) + 2
    x, y = 152.0, _TOP + 6
    write(axes, x, y, 4, "Checklist", bold=True)
    y += 8
    boxes = []
    for step in checklist(pack):
        box = [(x, y - 2.6), (x + 3.4, y - 2.6), (x + 3.4, y + 0.8), (x, y + 0.8), (x, y - 2.6)]
        boxes.append(box)
        y = paragraph(axes, x + 6, y, size, step, WIDTH - MARGIN - x - 6) + 4
    lines(axes, boxes, "black", 0.9)
    return _figure(axes)


def _figure(axes: "Axes") -> "Figure":
    return axes.figure  # pyright: ignore[reportReturnType]


def _drugs(pack: Pack) -> "list[Figure]":
    """Draw the drugs to order and their volumes."""
    drugs = pack.drugs
    names = drugs["name"].where(drugs["name"].notna(), drugs["drug_id"])
    numbers = [column for column in pack.of.catalogue if drugs[column].notna().any()]
    told = next((name for name in ("reason", "moa") if name in drugs and drugs[name].notna().any()), None)
    table_ = pd.DataFrame(
        {
            "rank": drugs["rank"].astype(str),
            "name": names,
            "drug_id": drugs["drug_id"],
            **{name: drugs[name] for name in [*numbers, *(n for n in ("vendor",) if n in drugs)][:3]},
            "stock (mM)": drugs["stock_mm"].map("{:g}".format),
            "source": drugs["source_plate"] + " " + drugs["source_well"],
            "wells": drugs["wells"].astype(str),
            "uM in well": drugs["reached_um"],
            "nL in all": drugs["total_nl"].map("{:g}".format).replace("nan", ""),
            **({} if told is None else {told: drugs[told]}),
        }
    ).fillna("")
    return _pages(pack, "Drugs", "catalogue numbers, stocks and source wells", table_, _SIZE, 3)


def _sources(pack: Pack, looks: Mapping[str, Look]) -> "list[Figure]":
    """Draw each source plate as a picture with its table of volumes next to it."""
    pages = []
    for plate, wells in pack.sources.groupby("source_plate", sort=False):
        shown = wells.head(_ROWS[2.5])
        axes = _start(pack, f"Source wells: {plate}", "384 wells; volumes in uL", _fill_in_words(pack))
        _source_map(axes, wells, looks, pack.used_before(str(plate)))
        _volumes(axes, pack, shown)
        pages.append(_figure(axes))
        rest = wells.iloc[_ROWS[2.5] :]
        while len(rest):
            axes = _start(pack, f"Source wells: {plate}", "continued", _fill_in_words(pack))
            _volumes(axes, pack, rest.head(_ROWS[2.5]))
            pages.append(_figure(axes))
            rest = rest.iloc[_ROWS[2.5] :]
    return pages


def _fill_in_words(pack: Pack) -> str:
    plates = pack.of.plates
    return f"full: {plates.source_volume_ul:g} uL, at least {plates.dead_volume_ul:g} uL stay in the well"


def _source_map(
    axes: "Axes", wells: pd.DataFrame, looks: Mapping[str, Look], used_before: Collection[str]
) -> None:
    rows, columns = SHAPES[384]
    pitch, left, top = 6.1, MARGIN + 6, _TOP + 10
    for column in range(columns):
        at = left + (column + 0.5) * pitch
        write(axes, at, top - 1.5, 2.4, str(column + 1), bold=True, anchor="center")
    for row in range(rows):
        write(axes, left - 3, top + (row + 0.65) * pitch, 2.4, ROWS[row], bold=True, anchor="center")
    vehicle = Look(VEHICLE, "", "", "#c4c4c4", "black", "solid")
    look_in = {(row_of(well), column_of(well)): _EARLIER for well in used_before}
    for well, drug in zip(wells["source_well"], wells["drug_id"], strict=True):
        look = vehicle if drug == VEHICLE else looks[drug if drug in looks else f"poscon {drug}"]
        look_in[row_of(well), column_of(well)] = look
        x, y = left + (column_of(well) + 0.5) * pitch, top + (row_of(well) + 0.5) * pitch
        size = min(0.42, 0.8 / ems(look.code, bold=True)) * pitch
        write(axes, x, y + 0.36 * size, size, look.code, bold=True, anchor="center")
    grid = [(row, column) for row in range(rows) for column in range(columns)]
    centres = [(left + (column + 0.5) * pitch, top + (row + 0.5) * pitch) for row, column in grid]
    shown = [look_in.get(place, EMPTY) for place in grid]
    circles(axes, centres, 0.9 * pitch, shown, 0.06 * pitch, "source wells")
    if set(shown) & {_EARLIER}:
        y = top + (rows + 1.2) * pitch
        circles(axes, [(left + 0.5 * pitch, y - 1)], 0.9 * pitch, [_EARLIER], 0.06 * pitch, "earlier")
        write(axes, left + 1.3 * pitch, y, 2.6, "stocks of earlier rounds, not used in this round")


def _volumes(axes: "Axes", pack: Pack, wells: pd.DataFrame) -> None:
    """Draw the table of volumes in the right half of a page."""
    columns = {"well": 9, "no.": -9, "name": 33, "has": -14, "add": -14, "used": -14, "left": -14, "": 18}
    ranks = pack.ranks
    rows = [
        (
            unpadded(well),
            str(ranks.get(drug, "")),
            drug if pd.isna(name) else name,
            *(f"{volume:.4g}" for volume in volumes),
            "" if not fills else f"{todo.split(' ')[0]}{f' {fills} x' if fills > 1 else ''}",
        )
        for well, drug, name, *volumes, fills, todo in wells[
            ["source_well", "drug_id", "name", "before_ul", "added_ul", "used_ul", "left_ul", "fills", "todo"]
        ].itertuples(index=False)
    ]
    table(axes, 164, _TOP + 4, columns, rows, 2.5)


def _by_hand(pack: Pack) -> "list[Figure]":
    """Draw how the working solutions are mixed, and where they go."""
    by_hand = pack.by_hand
    if by_hand.empty:
        return []
    in_wells = _wells_of(pack)
    keys = zip(by_hand["drug_id"], by_hand["concentration_um"], strict=True)
    shown = pd.DataFrame(
        {
            "no.": by_hand["rank"].astype("string").fillna(""),
            "name": by_hand["name"].where(by_hand["name"].notna(), by_hand["drug_id"]),
            "stock (mM)": by_hand["stock_mm"].map("{:g}".format).replace("nan", ""),
            **_first_step(by_hand),
            "stock (uL)": by_hand["stock_ul"].map("{:g}".format),
            "DMSO (uL)": by_hand["dmso_ul"].map("{:g}".format),
            "medium (uL)": by_hand["medium_ul"].map("{:g}".format),
            "total (uL)": by_hand["total_ul"].map("{:g}".format),
            "gives (uM)": by_hand["working_um"].map("{:g}".format),
            "wells": [in_wells[key] for key in keys],
        }
    )
    per_well = by_hand["per_well_ul"].iloc[0]
    rest = pack.of.plates.well_volume_ul - per_well
    told = f"cells in {rest:g} uL of medium per well, then {per_well:g} uL of the working solution"
    return _pages(pack, "By hand", told, shown, 2.4)


def _first_step(by_hand: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the columns of a first dilution in DMSO, if there is one."""
    if not by_hand["first_stock_ul"].any():
        return {}
    steps = by_hand["first_stock_ul"].map("{:g}".format) + " + " + by_hand["first_dmso_ul"].map("{:g}".format)
    return {"first: stock + DMSO": steps.where(by_hand["first_stock_ul"] > 0, "")}


def _wells_of(pack: Pack) -> dict[tuple[str, float], str]:
    """Return the wells of each drug and concentration, in words; with plates if there are several."""
    plate_map = pack.of.plate_map
    plates = {plate: f"P{number}" for number, plate in enumerate(plate_map["plate"].unique(), start=1)}
    many = len(plates) > 1
    places = plate_map["plate"].map(plates) + ":" if many else ""
    wells = plate_map.assign(place=places + plate_map["well_position"])
    grouped = wells.groupby(["drug_id", "concentration"])["place"].agg(" ".join)
    return {(str(drug), float(dose)): text for (drug, dose), text in grouped.items()}  # pyright: ignore


def _pages(
    pack: Pack, title: str, below: str, rows: pd.DataFrame, size: float, most: int | None = None
) -> "list[Figure]":
    """Draw a table on as many pages as it needs; its last column takes up to `most` lines, None: in all."""
    texts = rows.astype(str)
    widths = _widths(texts, size)
    shown = []
    for *cells, last in texts.itertuples(index=False, name=None):
        parts = wrapped(last, list(widths.values())[-1] / size - 1) or [""]
        if most is not None and len(parts) > most:
            parts = [*parts[: most - 1], f"{parts[most - 1]} …"]
        shown += [(*cells, parts[0]), *((*[""] * len(cells), part) for part in parts[1:])]
    pages = []
    while shown:
        last = min(_ROWS[size], len(shown))
        # A row continues below its first line, on the same page if it can.
        while 1 < last < len(shown) and not any(shown[last][:-1]):
            last -= 1
        axes = _start(pack, title, f"{below}{', continued' if pages else ''}")
        table(axes, MARGIN, _TOP, widths, shown[:last], size)
        pages.append(_figure(axes))
        shown = shown[last:]
    return pages


def _widths(texts: pd.DataFrame, size: float) -> dict[str, float]:
    """Return the width (mm) of each column: that of its texts, or less for the widest if the page is full."""
    wide = {
        str(name): size * (max(ems(str(name), bold=True), *(ems(text) for text in column.unique())) + 1.6)
        for name, column in texts.items()
    }
    cap = max(wide.values())
    while sum(min(width, cap) for width in wide.values()) > _INNER:
        cap -= 0.5
    return {name: min(width, cap) for name, width in wide.items()}
