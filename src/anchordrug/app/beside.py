"""The folder next to a campaign: dropped files, filled-in fields, and the run in progress.

The campaign's own folder contains only files of the commands, so that page and command line can take
turns. Files that only the page needs are in `NAME.app` next to it.
"""

from pathlib import Path

from anchordrug.errors import AnchorDrugError
from anchordrug.files.atomic import write_bytes
from anchordrug.files.tables import read_json, write_json

SUFFIX = ".app"
# Roles of dropped files; results have a folder for each round.
LIBRARY, PREDICT, EXPRESSION, SIGNATURE = "library", "predict", "expression", "signature"
FORM = "form.json"
# The files as they were understood: those that `campaign new` would write, and a summary.
LOOK, SEEN = "look", "look.json"
JUDGED, RANKING, PREDICTED = "judged.json", "ranking.csv", "predicted.parquet"
# Of an upload in bytes; a table of counts of several plates has about 100 MB.
MOST_BYTES = 2 * 2**30
# In bytes; a file system takes 255, and a file that is being written has a longer name.
_LONGEST_NAME = 160
_REPLACED = '<>:"|?*'


def beside(campaign: Path) -> Path:
    """Return the folder next to a campaign's."""
    return campaign.with_name(f"{campaign.name}{SUFFIX}")


def results_role(number: int) -> str:
    """Return the role of the results of a round."""
    return f"results-{number:02d}"


def safe_name(name: str) -> str:
    """Return the name under which a dropped file is kept: no path, nothing hidden, only printable letters.

    Names that a lab would give stay as they are, as a campaign keeps results by their name.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c if c.isprintable() and c not in _REPLACED else "_" for c in last).strip().lstrip(".-")
    stem, dot, suffix = shown.partition(".")
    end = _shortened(dot + suffix, _LONGEST_NAME // 2)
    return (_shortened(stem, _LONGEST_NAME - len(end.encode())) or "file") + end


def _shortened(text: str, most: int) -> str:
    """Return the beginning of a text that has at most so many bytes."""
    return text.encode()[:most].decode("utf-8", "ignore").strip()


def dropped(folder: Path, role: str) -> list[Path]:
    """Return the files of a role, by name."""
    here = folder / role
    found = here.iterdir() if here.is_dir() else ()
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def forget(folder: Path, role: str, name: str | None = None) -> None:
    """Remove the file of a role that is called `name`, or all of them."""
    for path in dropped(folder, role):
        if name in (None, path.name):
            path.unlink(missing_ok=True)


def state_of(folder: Path, role: str) -> list[list[object]]:
    """Return name, size and time of the files of a role, which tell whether they are still the same."""
    about = [(path.name, path.stat()) for path in dropped(folder, role)]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in about]


def read_form(folder: Path) -> dict[str, object]:
    """Return the filled-in fields; none if the file is damaged, as only the page writes it."""
    try:
        return read_json(folder / FORM)
    except AnchorDrugError:
        return {}


def read_seen(folder: Path) -> dict | None:
    """Return the summary of the files; None before this version has read them."""
    try:
        return read_json(folder / SEEN, "target", "dose_um", "time_h")
    except AnchorDrugError:
        return None


def write_form(folder: Path, values: dict[str, object]) -> None:
    """Keep the filled-in fields."""
    write_json(values, made(folder) / FORM)


def made(folder: Path) -> Path:
    """Return the folder next to a campaign or model, made if need be; git does not track it."""
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder / ".gitignore"
    if not ignored.exists():
        write_bytes(b"*\n", ignored)
    return folder
