"""anchordrug campaign finish: fit to everything measured, export, predict the library, report."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas.conditions import Conditions
from anchordrug.bench import folder as files
from anchordrug.bench.agreement import agreement
from anchordrug.bench.doses import condition_notes, doses_of_rounds
from anchordrug.bench.evidence import evidence_table
from anchordrug.bench.library import further_ids, read_library
from anchordrug.bench.measurements import Measurements, measured_so_far
from anchordrug.bench.model import Model, load_model
from anchordrug.bench.report import write_report
from anchordrug.bench.world import World, load_world
from anchordrug.errors import SettingsError
from anchordrug.files.digests import sha256
from anchordrug.files.outputs import side_files
from anchordrug.files.tables import write_json, write_table
from anchordrug.labels import LABELS, labels_of
from anchordrug.prediction import engine
from anchordrug.prediction.export import AtlasDrugs, Fingerprint, export
from anchordrug.prediction.provenance import evidence_entry, provenance
from anchordrug.prediction.writers import FORMATS, require_format
from anchordrug.predictors.base import Task
from anchordrug.predictors.expectations import expected_groups
from anchordrug.project.project import Project


def run(folder: Path, project: Project, also: Sequence[str] = ()) -> None:
    """Finish the campaign in `folder` with the measurements so far; run again, it starts over.

    Parameters
    ----------
    also
        Suffixes of the formats in which predictions are written next to parquet, such as ".h5ad".

    Raises
    ------
    SettingsError
        The folder is not a campaign's, or nothing is measured yet.
    LibraryError
        There is no such format, or it cannot hold the library.
    """
    suffixes = dict.fromkeys([".parquet", *(f".{suffix.removeprefix('.')}" for suffix in also)])
    for suffix in suffixes:
        require_format(Path(f"--also {suffix}"))
    with files.working_in(folder):
        world = load_world(folder, project)
        model = load_model(world)
        measured = measured_so_far(world)
        if not len(measured.anchors):
            raise SettingsError(
                f"{folder}: nothing is measured yet; run 'anchordrug campaign next' and 'ingest'"
            )
        rounds = files.round_numbers(folder)
        if not files.is_ingested(folder, rounds[-1]):
            typer.echo(f"round {rounds[-1]} has no results; finishing without it")
        doses = doses_of_rounds(folder, files.ingested_rounds(folder), world.campaign.targets)
        for note in condition_notes(world, doses):
            typer.echo(note)
        here = folder / files.FINISH
        fitted = model.fit(measured, final=True)
        compounds = _compounds(world)
        # The predictions' own InChIKeys are those of the structures.
        write_table(compounds.drop(columns="inchikey"), here / files.COMPOUNDS)
        about = {
            "strategy": world.campaign.strategy,
            "seed": world.campaign.seed,
            "training_data": _hashes(world, rounds),
        }
        metrics, agreements = {}, {}
        for task, predictor, part, drugs, z in zip(
            model.tasks, model.predictors, fitted.parts, measured.drugs, measured.z, strict=True
        ):
            agreements[task.target] = agreement(model, predictor, drugs, z)
            metrics[task.target] = _metrics(model, z, agreements[task.target])
            expected = expected_groups(predictor.expectations(), len(drugs))
            about |= {
                "metrics": _on_card(metrics[task.target]),
                "evidence_groups": evidence_entry({}, expected),
            }
            card = _card(model, task, drugs) | about
            path = here / f"{task.target}.onnx"
            known = AtlasDrugs.of(world.atlas, task.features.drugs, task.sources, drugs)
            export(part, path, card, world.atlas.genes, known)
            typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(world.atlas.genes)} genes")
            _remove_tables(here, task.target, set(FORMATS.names()) - suffixes.keys())
            out, *more = (here / f"{task.target}{suffix}" for suffix in suffixes)
            engine.run([path], here / files.COMPOUNDS, out, also=more)
        write_json(metrics, here / files.METRICS)
        write_report(world, measured, compounds, agreements, _evidence(model, measured, here), here)
        typer.echo(f"{here / files.REPORT}: open it in a browser")


def _evidence(model: Model, measured: Measurements, here: Path) -> pd.DataFrame:
    """Return the evidence groups of the drugs that are left to be predicted; `status` shows them."""
    path = here / files.EVIDENCE
    table = schemas.validate(evidence_table(model, measured.drugs), schemas.EVIDENCE, path)
    write_table(table, path)
    return table


def _remove_tables(here: Path, target: str, suffixes: Iterable[str]) -> None:
    """Remove predictions of an earlier `finish` in formats that are not asked for now."""
    for suffix in suffixes:
        out = here / f"{target}{suffix}"
        for path in (out, *side_files(out)):
            path.unlink(missing_ok=True)


def _hashes(world: World, rounds: list[int]) -> dict[str, str]:
    """Return the SHA-256 of the tables that the predictors learned from.

    The campaign's have their names below the project, or below the folder that the campaign is in.
    """
    root, folder = world.project.root.resolve(), world.folder.resolve()
    place = folder.relative_to(root if folder.is_relative_to(root) else folder.parent)
    responses = [files.round_of(world.folder, number) / files.RESPONSES for number in rounds]
    own = [world.folder / files.LIBRARY, *(path for path in responses if path.exists())]
    hashes = world.project.hashes(world.project.responses)
    return hashes | {(place / path.relative_to(world.folder)).as_posix(): sha256(path) for path in own}


def _card(model: Model, task: Task, anchors: np.ndarray) -> dict[str, object]:
    """Return the entries of an exported predictor's card on its target."""
    settings, drug = model.world.settings, model.world.settings.featurize.drug
    return {
        "target": task.target,
        "threshold": settings.curate.threshold,
        "predictor": settings.predictor,
        "fingerprint": Fingerprint(drug.radius, drug.bits).card(),
        "source_cell_lines": task.sources.measured_lines(),
        "anchors": model.world.atlas.drugs["drug_id"].iloc[anchors].tolist(),
        **_provenance(model.world, task),
    }


