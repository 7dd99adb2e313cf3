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


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: anchordrug predict --model models/onnx/SIM-T1.onnx --drugs drugs.csv "
    "--out predictions.csv"
    "\n\nzcat library.smi.gz | anchordrug predict --model a.onnx --model b.onnx --drugs - --layout wide "
    "--out labels.parquet",
)
def predict(
    model: Annotated[
        list[Path], typer.Option(help="An exported model, models/onnx/TARGET.onnx; several by repetition.")
    ],
    drugs: Annotated[
        str, typer.Option(help="Table, SMILES file, SDF (each also .gz), parquet, .xlsx; - for a pipe.")
    ],
    out: Annotated[
        str, typer.Option(help="Where to write: .parquet, .csv, .arrow, .xlsx, .h5ad; with ray, a folder.")
    ],
    layout: Annotated[
        str, typer.Option(help="long: a row per drug and gene; wide: a row per drug, a column per gene.")
    ] = "long",
    values: Annotated[
        str, typer.Option(help="What a wide table holds: label, z, p_down, p_none or p_up.")
    ] = "label",
    top: Annotated[
        int | None, typer.Option(min=1, help="Only so many genes of each drug, likeliest to change first.")
    ] = None,
    coverage: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of labels to answer; the others are 'unknown'.")
    ] = 0.8,
    smiles_column: Annotated[
        str | None, typer.Option(help="Column of the SMILES, if its name does not say so.")
    ] = None,
    id_column: IdColumn = None,
    engine: Annotated[
        str, typer.Option(help="local, or ray: a cluster reads and writes partitioned parquet, also by URL.")
    ] = "local",
) -> None:
    """Predict every drug of a library x every gene; run again after a cut, it goes on.

    Rows that cannot be predicted go to OUT.rejects.csv with the reason, those that repeat a structure to
    OUT.duplicates.csv.
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
    model: Annotated[Path, typer.Option(help="An exported model, models/onnx/TARGET.onnx.")],
    drugs: Annotated[Path, typer.Option(help="Compounds, as for predict.")],
    out: Annotated[Path, typer.Option(help="Where to write: .csv, .xlsx, .parquet or .arrow.")],
    signature: Annotated[
        Path | None, typer.Option(help="A table of differential expression, or GCT.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Its column of values; default: a statistic, else log2 fold change.")
    ] = None,
    up: Annotated[Path | None, typer.Option(help="Instead: genes that go up, a symbol a line.")] = None,
    down: Annotated[Path | None, typer.Option(help="Genes that go down.")] = None,
    up_set: Annotated[str | None, typer.Option(help="The set to take if --up is a GMT of several.")] = None,
    down_set: Annotated[str | None, typer.Option(help="The same for --down.")] = None,
    mimic: Annotated[
        bool, typer.Option("--mimic", help="Drugs that do the same first, not those that reverse it.")
    ] = False,
    permutations: Annotated[int, typer.Option(min=10, help="Permutations of the signature's genes.")] = 1000,
    seed: Seed = 0,
    smiles_column: Annotated[str | None, typer.Option(help="As for predict.")] = None,
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
    model: Annotated[Path, typer.Argument(help="An exported model, models/onnx/TARGET.onnx.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole card as JSON.")] = False,
) -> None:
    """Show what a model is: target, genes, data, metrics, what it is for and where it ends."""
    from anchordrug.prediction import inspect as stage
    from anchordrug.prediction.inference import require_sum

    if as_json:
        print_json(context, stage.card(model))
    else:
        stage.run(model)
    require_sum(model)
