"""Step 4 of a page: predictions of the library as a table, a heatmap and a ranking, and their files."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from nicegui import ui

from anchordrug.app.beside import RANKING, SIGNATURE, SUFFIX, dropped, read_form
from anchordrug.app.drug_tables import RANKINGS, drug_table, ranking_table
from anchordrug.app.files_section import field
from anchordrug.app.place import Place
from anchordrug.app.round_section import run
from anchordrug.app.summary import is_summarised, summary_path
from anchordrug.app.widgets import (
    button,
    buttons,
    drop_zone,
    file_url,
    files_list,
    link,
    note,
    prose,
    report_url,
    stamp,
    text,
    within,
)
from anchordrug.bench import folder as files
from anchordrug.bench.settings import read_campaign

_FORMATS = {".xlsx": "also as an Excel workbook", ".h5ad": "also as AnnData (.h5ad)"}


def depends(place: Place) -> object:
    """Return a value that changes when the section has to be drawn again."""
    here = place.beside
    return (
        stamp(place.campaign / files.FINISH, here / RANKING, here / SIGNATURE, *here.glob("summar*")),
        [files.is_ingested(place.campaign, number) for number in files.round_numbers(place.campaign)],
        place.busy(),
    )


def draw(place: Place) -> None:
    """Draw the section; nothing before the first results."""
    rounds = files.round_numbers(place.campaign)
    if not any(files.is_ingested(place.campaign, number) for number in rounds):
        return
    form, busy = read_form(place.beside), place.busy()
    here = place.campaign / files.FINISH
    is_finished = (here / files.REPORT).exists()
    with within("section", "card"):
        text("h2", "Predictions")
        prose(
            "The model learns from all measurements so far and predicts every drug. Repeat it at any time.",
        )
        with within("div", "row-of"):
            boxes = {
                suffix: ui.checkbox(
                    words,
                    value=bool(form.get(suffix, any(here.glob(f"*{suffix}")))),
                    on_change=field(place, suffix),
                )
                for suffix, words in _FORMATS.items()
            }

        def finish() -> None:
            run(place, "finish", also=[suffix for suffix, box in boxes.items() if box.value])

        words = "Predict again" if is_finished else "Predict the library"
        button(words, finish, main=not is_finished, reason=busy)
        if not is_finished:
            return
        _downloads(place)
        if not is_summarised(place.beside, place.campaign):
            note("The predictions were made on the command line, so the page has no summary of them yet.")
            button("Summarise the predictions", lambda: run(place, "summarise"), main=True, reason=busy)
            return
    for target in read_campaign(place.campaign / files.SETTINGS).targets:
        _target(place, target)


def _downloads(place: Place) -> None:
    offered = place.offered()
    own = [(name, path) for name, path in sorted(offered.items()) if path.parent.name == files.FINISH]
    text("h3", "Files")
    for name, path in own:
        if path.name == files.REPORT:
            link("Open the report", report_url(place.name, name), new_tab=True)
    files_list(own, place.name, _told(own, read_campaign(place.campaign / files.SETTINGS).targets))


def _told(own: list[tuple[str, Path]], targets: Sequence[str]) -> dict[str, str]:
    """Return the contents of the files by name, in the words of the report."""
    from anchordrug.bench.report import FILES

    told = {f"{target}{end}": words for target in targets for end, words in FILES.items()}
    told[files.COMPOUNDS] = "the drugs predicted: ids, names, structures"
    return {path.name: told[path.name] for _, path in own if path.name in told}


def _target(place: Place, target: str) -> None:
    table = pd.read_parquet(summary_path(place.beside, target))
    with within("section", "card"):
        text("h2", f"{target}: {len(table):,} drugs")
        prose(
            "Strongest genes: ↑ up, ↓ down, most likely to change first. Press a drug to see its structure.",
            "soft",
        )
        prose("Believe the evidence group seen first, then near, then far.", "soft")
        drug_table(table, f"Predicted drugs in {target}")
        picture = summary_path(place.beside, target).with_suffix(".svg")
        if picture.exists():
            text("h3", "Drugs and genes")
            prose(
                "The drugs that change most genes; blue is down, orange is up. Similar drugs are neighbours.",
                "soft",
            )
            address = f"{file_url(place.name, f'{SUFFIX}/{picture.name}')}?v={picture.stat().st_mtime_ns}"
            alt = f"Heatmap of drugs by genes in {target}; the drugs are in the table above"
            with within("div", "wide", tabindex="0", role="region", aria_label="Heatmap"):
                within("img", "picture", src=address, alt=alt)
        _ranking(place, target)


def _ranking(place: Place, target: str) -> None:
    text("h3", "Rank the drugs against a signature")
    drop_zone(
        "Signature",
        "A table of differential expression, for example of a disease.",
        f"/drop/{place.name}/{SIGNATURE}",
    )
    kept = dropped(place.beside, SIGNATURE)
    if not kept:
        return
    text("p", f"Signature: {kept[0].name}")
    here = place.campaign / files.FINISH
    asked = {"model": str(here / f"{target}.onnx"), "drugs": str(here / files.COMPOUNDS)}
    with within("div", "row-of"):
        actions = [
            (words, lambda mimic=mimic: run(place, "rank", mimic=mimic, **asked))
            for mimic, words in RANKINGS.items()
        ]
        buttons(actions, reason=place.busy())
    ranking_table(place.beside / RANKING, file_url(place.name, f".app/{RANKING}"))
