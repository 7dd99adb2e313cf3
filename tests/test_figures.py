"""Figures of the documents are those of the benchmarks' results, as far as they are printed."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchordrug.evaluation.statistics import paired_difference
from tests.conftest import DEMO, ROOT
from tests.figures import NUMBER, PAPER, RESULTS, check, of_method, page, record, rows, said

METHODS = {
    "`mlp`, balanced final fit (the paper's), bald": ("mlp", "bald"),
    "`mlp`, natural labels, bald": ("mlp_natural", "bald"),
    "`response_gp`, random": ("response_gp", "random"),
    "`response_gp`, a_optimal": ("response_gp", "a_optimal"),
    "`response_net`, random": ("response_net", "random"),
    "`response_net`, a_optimal": ("response_net", "a_optimal"),
    "`ensemble`, random": ("ensemble", "random"),
    "`ensemble`, facility_location": ("ensemble", "facility_location"),
    "**`ensemble`, a_optimal (default)**": ("ensemble", "a_optimal"),
}


@pytest.mark.parametrize("label", METHODS)
def test_predictors_and_strategies(label):
    (shown,) = rows("docs/results.md", label)
    scores = ["macro_f1", "macro_f1_seen", "macro_f1_unseen", "per_drug_f1", "ece"]
    both = [of_method("predictors", *METHODS[label], budget)[scores].mean() for budget in (30, 100)]
    check(shown, pd.concat(both))


def test_scores_of_each_line():
    lines = ["THP1", "JURKAT", "XC.L10", "WI38", "XC.R10", "U2OS", "IMR90", "1HAE", "NL20"]
    compared = 0
    for predictor, strategy in METHODS.values():
        for budget in (30, 100):
            label = f"{predictor}, {strategy}, {budget}"
            if f"\n| {label} |" in page("docs/results.md"):
                scores = ["macro_f1", "macro_f1_unseen"]
                means = of_method("predictors", predictor, strategy, budget)[scores].groupby("target").mean()
                for shown in rows("docs/results.md", label):
                    column = scores[shown[0] != f"{means['macro_f1']['THP1']:.3f}"]
                    check(shown, means.loc[lines, column])
                    compared += 1
    assert compared == 13


@pytest.mark.parametrize(
    ("label", "ours", "theirs"),
    [
        ("30 anchors | `mlp`, BALD, 100 anchors", 30, ("mlp", "bald", 100)),
        ("30 anchors | `mlp` with natural labels, BALD, 100 anchors", 30, ("mlp_natural", "bald", 100)),
        ("100 anchors | `mlp`, BALD, 100 anchors", 100, ("mlp", "bald", 100)),
        ("100 anchors | `mlp` with natural labels, BALD, 100 anchors", 100, ("mlp_natural", "bald", 100)),
        ("30 anchors | 30 random anchors, same predictor", 30, ("ensemble", "random", 30)),
        ("100 anchors | 100 random anchors, same predictor", 100, ("ensemble", "random", 100)),
    ],
)
def test_paired_differences(label, ours, theirs):
    (shown,) = rows("docs/results.md", label)
    first, second = (
        of_method("predictors", *method)["macro_f1"].groupby("target").mean().tolist()
        for method in (("ensemble", "a_optimal", ours), theirs)
    )
    found = paired_difference(first, second)
    check(shown, [found.mean, found.low, found.high])


@pytest.mark.parametrize(
    ("label", "method"),
    [
        ("`response_gp` | random", ("response_gp", "random")),
        ("`response_gp` | a_optimal", ("response_gp", "a_optimal")),
        ("`ensemble` | random", ("ensemble", "random")),
        ("**`ensemble`** (default) | a_optimal", ("ensemble", "a_optimal")),
    ],
)
def test_hidden_and_outside_drugs(label, method):
    shown = rows("docs/results.md", label)
    outside = pd.DataFrame(record("outside")).query("sources == 'atlas' and anchors > 0")
    own = outside[(outside["method"] == method[0]) & (outside["strategy"] == method[1])]
    means = own.groupby(["rule", "line"])[["macro_f1", "macro_f1_unseen", "ece_unseen"]].mean()
    means = means.groupby("rule").mean()
    pairs = [
        means[score][rule] for score in ("macro_f1", "macro_f1_unseen") for rule in ("delivered", "hindsight")
    ]
    check(shown[0], [*pairs, means["ece_unseen"]["delivered"]])
    scores = [f"macro_f1{drugs}" for drugs in ("", "_seen", "_unseen")]
    check(
        shown[1],
        [
            of_method("hidden", *method, n, hidden=True)[score].mean()
            for score in scores
            for n in (0, 30, 100)
        ],
    )


def outside_means() -> pd.DataFrame:
    """Means over lines, of anchors chosen (or none) and rule; all sources."""
    table = pd.DataFrame(record("outside")).fillna({"strategy": "none"})
    keys = ["sources", "method", "strategy", "rule"]
    scores = ["macro_f1", "macro_f1_unseen", "ece_unseen", "changed_unseen", "changed_expected_unseen"]
    return table.groupby([*keys, "line"])[scores].mean().groupby(keys).mean()


def test_sentences_on_outside_drugs():
    means = outside_means()
    alone = means.loc["atlas"].xs("delivered", level="rule")
    process, ours = alone.loc["response_gp"], alone.loc["ensemble"]
    eces = [process["ece_unseen"]["none"], process["ece_unseen"]["a_optimal"]]
    share = 100 * process.loc["none", ["changed_expected_unseen", "changed_unseen"]]
    shown = said(
        "docs/limits.md", r"was N on three outside lines, where N% of the genes were expected .* and N%"
    )
    check(shown, [eces[0], *share])
    check(said("docs/limits.md", r"remove most of this error \(N\)"), eces[1:])
    check(said("docs/method/calibration.md", r"is then N \(`response_gp`\), and N with"), eces)
    unseen = ours["macro_f1_unseen"]
    check(
        said("docs/limits.md", r"it is N without anchors and N with up to 20"), unseen[["none", "a_optimal"]]
    )
    check(said("docs/limits.md", r"outside lines show: N against N"), unseen[["a_optimal", "random"]])
    shown = said(
        "docs/model_card.md",
        r"macro-F1 N over all drugs, N on unseen drugs\. ECE of unseen drugs N, without anchors N",
    )
    check(shown, [*ours.loc["a_optimal"].iloc[:3], ours["ece_unseen"]["none"]])
    check(
        said("docs/prediction.md", r"was N then, and N with up to 20"),
        ours["ece_unseen"][["none", "a_optimal"]],
    )
    check(said("README.md", r"macro-F1 was about N for compounds"), unseen[["a_optimal"]])
    rules = means["macro_f1"].unstack("rule"), means["macro_f1_unseen"].unstack("rule")
    chosen = [rule.loc[:, ["ensemble", "response_gp"], ["a_optimal", "random"], :] for rule in rules]
    gaps = pd.concat([rule["hindsight"] - rule["delivered"] for rule in chosen])
    check(said("docs/results.md", r"labels are N to N below the best offset"), [gaps.min(), gaps.max()])
    more = means.xs("delivered", level="rule").loc["atlas and outside lines"]
    gains = more - alone
    shown = said(
        "docs/results.md", r"lines help\*\*: N over all drugs, N \(`response_gp`\) and N \(`ensemble`\)"
    )
    check(
        shown,
        [
            gains["macro_f1"]["ensemble"]["a_optimal"],
            *(gains["macro_f1_unseen"][name]["a_optimal"] for name in ("response_gp", "ensemble")),
        ],
    )


def test_sentences_on_hidden_drugs():
    known = of_method("hidden", "ensemble", "a_optimal", 0), of_method("hidden", "ensemble", "a_optimal", 30)
    more = of_method("hidden", "ensemble", "a_optimal", 100)
    name = "docs/results.md"
    shown = said(name, r"the default reaches N, N and N with 0, 30 and 100 anchors")
    check(shown, [table["macro_f1"].mean() for table in (*known, more)])
    hidden = of_method("hidden", "ensemble", "a_optimal", 0, hidden=True)
    shares = [known[0]["changed_unseen"], known[0]["changed_seen"], hidden["changed_unseen"]]
    shown = said(
        name, r"are weak: N% of their genes change, against N% for seen drugs and N% for hidden drugs"
    )
    check(shown, [100 * share.mean() for share in shares])
    shares = [known[0]["changed_unseen"], known[0]["changed_seen"]]
    shown = said("docs/method/evaluation.md", r"N% of their genes change, against N% for seen drugs")
    check(shown, [100 * share.mean() for share in shares])
    shown = said(name, r"The default expects N% before an anchor is measured and N% with 30")
    check(shown, [100 * table["changed_expected_unseen"].mean() for table in known])
    for predictor, pattern in (
        ("response_gp", "ECE is N, N and N \\("),
        ("ensemble", "and N, N and N \\(`ensemble`\\)"),
    ):
        tables = [of_method("hidden", predictor, "a_optimal", n, hidden=True) for n in (0, 30, 100)]
        check(said(name, pattern), [table["ece_unseen"].mean() for table in tables])


def test_what_chosen_anchors_are_worth():
    budgets = [10, 20, 30, 45, 60, 80, 100]
    curve = [of_method("worth", "ensemble", "random", budget)["macro_f1"].mean() for budget in budgets]
    score = of_method("worth", "ensemble", "a_optimal", 30)["macro_f1"].mean()
    check(said("docs/results.md", r"are worth about N random anchors"), [np.interp(score, curve, budgets)])


def test_readme():
    predictors = [
        of_method("predictors", *method)["macro_f1"].mean()
        for method in (("ensemble", "a_optimal", 30), ("mlp", "bald", 100), ("mlp_natural", "bald", 100))
    ]
    (ours,) = rows("README.md", "AnchorDrug, 30 measured drugs")
    check(ours, predictors[:1])
    (paper,) = rows("README.md", "the paper's network, 100 measured drugs")
    check(paper, predictors[1:])
    (ceiling,) = rows("README.md", "agreement of two stereo-isomers, both measured in the same line")
    check(ceiling, [record("response")["ceiling"]["macro_f1"]])
    none = 1 - of_method("hidden", "ensemble", "random", 0)["changed"]
    check(rows("README.md", '"no gene changes"')[0], [(2 * none / (none + 1) / 3).mean()])
    played = record("campaign")
    shown = said("README.md", r"counts reached N; with z-scores it reached N")
    check(shown, [played["counts"]["macro_f1"], played["z"]["macro_f1"]])


@pytest.mark.parametrize("anchors", [0, 10, 20, 30])
def test_forecasts(anchors):
    table = pd.DataFrame(record("forecast")["forecasts"]).query(f"anchors == {anchors}").set_index("of")
    held = table["actual"].between(table["low"], table["high"])
    width = table["high"] - table["low"]
    drawn, limits = ([100 * held[kind].mean(), width[kind].mean()] for kind in ("drawn_gain", "gain"))
    score, gain = (table.loc[kind, ["expected", "actual"]].mean() for kind in ("score", "gain"))
    (shown,) = rows("docs/method/forecast.md", str(anchors))
    above = 100 * (table.loc["gain", "low"] > 0).mean()
    check(shown, [*score, *gain, *drawn, *limits, above])
    (shown,) = rows("docs/results.md", str(anchors), "Forecasts")
    check(shown, [*drawn, *limits])


def test_forecasts_over_all_numbers_of_anchors():
    table = pd.DataFrame(record("forecast")["forecasts"]).query("anchors <= 30")
    table["held"] = 100 * table["actual"].between(table["low"], table["high"])
    table["width"] = table["high"] - table["low"]
    held = table.groupby("of")["held"].mean()
    name = "docs/method/forecast.md"
    shown = said(name, r"N% of the gains were held, and N% by the draws alone")
    check(shown, held[["gain", "drawn_gain"]])
    shown = said(name, r"itself held N% \(N% by the draws alone\)")
    check(shown, held[["score", "drawn_score"]])
    width = table[table["of"] == "score"].groupby("anchors")["width"].mean()
    check(said(name, r"wider than necessary: N at 0 anchors, N at 30"), width[[0, 30]])


def test_demo():
    name = "docs/data_card.md"
    (matrix,) = DEMO.glob("*.gctx")
    panel = (DEMO / "gene_panel_96.txt").read_text(encoding="utf-8").split()
    counts = [int(number) for number in re.findall(r"n(\d+)x(\d+)", matrix.name)[0]]
    check(rows(name, "signatures")[0], [*counts, len(panel)])
    funnel = pd.read_csv(ROOT / "tables/curated/funnel.csv").set_index("unit")["kept"]
    check(rows(name, "after curation")[0][2:], [funnel["genes"]])


def test_ablation():
    means = pd.DataFrame(record("ablation")).groupby(["decision", "variant", "budget"])["macro_f1"].mean()
    texts = {tuple(f"{value:.3f}" for value in own) for _, own in means.groupby(["decision", "variant"])}
    table = re.findall(r"^\| [^|]+ \| (0\.\d+) \| (0\.\d+) \| (0\.\d+) \|$", page("docs/tried.md"), re.M)
    assert len(table) == 13
    assert set(table) <= texts
    assert table[0] == tuple(f"{value:.3f}" for value in means["balanced"]["as it is"])


def test_calibration():
    lines = pd.DataFrame(record("calibration")["lines"]).set_index("target")
    name = "docs/prediction.md"
    shares = lines[["macro_f1_100", "macro_f1_80", "macro_f1_50"]].mean()
    check(said(name, r"macro-F1 is N with all labels given, N with 80% and N with 50%"), shares)
    below = lines[lines["ece"] < 0.03]
    check(said(name, r"is below 0\.03 in N of N cell lines"), [len(below), len(lines)])
    shown = said(name, r"In CD34 it is N, in BT20 and WA09 N, in HS578T N \(N, N, N and N held-out drugs\)")
    worst = lines.loc[["CD34", "BT20", "WA09", "HS578T"]]
    check(shown, [*worst["ece"].iloc[[0, 1, 3]], *worst["held_out"]])
    mlp = pd.DataFrame(record("calibration_mlp")["lines"])["ece"]
    check(said(name, "error of `mlp` is N, N and N in THP1"), mlp)


def test_connectivity():
    found = {
        (row["class"], row["score"]): row
        for row in record("reversal")["means"]
        if row["response"] == "expected"
    }
    for name in ("HSP90", "HDAC", "MEK", "proteasome"):
        (shown,) = rows("docs/method/connectivity.md", name)
        cosine, connectivity = found[name, "cosine"], found[name, "connectivity"]
        check(shown[:2], [cosine["auc"], connectivity["auc"]])
        check(shown[2:], [100 * cosine["top_ten"], 100 * connectivity["top_ten"]])


def test_campaign():
    played, name = record("campaign"), "docs/campaign.md"
    labels = {
        "z, untreated as TPM": "the same with z",
        "z": "the campaign commands, z-scores",
        "counts": "the campaign commands, counts",
    }
    for key, label in labels.items():
        (line,) = re.findall(rf"^\| {label}[^|]*\|[^|]*\|[^|]*\|$", page(name), re.M)
        same = set(played[key]["anchors"]) & set(played["select"]["anchors"])
        check(re.findall(NUMBER, line), [played[key]["macro_f1"], len(same)])
    (stage,) = rows(name, "the `select` stage")
    check(stage, [played["select"]["macro_f1"][-1], 30])
    table = pd.DataFrame(record("per_mechanism")["campaigns"]).fillna({"limit": 0}).query("budget == 30")
    mean = table.groupby("limit")["macro_f1"].mean()
    check(said(name, r"per mechanism scored N lower"), [mean[0] - mean[1]])
    check(said(name, r"At most two changed nothing \(N\)"), [mean[2] - mean[0]])


def test_scale_of_assays():
    table = pd.DataFrame(record("assay_scale")["rows"]).query("rule == 'mean' and reference == 'same drugs'")
    means = table.groupby("statistic", sort=False)[["pearson", "macro_f1", "changed"]].mean()
    shown = re.findall(
        r"^\| [*\w ()]+(?:, shrunk\*\*)? \| (0\.\d+) \| (0\.\d+) \| (\d+)% \|$",
        page("docs/method/assay_scale.md"),
        re.M,
    )
    assert len(shown) == 4
    values = {(f"{r:.3f}", f"{f1:.3f}", f"{100 * share:.0f}") for r, f1, share in means.to_numpy()}
    assert set(shown) <= values
    shrunk = table[table["statistic"] == "shrunk"]
    for row in shrunk[shrunk["dispersion"] == 0.05].itertuples():
        (by_reads,) = rows("docs/method/assay_scale.md", f"{row.reads:,.0f}")
        check(by_reads, [row.pearson, row.macro_f1])
    wrong = said("docs/method/assay_scale.md", r"the factor was wrong by N% on average")
    check(wrong, [100 * shrunk["factor_error"].mean()])


def test_cost():
    found, name = record("response"), "docs/results.md"
    for predictor in ("response_gp", "ensemble"):
        parts = [found[f"fit:{predictor}"][f"{part}_seconds"] for part in ("fit", "predict", "export")]
        (line,) = re.findall(rf"^\| (?:fit to|the same).*`{predictor}` \| (.*) \|$", page(name), re.M)
        check(re.findall(NUMBER, line.replace("+ ", ""))[:3], parts)
    training = record("training")
    for label, key in (("blocks, factorised first layer", "blocks"), ("dense rows, batches of 32", "dense")):
        (shown,) = rows(name, label)
        check(shown[:1], [training["rows_per_second"][key]])


def test_cost_of_strategies():
    name = "docs/benchmark.md"
    for strategy, cost in record("strategies_campaigns")["strategies"].items():
        first = rows(name, strategy, "Cost")[0]
        check(first, [cost[part] for part in ("query", "train", "evaluate", "total", "to_random")])
    for strategy, cost in record("strategies_pool")["strategies"].items():
        check(rows(name, strategy, "Cost")[-1], [cost["seconds"], cost["peak_gib"]])
    seconds = pd.read_csv(PAPER / "per_target/seconds.csv").set_index("strategy")
    for strategy, cost in seconds.iterrows():
        shown = [row for row in rows(name, str(strategy), "Cost") if len(row) == 4]
        check(shown[0], cost[["query", "train", "evaluate", "to random"]])


def test_coverage_and_shifts_of_the_paper_benchmark():
    name = "docs/benchmark.md"
    found = pd.read_csv(PAPER / "per_target/correlation.csv").set_index(["measure", "drugs", "target"])
    lines = ["THP1", "JURKAT", "XC.L10"]
    labels = {
        "convex-hull coverage": "hull_coverage",
        "variance of pairwise distances": "distance_variance",
        "share of genes that change in the anchors": "changed",
    }
    for label, measure in labels.items():
        (shown,) = rows(name, label)
        check(shown, [found.loc[(measure, drugs, line), "spearman"] for drugs in (30, 100) for line in lines])
    shown = said(name, r"\(Pearson N, N, N over campaigns at 30 drugs, N, N, N at 100\)")
    check(shown, [found.loc[("changed", drugs, line), "pearson"] for drugs in (30, 100) for line in lines])
    shift = pd.read_csv(PAPER / "per_target/label_shift.csv").query("fit == 'balanced' and drugs == 30")
    share = 100 * shift.set_index(["strategy", "target"])[["predicted", "test"]]
    random, bald = (share.loc[strategy].loc[lines[:2]] for strategy in ("random", "bald"))
    check(said(name, r"calls N% \(THP1\) and N% \(JURKAT\)"), random["predicted"])
    check(said(name, r"in fact N% and N% are"), random["test"])
    check(said(name, r"With BALD's anchors it calls N% and N%"), bald["predicted"])


@pytest.mark.parametrize("scenario", ["per_target", "common"])
def test_tables_of_the_paper_benchmark(scenario: str):
    table = (
        (PAPER / scenario / "tables.md")
        .read_text(encoding="utf-8")
        .replace("[95 %]", "[95%]")
        .replace("< .", "< 0.")
    )
    made = {line for line in table.splitlines() if line.startswith("| ")}
    heading = {"per_target": "One list per target", "common": "One list for several targets"}[scenario]
    (section,) = re.findall(rf"^## {heading}.*?(?=^## )", page("docs/benchmark.md"), re.M | re.S)
    shown = {line for line in section.splitlines() if line.startswith("| ") and "---" not in line}
    assert len(shown) >= 30
    assert shown <= made


def test_every_result_is_in_a_document():
    text = "".join(path.read_text(encoding="utf-8") for path in Path(ROOT / "docs").rglob("*.md"))
    assert not [path.name for path in RESULTS.glob("*.json") if f"benchmarks/results/{path.name}" not in text]
