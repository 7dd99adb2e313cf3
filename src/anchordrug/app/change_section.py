"""The settings of a campaign that is made, to be changed between its rounds."""

from nicegui import ui

from anchordrug.app.form import PARTS, draw_form
from anchordrug.app.job_panel import refuse
from anchordrug.app.place import Place
from anchordrug.app.plan import LISTS, faults, known_of, values_of
from anchordrug.app.widgets import button, text, within
from anchordrug.app.words import FIELDS
from anchordrug.bench import folder as files
from anchordrug.bench.refusals import require_settings
from anchordrug.bench.settings import CampaignSettings, check_campaign, read_campaign, write_campaign
from anchordrug.errors import AnchorDrugError
from anchordrug.settings import checked


def draw_changes(place: Place) -> None:
    """Draw the settings, folded."""
    campaign = read_campaign(place.campaign / files.SETTINGS)
    known = known_of(place.campaign / files.LIBRARY, campaign.plates.concentration_um)
    now = form_of(campaign)
    with within("details"):
        text("summary", "Change budget, constraints or plates")
        draw_form(
            now,
            [("", ("budget", "rounds", "dose_um", "time_h")), *PARTS],
            hints={},
            faults=lambda now: faults(now, known),
            keep=lambda name, value: None,  # noqa: ARG005
            end=lambda reason: button("Save", lambda: _save(place, now), reason=reason or place.busy()),
        )


def form_of(campaign: CampaignSettings) -> dict[str, object]:
    """Return the settings of a campaign as the values of a form."""
    values = campaign.model_dump()
    form: dict[str, object] = {}
    for name, (key, _) in FIELDS.items():
        section, _, last = key.rpartition(".")
        form[name] = (values[section] if section else values)[last]
    return form | {name: "\n".join(values["constraints"][name]) for name in LISTS}


def changed(campaign: CampaignSettings, form: dict[str, object]) -> CampaignSettings:
    """Return a campaign with the values of a form; those that are the same stay as they are written.

    Raises
    ------
    SettingsError
        A value is not allowed, or two do not go together.
    """
    before, after = values_of(form_of(campaign)), values_of(form)
    values = campaign.model_dump(mode="json")
    for name, (key, _) in FIELDS.items():
        section, _, last = key.rpartition(".")
        if after[name] != before[name]:
            (values[section] if section else values)[last] = after[name]
    found = checked(values, CampaignSettings, "the page")
    check_campaign(found, "the page")
    return found


def _save(place: Place, form: dict[str, object]) -> None:
    path = place.campaign / files.SETTINGS
    try:
        with files.working_in(place.campaign):
            campaign = changed(read_campaign(path), form)
            require_settings(place.campaign, campaign)
            write_campaign(campaign, path)
    except AnchorDrugError as error:
        refuse(error, place.beside)
    else:
        rounds = files.round_numbers(place.campaign)
        waits = bool(rounds) and not files.is_ingested(place.campaign, rounds[-1])
        counts = (
            f"Round {rounds[-1]} lists the changes that it does not follow"
            if waits
            else "The changes count from the next round on"
        )
        ui.notify(f"Saved. {counts}.", position="top")
