"""The report of a finished campaign: one HTML file that opens offline."""

from html import escape
from pathlib import Path

import pandas as pd

from anchordrug import schemas
from anchordrug.io import atomic_path, read_table
from anchordrug.stages.bench import folder as files
from anchordrug.stages.bench.measured import Measured, read_outcome, read_selection
from anchordrug.stages.bench.world import World

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .9em; overflow-wrap: anywhere; }
"""


def write_report(
    world: World, measured: Measured, metrics: dict, strongest: pd.DataFrame, path: Path
) -> None:
    """Write the report: what was asked for, what came back, how far to trust it, and what is predicted."""
    campaign = world.campaign
    targets = ", ".join(campaign.targets)
    parts = [
        f"<h1>{escape(targets)}: {len(measured.anchors)} anchor drugs</h1>",
        f"<p>{escape(world.settings.predictor)}, strategy {escape(campaign.strategy)}, seed {campaign.seed}, "
        f"{len(world.library)} drugs in the library, {len(world.aim)} to be predicted, "
        f"{len(set(world.sources.cell_line.tolist()))} source cell lines"
        f"{'; a rehearsal on measured responses' if campaign.rehearsal else ''}.</p>",
        "<h2>How far to trust it</h2>",
        "<p>Mean correlation over genes between an anchor's measured response and what is predicted for it "
        "from the source lines alone, and from them and the other anchors. The second should be higher.</p>",
        _table(_trust(metrics)),
        "<h2>Rounds</h2>",
        _table(_rounds(world)),
        *_forecast(world),
        "<h2>Anchor drugs</h2>",
        _table(_anchors(world)),
        "<h2>Strongest predicted responses</h2>",
        "<p>The drugs predicted to change most genes; the parquet file beside this report has all.</p>",
        _table(strongest[["cell_line", "drug_id", "name", "down", "up"]]),
        "<h2>Files</h2>",
        _table(
            pd.DataFrame(
                [(f"{one}.{kind}", what) for one in campaign.targets for kind, what in FILES.items()],
                columns=["file", "holds"],
            )
        ),
    ]
    head = (
        "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(targets)}</title><style>{STYLE}</style>"
    )
    body = "".join(parts)
    html = f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>"
    with atomic_path(path) as temporary:
        temporary.write_text(html + "\n", encoding="utf-8")


FILES = {
    "onnx": "the fitted predictor, for anchordrug predict or any program with onnxruntime",
    "parquet": "label, probabilities and z of every drug and gene, and how far to trust them",
    "rejects.csv": "drugs that could not be predicted, with reasons",
    "duplicates.csv": "drugs with the structure of another one",
}


def _trust(metrics: dict) -> pd.DataFrame:
    rows = [
        {
            "cell line": target,
            "anchors": one["anchors"],
            "from source lines alone": one["anchors_correlation_with_prior"],
            "with the other anchors": one.get("anchors_correlation_left_out"),
            **{f"share {label}": share for label, share in one["label_shares"].items()},
        }
        for target, one in metrics.items()
    ]
    return pd.DataFrame(rows)


def _ingested(world: World) -> list[int]:
    return [n for n in files.round_numbers(world.folder) if files.is_ingested(world.folder, n)]


def _rounds(world: World) -> pd.DataFrame:
    rows = []
    for number in _ingested(world):
        for line, own in read_outcome(world.folder, number).groupby("cell_line", sort=False):
            counts = own["status"].value_counts()
            rows.append(
                {
                    "round": number,
                    "cell line": line,
                    **{status: int(counts.get(status, 0)) for status in ("ok", "failed", "missing")},
                    "replicates r": own["replicate_correlation"].median(),
                    "changed genes": own["changed"].mean(),
                }
            )
    return pd.DataFrame(rows)


def _forecast(world: World) -> list[str]:
    """Return what every round was expected to bring, where the predictor could tell."""
    tables = []
    for number in files.round_numbers(world.folder):
        path = files.round_of(world.folder, number) / files.ADVICE
        if path.exists():
            advice = schemas.validate(read_table(path), schemas.ADVICE, path, files.RESTORE)
            tables.append(advice.groupby("cell_line", sort=False).nth(1).assign(round=number))
    if not tables:
        return []
    table = pd.concat(tables)[["round", "cell_line", "gain", "gain_low", "gain_high"]]
    return [
        "<h2>What each round was expected to bring</h2>",
        "<p>Gain in macro-F1 with its 95 % interval.</p>",
        _table(table),
    ]


def _anchors(world: World) -> pd.DataFrame:
    rows = [
        read_outcome(world.folder, number).merge(
            read_selection(world.folder, number)[["drug_id", "name", "moa", "round"]], on="drug_id"
        )
        for number in _ingested(world)
    ]
    columns = ["round", "cell_line", "drug_id", "name", "moa", "status", "replicate_correlation", "changed"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def _table(table: pd.DataFrame) -> str:
    numeric = {name: pd.api.types.is_numeric_dtype(table[name]) for name in table.columns}

    def cell(tag: str, name: str, value: object) -> str:
        kind = " class='number'" if numeric[name] else ""
        return f"<{tag}{kind}>{escape(_text(value))}</{tag}>"

    head = "".join(cell("th", name, name.replace("_", " ")) for name in table.columns)
    rows = [
        "".join(cell("td", name, value) for name, value in zip(table.columns, row, strict=True))
        for row in table.itertuples(index=False)
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
