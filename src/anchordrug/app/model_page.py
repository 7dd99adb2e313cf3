"""The page of an exported model: structures are pasted or a library is dropped, and predicted."""

from functools import partial
from pathlib import Path

import pandas as pd
from fastapi import Request
from fastapi.responses import PlainTextResponse, Response
from nicegui import app, ui

from anchordrug.app import job_panel, jobs
from anchordrug.app.beside import (
    LIBRARY,
    PREDICTED,
    RANKING,
    SIGNATURE,
    beside,
    dropped,
    forget,
    read_form,
    write_form,
)
from anchordrug.app.drug_tables import RANKINGS, drug_table, ranking_table
from anchordrug.app.job_panel import begin
from anchordrug.app.transfer import answer, taken
from anchordrug.app.widgets import (
    button,
    buttons,
    chips,
    drop_zone,
    link,
    live,
    note,
    plain_table,
    prose,
    stamp,
    text,
    within,
)
from anchordrug.app.words import size_in_words
from anchordrug.errors import AnchorDrugError
from anchordrug.files.atomic import write_bytes
from anchordrug.files.digests import sha256
from anchordrug.prediction.inspect import card
from anchordrug.prediction.writers import FORMATS

PASTED = "pasted.smi"
_OUT = "predictions"


def add_model_pages(model: Path, root: Path) -> None:
    """Add the page of a model, and where it takes and gives files, in a folder of the project for this model.

    Raises
    ------
    LibraryError
        The file is not a model of anchordrug's.
    """
    about = card(model)
    # A model of the same name in another folder is another model.
    here = beside(root.absolute() / f"{model.stem}-{sha256(model)[:8]}")

    @ui.page("/")
    def page() -> None:
        _draw(model, about, here, root)

    @app.put("/drop/{role}")
    async def drop(role: str, request: Request) -> Response:
        if role not in {LIBRARY, SIGNATURE}:
            return PlainTextResponse("There is no such place for a file.", 404)
        return await taken(request, here / role, lambda: None, several=False)

    @app.get("/file/{name}")
    def file(name: str) -> Response:
        return answer({path.name: path for path in _files(here)}.get(name))


def _files(here: Path) -> list[Path]:
    found = [*here.glob(f"{_OUT}.*"), *here.glob(f"{RANKING}*")]
    return sorted(path for path in found if path.is_file() and not path.name.endswith(".part"))


def _draw(model: Path, about: dict, here: Path, root: Path) -> None:
    with within("div", "page"):
        text("h1", f"Predictions for {about['target']}")
        text("p", model.name, "soft")
        prose(f"{len(about['genes'])} genes, learned from {len(about['anchors'])} anchors.", "soft")
        live(
            [
                (lambda: job_panel.depends(here), lambda: job_panel.draw(here)),
                (lambda: _state(here), lambda: _ask(model, here, root)),
                (lambda: _state(here), lambda: _answers(model, here, root)),
            ]
        )


def _state(here: Path) -> object:
    roles = [here / LIBRARY, here / SIGNATURE]
    return stamp(*roles, here / PREDICTED, *_files(here)), _busy(here)


def _ask(model: Path, here: Path, root: Path) -> None:
    with within("section", "card"):
        text("h2", "Your compounds")
        with within("div", "row-of"):
            with within("div", "field"):
                area = ui.textarea(
                    "Structures: one SMILES per line, optionally followed by a name",
                    value=str(read_form(here).get("smiles", "")),
                    on_change=lambda event: write_form(here, {"smiles": event.value}),
                )
                area.props("outlined autogrow debounce=300").classes("w-full")
                button("Predict these", lambda: _pasted(model, here, root), main=True, reason=_busy(here))
            with within("div", "field"):
                drop_zone(
                    "Or a library",
                    "A table (CSV, Excel, parquet), a SMILES file or SDF, also compressed (.gz).",
                    f"/drop/{LIBRARY}",
                )
                for path in dropped(here, LIBRARY):
                    text("p", f"{path.name} ({size_in_words(path.stat().st_size)})")
                    with within("div", "row-of"):
                        button(
                            "Predict the library",
                            lambda path=path: _start(model, here, root, path),
                            reason=_busy(here),
                        )
                        away = button("Remove", lambda: forget(here, LIBRARY))
                        away.props["aria-label"] = f"Remove {path.name}"


def _pasted(model: Path, here: Path, root: Path) -> None:
    lines = [line.strip() for line in str(read_form(here).get("smiles") or "").splitlines() if line.strip()]
    if not lines:
        ui.notify("Paste a structure first.", position="top")
        return
    write_bytes(("\n".join(lines) + "\n").encode(), here / PASTED)
    _start(model, here, root, here / PASTED)


def _start(model: Path, here: Path, root: Path, drugs: Path, suffix: str = ".parquet") -> None:
    _run(here, root, "predict", model=str(model.absolute()), drugs=str(drugs), suffix=suffix)


def _run(here: Path, root: Path, kind: str, **asked: object) -> None:
    begin(here, kind, lambda: jobs.start(here, kind, asked, root))


def _busy(here: Path) -> str:
    return "Wait until the run in progress has ended." if jobs.is_running(here) else ""


def _answers(model: Path, here: Path, root: Path) -> None:
    path = here / PREDICTED
    if not path.exists():
        return
    table = pd.read_parquet(path)
    with within("section", "card"):
        text("h2", f"{len(table):,} drugs")
        counts = table["evidence"].value_counts()
        chips([(int(counts.get(group, 0)), group) for group in ("seen", "near", "far")])
        rejects = here / f"{_OUT}.parquet.rejects.csv"
        if rejects.exists():
            left_out = pd.read_csv(rejects)
            if len(left_out):
                note(f"Rows that could not be predicted: {len(left_out)}.", "warn")
                plain_table(left_out.head(20), "Rows that could not be predicted")
        drug_table(table, "Predicted drugs")
        text("h3", "Files")
        with within("ul", "files"):
            for each in _files(here):
                with within("li"):
                    link(each.name, f"/file/{each.name}")
        _more(model, here, root)


def _more(model: Path, here: Path, root: Path) -> None:
    busy, source = _busy(here), _source(here)
    if source is not None:
        others = [suffix for suffix in FORMATS.names() if suffix != ".parquet"]
        with within("div", "row-of"):
            buttons(
                [
                    (f"Also as {suffix}", partial(_start, model, here, root, source, suffix))
                    for suffix in others
                ],
                reason=busy,
            )
    text("h3", "Rank the drugs against a signature")
    drop_zone(
        "Signature", "A table of differential expression, for example of a disease.", f"/drop/{SIGNATURE}"
    )
    kept = dropped(here, SIGNATURE)
    if kept and source is not None:
        text("p", f"Signature: {kept[0].name}")
        asked = {"model": str(model.absolute()), "drugs": str(source)}
        with within("div", "row-of"):
            buttons(
                [
                    (words, lambda mimic=mimic: _run(here, root, "rank", mimic=mimic, **asked))
                    for mimic, words in RANKINGS.items()
                ],
                reason=busy,
            )
        ranking_table(here / RANKING, f"/file/{RANKING}")


def _source(here: Path) -> Path | None:
    """Return the compounds that were predicted last."""
    try:
        _, asked = jobs.read_order(here)
        path = Path(asked["drugs"])
    except (AnchorDrugError, KeyError):
        return None
    return path if path.exists() else None
