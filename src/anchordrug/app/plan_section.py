"""Step 2 of a page: budget, constraints and plates, and the start of the learning."""

from anchordrug.app.beside import LOOK, SEEN, read_form, read_seen, write_form
from anchordrug.app.form import PARTS, STRATEGY, draw_form
from anchordrug.app.job_panel import begin
from anchordrug.app.place import Place
from anchordrug.app.plan import faults, filled, known_of, order
from anchordrug.app.widgets import button, stamp, text, within
from anchordrug.bench import folder as files


def depends(place: Place) -> object:
    """Return a value that changes when the section has to be drawn again."""
    return place.is_made, stamp(place.beside / SEEN), place.busy()


def draw(place: Place) -> None:
    """Draw the form of a campaign that is not made yet."""
    about = read_seen(place.beside)
    if place.is_made or about is None:
        return
    known = known_of(place.beside / LOOK / files.LIBRARY, about["dose_um"])
    with within("section", "card"):
        text("h2", "2. The plan")

        def end(reason: str) -> None:
            start = order(place, read_form(place.beside))
            button(
                "Learn, and make the campaign",
                lambda: begin(place.beside, "new", lambda: place.start("new", **start)),
                main=True,
                reason=reason or place.busy(),
            )

        draw_form(
            filled(read_form(place.beside)),
            [("", ("budget", "rounds", "dose_um", "time_h")), *PARTS, STRATEGY],
            hints={
                "dose_um": f"Empty: {about['dose_um']:g} µM, as in the atlas",
                "time_h": f"Empty: {about['time_h']:g} h, as in the atlas",
            },
            faults=lambda now: faults(now, known),
            keep=lambda name, value: write_form(place.beside, {**read_form(place.beside), name: value}),
            end=end,
        )
