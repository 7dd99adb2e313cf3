"""A4 pages drawn with matplotlib in mm: texts that fit, tables, and the same bytes for the same page."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, MARGIN = 297.0, 210.0, 8.0
GREY = "#595959"
# matplotlib brings it along, so pages are the same on all machines.
_FONT = "DejaVu Sans"
_POINTS_PER_MM = 72 / 25.4
_SETTINGS = {
    "font.family": _FONT,
    "svg.fonttype": "none",
    "svg.hashsalt": "anchordrug",
    "pdf.fonttype": 3,
    "text.usetex": False,
}
_UNKNOWN = "\ufffd"


@contextmanager
def drawing() -> Iterator[None]:
    """Have matplotlib draw with the settings of this module, whatever those of the user are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for name, value in _SETTINGS.items():
            matplotlib.rcParams[name] = value  # pyright: ignore[reportArgumentType]
        yield


def new_page() -> "Axes":
    """Return an empty A4 page, landscape; its coordinates are mm from the upper left corner."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 25.4, HEIGHT / 25.4), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    return axes


def as_svg(page: "Figure") -> str:
    """Return a page as SVG text; its texts stay texts."""
    target = StringIO()
    page.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()


def as_pdf(pages: Sequence["Figure"], title: str) -> bytes:
    """Return pages as a PDF."""
    from matplotlib.backends.backend_pdf import PdfPages

    about = {"Title": printed(title), "CreationDate": None, "Creator": None, "Producer": None}
    target = BytesIO()
    with PdfPages(target, metadata=about) as book:
        for page in pages:
            book.savefig(page)
    return target.getvalue()


def write(
    axes: "Axes",
    x: float,
    y: float,
    size: float,
    text: str,
    *,
    bold: bool = False,
    anchor: Literal["left", "center", "right"] = "left",
    colour: str = "black",
) -> None:
    """Write a line of text of height `size` with its base line at `y`."""
    axes.text(
        x,
        y,
        printed(text),
        fontsize=size * _POINTS_PER_MM,
        fontweight="bold" if bold else "normal",
        ha=anchor,
        va="baseline",
        color=colour,
        # A name may hold characters that matplotlib takes for a formula.
        parse_math=False,
    )


@lru_cache(maxsize=4096)
def printed(text: str) -> str:
    """Return `text` in one line, without control characters and with a sign for those the font lacks."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return "".join(char if ord(char) in _glyphs() else _UNKNOWN for char in line)


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [findfont(FontProperties(family=_FONT, weight=weight)) for weight in ("normal", "bold")]
    return frozenset.intersection(*(frozenset(get_font(font).get_charmap()) for font in fonts))


def ems(text: str, bold: bool = False) -> float:
    """Return how wide a text is, in heights of its font; pairs of letters that move together count apart."""
    return sum(_ems(char, bold) for char in printed(text))


@cache
def _ems(char: str, bold: bool) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=_FONT, weight="bold" if bold else "normal", size=100)
    # A space alone would have no width.
    with_it, without = (
        text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
        for text in (f"x{char}x", "xx")
    )
    return (with_it - without) / 100


def fit(text: str, most: float, *, bold: bool = False) -> str:
    """Return `text`, or as much of it as is at most so many heights of its font wide, with an ellipsis."""
    text = printed(text)
    if ems(text, bold) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if ems(text[:middle] + "…", bold) <= most else (low, middle - 1)
    return text[:low].rstrip() + "…"


def wrapped(text: str, most: float) -> list[str]:
    """Return `text` in lines of at most so many heights of its font; a longer word is cut."""
    lines = [""]
    for word in printed(text).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if ems(longer) <= most:
            lines[-1] = longer
        else:
            lines.append(fit(word, most))
    return [line for line in lines if line]


def paragraph(axes: "Axes", x: float, y: float, size: float, text: str, width: float) -> float:
    """Write lines of at most `width` from the base line `y` on; return the base line after them."""
    for line in wrapped(text, width / size):
        write(axes, x, y, size, line)
        y += 1.45 * size
    return y


def header(axes: "Axes", left: str, right: str, below: str, below_right: str) -> None:
    """Write the head of a page: two bold titles, and a line of facts below each."""
    end = WIDTH - MARGIN
    write(axes, MARGIN, 13, 6, fit(left, 24, bold=True), bold=True)
    write(axes, end, 13, 6, fit(right, 18, bold=True), bold=True, anchor="right")
    write(axes, MARGIN, 19.5, 3.6, fit(below, 40))
    write(axes, end, 19.5, 3.6, fit(below_right, 38), anchor="right")


def table(
    axes: "Axes",
    left: float,
    top: float,
    columns: Mapping[str, float],
    rows: Sequence[Sequence[str]],
    size: float,
) -> None:
    """Draw a table from its upper left corner on, with lines of height 1.75 `size`.

    Parameters
    ----------
    columns
        The width of each column in mm, by its title; numbers of a negative width are written to its right.
    rows
        Texts, one per column; those that do not fit are cut. No line is drawn above a row that has
        a text in its last column alone: it continues the row before.
    """
    line = 1.75 * size
    x = left
    for number, (title, given) in enumerate(columns.items()):
        wide, is_number = abs(given), given < 0
        at, anchor = (x + wide - size, "right") if is_number else (x, "left")
        most = wide / size - 1
        write(axes, at, top + line * 0.7, size, fit(title, most, bold=True), bold=True, anchor=anchor)
        for place, row in enumerate(rows, start=1):
            write(axes, at, top + line * (place + 0.7), size, fit(row[number], most), anchor=anchor)
        x += wide
    # A row that has a text in its last column alone continues the row before.
    ends = [place for place in range(1, len(rows) + 1) if place == len(rows) or any(rows[place][:-1])]
    lines(axes, [[(left, top + line), (x, top + line)]], "black")
    lines(
        axes, [[(left, top + line * (place + 1)), (x, top + line * (place + 1))] for place in ends], "#d0d0d0"
    )


def lines(
    axes: "Axes", paths: Sequence[Sequence[tuple[float, float]]], colour: str, wide: float = 0.5
) -> None:
    """Draw lines through points (mm)."""
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(paths, colors=colour, linewidths=wide), autolim=False)
