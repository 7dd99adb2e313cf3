"""The commands that need nothing but an exported model."""

import math
from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import IdColumn, Seed, options_of_columns
from anchordrug.cli.screen import print_json
from anchordrug.errors import LibraryError, near

PANEL = "Prediction with an exported model"
app = typer.Typer()
ENGINES = ("local", "ray")


SmilesColumn = Annotated[str | None, typer.Option(help="Name of the SMILES column; default: detected.")]
Layout = Annotated[
    str, typer.Option(help="long: one row per drug and gene; wide: one row per drug, one column per gene.")
]


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: anchordrug predict --model models/onnx/SIM-T1.onnx --drugs drugs.csv "
    "--out predictions.csv"
    "\n\nzcat library.smi.gz | anchordrug predict --model a.onnx --model b.onnx --drugs - --layout wide "
    "--out labels.parquet",
)
def predict(
    model: Annotated[
        list[Path],
        typer.Option(help="Exported model, models/onnx/TARGET.onnx. Repeat it for several."),
    ],
    drugs: Annotated[
        str,
        typer.Option(help="Table, SMILES file, SDF (each also .gz), parquet, .xlsx; - for standard input."),
    ],
    out: Annotated[
        str, typer.Option(help="File to write: .parquet, .csv, .arrow, .xlsx, .h5ad; with ray, a folder.")
    ],
    layout: Layout = "long",
    values: Annotated[
        str, typer.Option(help="Values in a wide table: label, z, p_down, p_none or p_up.")
    ] = "label",
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Report only the N genes per drug most likely to change."),
    ] = None,
    coverage: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of labels to report; all others are 'unknown'.")
    ] = 0.8,
    smiles_column: SmilesColumn = None,
    id_column: IdColumn = None,
    engine: Annotated[
        str,
        typer.Option(help="local, or ray: a Ray cluster; it reads and writes parquet, also at URLs."),
    ] = "local",
) -> None:
    """Predict the response of every gene to every drug in a library.

    An interrupted run resumes when repeated. Rows that cannot be predicted are written to OUT.rejects.csv
    with the reason, and rows that repeat a structure to OUT.duplicates.csv.
    """
    from anchordrug.prediction import engine as stage
    from anchordrug.prediction.tables import LAYOUTS, VALUES, TableShape

    if math.isnan(coverage):
        raise LibraryError("--coverage nan: give a share between 0 and 1")
    if engine not in ENGINES:
        raise LibraryError(f"--engine {engine}: not one of {', '.join(ENGINES)}{near(engine, ENGINES)}")
    if layout not in LAYOUTS:
        raise LibraryError(f"--layout {layout}: not one of {', '.join(LAYOUTS)}{near(layout, LAYOUTS)}")
    if values not in VALUES:
        raise LibraryError(f"--values {values}: not one of {', '.join(VALUES)}{near(values, VALUES)}")
    shape = TableShape(layout, values, top, coverage)
    with options_of_columns():
        if engine == "ray":
            from anchordrug.prediction import ray as predict_ray

            predict_ray.run(model, drugs, out, shape, smiles_column, id_column)
        else:
            stage.run(model, Path(drugs), Path(out), shape, smiles_column, id_column)


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: anchordrug rank --model m.onnx --drugs library.csv --signature disease_de.csv "
    "--out ranking.csv"
    "\n\nanchordrug rank --model m.onnx --drugs library.csv --up up.txt --down down.txt --mimic "
    "--out like.csv",
)
def rank(
    model: Annotated[Path, typer.Option(help="Exported model, models/onnx/TARGET.onnx.")],
    drugs: Annotated[Path, typer.Option(help="Compounds, as for predict.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .xlsx, .parquet or .arrow.")],
    signature: Annotated[Path | None, typer.Option(help="Table of differential expression, or GCT.")] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column of values in the signature; default: a statistic, else log2 fold change."),
    ] = None,
    up: Annotated[
        Path | None,
        typer.Option(help="File of up-regulated genes, one symbol per line (alternative to --signature)."),
    ] = None,
    down: Annotated[
        Path | None, typer.Option(help="File of down-regulated genes, one symbol per line.")
    ] = None,
    up_set: Annotated[
        str | None, typer.Option(help="Name of the set, if --up is a GMT file of several sets.")
    ] = None,
    down_set: Annotated[
        str | None, typer.Option(help="Name of the set, if --down is a GMT file of several sets.")
    ] = None,
    mimic: Annotated[
        bool,
        typer.Option("--mimic", help="Put drugs that mimic the signature first, not drugs that reverse it."),
    ] = False,
    permutations: Annotated[
        int, typer.Option(min=10, help="Number of permutations of the signature's genes.")
    ] = 1000,
    seed: Seed = 0,
    smiles_column: SmilesColumn = None,
    id_column: IdColumn = None,
) -> None:
    """Rank drugs by how well their predicted responses reverse (or mimic) a signature."""
    from anchordrug.prediction import rank as stage

    with options_of_columns():
        stage.run(
            model,
            drugs,
            out,
            signature,
            column,
            lists=(up, down),
            sets=(up_set, down_set),
            mimic=mimic,
            permutations=permutations,
            seed=seed,
            columns=(smiles_column, id_column),
        )


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug inspect models/onnx/SIM-T1.onnx")
def inspect(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="Exported model, models/onnx/TARGET.onnx.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Show a model's metadata: target, genes, training data, metrics, intended use and limits."""
    from anchordrug.prediction import inspect as stage
    from anchordrug.prediction.inference import require_sum

    if as_json:
        print_json(context, stage.card(model))
    else:
        stage.run(model)
    require_sum(model)
