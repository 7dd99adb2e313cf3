"""The published data that a raw bundle is made of: SOURCES.json, an optional file of the bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anchordrug.errors import RawDataError, printable
from anchordrug.files.json_text import parsed

SOURCES = "SOURCES.json"
# The texts of an entry; only the name is required.
KEYS = ("name", "licence", "url")
Published = dict[str, str | None]
_LARGEST, _SHOWN = 2**20, 60


def published_in(bundle: Path) -> list[Published]:
    """Return the data that a bundle is made of: name, licence and url of each, None where unknown.

    They are the list `sources` of SOURCES.json. Other keys of the file are ignored.

    Returns
    -------
    list
        Empty if there is no SOURCES.json, or if it has no such list.

    Raises
    ------
    RawDataError
        The file is not a JSON object, is larger than 1 MiB, or an entry is not as described.
    """
    path = bundle / SOURCES
    if not path.is_file():
        return []
    if path.stat().st_size > _LARGEST:
        raise RawDataError(f"{path}: larger than 1 MiB; list names, licences and addresses alone")
    try:
        value = parsed(path.read_bytes())
    except ValueError as error:
        raise RawDataError(
            f"{path}: is not JSON ({printable(str(error), 200)}); correct or remove it"
        ) from error
    entries = value.get("sources", []) if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise RawDataError(f"{path}: 'sources' is not a list in an object; correct or remove it")
    return [_published(entry, f"{path}: entry {number}") for number, entry in enumerate(entries, start=1)]


def _published(entry: Any, place: str) -> Published:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise RawDataError(f"{place} of 'sources': has no 'name'; give name, licence and url")
    found = {key: entry.get(key) for key in KEYS}
    for key, text in found.items():
        if text is not None and not (isinstance(text, str) and text.isprintable()):
            shown = printable(str(text), _SHOWN)
            raise RawDataError(f"{place} of 'sources': '{key}' is '{shown}'; give one line, or null")
    return found
