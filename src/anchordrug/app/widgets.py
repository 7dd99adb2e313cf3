"""Pieces of a page: texts, tables, drop zones, parts that follow the files; contents of files stay text."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from anchordrug.report.terms import TERMS, first_uses

ROWS_A_PAGE = 25
# Terms that were explained in the part of a page that is being drawn.
_used: ContextVar[set[str]] = ContextVar("used")


def text(tag: str, content: object, classes: str = "") -> TextElement:
    """Show a text in an element; it is never read as HTML."""
    return TextElement(text=str(content), tag=tag).classes(classes)


def prose(content: str, classes: str = "") -> Element:
    """Show a paragraph of the page's own; terms of the glossary explain themselves where they come first."""
    with within("p", classes) as paragraph:
        for piece, term in first_uses(content, _used.get(set())):
            if term is None:
                text("span", piece)
                continue
            shown = text("button", piece, "term")
            told = text("span", TERMS[term])
            told.props["hidden"], told.props["id"] = "hidden", f"term-{told.id}"
            shown.props["type"], shown.props["data-tip"] = "button", TERMS[term]
            shown.props["aria-describedby"] = f"term-{told.id}"
    return paragraph


def within(tag: str, classes: str = "", **attributes: str) -> Element:
    """Return an element to put others into; `_` in the name of an attribute is a hyphen."""
    element = ui.element(tag).classes(classes)
    for name, value in attributes.items():
        element.props[name.rstrip("_").replace("_", "-")] = value
    return element


def link(content: str, url: str, *, new_tab: bool = False) -> None:
    """Show a link to an address of this server."""
    element = text("a", content)
    element.props["href"] = url
    if new_tab:
        element.props["target"] = "_blank"


def button(content: str, on_click: Callable, *, main: bool = False, reason: str = "") -> ui.button:
    """Show a button; the main one of a card has the colour. A reason not to press it is shown."""
    (shown,) = buttons([(content, on_click)], main=main, reason=reason)
    return shown


def buttons(
    actions: Sequence[tuple[str, Callable]], *, main: bool = False, reason: str = ""
) -> list[ui.button]:
    """Show buttons, and below them the reason why none can be pressed now, if there is one."""
    shown = []
    for content, on_click in actions:
        drawn = ui.button(content, on_click=on_click, color=None)
        shown.append(drawn.classes("main" if main else "other").props("flat"))
    if reason:
        told = text("p", reason, "why")
        told.props["id"] = f"why-{told.id}"
        for each in shown:
            each.disable()
            each.props["aria-describedby"] = f"why-{told.id}"
    return shown


def note(content: str, kind: str = "", lead: str = "") -> None:
    """Show a remark; `kind` is '', 'warn' or 'bad', the last of which screen readers say at once."""
    with within("div", f"note {kind}", **({"role": "alert"} if kind == "bad" else {})):
        if lead:
            text("b", lead)
        for line in content.splitlines():
            (text("p", line) if kind == "bad" else prose(line))


def chips(values: Sequence[tuple[object, str]]) -> None:
    """Show numbers with the words for them."""
    with within("div", "chips"):
        for number, words in values:
            with within("div", "chip"):
                text("b", number)
                text("span", words)


def shown(value: object) -> str:
    """Return a value of a table as text."""
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def plain_table(table: pd.DataFrame, label: str) -> None:
    """Show a short table."""
    with _table(label, len(table.columns)):
        with within("thead", role="rowgroup"), within("tr", role="row"):
            for name in table.columns:
                kind = "number" * pd.api.types.is_numeric_dtype(table[name])
                with within("th", kind, scope="col", role="columnheader"):
                    text("span", _headed(name))
        with within("tbody", role="rowgroup"):
            _rows(table)


