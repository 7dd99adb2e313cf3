"""The report on one cell line: its anchors and their map, mechanisms, genes, worst drugs."""

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.evaluation.bootstrap import macro_f1_of
from anchordrug.evaluation.coverage import hull_coverage, response_plane
from anchordrug.labels import LABELS, labels_of
from anchordrug.project.project import Project
from anchordrug.report import plots
from anchordrug.report.figures import Figures
from anchordrug.report.tables import Tables, rows_of
from anchordrug.settings import Settings

RANDOM_DRAWS = 200
WORST = 15
FEWEST_OF_MECHANISM = 2


def line_panel(
    project: Project, atlas: ResponseAtlas, tables: Tables, target: str, figures: Figures
) -> dict[str, object]:
    """Return the parts of the page on one target; anchors and map are those of the first seed's campaign."""
    settings = project.settings
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    selection, anchors = project.anchors(atlas, target, settings.seeds[0])
    curves = (
        rows_of(tables.curves, target=target).groupby(["strategy", "drugs"], sort=False)["macro_f1"].mean()
    )
    genes = _genes(tables, target)
    counts = _counts(rows_of(tables.drugs, target=target, predictor=tables.ours)).sum(axis=0).reshape(3, 3)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    confusion = pd.DataFrame(shares, columns=[f"predicted {label}" for label in LABELS])
    confusion.insert(
        0, "measured", [f"{label} ({n})" for label, n in zip(LABELS, counts.sum(axis=1), strict=True)]
    )
    return {
        "target": target,
        "map": _map(project, atlas, sources, target, selection, anchors, figures),
        "anchors": _anchors(settings, atlas, sources, target, selection, anchors),
        "curves": figures.add(f"learning_curve_{target}", plots.learning_curve(curves.reset_index())),
        "confusion": confusion,
        "mechanisms": _mechanisms(tables, atlas, target),
        "worst": _worst(tables, atlas, sources, target),
        "genes": genes,
        "gene_figure": figures.add(f"genes_{target}", plots.genes(genes)),
    }


def _counts(table: pd.DataFrame) -> np.ndarray:
    return table[list(schemas.CONFUSION)].to_numpy()


def _anchors(
    settings: Settings,
    atlas: ResponseAtlas,
    sources: ResponseAtlas,
    target: str,
    selection: pd.DataFrame,
    anchors: np.ndarray,
) -> pd.DataFrame:
    lines = np.bincount(sources.drug, minlength=len(atlas.drugs))[anchors]
    changed = labels_of(atlas.of(target).responses_of(anchors), settings.curate.threshold) != 1
    return pd.DataFrame(
        {
            "round": selection["round"].to_numpy(),
            "drug": _titles(atlas, anchors),
            "mechanism": atlas.drugs["moa"].to_numpy()[anchors],
            "score": selection["score"].to_numpy(float),
            "other cell lines": lines,
            "changed genes": changed.sum(axis=1),
        }
    )


def _titles(atlas: ResponseAtlas, drugs: np.ndarray) -> list[str]:
    own = atlas.drugs.iloc[drugs]
    return [
        drug if pd.isna(name) else str(name) for drug, name in zip(own["drug_id"], own["name"], strict=True)
    ]


