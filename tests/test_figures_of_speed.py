"""Figures of docs/performance.md, and of the speed in docs/prediction.md, are those of the results."""

from tests.figures import check, record, rows, said

PAGE = "docs/performance.md"


def test_curation():
    for size in record("curation")["sizes"]:
        disk, cache = size["from_disk"], size["in_page_cache"]
        ways = ["bands", "runs", "no chunk cache"]
        (shown,) = rows(PAGE, f"{size['signatures']:,}", "Curation of the full release")
        bare = [disk[way] for way in ways]
        best = min(cache[way] for way in ways)
        peak = max(disk["peak_mib"], cache["peak_mib"])
        check(shown, [size["matrix_gib"], disk["curate"], *bare, disk["ratio"], cache["curate"], best, peak])
    killed = record("curation")["killed"]
    shown = said(PAGE, r"half of the matrix was read \(N s\) was run again \(N s\)")
    check(shown, [killed["killed_after"], killed["resumed_in"]])


def test_pretraining():
    found = record("pretraining")
    training = found["training"]
    rates = {name: round(rate, -2) for name, rate in training["rows_a_second"].items()}
    check(rows(PAGE, "rows, that is (experiment, gene) pairs, per second")[0], [rates["training"]])
    shares = training["share_of_ceiling"], training["share_of_best_ceiling"]
    check(rows(PAGE, "the products alone, same block")[0], [rates["products"], shares[0]])
    (shown,) = rows(PAGE, "the products alone, the block that suits them best (64 x 154)")
    check(shown, [rates["products, best block"], shares[1]])
    hours = training["hours_for_45_epochs"]
    check(rows(PAGE, "a whole epoch, with checkpoint")[0], [training["epoch_seconds"], 45, hours])
    check(rows(PAGE, "memory")[0], [training["peak_rss_mib"]])
    for name in ("response_gp", "response_net"):
        own = found[f"{name}, 35,000 drugs"]
        times = [own["seconds"][part] for part in ("pretrain", "fit", "predict")]
        check(rows(PAGE, f"`{name}`")[0], [*times, own["peak_rss_mib"] / 1024])


def test_choices_and_reports():
    found = record("response")
    million = found["million:a_optimal"]
    shown = said(PAGE, r"chooses 100 drugs of 1,000,000 in N s with N GiB")
    check(shown, [million["seconds"], million["gib"]])
    check(said(PAGE, r"had N times the score"), [found["loss:a_optimal"]["shortlist"]])
    for drugs, own in record("report").items():
        (shown,) = rows(PAGE, f"{int(drugs):,}", "Reports")
        check(shown, [own["MB"], own["processor seconds"], own["opened after ms"] / 1000])


def test_predictions():
    found, name = record("inference"), "docs/prediction.md"
    rates = {key: round(rate, -3 if rate > 1e5 else -2) for key, rate in found["rows_a_second"].items()}
    check(rows(name, "`mlp`, exported: labels, margins, nearest drug and all")[0], [rates["ours"]])
    check(rows(name, "the matrix products alone, in onnxruntime (the ceiling)")[0], [rates["ceiling"]])
    check(rows(name, "dense rows of 2,259 numbers in torch")[0][-1:], [rates["dense"]])
    shown = said(name, r"`mlp` reached N of the ceiling and N times the dense formulation")
    check(shown, [found["ratio_to_ceiling"], found["ratio_to_dense"]])
    shown = said(name, r"took N s for N structures, N of which it predicted: N per second")
    check(shown, [found["seconds"], found["molecules"], found["drugs"], found["drugs_a_second"]])
    shown = said(name, r"used at most N MiB of memory, and wrote a parquet file of N MiB")
    check(shown, [found["peak_rss_mib"], found["parquet_mib"]])
