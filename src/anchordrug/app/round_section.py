"""Step 3 of a page: the rounds, each with its drugs, plates, files, results, and how they were judged."""

import pandas as pd
from nicegui import ui

from anchordrug.app.beside import JUDGED, dropped, forget, results_role, state_of
from anchordrug.app.change_section import draw_changes
from anchordrug.app.files_section import field
from anchordrug.app.job_panel import begin
from anchordrug.app.judged_section import OUTCOME_NAMES, draw_judged
from anchordrug.app.place import Place, of_results
from anchordrug.app.widgets import (
    button,
    drop_zone,
    file_url,
    files_list,
    note,
    plain_table,
    prose,
    stamp,
    text,
    within,
)
from anchordrug.app.words import RENEW, in_words_of_page, size_in_words
from anchordrug.bench import folder as files
from anchordrug.bench.commands.status import as_values
from anchordrug.bench.evidence import evidence_in_words
from anchordrug.bench.forecast import forecast_in_words
from anchordrug.bench.laid_out import is_current
from anchordrug.bench.measurements import read_outcome, read_selection
from anchordrug.bench.refusals import notes_of
from anchordrug.bench.settings import read_campaign
from anchordrug.chem.drawing import drawing
from anchordrug.files.tables import read_json, read_table


def depends(place: Place) -> object:
    """Return a value that changes when the section has to be drawn again."""
    rounds = files.round_numbers(place.campaign)
    folders = [files.round_of(place.campaign, number) for number in rounds]
    results = [place.beside / results_role(number) for number in rounds[-1:]]
    settings = place.campaign / files.SETTINGS
    return stamp(settings, *folders, *results, place.beside / JUDGED), place.busy()


def draw(place: Place) -> None:
    """Draw all rounds, and the next step."""
    if not place.is_made:
        return
    campaign, values = read_campaign(place.campaign / files.SETTINGS), as_values(place.campaign)
    with within("section", "card"):
        text("h2", f"Campaign for {', '.join(campaign.targets)}{' (rehearsal)' * campaign.rehearsal}")
        text("p", f"{values['measured']} of {campaign.budget} drugs measured.").props["role"] = "status"
        bar = within("progress", "bar", aria_label="Drugs measured")
        bar.props["max"], bar.props["value"] = str(campaign.budget), str(values["measured"])
        text(
            "p",
            f"Strategy {campaign.strategy}, {campaign.batch} drugs per round, seed {campaign.seed}.",
            "soft",
        )
        draw_changes(place)
    rounds = files.round_numbers(place.campaign)
    for number in rounds:
        _round(place, number, is_last=number == rounds[-1])
    waits = bool(rounds) and not files.is_ingested(place.campaign, rounds[-1])
    measured = int(str(values["measured"]))
    if not waits and measured < campaign.budget:
        with within("section", "card"):
            text("h2", f"Round {len(rounds) + 1}")
            prose("The strategy chooses the drugs that are expected to improve the predictions most.")
            button("Choose the next drugs", lambda: run(place, "next"), main=True, reason=place.busy())


def run(place: Place, kind: str, **asked: object) -> None:
    """Start a run, or say in one line why not."""
    begin(place.beside, kind, lambda: place.start(kind, **asked))


def _round(place: Place, number: int, *, is_last: bool) -> None:
    is_ingested = files.is_ingested(place.campaign, number)
    with within("section", "card"):
        text("h2", f"Round {number}{': accepted' if is_ingested else ': waiting for results'}")
        if is_last:
            _chosen(place, number)
            _after(place, number, is_ingested=is_ingested)
        else:
            with within("details"):
                text("summary", "Drugs, plates and files of this round")
                _chosen(place, number)
                _after(place, number, is_ingested=is_ingested)


def _after(place: Place, number: int, *, is_ingested: bool) -> None:
    if is_ingested:
        _outcome(place, number)
    else:
        _notes(place, number)
        _forecast(place, number)
        _results(place, number)


def _notes(place: Place, number: int) -> None:
    """Show the warnings of a round that waits, and the edits that it does not follow."""
    campaign = read_campaign(place.campaign / files.SETTINGS)
    for remark in notes_of(place.campaign, campaign):
        note(in_words_of_page(f"{remark[0].upper()}{remark[1:]}.", place.beside), "warn")
    if not is_current(place.campaign, campaign, number):
        button(RENEW, lambda: run(place, "next"), main=True, reason=place.busy())


def _chosen(place: Place, number: int) -> None:
    selection = read_selection(place.campaign, number)
    text("h3", f"{len(selection)} drugs")
    with within("ol", "drugs"):
        for drug in selection.to_dict("records"):
            _drug(drug)
    here = files.round_of(place.campaign, number)
    offered = place.offered()
    own = [(name, path) for name, path in sorted(offered.items()) if path.parent == here]
    pictures = [(name, path) for name, path in own if path.suffix == ".svg"]
    if pictures:
        text("h3", "Plates")
    for name, path in pictures:
        with within("div", "wide"):
            within(
                "img", "plate", src=file_url(place.name, name), alt=f"Plate {path.stem}; its table is below"
            )
    text("h3", "For the lab")
    order = list(_ABOUT)
    own = [(name, path) for name, path in own if path.name in _ABOUT or path.suffix == ".svg"]
    own.sort(key=lambda pair: order.index(pair[1].name) if pair[1].name in _ABOUT else len(order))
    files_list(own, place.name, _ABOUT)


