"""Stage pretrain: what the source cell lines of a target, that is all other lines, teach a predictor."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import require_targets, sources_of
from anchordrug.errors import SettingsError
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.tables import write_table
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import labels_of
from anchordrug.predictors.loading import (
    MLPS,
    basis_of,
    mechanisms_of,
    net_settings,
    net_share,
    plan_of,
    prior_of,
)
from anchordrug.predictors.mlp.files import save_mlp
from anchordrug.predictors.mlp.network import FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.training import Profiles, train
from anchordrug.predictors.response.files import save_start
from anchordrug.predictors.response.gp import KernelWeights
from anchordrug.predictors.response.net import pretrain_net, response_inputs
from anchordrug.predictors.response.prior import mechanism_codes
from anchordrug.predictors.response.pseudo_targets import (
    FEWEST_DRUGS,
    PseudoTarget,
    SourceFit,
    fit_to_pseudo_targets,
    gene_rates,
    pseudo_targets,
)
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas, load_features
from anchordrug.settings import Settings


def data_hashes() -> dict[str, str]:
    """Return the sha256 of every table that a network learns from."""
    tables = (paths.RESPONSES, paths.DRUG_FEATURES, paths.GENE_FEATURES, paths.CELL_FEATURES)
    return {path.as_posix(): sha256(path) for path in tables}


def run(settings: Settings, target: str, device: str = "cpu") -> None:
    """Learn for `target` what its source lines teach the predictor that the settings name."""
    atlas = load_atlas()
    features = load_features(atlas)
    require_targets((target,), atlas, settings.pretrain.leave_out)
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    losses = learn(settings, features, sources, target, paths.PRETRAINED / target, device)
    log = pd.DataFrame({"epoch": range(1, len(losses) + 1), "loss": losses})
    write_table(log, paths.METRICS / "pretrain" / f"{target}.csv")


def learn(
    settings: Settings,
    features: FeatureBlocks,
    sources: ResponseAtlas,
    target: str,
    folder: Path,
    device: str = "cpu",
) -> list[float]:
    """Write what `sources` teach the predictor of `target` to `folder`; return the losses of its epochs.

    Networks are trained on `device`, cpu or cuda.
    """
    # A library may hold many times the drugs that were measured: nothing is learned from the others.
    measured = sources.measured_drugs()
    sources = replace(
        sources,
        drug=np.searchsorted(measured, sources.drug),
        drugs=sources.drugs.iloc[measured].reset_index(drop=True),
    )
    features = replace(features, drugs=features.drugs[measured])
    write = _learn_mlp if settings.predictor in MLPS else _learn_response
    return write(settings, features, sources, target, folder, device)


def _learn_response(
    settings: Settings,
    features: FeatureBlocks,
    sources: ResponseAtlas,
    target: str,
    folder: Path,
    device: str,
) -> list[float]:
    """Let every source line play the target: calibrate the process, train the network; return its losses."""
    threshold, seed = settings.curate.threshold, settings.response_net.seed
    pseudo = _played(settings, features, sources, target)
    calibration = fit_to_pseudo_targets(
        pseudo, KernelWeights(), gene_rates(sources, threshold), threshold, seed
    )
    typer.echo(f"{target}: {len(pseudo)} source lines played the target; {_in_words(calibration)}")
    net, losses = None, []
    if net_share(settings):
        basis = basis_of(prior_of(settings, features, sources))
        network, losses = pretrain_net(
            pseudo, basis, features.cell_lines, threshold, net_settings(settings, device), seed
        )
        typer.echo(f"{target}: {len(losses)} epochs, loss {losses[0]:.4f} to {losses[-1]:.4f}")
        net = network, basis
    card = {
        "predictor": settings.predictor,
        "target": target,
        "source_cell_lines": sorted(sources.cell_lines[line] for line in set(sources.cell_line)),
        "experiments": len(sources.drug),
        "threshold": threshold,
        "training": settings.response_net.model_dump(
            mode="json", include={"hidden", "dropout", "epochs", "learning_rate", "seed"}
        ),
        "training_data": data_hashes(),
    }
    save_start(folder, calibration, net, card)
    return losses


def _played(
    settings: Settings, features: FeatureBlocks, sources: ResponseAtlas, target: str
) -> list[PseudoTarget]:
    """Return the source lines that play the target."""
    mechanism = mechanism_codes(mechanisms_of(sources))
    pseudo = list(pseudo_targets(sources, features.drugs, mechanism, settings.curate.threshold))
    if not pseudo:
        raise SettingsError(
            f"predictor: '{settings.predictor}' needs two source lines with at least {FEWEST_DRUGS} drugs "
            f"beside {target}, to learn how far predictions can be trusted; use predictor mlp"
        )
    return pseudo


def _in_words(calibration: SourceFit) -> str:
    gp = calibration.gp
    return f"slope {gp.slope:.2f}, noise {gp.noise:g}, ridge {gp.ridge:g}"


def _learn_mlp(
    settings: Settings,
    features: FeatureBlocks,
    sources: ResponseAtlas,
    target: str,
    folder: Path,
    device: str,
) -> list[float]:
    """Train the paper's network; a run that was cut goes on after its last whole epoch. Return its losses."""
    pretrain = settings.pretrain
    drug, cell_line, z = sources.drug, sources.cell_line, sources.z
    if settings.predictor == "mlp_response":
        features, cell_line, z = _experiments(settings, features, sources, target)
        drug = np.arange(len(z))
    inputs = (features.drugs.shape[1], features.cell_lines.shape[1], features.genes.shape[1])
    network = FactorisedMlp(MlpShape(inputs, pretrain.hidden, pretrain.dropout), pretrain.seed)
    hashes = data_hashes()
    lines = sorted(sources.cell_lines[line] for line in set(sources.cell_line))
    run_key = digest_of(
        lines, settings.predictor, settings.curate.threshold, pretrain.model_dump(mode="json"), hashes
    )
    checkpoint = paths.CHECKPOINTS / f"pretrain-{run_key}.safetensors"
    losses = train(
        network,
        Profiles(features, drug, cell_line, labels_of(z, settings.curate.threshold)),
        plan_of(pretrain, pretrain.seed, device),
        after_epoch=lambda epoch, loss: typer.echo(
            f"{target}: epoch {epoch}/{pretrain.epochs}: loss {loss:.4f}"
        ),
        checkpoint=checkpoint,
    )
    card = {
        "predictor": settings.predictor,
        "target": target,
        "source_cell_lines": lines,
        "experiments": len(drug),
        "threshold": settings.curate.threshold,
        "training": pretrain.model_dump(mode="json"),
        "training_data": hashes,
    }
    save_mlp(network, folder, card)
    # Targets that are all left out share one network: it stays for the others to take up.
    if set(pretrain.leave_out) <= {target}:
        checkpoint.unlink()
    return losses


def _experiments(
    settings: Settings, features: FeatureBlocks, sources: ResponseAtlas, target: str
) -> tuple[FeatureBlocks, np.ndarray, np.ndarray]:
    """Return drug features with a row per experiment, whose prior lacks its own line; cell lines and z."""
    basis = basis_of(prior_of(settings, features, sources))
    pseudo = _played(settings, features, sources, target)
    rows = [
        np.concatenate([features.drugs[one.drugs], response_inputs(NumpyOps, basis, one.evidence)], axis=1)
        for one in pseudo
    ]
    lines = np.concatenate([np.full(len(one.drugs), one.line) for one in pseudo])
    drugs = np.concatenate(rows)
    return replace(features, drugs=drugs), lines, np.concatenate([one.z for one in pseudo])
