"""What is filled in for a new campaign, and the order that it makes."""

from typing import TYPE_CHECKING

from anchordrug.app.beside import EXPRESSION, LIBRARY, PREDICT, dropped

if TYPE_CHECKING:
    from anchordrug.app.place import Place

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
}
WHOLE = ("budget", "rounds", "seed", "per_mechanism", "per_scaffold", "wells", "replicates", "controls")
CONSTRAINTS = ("include", "exclude", "cost", "per_mechanism", "per_scaffold")
PLATES = ("wells", "replicates", "controls", "use_edge", "well_volume_ul", "stock_mm")


def filled(form: dict[str, object]) -> dict[str, object]:
    """Return every field with its value: what was filled in, or else the usual one."""
    return {name: form.get(name, usual) for name, usual in DEFAULTS.items()}


def values_of(form: dict[str, object]) -> dict[str, object]:
    """Return the fields as campaign.yaml has them: whole numbers, lists of ids, None for what is empty."""
    values = {name: None if value == "" else value for name, value in filled(form).items()}
    for name in WHOLE:
        value = values[name]
        if isinstance(value, float) and value.is_integer():
            values[name] = int(value)
    for name in ("include", "exclude"):
        words = str(values[name] or "").replace(",", "\n").splitlines()
        values[name] = tuple(word.strip() for word in words if word.strip())
    return values


def order(place: "Place", form: dict[str, object]) -> dict[str, object]:
    """Return what a run of a new campaign is asked, as JSON values; paths of dropped files, or None."""
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
        "plates": {name: values[name] for name in PLATES},
    }
