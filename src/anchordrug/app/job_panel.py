"""The run in progress, or how the last one ended."""

import re
from collections.abc import Callable
from pathlib import Path

from nicegui import ui

from anchordrug.app import jobs
from anchordrug.app.widgets import note, text, within
from anchordrug.app.words import in_words_of_page, without_folder
from anchordrug.errors import AnchorDrugError

WORDS = {
    "look": "Reading the files",
    "new": "Learning from other cell lines",
    "next": "Choosing drugs and laying out their plates",
    "judge": "Judging wells and replicates",
    "accept": "Accepting the results",
    "rehearse": "Simulating the assay",
    "finish": "Fitting, predicting the library, writing the report",
    "summarise": "Summarising the predictions",
    "rank": "Ranking the drugs",
    "predict": "Predicting",
}
# As `anchordrug.files.progress.track` writes it.
_PROGRESS = re.compile(r"^(?P<what>.*): (?P<done>\d+)/(?P<total>\d+) \(\d+ s\)$")


def depends(folder: Path) -> object:
    """Return a value that changes when the panel has to be drawn again."""
    job = jobs.latest(folder)
    return (
        job if job is None else (job.kind, job.state, tuple(job.lines[-3:]), len(job.lines), int(job.seconds))
    )


def draw(folder: Path) -> None:
    """Draw the panel; nothing before the first run."""
    job = jobs.latest(folder)
    if job is None:
        return
    what = WORDS.get(job.kind, job.kind)
    lines = [without_folder(line, folder) for line in job.lines]
    if job.state == "running":
        with within("section", "card", aria_label="Run in progress"):
            with within("div", role="status"):
                text("h2", f"{what} ...")
            _bar(lines)
            text(
                "p",
                f"{_duration(job.seconds)} so far. It continues if you close this page. Other runs have to "
                "wait until it ends.",
                "soft",
            )
            _log(lines)
    elif job.state == "failed":
        note(in_words_of_page(job.error, folder), "bad", lead=f"{what}: failed.")
    elif job.state == "cut":
        note(
            "The run was stopped from outside. No file is half written; start it again.",
            "warn",
            lead=f"{what}: interrupted.",
        )
    elif job.kind != "look" or lines:
        with within("details"):
            text("summary", f"{what}: done in {_duration(job.seconds)}. Show the messages")
            _log(lines)


def _bar(lines: list[str]) -> None:
    found = next(filter(None, map(_PROGRESS.match, reversed(lines[-5:]))), None)
    bar = within("progress", "bar", aria_label="Progress of the run")
    if found:
        bar.props["max"], bar.props["value"] = found["total"], found["done"]
        text("p", f"{found['what']}: {found['done']} of {found['total']}", "soft")


def _log(lines: list[str]) -> None:
    if lines:
        text("div", "\n".join(lines[-40:]), "log").props["tabindex"] = "0"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def begin(folder: Path, kind: str, start: Callable[[], None]) -> None:
    """Start a run of a campaign, or say in one line why not. A double click starts one.

    Parameters
    ----------
    kind
        The kind of the run.
    start
        Starts it.
    """
    job = jobs.latest(folder)
    if job is not None and job.state == "running":
        if job.kind != kind:
            refuse(f"{WORDS.get(job.kind, job.kind)} is still in progress; wait until it has ended.", folder)
        return
    try:
        start()
    except AnchorDrugError as error:
        refuse(error, folder)


def refuse(error: object, folder: Path) -> None:
    """Say in one line why something was not done in a campaign."""
    said = in_words_of_page(str(error), folder)
    ui.notify(said, type="negative", position="top", timeout=8000, close_button="Close")
