"""A drill: the commands of a campaign at the bench against the select stage, on real data.

python benchmarks/campaign.py --raw $ANCHORDRUG_LINCS --target JURKAT --out benchmarks/results/campaign.json

The target is taken out of the atlas, and its measured responses are given back round by round, only for
the drugs that `campaign next` asks for: as z-scores, and as negative binomial counts of every well. Then once
more as z-scores with the untreated profile taken out too, and given as a table of TPM by Ensembl id instead.
"""

import argparse
import io
import shutil
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
from projects import ROOT, command, written

from anchordrug.bench.assays.simulated_counts import simulate_counts
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.files.tables import write_json, write_table
from anchordrug.labels import LABELS, labels_of
from anchordrug.project.project import Project
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression

BUDGET, ROUNDS = 30, 3


def silently(project: Project, *words: object) -> None:
    """Run a command for the project, and show nothing that it prints."""
    with redirect_stdout(io.StringIO()):
        command(project, *words)


def curated(folder: Path, raw: Path, target: str, predictor: str, seed: int) -> Project:
    """Make a project whose raw bundle is curated and featurized."""
    changes = {"raw.dir": str(raw), "targets": [target], "predictor": predictor, "seeds": [seed]}
    changes |= {"select.budget": BUDGET, "select.batch": BUDGET // ROUNDS}
    # A drug that only the target has would be new at the bench, and might be taken for its stereo-isomer.
    changes["split.pool"] = "known"
    if predictor == "response_gp":
        changes["featurize.cell.epochs"] = 1  # it does not look at embeddings of cell lines
    project = written(folder, ROOT / "params.yaml", changes)
    if not project.curated.exists():
        silently(project, "curate")
        silently(project, "grow")
        silently(project, "featurize")
    return project


def without(raw: Path, target: str, bundle: Path, *, untreated: bool) -> Path:
    """Write the bundle as if `target` had never been treated, with or without its untreated profile."""
    shutil.rmtree(bundle, ignore_errors=True)
    bundle.mkdir(parents=True)
    found = find_bundle(raw)
    assert found.siginfo is not None
    away = [found.siginfo] if untreated else [found.siginfo, found.expression]
    for path in raw.iterdir():
        if path not in away and path.is_file():
            (bundle / path.name).symlink_to(path.resolve())
    lines = found.siginfo.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    column = lines[0].rstrip("\n").split("\t").index("cell_iname")
    kept = [line for line in lines if line.rstrip("\n").split("\t")[column] != target]
    (bundle / found.siginfo.name).write_text("".join(kept), encoding="utf-8")
    if not untreated:
        assert found.expression is not None
        table = pd.read_csv(found.expression, index_col=0)
        table[table.index != target].to_csv(bundle / "basal_expression.csv")
    return bundle


def retrospective(
    project: Project, target: str, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, list[str], list[float]]:
    """Play the select stage; return drugs with their role, z by drug_id, anchors and macro-F1 by round."""
    silently(project, "split")
    silently(project, "pretrain", "--target", target)
    silently(project, "select", "--target", target, "--seed", seed)
    atlas = project.atlas()
    own, split = atlas.of(target), project.split(atlas, target)
    ids = atlas.drugs["drug_id"].to_numpy()
    z = pd.DataFrame(own.z, index=pd.Index(ids[own.drug], name="drug_id"), columns=pd.Index(atlas.genes))
    drugs = atlas.drugs.set_index("drug_id")
    roles = pd.Series("left out", index=z.index)
    roles[ids[split.test]], roles[ids[split.pool]] = "test", "pool"
    table = drugs.loc[z.index].assign(role=roles).reset_index()
    anchors = pd.read_csv(project.selection(target, seed))["drug_id"].tolist()
    scores = pd.read_csv(project.campaign_metrics("rounds", target, seed))["macro_f1"].tolist()
    return table, z, anchors, scores


def write_tpm(untreated: pd.Series, geneinfo: Path, path: Path) -> None:
    """Write an untreated log2 profile as another lab would: TPM by Ensembl id."""
    ids = pd.read_csv(geneinfo, sep="\t").set_index("gene_symbol")["ensembl_id"]
    linear = 2.0 ** untreated[untreated.index.isin(ids.index)]
    tpm = (linear / linear.sum() * 1e6).round(3)
    write_table(pd.DataFrame({"gene_id": ids[tpm.index].to_numpy(), "TPM": tpm.to_numpy()}), path)


def prospective(
    project: Project,
    name: str,
    target: str,
    seed: int,
    table: pd.DataFrame,
    z: pd.DataFrame,
    untreated: pd.Series,
    expression: Path | None = None,
) -> dict[str, object]:
    """Play the same campaign with the bench's commands; return its anchors, macro-F1 and seconds."""
    root = project.root
    folder, pool, queries = root / name, root / "pool.csv", root / "test.csv"
    shutil.rmtree(folder, ignore_errors=True)
    about = table[["drug_id", "smiles", "name", "moa"]]
    write_table(about[table["role"] == "pool"], pool)
    write_table(about[table["role"] == "test"], queries)
    start = time.perf_counter()
    silently(
        project,
        *("campaign", "new", folder, "--target", target, "--library", pool, "--predict", queries),
        *("--budget", BUDGET, "--rounds", ROUNDS, "--seed", seed),
        *(("--expression", expression) if expression else ()),
    )
    seconds = {"new": time.perf_counter() - start, "next": 0.0, "ingest": 0.0}
    anchors: list[str] = []
    for number in range(1, ROUNDS + 1):
        start = time.perf_counter()
        silently(project, "campaign", "next", folder)
        seconds["next"] += time.perf_counter() - start
        here = folder / f"rounds/{number:02d}"
        asked = pd.read_csv(here / "selection.csv")["drug_id"].tolist()
        anchors += asked
        results = root / f"{name}-{number}.csv"
        if "counts" not in name:
            write_table(z.loc[asked].reset_index(), results)
        else:
            plate_map = pd.read_csv(here / "plate_map.csv")
            counts = simulate_counts(z.loc[asked], plate_map, untreated, seed=seed)
            counts.columns = [f"{plate}_{well}" for plate, well in counts.columns]
            write_table(counts.rename_axis("gene").reset_index(), results)
        start = time.perf_counter()
        silently(project, "campaign", "ingest", folder, results, "--yes")
        seconds["ingest"] += time.perf_counter() - start
    start = time.perf_counter()
    silently(project, "campaign", "finish", folder)
    seconds["finish"] = time.perf_counter() - start
    finish, answered = folder / "finish", folder / "finish/answered.parquet"
    asked = ("--model", finish / f"{target}.onnx", "--drugs", finish / "compounds.csv", "--coverage", 1)
    silently(project, "predict", *asked, "--out", answered)
    predicted = pd.read_parquet(answered)
    test = table.loc[table["role"] == "test", "drug_id"]
    wide = predicted[predicted["drug_id"].isin(test)].pivot(index="drug_id", columns="gene", values="label")
    labels = wide.loc[test, z.columns].replace(dict(zip(LABELS, range(3), strict=True))).to_numpy(np.int8)
    score = macro_f1(labels_of(z.loc[test].to_numpy(), 1.5), labels)
    found = sorted(folder.glob("rounds/*/advice.csv"))
    advice = pd.concat([pd.read_csv(path).assign(round=int(path.parent.name)) for path in found])
    return {
        "anchors": anchors,
        "macro_f1": score,
        "seconds": {key: round(value, 1) for key, value in seconds.items()},
        "advice": advice.astype(object).where(advice.notna(), None).to_dict("records"),
    }


def main() -> None:
    """Play the drill and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="a raw bundle")
    parser.add_argument("--target", default="JURKAT")
    parser.add_argument("--predictor", default="ensemble")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks/work/drill")
    parser.add_argument("--out", type=Path, required=True, help="where to write the JSON")
    asked = parser.parse_args()
    raw, out, work = asked.raw.resolve(), asked.out.resolve(), asked.work.resolve() / asked.target
    target, seed = asked.target, asked.seed
    treated = curated(work / "with", raw, target, asked.predictor, seed)
    table, z, anchors, scores = retrospective(treated, target, seed)
    expression = find_bundle(raw).expression
    assert expression is not None
    lines, genes, values = read_expression(expression)
    untreated = pd.Series(values[lines.index(target)], index=genes)
    bundle = without(raw, target, work / "bundle", untreated=True)
    untreated_only = curated(work / "without", bundle, target, asked.predictor, seed)
    played = {
        give: prospective(untreated_only, f"campaign-{give}", target, seed, table, z, untreated)
        for give in ("z", "counts")
    }
    if asked.predictor != "response_gp":
        bundle = without(raw, target, work / "bundle-unseen", untreated=False)
        unseen = curated(work / "unseen", bundle, target, asked.predictor, seed)
        tpm = unseen.root / "untreated.csv"
        write_tpm(untreated, find_bundle(raw).geneinfo, tpm)
        played["z, untreated as TPM"] = prospective(
            unseen, "campaign-tpm", target, seed, table, z, untreated, tpm
        )
    rows = [{"played by": "select stage", "macro_f1": scores[-1], "same anchors": len(anchors)}]
    for give, found in played.items():
        same = len(set(found["anchors"]) & set(anchors))  # type: ignore[arg-type]
        rows.append({"played by": f"campaign, {give}", "macro_f1": found["macro_f1"], "same anchors": same})
    print(pd.DataFrame(rows).to_markdown(index=False))
    for give, found in played.items():
        print(f"seconds of the commands, {give}: {found['seconds']}")
    record = {
        "target": target,
        "predictor": asked.predictor,
        "seed": seed,
        "select": {"anchors": anchors, "macro_f1": scores},
        **played,
    }
    write_json(record, out)


if __name__ == "__main__":
    main()
