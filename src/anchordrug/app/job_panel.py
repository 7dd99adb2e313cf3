"""The run in progress, or how the last one ended."""

import re
from pathlib import Path

from nicegui import ui

from anchordrug.app import jobs
from anchordrug.app.widgets import note, text, within

WORDS = {
    "look": "Reading the files",
    "new": "Learning what other cell lines teach",
    "next": "Choosing drugs and laying out their plates",
    "judge": "Judging wells and replicates",
    "accept": "Taking up the results",
    "rehearse": "Simulating the assay",
    "finish": "Fitting, predicting the library, writing the report",
    "summarise": "Summing up the predictions",
    "rank": "Ranking the drugs",
    "predict": "Predicting",
}
# As `anchordrug.files.progress.track` writes it.
_PROGRESS = re.compile(r"^(?P<what>.*): (?P<done>\d+)/(?P<total>\d+) \(\d+ s\)$")


def depends(folder: Path) -> object:
    """Return what the panel depends on."""
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
    if job.state == "running":
        with within("section", "card", aria_label="Run in progress"):
            with within("div", role="status"):
                text("h2", f"{what} ...")
            _bar(job.lines)
            text(
                "p",
                f"{_duration(job.seconds)} so far. It goes on when this page is closed. Until it ends, no "
                "other run can start.",
                "soft",
            )
            _log(job.lines, is_open=True)
    elif job.state == "failed":
        note(job.error, "bad", lead=f"{what}: it did not work.")
    elif job.state == "cut":
        note(
            "The run was ended from outside. Nothing is half written: start it again.",
            "warn",
            lead=f"{what}: it was cut off.",
        )
    elif job.kind != "look" or job.lines:
        with within("details"):
            text("summary", f"{what}: done in {_duration(job.seconds)}; what was said")
            _log(job.lines, is_open=True)


def _bar(lines: list[str]) -> None:
    found = next(filter(None, map(_PROGRESS.match, reversed(lines[-5:]))), None)
    bar = within("progress", "bar", aria_label="Progress of the run")
    if found:
        bar.props["max"], bar.props["value"] = found["total"], found["done"]
        text("p", f"{found['what']}: {found['done']} of {found['total']}", "soft")


def _log(lines: list[str], *, is_open: bool) -> None:
    if lines and is_open:
        text("div", "\n".join(lines[-40:]), "log").props["tabindex"] = "0"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def refuse(error: Exception) -> None:
    """Say in one line why something was not done."""
    ui.notify(str(error), type="negative", position="top", timeout=8000, close_button="Close")
