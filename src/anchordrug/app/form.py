"""The fields of a plan: each shows its own fault at once, and the button names the fields to correct."""

from collections.abc import Callable, Mapping, Sequence

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement
from nicegui.events import ValueChangeEventArguments

from anchordrug.acquisition.registry import strategies
from anchordrug.app.plan import CONSTRAINTS, LISTS, PLATES, VOLUMES
from anchordrug.app.widgets import text, within
from anchordrug.app.words import FIELDS

# Parts of a form that are folded: their summary, and the fields.
Part = tuple[str, Sequence[str]]
PARTS: tuple[Part, ...] = (
    ("Constraints: required and excluded drugs, cost, drugs of one kind", CONSTRAINTS),
    ("Plates: wells, replicates, controls", [name for name in PLATES if name not in VOLUMES]),
    ("Volumes: wells, stock, DMSO, source wells", VOLUMES),
)
STRATEGY: Part = ("Strategy and seed", ("strategy", "seed"))
USUAL_STRATEGY = "the strategy of params.yaml"


def draw_form(
    now: dict,
    parts: Sequence[Part],
    *,
    hints: Mapping[str, str],
    faults: Callable[[dict], Mapping[str, str]],
    keep: Callable[[str, object], None],
    end: Callable[[str], object],
) -> None:
    """Draw fields, and the end of the form.

    Parameters
    ----------
    now
        The values of the fields by name, which are changed in place.
    parts
        Their fields; the summary of a part that is not folded is empty.
    hints
        Remarks below some fields, by name.
    faults
        Returns the faults of values, by name.
    keep
        Called with name and value when a field was changed.
    end
        Draws the button, given the reason why it cannot be pressed, or "".
    """
    shown: dict[str, ValidationElement] = {}
    wrong = dict(faults(now))

    def changed(name: str, event: ValueChangeEventArguments) -> None:
        now[name] = event.value
        keep(name, event.value)
        wrong.clear()
        wrong.update(faults(now))
        mark()
        button.refresh()

    def mark() -> None:
        for name, element in shown.items():
            problem = wrong.get(name)
            element.error = problem and f"{problem[0].upper()}{problem[1:]}"

    @ui.refreshable
    def button() -> None:
        end(correct_first(wrong))

    for summary, names in parts:
        if not summary:
            _draw_fields(names, now, hints, shown, changed)
            continue
        with within("details", **({"open": "open"} if wrong.keys() & set(names) else {})):
            text("summary", summary)
            _draw_fields(names, now, hints, shown, changed)
    mark()
    button()


def correct_first(wrong: Mapping[str, str]) -> str:
    """Return the reason why a form with these faults is not taken; "" without any."""
    labels = [FIELDS[name][1].partition(" (")[0] for name in wrong]
    return f"First correct: {', '.join(labels)}." if labels else ""


def _draw_fields(
    names: Sequence[str],
    now: dict,
    hints: Mapping[str, str],
    shown: dict[str, ValidationElement],
    changed: Callable[[str, ValueChangeEventArguments], None],
) -> None:
    with within("div", "fields"):
        for name in names:
            element = _field(name, now[name], lambda event, name=name: changed(name, event))
            if isinstance(element, ValidationElement):
                # Its own validation would clear the fault at once.
                shown[name] = element.without_auto_validation()
                element.props["bottom-slots"] = True
            if name in hints:
                element.props["hint"] = hints[name]


def _field(name: str, value: object, change: Callable) -> ui.element:
    label = FIELDS[name][1]
    if name in LISTS:
        area = ui.textarea(label, value=str(value or ""), on_change=change)
        return area.props("outlined dense autogrow debounce=300").classes("half")
    if name == "use_edge":
        return ui.checkbox(label, value=bool(value), on_change=change)
    if name in _CHOICES:
        return (
            ui.select(_CHOICES[name](), label=label, value=value, on_change=change)
            .props("outlined dense")
            .classes("half" if name == "strategy" else "")
        )
    number = value if isinstance(value, int | float) else None
    # Limits are checked, not enforced: a value that is corrected unseen surprises.
    return ui.number(label, value=number, on_change=change).props("outlined dense debounce=200 step=any")


_CHOICES: dict[str, Callable[[], dict]] = {
    "wells": lambda: {96: "96 wells", 384: "384 wells"},
    "strategy": lambda: {"": USUAL_STRATEGY, **{name: name for name in strategies()}},
}