def _provenance(world: World, task: Task) -> dict[str, object]:
    """Return the sources of the predictor of a target; in a rehearsal all of it is the atlas'."""
    campaign, experiments = world.campaign, [task.sources]
    if task.target in world.atlas.measured_lines():
        experiments.append(world.atlas.of(task.target))
    if campaign.rehearsal:
        return provenance(world.atlas, experiments)
    times = [] if campaign.plates.time_h is None else [campaign.plates.time_h]
    rounds = files.ingested_rounds(world.folder)
    doses = doses_of_rounds(world.folder, rounds, campaign.targets)
    return provenance(world.atlas, experiments, Conditions(doses, times, []))


def _compounds(world: World) -> pd.DataFrame:
    """Return ids, name, smiles, inchikey of the library and the drugs to be predicted, each once."""
    lists = [world.library]
    if (world.folder / files.QUERIES).exists():
        lists.append(read_library(world.folder / files.QUERIES))
    table = pd.concat(lists, ignore_index=True).drop_duplicates("inchikey")
    repeated = table["drug_id"].duplicated()
    table.loc[repeated, "drug_id"] = table["inchikey"]
    return table[["drug_id", "name", *further_ids(table), "smiles", "inchikey"]].reset_index(drop=True)


def _metrics(model: Model, z: np.ndarray, agreements: pd.DataFrame) -> dict[str, object]:
    """Return how well anchors are predicted from the other anchors, and from the source lines alone."""
    labels = labels_of(z, model.world.settings.curate.threshold)
    shares = np.bincount(labels[labels >= 0], minlength=3) / np.isfinite(z).sum()
    names = ("anchors_correlation_with_prior", "anchors_correlation_left_out")
    means = agreements.mean().round(4).dropna().tolist()
    return {
        "anchors": len(z),
        "label_shares": dict(zip(LABELS, np.round(shares, 4).tolist(), strict=True)),
        **dict(zip(names, means, strict=False)),
    }


def _on_card(metrics: dict[str, object]) -> dict[str, float]:
    return {
        name.replace("_", " "): value
        for name, value in metrics.items()
        if isinstance(value, float) and np.isfinite(value)
    }
