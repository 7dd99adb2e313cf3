"""The filled-in plan of a campaign: its values, their faults, and the order of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anchordrug.app.beside import EXPRESSION, LIBRARY, PREDICT, dropped
from anchordrug.app.words import FIELDS, with_labels

if TYPE_CHECKING:
    from anchordrug.app.place import Place
    from anchordrug.bench.settings import CampaignSettings

DEFAULTS: dict[str, object] = {
    "target": "",
    "rehearsal": False,
    "budget": 30,
    "rounds": 3,
    "strategy": "",
    "seed": 0,
    "dose_um": None,
    "time_h": None,
    "id_column": "",
    "include": "",
    "exclude": "",
    "cost": None,
    "per_mechanism": None,
    "per_scaffold": None,
    "wells": 96,
    "replicates": 3,
    "controls": 6,
    "use_edge": False,
    "well_volume_ul": 50,
    "stock_mm": 10,
    "dmso_percent_max": 0.5,
    "source_volume_ul": 50,
    "dead_volume_ul": 15,
}
LISTS = ("include", "exclude")
CONSTRAINTS = (*LISTS, "cost", "per_mechanism", "per_scaffold")
VOLUMES = ("well_volume_ul", "stock_mm", "dmso_percent_max", "source_volume_ul", "dead_volume_ul")
PLATES = ("wells", "replicates", "controls", "use_edge", *VOLUMES)


@dataclass(frozen=True)
class Known:
    """Facts for checking a plan: ids that can be chosen, whether any has a cost or stock, the dose."""

    ids: Sequence[str]
    costs: bool
    stocks: bool
    dose_um: float


def known_of(library: Path, dose_um: float) -> Known:
    """Return the facts in the library that a campaign keeps.

    Raises
    ------
    RawDataError
        The file does not exist or cannot be parsed.
    """
    from anchordrug.bench.library import read_library

    table = read_library(library)
    has = {name: name in table and bool(table[name].notna().any()) for name in ("cost", "stock_mm")}
    return Known(table["drug_id"].astype(str).tolist(), has["cost"], has["stock_mm"], dose_um)


def filled(form: dict[str, object]) -> dict[str, object]:
    """Return every field with its value: the filled-in value, or else the usual value."""
    return {name: form.get(name, usual) for name, usual in DEFAULTS.items()}


def values_of(form: dict[str, object]) -> dict[str, object]:
    """Return the fields as campaign.yaml has them: whole numbers, lists of ids, None for an empty field."""
    values = {name: None if value == "" else value for name, value in filled(form).items()}
    for name, value in values.items():
        if isinstance(value, float) and value.is_integer() and isinstance(DEFAULTS[name], int | None):
            values[name] = int(value)
    for name in LISTS:
        words = str(values[name] or "").replace(",", "\n").splitlines()
        values[name] = tuple(word.strip() for word in words if word.strip())
    return values


def faults(form: dict[str, object], known: Known) -> dict[str, str]:
    """Return the faults of a plan by field, in the words of the page.

    The rules are those of campaign.yaml, and those that its campaign would be refused by later.
    """
    from anchordrug.bench.settings import CampaignSettings, conflicts
    from anchordrug.settings import problems

    values = values_of(form)
    settings = _as_settings(values, known)
    names = {key: name for name, (key, _) in FIELDS.items()}
    found = {
        names[key]: problem for key, problem in problems(settings, CampaignSettings).items() if key in names
    }
    if found:
        return found
    campaign = CampaignSettings.model_validate(settings)
    found = {names[key]: problem for key, problem in conflicts(campaign) if key in names}
    found |= _of_library(values, known)
    if not found:
        found = _of_plates(campaign, known, dose_is_given=values["dose_um"] is not None)
    return {name: with_labels(problem) for name, problem in found.items()}


def _as_settings(values: Mapping[str, object], known: Known) -> dict[str, object]:
    """Return values as the keys of campaign.yaml; the page does not ask for all of them."""
    nested: dict = {"constraints": {}, "plates": {}, "targets": ("A",), "stop_below": 0, "rehearsal": False}
    for name, (key, _) in FIELDS.items():
        section, _, last = key.rpartition(".")
        (nested[section] if section else nested)[last] = values[name]
    nested["strategy"] = values["strategy"] or ""
    if values["dose_um"] is None:
        nested["plates"]["concentration_um"] = known.dose_um
    return nested


def _of_library(values: Mapping[str, object], known: Known) -> dict[str, str]:
    from anchordrug.errors import near

    found = {}
    budget = values["budget"]
    if isinstance(budget, int) and budget > len(known.ids):
        found["budget"] = f"must be at most {len(known.ids)}: so many compounds can be used"
    for name in LISTS:
        ids = values[name]
        for drug_id in ids if isinstance(ids, tuple) else ():
            if drug_id not in known.ids:
                found[name] = f"'{drug_id}' is not the id of a usable compound{near(drug_id, known.ids)}"
    if values["cost"] is not None and not known.costs:
        found["cost"] = "no compound has a cost; drop a table with a column of costs, or leave this empty"
    return found


def _of_plates(campaign: "CampaignSettings", known: Known, *, dose_is_given: bool) -> dict[str, str]:
    from anchordrug.bench.plates.layout import usable_wells
    from anchordrug.bench.plates.volumes import problem_with
    from anchordrug.errors import SettingsError

    try:
        usable_wells(campaign.plates)
    except SettingsError as error:
        return {"controls": str(error).removeprefix("plates.controls: ")}
    # A library may have stocks of its own, each of which is judged when drugs are chosen.
    plates = campaign.plates
    problem = None if known.stocks else problem_with(plates.concentration_um, plates.stock_mm, plates)
    return {"dose_um" if dose_is_given else "stock_mm": problem} if problem else {}


def order(place: "Place", form: dict[str, object]) -> dict[str, object]:
    """Return the arguments of a run that makes a campaign as JSON values; paths of dropped files or None."""
    values = values_of(form)
    given = {
        role: next((str(path) for path in dropped(place.beside, role)), None)
        for role in (LIBRARY, PREDICT, EXPRESSION)
    }
    plain = ("target", "rehearsal", "budget", "rounds", "strategy", "seed", "dose_um", "time_h", "id_column")
    return {
        **{name: values[name] for name in plain},
        **given,
        "target": str(values["target"] or "").strip(),
        "constraints": {name: values[name] for name in CONSTRAINTS},
        # The campaign fills in the usual values.
        "plates": {name: values[name] for name in PLATES if values[name] != DEFAULTS[name]},
    }
