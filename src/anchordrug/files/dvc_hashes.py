"""Files as DVC has recorded them: in dvc.lock, where `dvc repro` made them, and in files that end in .dvc."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from anchordrug.files.whole import files_in
from anchordrug.files.yaml_values import read_yaml

# A release of 36 GB is not read to see whether it is whole.
LARGEST = 2**31
# A dvc.lock has about 40 kB per target and seed.
MOST_BYTES_OF_A_LOCK = 2**24


class Recorded(NamedTuple):
    """A file or folder with the hash that DVC has recorded for it."""

    path: Path
    md5: str


def recorded_in(root: Path) -> Iterator[Recorded]:
    """Yield the outputs that DVC has recorded in the project `root`, but for those larger than `LARGEST`.

    Raises
    ------
    OSError, SettingsError
        A file of DVC cannot be read.
    """
    lock, stages = (_mapping(_mapping(_read(root / name)).get("stages")) for name in ("dvc.lock", "dvc.yaml"))
    outs = [out for name, stage in lock.items() if _is_current(name, stages) for out in _outs(stage)]
    for path in sorted(root.glob("*.dvc")):
        if path.is_file():
            outs += _outs(_read(path))
    for out in outs:
        path, md5, size = out.get("path"), out.get("md5"), out.get("size")
        if isinstance(path, str) and isinstance(md5, str) and isinstance(size, int) and size <= LARGEST:
            yield Recorded(root / path, md5)


def is_as_recorded(recorded: Recorded) -> bool:
    """Return whether a file or folder that exists has the hash that DVC has recorded."""
    path, md5 = recorded
    if path.is_file():
        return _md5(path) == md5
    # As DVC makes the hash of a folder (dvc-data 3).
    listed = [
        {"md5": _md5(file), "relpath": file.relative_to(path).as_posix()}
        for file in files_in(path)
        if "__pycache__" not in file.parts
    ]
    text = json.dumps(sorted(listed, key=lambda entry: entry["relpath"]), sort_keys=True)
    return f"{hashlib.md5(text.encode()).hexdigest()}.dir" == md5


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _read(path: Path) -> object:
    return read_yaml(path, MOST_BYTES_OF_A_LOCK) if path.is_file() else None


def _is_current(name: str, stages: dict) -> bool:
    """Return whether dvc.yaml still has a stage of dvc.lock, which keeps those of former days."""
    stage, at, _ = name.partition("@")
    return stage in stages and bool(at) == bool({"matrix", "foreach"} & _mapping(stages[stage]).keys())


def _mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _outs(stage: object) -> list[dict]:
    outs = _mapping(stage).get("outs")
    return [_mapping(out) for out in outs] if isinstance(outs, list) else []
