"""Step 2 of a page: budget, constraints and plates, and the start of the learning."""

from nicegui import ui

from anchordrug.acquisition.registry import strategies
from anchordrug.app import jobs
from anchordrug.app.beside import SEEN, read_form
from anchordrug.app.files_section import field
from anchordrug.app.job_panel import refuse
from anchordrug.app.place import Place
from anchordrug.app.plan import CONSTRAINTS, PLATES, filled, order, values_of
from anchordrug.app.widgets import button, text, within
from anchordrug.bench import folder as files
from anchordrug.bench.settings import CampaignSettings, check_campaign, read_campaign, write_campaign
from anchordrug.errors import AnchorDrugError
from anchordrug.settings import checked

USUAL = "usual one of the project"


def depends(place: Place) -> object:
    """Return what the section depends on."""
    return place.is_made, (place.beside / SEEN).exists(), jobs.is_running(place.beside)


def draw(place: Place) -> None:
    """Draw the form of a campaign that is not made yet."""
    if place.is_made or not (place.beside / SEEN).exists():
        return
    with within("section", "card"):
        text("h2", "2. The plan")
        form = filled(read_form(place.beside))
        with within("div", "row-of"):
            number(place, form, "budget", "Drugs in all", least=1)
            number(place, form, "rounds", "Rounds", least=1)
            number(place, form, "dose_um", "Dose in µM", hint="empty: that of the atlas")
            number(place, form, "time_h", "Hours", hint="empty: those of the atlas")
        with within("details"):
            text("summary", "Constraints: what must be in, what may not, cost, drugs of one kind")
            constraints(place, form)
        with within("details"):
            text("summary", "Plates: wells, replicates, controls, volumes")
            plates(place, form)
        with within("details"):
            text("summary", "Strategy and seed")
            with within("div", "row-of"):
                ui.select(
                    {"": USUAL, **{name: name for name in strategies()}},
                    label="Strategy",
                    value=form["strategy"],
                    on_change=field(place, "strategy"),
                ).props("outlined dense").classes("field")
                number(place, form, "seed", "Seed", least=0)
        start = button("Learn, and make the campaign", lambda: _start(place), main=True)
        start.set_enabled(not jobs.is_running(place.beside))


def number(
    place: Place, form: dict, name: str, label: str, least: float | None = None, hint: str = ""
) -> None:
    """Show a field for a number."""
    shown = ui.number(label, value=form[name], min=least, on_change=field(place, name))
    shown.props("outlined dense debounce=200").classes("narrow")
    if hint:
        shown.props["hint"] = hint


def constraints(place: Place, form: dict) -> None:
    """Show the fields of constraints."""
    with within("div", "row-of"):
        for name, label in (("include", "Must be in (ids)"), ("exclude", "May not be in (ids)")):
            ui.textarea(label, value=form[name], on_change=field(place, name)).props(
                "outlined dense autogrow debounce=300"
            ).classes("field")
    with within("div", "row-of"):
        number(place, form, "cost", "Most for all rounds together", least=0)
        number(place, form, "per_mechanism", "Most of one mechanism", least=1)
        number(place, form, "per_scaffold", "Most of one scaffold", least=1)


def plates(place: Place, form: dict) -> None:
    """Show the fields of plates."""
    with within("div", "row-of"):
        ui.select(
            {96: "96 wells", 384: "384 wells"},
            label="Plate",
            value=form["wells"],
            on_change=field(place, "wells"),
        ).props("outlined dense").classes("narrow")
        number(place, form, "replicates", "Wells of each drug", least=1)
        number(place, form, "controls", "Wells of DMSO a plate", least=0)
        number(place, form, "well_volume_ul", "Volume of a well in µl", least=0)
        number(place, form, "stock_mm", "Stock in mM", least=0)
        ui.checkbox("Use the edge of the plate", value=form["use_edge"], on_change=field(place, "use_edge"))


def _start(place: Place) -> None:
    try:
        place.start("new", **order(place, read_form(place.beside)))
    except AnchorDrugError as error:
        refuse(error)


def change_campaign(place: Place) -> None:
    """Show the settings of a campaign that is made; they can be changed between rounds."""
    campaign = read_campaign(place.campaign / files.SETTINGS)
    now: dict = {
        **campaign.constraints.model_dump(),
        **campaign.plates.model_dump(),
        "budget": campaign.budget,
        "rounds": campaign.rounds,
    }
    now |= {name: "\n".join(now[name]) for name in ("include", "exclude")}
    with within("details"):
        text("summary", "Change budget, constraints or plates")
        with within("div", "row-of"):
            for name, label in (("include", "Must be in (ids)"), ("exclude", "May not be in (ids)")):
                area = ui.textarea(label, value=now[name]).props("outlined dense autogrow").classes("field")
                area.on_value_change(lambda event, name=name: now.update({name: event.value}))
        with within("div", "row-of"):
            for name, label in _NUMBERS.items():
                shown = ui.number(label, value=now[name]).props("outlined dense").classes("narrow")
                shown.on_value_change(lambda event, name=name: now.update({name: event.value}))
        button("Save", lambda: _save(place, now))


_NUMBERS = {
    "budget": "Drugs in all",
    "rounds": "Rounds",
    "cost": "Most for all rounds together",
    "per_mechanism": "Most of one mechanism",
    "per_scaffold": "Most of one scaffold",
    "wells": "Wells of a plate (96, 384)",
    "replicates": "Wells of each drug",
    "controls": "Wells of DMSO a plate",
    "concentration_um": "Dose in µM",
    "well_volume_ul": "Volume of a well in µl",
    "stock_mm": "Stock in mM",
}


def _save(place: Place, now: dict) -> None:
    path = place.campaign / files.SETTINGS
    values = {**values_of(now), "concentration_um": now["concentration_um"]}
    try:
        with files.working_in(place.campaign):
            before = read_campaign(path).model_dump(mode="json")
            before |= {name: values[name] for name in ("budget", "rounds")}
            before["constraints"] |= {name: values[name] for name in CONSTRAINTS}
            before["plates"] |= {name: values[name] for name in (*PLATES, "concentration_um")}
            campaign = checked(before, CampaignSettings, "the page")
            check_campaign(campaign, "the page")
            write_campaign(campaign, path)
    except AnchorDrugError as error:
        refuse(error)
    else:
        ui.notify("Saved; it counts from the next round on.", position="top")