@contextmanager
def _table(label: str, columns: int) -> Iterator[None]:
    """Draw a table that scrolls, whose rows are cards on a phone, with roles that this does not change."""
    # Two columns fit everywhere.
    kind = "wide" if columns > len(("name", "value")) else "wide two"
    with within("div", kind, tabindex="0", role="region", aria_label=label), within("table", role="table"):
        yield


def _cell(name: object, *, is_number: bool) -> Element:
    """Return a cell; on a phone, the name of its column is next to it."""
    return within("td", "number" if is_number else "", role="cell", data_name=_headed(name))


def _headed(name: object) -> str:
    """Return the name of a column as people write it."""
    return str(name).replace("macro_f1", "macro-F1").replace("_", " ")


def _rows(table: pd.DataFrame) -> None:
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    for row in table.itertuples(index=False):
        with within("tr", role="row"):
            for name, value, is_number in zip(table.columns, row, numeric, strict=True):
                with _cell(name, is_number=is_number):
                    text("span", shown(value))


def paged_table(
    table: pd.DataFrame,
    label: str,
    *,
    find: str | None = None,
    details: Callable[[pd.Series], None] | None = None,
) -> None:
    """Show a long table, some rows at a time, which headings sort and a field searches.

    Parameters
    ----------
    label
        Its contents, for screen readers.
    find
        The label of the search field; without it there is no field.
    details
        Draws more of a row, below it, when its button is pressed.
    """
    state = {"by": None, "down": False, "page": 0, "word": "", "open": None}
    hidden = [name for name in ("smiles",) if name in table]

    @ui.refreshable
    def body() -> None:
        found = _found(table, state["word"])
        if state["by"] is not None:
            found = found.sort_values(state["by"], ascending=not state["down"], kind="stable")
        pages = max(1, -(-len(found) // ROWS_A_PAGE))
        state["page"] = min(state["page"], pages - 1)
        first = state["page"] * ROWS_A_PAGE
        part = found.iloc[first : first + ROWS_A_PAGE]
        visible = part.drop(columns=hidden)
        with _table(label, len(visible.columns)):
            _heads(visible, state, body.refresh)
            with within("tbody", role="rowgroup"):
                _rows_with_details(part, hidden, state, details, body.refresh)
        _pager(state, pages, len(found), body.refresh)

    def search(event) -> None:
        state.update(word=event.value or "", page=0)
        body.refresh()

    if find:
        ui.input(find, on_change=search).props("outlined dense clearable debounce=200").classes("narrow")
    body()


def _found(table: pd.DataFrame, word: str) -> pd.DataFrame:
    if not word:
        return table
    hit = pd.Series(data=False, index=table.index)
    for name in table.select_dtypes(exclude="number").columns:
        hit |= table[name].fillna("").astype(str).str.contains(word, case=False, regex=False)
    return table[hit]


def _heads(part: pd.DataFrame, state: dict, refresh: Callable) -> None:
    def sort(name: str) -> None:
        # Numbers are wanted from the largest on.
        first = bool(pd.api.types.is_numeric_dtype(part[name]))
        state["down"] = not state["down"] if state["by"] == name else first
        state.update(by=name, page=0)
        refresh()

    with within("thead", role="rowgroup"), within("tr", role="row"):
        for name in part.columns:
            mark = "" if state["by"] != name else " ▼" if state["down"] else " ▲"
            order = "none" if not mark else "descending" if state["down"] else "ascending"
            kind = "number" * pd.api.types.is_numeric_dtype(part[name])
            with within("th", kind, scope="col", role="columnheader", aria_sort=order):
                text("button", f"{_headed(name)}{mark}").on("click", partial(sort, name), args=[])


def _rows_with_details(
    part: pd.DataFrame, hidden: list[str], state: dict, details: Callable | None, refresh: Callable
) -> None:
    if details is None:
        _rows(part.drop(columns=hidden))
        return

    def toggle(row: Hashable) -> None:
        state["open"] = None if state["open"] == row else row
        refresh()

    visible = [name for name in part.columns if name not in hidden]
    for row, values in part.iterrows():
        with within("tr", role="row"):
            for place, name in enumerate(visible):
                with _cell(name, is_number=pd.api.types.is_numeric_dtype(part[name])):
                    if place:
                        text("span", shown(values[name]))
                        continue
                    opener = text("button", values[name], "as-link").on(
                        "click", partial(toggle, row), args=[]
                    )
                    opener.props["aria-expanded"] = "true" if state["open"] == row else "false"
        if state["open"] == row:
            with within("tr", role="row"), within("td", role="cell", colspan=str(len(visible))):
                details(values)


def _pager(state: dict, pages: int, rows: int, refresh: Callable) -> None:
    def turn(step: int) -> None:
        state["page"] += step
        refresh()

    with within("div", "row-of"):
        text(
            "p", f"{rows:,} {'row' if rows == 1 else 'rows'}, page {state['page'] + 1:,} of {pages:,}", "soft"
        ).props["role"] = "status"
        if pages > 1:
            back = button("Previous", lambda: turn(-1))
            back.set_enabled(state["page"] > 0)
            on = button("Next page", lambda: turn(1))
            on.set_enabled(state["page"] < pages - 1)


def drop_zone(label: str, hint: str, url: str, *, several: bool = False) -> None:
    """Show a place for files: they can be dropped on it, or chosen with its button; `url` takes them."""
    with within("div", "drop", data_url=url):
        field = within("input", type="file", **({"multiple": "multiple"} if several else {}))
        identity = f"file-{field.id}"
        field.props["id"] = identity
        above = text("label", label)
        above.props["for"] = identity
        above.move(target_index=0)
        text("p", hint, "soft").move(target_index=1)
        within("progress", hidden="hidden", aria_label=f"{label}: sent so far")
        text("p", "", "soft").props["role"] = "status"


def files_list(
    paths: Sequence[tuple[str, Path]], campaign: str, about: Mapping[str, str] | None = None
) -> None:
    """Show files to be downloaded, by their place among the files offered; `about` explains some names."""
    with within("ul", "files"):
        for place, path in paths:
            with within("li"):
                link(path.name, file_url(campaign, place))
                if about and path.name in about:
                    text("span", f" {about[path.name]}", "soft")


def file_url(campaign: str, place: str) -> str:
    """Return the address of a file that is offered."""
    return f"/file/{quote(campaign, safe='')}/{quote(place)}"


def report_url(campaign: str, place: str) -> str:
    """Return the address at which a report is shown, from which its links work."""
    return f"/report/{quote(campaign, safe='')}/{quote(place)}"


def live(parts: Sequence[tuple[Callable[[], object], Callable[[], None]]]) -> None:
    """Draw parts of a page, each again when a value that it depends on has changed.

    Parameters
    ----------
    parts
        Of each part, a function that returns this value, and one that draws.
    """
    drawn = []
    for depends, draw in parts:
        area = ui.refreshable(_explaining_anew(draw))
        area()
        drawn.append((depends, area))
    last = [depends() for depends, _ in drawn]

    def look() -> None:
        for place, (depends, area) in enumerate(drawn):
            now = depends()
            if now != last[place]:
                last[place] = now
                area.refresh()

    ui.timer(1.0, look)


def _explaining_anew(draw: Callable[[], None]) -> Callable[[], None]:
    """Return `draw`, in which terms explain themselves where they come first."""

    def drawn() -> None:
        _used.set(set())
        draw()

    return drawn


def stamp(*paths: Path) -> tuple:
    """Return a value that changes when a file, or a file in a folder, changes."""
    found = []
    for path in paths:
        for each in [path, *sorted(path.glob("*"))] if path.is_dir() else [path]:
            if each.exists() and not each.name.startswith("."):
                about = each.stat()
                found.append((str(each), about.st_mtime_ns, about.st_size))
    return tuple(found)