def _map(
    project: Project,
    atlas: ResponseAtlas,
    sources: ResponseAtlas,
    target: str,
    selection: pd.DataFrame,
    anchors: np.ndarray,
    figures: Figures,
) -> dict[str, object] | None:
    """Return the plane of prior responses, and how much of it the anchors span; None for too few drugs."""
    split, seed = project.split(atlas, target), project.settings.seeds[0]
    prior, lines = sources.consensus()
    drugs = np.concatenate([split.pool, split.test])
    drugs = drugs[lines[drugs] > 0]
    if len(drugs) < 4:
        return None
    plane = response_plane(prior[drugs], seed)
    chosen = np.isin(drugs, anchors)
    round_of = dict(zip(anchors.tolist(), selection["round"].tolist(), strict=True))
    moa = atlas.drugs["moa"].to_numpy()
    labels = []
    for drug, title, mechanism in zip(drugs.tolist(), _titles(atlas, drugs), moa[drugs], strict=True):
        told = title if pd.isna(mechanism) else f"{title}, {mechanism}"
        labels.append(f"{told} (round {round_of[drug]})" if drug in round_of else told)
    table = pd.DataFrame(
        {
            "x": plane[:, 0],
            "y": plane[:, 1],
            "role": np.where(np.isin(drugs, split.test), "test", "pool"),
            "round": [round_of.get(drug, 0) for drug in drugs.tolist()],
            "label": labels,
        }
    )
    rng = np.random.default_rng(seed)
    pool = np.flatnonzero(np.isin(drugs, split.pool))
    draws = [
        hull_coverage(plane, rng.choice(pool, int(chosen.sum()), replace=False)) for _ in range(RANDOM_DRAWS)
    ]
    return {
        "figure": figures.add(f"map_{target}", plots.coverage_map(table)),
        "covered": hull_coverage(plane, np.flatnonzero(chosen)),
        "random": float(np.median(draws)),
        "mechanisms": int(pd.Series(moa[anchors]).nunique()),
        "of_mechanisms": int(pd.Series(moa[split.pool]).nunique()),
        "without": int((lines[anchors] == 0).sum()),
    }


def _genes(tables: Tables, target: str) -> pd.DataFrame:
    own = rows_of(tables.genes, target=target, predictor=tables.ours)
    theirs = rows_of(tables.genes, target=target, predictor="consensus")

    def by_gene(table: pd.DataFrame) -> pd.DataFrame:
        return table.groupby("gene", sort=False)[list(schemas.CONFUSION)].sum()

    ours, consensus = by_gene(own), by_gene(theirs)
    changed = 1 - ours[[f"none_as_{label}" for label in LABELS]].sum(axis=1) / ours.sum(axis=1)
    return pd.DataFrame(
        {
            "gene": ours.index,
            "changed": changed.to_numpy(float),
            "macro_f1": macro_f1_of(ours.to_numpy()),
            "consensus": macro_f1_of(consensus.loc[ours.index].to_numpy()),
        }
    ).sort_values("macro_f1", ascending=False, kind="stable")


def _mechanisms(tables: Tables, atlas: ResponseAtlas, target: str) -> pd.DataFrame:
    """Return the macro-F1 over the test drugs of each mechanism that has two or more of them."""
    moa = atlas.drugs.set_index("drug_id")["moa"]
    columns = list(schemas.CONFUSION)
    own = rows_of(tables.drugs, target=target)
    own = own.assign(mechanism=own["drug_id"].map(moa))
    ours = rows_of(own, predictor=tables.ours).groupby("mechanism")
    table = pd.DataFrame(
        {"test drugs": ours["drug_id"].nunique(), "macro_f1": macro_f1_of(ours[columns].sum().to_numpy())}
    )
    consensus = rows_of(own, predictor="consensus").groupby("mechanism")[columns].sum()
    table["consensus"] = macro_f1_of(consensus.loc[table.index].to_numpy())
    table = table[table["test drugs"] >= FEWEST_OF_MECHANISM].reset_index()
    return table.sort_values("macro_f1", ascending=False, kind="stable")


def _worst(tables: Tables, atlas: ResponseAtlas, sources: ResponseAtlas, target: str) -> pd.DataFrame:
    """Return the test drugs that are predicted worst, of those that change as many genes as the median."""
    own = rows_of(tables.drugs, target=target, predictor=tables.ours)
    by_drug = own.groupby("drug_id", sort=False)
    counts = by_drug[list(schemas.CONFUSION)].sum()
    seeds = own["seed"].nunique()
    changed = counts[[name for name in counts.columns if not name.startswith("none_as")]].sum(axis=1) // seeds
    rows = pd.Index(atlas.drugs["drug_id"]).get_indexer(counts.index)
    table = pd.DataFrame(
        {
            "drug": _titles(atlas, rows),
            "mechanism": atlas.drugs["moa"].to_numpy()[rows],
            "other cell lines": np.bincount(sources.drug, minlength=len(atlas.drugs))[rows],
            "changed genes": changed.to_numpy(),
            "macro_f1": macro_f1_of(counts.to_numpy()),
            "correlation": by_drug["z_correlation"].mean().to_numpy(),
        }
    )
    table = table[table["changed genes"] >= table["changed genes"].median()]
    return table.sort_values("macro_f1", kind="stable").head(WORST)
