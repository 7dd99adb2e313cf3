"""Stage pretrain: the network of a target on its source cell lines, that is on all other lines."""

import pandas as pd
import typer

from anchordrug.atlas import labels_of
from anchordrug.io import fingerprint_of, sha256, write_table
from anchordrug.predictors.mlp import FactorisedMlp, MlpShape, save_mlp
from anchordrug.settings import Settings, Training
from anchordrug.splits import require_targets, sources_of
from anchordrug.stages import paths
from anchordrug.stages.tables import load_atlas, load_features
from anchordrug.training import Profiles, TrainingPlan, train


def plan_of(training: Training, seed: int) -> TrainingPlan:
    """Return the training plan that a section of the settings describes."""
    return TrainingPlan(
        training.epochs, training.learning_rate, training.block_drugs, training.block_genes, seed
    )


def data_hashes() -> dict[str, str]:
    """Return the sha256 of every table that a network learns from."""
    tables = (paths.RESPONSES, paths.DRUG_FEATURES, paths.GENE_FEATURES, paths.CELL_FEATURES)
    return {path.as_posix(): sha256(path) for path in tables}


def run(settings: Settings, target: str) -> None:
    """Pre-train for `target`; a run that was cut goes on after its last whole epoch."""
    atlas = load_atlas()
    features = load_features(atlas)
    pretrain = settings.pretrain
    require_targets((target,), atlas, pretrain.leave_out)
    sources = sources_of(atlas, target, pretrain.leave_out)
    inputs = (features.drugs.shape[1], features.cell_lines.shape[1], features.genes.shape[1])
    network = FactorisedMlp(MlpShape(inputs, pretrain.hidden, pretrain.dropout), pretrain.seed)
    hashes = data_hashes()
    lines = sorted(sources.cell_lines[line] for line in set(sources.cell_line))
    run_key = fingerprint_of(lines, settings.curate.threshold, pretrain.model_dump(mode="json"), hashes)
    checkpoint = paths.CHECKPOINTS / f"pretrain-{run_key}.safetensors"
    losses = train(
        network,
        Profiles(features, sources.drug, sources.cell_line, labels_of(sources.z, settings.curate.threshold)),
        plan_of(pretrain, pretrain.seed),
        after_epoch=lambda epoch, loss: typer.echo(
            f"{target}: epoch {epoch}/{pretrain.epochs}: loss {loss:.4f}"
        ),
        checkpoint=checkpoint,
    )
    card = {
        "predictor": "mlp",
        "target": target,
        "source_cell_lines": lines,
        "experiments": len(sources.drug),
        "threshold": settings.curate.threshold,
        "training": pretrain.model_dump(mode="json"),
        "training_data": hashes,
    }
    save_mlp(network, paths.PRETRAINED / target, card)
    log = pd.DataFrame({"epoch": range(1, len(losses) + 1), "loss": losses})
    write_table(log, paths.METRICS / "pretrain" / f"{target}.csv")
    # Targets that are all left out share one network: it stays for the others to take up.
    if set(pretrain.leave_out) <= {target}:
        checkpoint.unlink()
