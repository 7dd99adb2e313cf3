"""The page of a campaign, from files to predictions; all of it is read from the campaign's folder."""

from anchordrug.app import files_section, finish_section, job_panel, plan_section, round_section
from anchordrug.app.beside import SEEN
from anchordrug.app.place import Place
from anchordrug.app.widgets import link, live, text, within
from anchordrug.bench import folder as files

_STEPS = ("Files", "Plan", "Rounds", "Predictions")


def draw(place: Place, *, back: bool) -> None:
    """Draw the page; `back` shows the way to the other campaigns."""
    with within("div", "page"):
        if back:
            link("All campaigns", "/")
        text("h1", place.name)
        live(
            [
                (lambda: _step(place), lambda: _steps(place)),
                (lambda: job_panel.depends(place.beside), lambda: job_panel.draw(place.beside)),
                (lambda: files_section.depends(place), lambda: files_section.draw(place)),
                (lambda: plan_section.depends(place), lambda: plan_section.draw(place)),
                (lambda: round_section.depends(place), lambda: round_section.draw(place)),
                (lambda: finish_section.depends(place), lambda: finish_section.draw(place)),
            ]
        )


def _step(place: Place) -> int:
    if not place.is_made:
        return 1 if (place.beside / SEEN).exists() else 0
    return 3 if (place.campaign / files.FINISH / files.REPORT).exists() else 2


def _steps(place: Place) -> None:
    now = _step(place)
    with within("ol", "steps", aria_label="Steps"):
        for number, name in enumerate(_STEPS):
            kind = "done" if number < now else "now" if number == now else ""
            step = text("li", f"{'✓ ' if number < now else ''}{name}", kind)
            if number == now:
                step.props["aria-current"] = "step"
