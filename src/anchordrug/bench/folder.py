"""The folder of a campaign: where its files are, and who may work in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchordrug.errors import AnchorDrugError, SettingsError
from anchordrug.files.atomic import remove, remove_partial
from anchordrug.files.lock import locked

SETTINGS = "campaign.yaml"
RESTORE = "restore the file as the campaign wrote it"
# Columns of the folder's tables that are text, whatever they look like.
TEXT = (
    *("drug_id", "inchikey", "smiles", "name", "moa", "vendor", "source_plate", "source_well", "match"),
    *("atlas_id", "cell_line", "status", "reason"),
)
LIBRARY = "library.csv"
QUERIES = "predict.csv"
REJECTS = ".rejects.csv"
EXPRESSION = "expression.csv"
MODEL = "model"
# In MODEL, written last: the targets that the model is for.
CARD = "campaign.json"
ROUNDS = "rounds"
RESULTS = "results"
FINISH = "finish"

SELECTION = "selection.csv"
PANEL = "panel.csv"
PLATE_MAP = "plate_map.csv"
PICK_LIST = "pick_list.csv"
PACK_PDF = "pack.pdf"
PACK_XLSX = "pack.xlsx"
# Written last: the sources of the pick list and the pack.
PACK = "pack.json"
ADVICE = "advice.csv"
EVIDENCE = "evidence.csv"
OUTCOME = "outcome.csv"
WELLS = "wells.csv"
RESPONSES = "responses.csv"
INGEST = "ingest.json"
COMPOUNDS = "compounds.csv"
METRICS = "metrics.json"
REPORT = "report.html"


def round_of(folder: Path, number: int) -> Path:
    """Return the folder of a round."""
    return folder / ROUNDS / f"{number:02d}"


def results_of(folder: Path, number: int) -> Path:
    """Return the folder that keeps the results of a round as they came."""
    return folder / RESULTS / f"{number:02d}"


def round_numbers(folder: Path) -> list[int]:
    """Return the rounds chosen so far, in order."""
    rounds = folder / ROUNDS
    names = [path.name for path in rounds.iterdir()] if rounds.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit())


def is_ingested(folder: Path, number: int) -> bool:
    """Return whether the results of a round are accepted; ingest.json is written last."""
    return (round_of(folder, number) / INGEST).is_file()


def ingested_rounds(folder: Path) -> list[int]:
    """Return the rounds whose results are accepted, in order."""
    return [number for number in round_numbers(folder) if is_ingested(folder, number)]


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Keep other commands out of a campaign's folder, and remove half-written files of a killed command.

    Raises
    ------
    SettingsError
        It is not a campaign's folder, or another command works in it.
    """
    require_campaign(folder)
    with owned(folder):
        yield


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, and remove half-written files of a killed command there.

    Raises
    ------
    SettingsError
        Another command works in it.
    """
    with locked(folder):
        remove_partial(folder)
        yield


@contextmanager
def made_or_undone(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, as `owned`, and remove new files there if the input is refused.

    The model stays, because learning resumes from it, and so do the tables of rejects that the error names.

    Raises
    ------
    SettingsError
        Another command works in it.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    before = set(folder.iterdir()) if folder.is_dir() else set()
    with owned(folder):
        try:
            yield
        except AnchorDrugError as error:
            if not (folder / SETTINGS).exists():
                for path in set(folder.iterdir()) - before:
                    is_named = path.name.endswith(REJECTS) and str(path) in str(error)
                    if path.name != MODEL and not is_named:
                        remove(path)
                for path in new:
                    if not any(path.iterdir()):
                        path.rmdir()
            raise


def require_campaign(folder: Path) -> None:
    """Check that `folder` is a campaign's.

    Raises
    ------
    SettingsError
        It is not.
    """
    if not (folder / SETTINGS).is_file():
        raise SettingsError(
            f"{folder}: no campaign there (no {SETTINGS}); make one with 'anchordrug campaign new'"
        )
