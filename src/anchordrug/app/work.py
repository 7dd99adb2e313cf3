"""The work of a run's process: the functions that the commands call, on the same campaign folder."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from anchordrug.app import jobs
from anchordrug.app.beside import JUDGED, PREDICTED, RANKING, dropped, results_role, state_of
from anchordrug.errors import AssayError, LibraryError
from anchordrug.files import progress

# Who only predicts with a model need not have the packages of the pipeline.
if TYPE_CHECKING:
    from anchordrug.project.project import Project


def run(
    folder: Path,
    project_of: "Callable[[], Project]",
    reading_atlas: "Callable[[Project], AbstractContextManager[None]]",
) -> None:
    """Do the work that was ordered in `folder`, next to a campaign; its output is written to the log there.

    Parameters
    ----------
    project_of
        Opens the project; runs with an exported model alone do not need it.
    reading_atlas
        Keeps others from writing the atlas meanwhile.
    """
    kind, asked = jobs.read_order(folder)
    # A page shows more than a log does.
    progress.SECONDS_BETWEEN_LINES = 1.0
    if kind in WITH_MODEL:
        WITH_MODEL[kind](folder, asked)
    else:
        project = project_of()
        with reading_atlas(project):
            WITH_PROJECT[kind](folder, asked, project)
    jobs.write_done(folder)


def _look(folder: Path, asked: dict, project: "Project") -> None:
    from anchordrug.app.look import look

    look(folder, new_campaign(asked), project)


def _new(folder: Path, asked: dict, project: "Project") -> None:  # noqa: ARG001
    from anchordrug.bench.commands import new

    new.run(Path(asked["campaign"]), new_campaign(asked), project)


def _next(folder: Path, asked: dict, project: "Project") -> None:  # noqa: ARG001
    from anchordrug.bench.commands import next as command

    command.run(Path(asked["campaign"]), project)


def _judge(folder: Path, asked: dict, project: "Project") -> None:
    from anchordrug.app.judged import write_judged

    about = {"round": asked["round"], "files": asked["files"]}
    _ingest(folder, asked, project, lambda results: write_judged(results, about, folder / JUDGED))


def _accept(folder: Path, asked: dict, project: "Project") -> None:
    _ingest(folder, asked, project, lambda _: True)
    (folder / JUDGED).unlink(missing_ok=True)


def _ingest(folder: Path, asked: dict, project: "Project", accept: Callable[..., bool]) -> None:
    from anchordrug.bench.commands import ingest

    number = asked["round"]
    role = results_role(number)
    if state_of(folder, role) != asked["files"]:
        raise AssayError("the files of results were changed meanwhile; judge them again")
    ingest.run(
        Path(asked["campaign"]),
        dropped(folder, role),
        project,
        number=number,
        belongs_to=asked.get("of"),
        layer=asked.get("layer"),
        accept=accept,
    )


def _rehearse(folder: Path, asked: dict, project: "Project") -> None:
    from anchordrug.bench.commands import rehearse

    place = folder / results_role(asked["round"])
    place.mkdir(parents=True, exist_ok=True)
    rehearse.run(Path(asked["campaign"]), place / f"counts-{asked['round']}.csv", project)


def _finish(folder: Path, asked: dict, project: "Project") -> None:
    from anchordrug.app.summary import summarise
    from anchordrug.bench.commands import finish

    finish.run(Path(asked["campaign"]), project, asked["also"])
    summarise(folder, Path(asked["campaign"]))


def _summarise(folder: Path, asked: dict, project: "Project") -> None:  # noqa: ARG001
    from anchordrug.app.summary import summarise

    summarise(folder, Path(asked["campaign"]))


def _rank(folder: Path, asked: dict) -> None:
    from anchordrug.prediction import rank

    signature = dropped(folder, "signature")
    if not signature:
        raise LibraryError("no signature is there; drop a table of differential expression")
    rank.run(
        Path(asked["model"]),
        Path(asked["drugs"]),
        folder / RANKING,
        signature[0],
        None,
        lists=(None, None),
        sets=(None, None),
        mimic=asked["mimic"],
        permutations=1000,
        seed=0,
        columns=(None, None),
    )


def _predict(folder: Path, asked: dict) -> None:
    from anchordrug.app.summary import summary_of
    from anchordrug.prediction import engine
    from anchordrug.raw.molecules import open_compounds

    out = folder / f"predictions{asked['suffix']}"
    engine.run([Path(asked["model"])], Path(asked["drugs"]), out)
    if asked["suffix"] == ".parquet":
        with open_compounds(Path(asked["drugs"])) as compounds:
            structures = {compound.drug_id: compound.structure for compound in compounds.rows}
        summary_of(out, Path(asked["model"]), folder / PREDICTED, structures)


WITH_PROJECT = {
    "look": _look,
    "new": _new,
    "next": _next,
    "judge": _judge,
    "accept": _accept,
    "rehearse": _rehearse,
    "finish": _finish,
    "summarise": _summarise,
}
WITH_MODEL = {"rank": _rank, "predict": _predict}


def new_campaign(asked: dict):
    """Return the order of a new campaign from the filled-in fields."""
    from anchordrug.bench.commands.new import NewCampaign

    path = {name: Path(asked[name]) if asked.get(name) else None for name in ("predict", "expression")}
    return NewCampaign(
        (asked["target"],),
        Path(asked["library"]),
        path["predict"],
        path["expression"],
        asked["budget"],
        asked["rounds"],
        asked["strategy"],
        asked["seed"],
        asked["rehearsal"],
        asked["dose_um"],
        asked["time_h"],
        asked["id_column"],
        asked["constraints"],
        asked["plates"],
    )