_ABOUT = {
    files.PACK_PDF: "the pack for the lab, to print",
    files.PACK_XLSX: "the same as a workbook",
    files.PICK_LIST: "for an acoustic dispenser",
    files.PLATE_MAP: "one row per well",
    files.SELECTION: "the chosen drugs and the reasons",
    files.ADVICE: "the forecast",
    files.EVIDENCE: "the expected accuracy by evidence group",
    files.OUTCOME: "the result of each drug: replicates, failures",
    files.WELLS: "reads and judgement of each well",
    files.RESPONSES: "the measured z-scores",
    files.PANEL: "the drugs that could be chosen",
}


def _drug(drug: dict) -> None:
    """Show a drug that was chosen: its structure, who it is, and why."""
    with within("li", "drug"):
        try:
            ui.html(drawing(drug["smiles"], 220, 140))
        except ValueError:
            text("p", drug["smiles"], "soft")
        name = drug["name"] if isinstance(drug["name"], str) else drug["drug_id"]
        text("b", f"{drug['rank']}. {name}")
        about = [drug["drug_id"] if name != drug["drug_id"] else None, drug["moa"], drug["vendor"]]
        for part in about:
            if isinstance(part, str):
                text("p", part, "soft")
        if drug["cost"] == drug["cost"]:
            text("p", f"Cost {drug['cost']:g}", "soft")
        if isinstance(drug.get("reason"), str):
            text("p", drug["reason"])


def _forecast(place: Place, number: int) -> None:
    """Show the expected gain from more drugs, and the expected accuracy by group."""
    here = files.round_of(place.campaign, number)
    if (here / files.ADVICE).exists():
        advice = read_table(here / files.ADVICE, ("cell_line",))
        campaign = read_campaign(place.campaign / files.SETTINGS)
        text("h3", "Forecast: the gain from more drugs")
        for line in forecast_in_words(advice, campaign.stop_below):
            note(line)
        with within("details"):
            text("summary", "The forecast as a table")
            plain_table(advice, "Forecast")
    if (here / files.EVIDENCE).exists():
        with within("details"):
            text("summary", "Expected accuracy of the predictions")
            prose("Macro-F1 by evidence group, estimated on other cell lines that were held out as targets.")
            lines = evidence_in_words(read_table(here / files.EVIDENCE, ("cell_line", "group")))
            text("div", "\n".join(lines), "log")


def _results(place: Place, number: int) -> None:
    """Show where results are dropped, and how those that were dropped are judged."""
    text("h3", "Results")
    role, busy = results_role(number), place.busy()
    with within("div", "row-of"):
        drop_zone(
            "Results of this round",
            "Counts, differential expression, z-scores, GCT, GCTX or .h5ad; one or several files.",
            f"/drop/{place.name}/{role}",
            several=True,
        )
        if read_campaign(place.campaign / files.SETTINGS).rehearsal:
            with within("div", "drop"):
                prose(
                    "This is a rehearsal: the counts of every well can be simulated from known responses.",
                )
                button("Simulate the assay", lambda: run(place, "rehearse", round=number), reason=busy)
    kept = dropped(place.beside, role)
    for path in kept:
        with within("div", "row-of"):
            text("p", f"{path.name} ({size_in_words(path.stat().st_size)})")
            away = button("Remove", lambda path=path: _take_away(place, role, path.name))
            away.props["aria-label"] = f"Remove {path.name}"
    if not kept:
        return
    with within("details"):
        text("summary", "Plate, cell line or matrix, if the files do not name them")
        with within("div", "row-of"):
            form = of_results(place, number)
            for name, label in (("of", "Plate or cell line"), ("layer", "Matrix (X, raw or a layer)")):
                ui.input(label, value=str(form[name] or ""), on_change=field(place, f"results_{name}")).props(
                    "outlined dense debounce=300"
                ).classes("narrow")
    judged = _judged(place, number)
    button(
        "Judge again" if judged else "Judge the results",
        lambda: run(place, "judge", **of_results(place, number)),
        main=not judged,
        reason=busy,
    )
    if judged:
        selection = read_selection(place.campaign, number)
        draw_judged(judged, dict(zip(selection["drug_id"], selection["rank"], strict=True)))
        button(
            "Accept these results",
            lambda: run(place, "accept", **of_results(place, number)),
            main=True,
            reason=busy,
        )


def _take_away(place: Place, role: str, name: str) -> None:
    forget(place.beside, role, name)
    (place.beside / JUDGED).unlink(missing_ok=True)


def _judged(place: Place, number: int) -> dict | None:
    """Return how the results of a round were judged; None if they were not, or are other files now."""
    path = place.beside / JUDGED
    if not path.exists():
        return None
    about = read_json(path)
    is_same = about["files"] == state_of(place.beside, results_role(number))
    return about if about["round"] == number and is_same else None


def _outcome(place: Place, number: int) -> None:
    outcome = read_outcome(place.campaign, number)
    selection = read_selection(place.campaign, number)[["drug_id", "name"]]
    table = outcome.merge(selection, on="drug_id", how="left")
    columns = ["name", "drug_id", "status", "wells", "wells_failed", "replicate_correlation"]
    if table["cell_line"].nunique() > 1:
        columns.insert(0, "cell_line")
    text("h3", "Results by drug")
    shown: pd.DataFrame = table[[*columns, "changed", "reason"]]
    plain_table(shown.rename(columns=OUTCOME_NAMES), "Results by drug")
