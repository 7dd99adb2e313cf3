"""The words of the page: labels of its fields, sizes of files, and messages of commands in these words."""

import re
from pathlib import Path

# Fields of the plan by the name that a form gives them: the key in campaign.yaml, and the label.
FIELDS = {
    "budget": ("budget", "Drugs in total"),
    "rounds": ("rounds", "Rounds"),
    "dose_um": ("plates.concentration_um", "Dose (µM)"),
    "time_h": ("plates.time_h", "Time (h)"),
    "include": ("constraints.include", "Must be chosen (ids)"),
    "exclude": ("constraints.exclude", "Must not be chosen (ids)"),
    "cost": ("constraints.cost", "Cost limit, all rounds"),
    "per_mechanism": ("constraints.per_mechanism", "Limit per mechanism"),
    "per_scaffold": ("constraints.per_scaffold", "Limit per scaffold"),
    "wells": ("plates.wells", "Plate"),
    "replicates": ("plates.replicates", "Wells per drug"),
    "controls": ("plates.controls", "DMSO wells per plate"),
    "use_edge": ("plates.use_edge", "Use the edge of the plate"),
    "well_volume_ul": ("plates.well_volume_ul", "Well volume (µL)"),
    "stock_mm": ("plates.stock_mm", "Stock (mM)"),
    "dmso_percent_max": ("plates.dmso_percent_max", "DMSO limit (%)"),
    "source_volume_ul": ("plates.source_volume_ul", "Source well volume (µL)"),
    "dead_volume_ul": ("plates.dead_volume_ul", "Dead volume (µL)"),
    "strategy": ("strategy", "Strategy"),
    "seed": ("seed", "Seed"),
}
# Fields of the page in place of options of the commands.
_OPTIONS = {
    "--target": "Name of the cell line",
    "--library": "Compounds for sale",
    "--predict": "Drugs to predict",
    "--expression": "Untreated expression",
    "--rehearsal": "Rehearse",
    "--budget": FIELDS["budget"][1],
    "--rounds": FIELDS["rounds"][1],
    "--strategy": FIELDS["strategy"][1],
    "--seed": FIELDS["seed"][1],
    "--dose-um": FIELDS["dose_um"][1],
    "--time-h": FIELDS["time_h"][1],
    "--of": "Plate or cell line",
    "--layer": "Matrix",
}
_BY_KEY = {key: label for key, label in FIELDS.values() if "." in key}
_NAMES = _OPTIONS | _BY_KEY | {key.partition(".")[2]: label for key, label in _BY_KEY.items() if "_" in key}
_NAME = re.compile(
    rf"(?<![\w.-])({'|'.join(map(re.escape, sorted(_NAMES, key=len, reverse=True)))})(?![\w-])"
)
# A command that the page runs, by its button.
RENEW = "Renew pick list and pack"
_NEXT = re.compile(r"run 'anchordrug campaign next [^']*'")
_SOURCES = ("the command line: ", "the page: ")


def in_words_of_page(message: str, folder: Path) -> str:
    """Return a message of a command with labels for options and keys, and without the page's own folder.

    Parameters
    ----------
    folder
        The folder of the page next to a campaign. Of a path below it, only the name of the file is left.
    """
    for source in _SOURCES:
        message = message.removeprefix(source)
    message = _NEXT.sub(f"press '{RENEW}'", message)
    return with_labels(without_folder(message, folder))


def without_folder(message: str, folder: Path) -> str:
    """Return a message in which a path below the folder of the page is only the name of the file."""
    for here in dict.fromkeys((str(folder.resolve()), str(folder.absolute()), str(folder))):
        message = re.sub(rf"{re.escape(here)}/(?:[\w-]+/)?", "", message)
    # Relative to a folder that the page does not know.
    return re.sub(rf"(?:[^\s'\"]*/)?{re.escape(folder.name)}/(?:[\w-]+/)?", "", message)


def with_labels(message: str) -> str:
    """Return a message with the labels of fields for options of commands and keys of campaign.yaml."""
    # A message has its own units.
    return _NAME.sub(lambda found: f"'{_NAMES[found[0]].partition(' (')[0]}'", message)


def size_in_words(size: int) -> str:
    """Return a number of bytes as people write it: 21 bytes, 4.4 kB, 12 MB."""
    if size < 1000:
        return f"{size} byte{'s' if size != 1 else ''}"
    units = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    of_unit, unit = next(pair for pair in units if size >= 0.9995 * pair[0])
    number = size / of_unit
    return f"{number:.0f} {unit}" if number >= 9.95 else f"{number:.1f} {unit}"
