"""The two DVC stages of a campaign, whose paths are relative to its folder, so that a copy has its own."""

import os
import re
from pathlib import Path

import typer

from anchordrug.bench import folder as files
from anchordrug.files.atomic import PARTIAL, atomic_path

NAME = "dvc.yaml"
_STAGES = f"""# Here, a new file in {files.RESULTS}/NN/ and `dvc repro dvc.yaml:next` give the next plate;
# `dvc repro` also predicts the library with the measurements so far.
stages:
  next:
    cmd:
      - anchordrug --project PROJECT campaign ingest . --yes
      - anchordrug --project PROJECT campaign next .
    deps:
      - {files.LIBRARY}
      - {files.MODEL}
      - {files.RESULTS}
      - {files.SETTINGS}
    outs:
      - {files.ROUNDS}:
          cache: false
          persist: true
  finish:
    cmd: anchordrug --project PROJECT campaign finish .
    deps:
      - {files.ROUNDS}
    outs:
      - {files.FINISH}
"""
_IGNORED = ("/.lock", f"{PARTIAL}*", f"/{files.MODEL}", f"/{files.FINISH}")
# Version 0.1 named the folder from the project on, so that a copy's stages were those of the original.
_FORMER = f"""# A new file in {files.RESULTS}/NN/ and `dvc repro NAME/dvc.yaml:next` give the next plate;
# `dvc repro NAME/dvc.yaml` also predicts the library with what is measured so far.
stages:
  next:
    wdir: PROJECT
    cmd:
      - anchordrug campaign ingest NAME --yes
      - anchordrug campaign next NAME
    deps:
      - NAME/{files.LIBRARY}
      - NAME/{files.MODEL}
      - NAME/{files.RESULTS}
      - NAME/{files.SETTINGS}
    outs:
      - NAME/{files.ROUNDS}:
          cache: false
          persist: true
  finish:
    wdir: PROJECT
    cmd: anchordrug campaign finish NAME
    deps:
      - NAME/{files.ROUNDS}
    outs:
      - NAME/{files.FINISH}
"""


def write_stages(root: Path, folder: Path) -> None:
    """Write the stages of a new campaign below the project's folder `root`; elsewhere there is no DVC.

    A dvc.yaml of somebody else is left as it is.
    """
    text = _stages(root, folder)
    if text is None:
        return
    (folder / files.RESULTS).mkdir(exist_ok=True)
    _ignore(folder / ".gitignore")
    path = folder / NAME
    if path.exists() and not _is_own(_text(path)):
        typer.echo(f"{path}: is not of a campaign and stays as it is; DVC will not run this campaign")
        return
    _write(path, text)


def renew_stages(root: Path, folder: Path) -> None:
    """Write the stages again if they are of another place or version and nobody has edited them.

    DVC, while it runs such a stage, is left with the stages that it has read.
    """
    path, text = folder / NAME, _stages(root, folder)
    if text is None or not path.is_file() or "DVC_STAGE" in os.environ:
        return
    before = _text(path)
    if before != text and _is_own(before):
        _write(path, text)
        typer.echo(f"{path}: renewed; its paths are relative to the campaign's folder")


def _stages(root: Path, folder: Path) -> str | None:
    home, own = root.resolve(), folder.resolve()
    if not own.is_relative_to(home):
        return None
    return _STAGES.replace("PROJECT", "/".join(".." for _ in own.relative_to(home).parts))


def _is_own(text: str) -> bool:
    """Return whether this module, or a former version of it, wrote `text` for some folder."""
    patterns = (_pattern(_STAGES, r"[./]+", ""), _pattern(_FORMER, r"[./]+", r"[^\n]+"))
    return any(re.fullmatch(pattern, text) for pattern in patterns)


def _pattern(template: str, project: str, name: str) -> str:
    return re.escape(template).replace("PROJECT", project).replace("NAME", name)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _ignore(path: Path) -> None:
    """Add to a .gitignore the lines that it does not have."""
    lines = _text(path).splitlines() if path.exists() else []
    _write(path, "".join(f"{line}\n" for line in dict.fromkeys([*lines, *_IGNORED])))


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
