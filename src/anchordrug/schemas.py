"""pandera schemas of every table that crosses a stage or reaches a user, and keys between them.

Big matrices (z, bits, annotation, embeddings) are checked by shape and finiteness in `io`; their
index columns are checked here.
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from anchordrug.errors import TableError, shortlist
from anchordrug.evidence_group import GROUPS

INCHIKEY = r"^[A-Z]{14}-[A-Z]{10}-[A-Z]$"
PATHS_HINT = "delete the file and run its stage again (dvc repro)"


def _text(*, nullable: bool = False, unique: bool = False, checks: list[pa.Check] | None = None) -> pa.Column:
    return pa.Column(str, nullable=nullable, unique=unique, checks=checks, coerce=True)


# Of a column that may be empty.
_ONCE = pa.Check(lambda values: ~values.duplicated(keep=False), name="unique", error="occurs twice")


def _share() -> pa.Column:
    return pa.Column(float, pa.Check.in_range(0, 1), nullable=True, coerce=True)


DRUGS = pa.DataFrameSchema(
    {
        "drug_id": _text(unique=True),
        "inchikey": _text(unique=True, checks=[pa.Check.str_matches(INCHIKEY)]),
        "smiles": _text(),
        "name": _text(nullable=True),
        "moa": _text(nullable=True),
        "other_ids": _text(nullable=True),
    },
    strict=True,
)
GENES = pa.DataFrameSchema(
    {
        "gene": _text(unique=True),
        "gene_id": _text(nullable=True, checks=[_ONCE]),
        "ensembl_id": _text(nullable=True),
        "annotated_as": _text(nullable=True, checks=[_ONCE]),
    },
    strict=True,
)
CELL_LINES = pa.DataFrameSchema({"cell_line": _text(unique=True)}, strict=True)
_MEASURED = {
    "drug_id": _text(),
    "cell_line": _text(),
    "replicates": pa.Column(int, pa.Check.ge(1)),
}
_ASSAY = {
    "assay": _text(checks=[pa.Check.str_length(min_value=1)]),
    "dose_um": pa.Column(float, pa.Check.gt(0), coerce=True),
    "time_h": pa.Column(float, pa.Check.gt(0), coerce=True),
}
RESPONSES = pa.DataFrameSchema(
    {**_MEASURED, **_ASSAY, "origin": _text()}, strict=True, unique=["drug_id", "cell_line"]
)
# The files of an addition to the atlas.
ADDITION = pa.DataFrameSchema({**_ASSAY, "source": _text()}, strict=True)
ADDED_RESPONSES = pa.DataFrameSchema(_MEASURED, strict=True, unique=["drug_id", "cell_line"])
# Next to the genes of untreated expression, which has one column per cell line.
EXPRESSION_GENES = pa.DataFrameSchema({"gene": _text(unique=True)}, strict=True)
FUNNEL = pa.DataFrameSchema(
    {
        "step": _text(unique=True),
        "unit": _text(checks=[pa.Check.isin(["signatures", "genes", "experiments", "drugs"])]),
        "kept": pa.Column(int, pa.Check.ge(0)),
        "dropped": pa.Column(int, pa.Check.ge(0)),
    },
    strict=True,
)
REJECTS = pa.DataFrameSchema(
    {
        "kind": _text(checks=[pa.Check.isin(["drug", "gene", "cell_line", "signature"])]),
        "id": _text(),
        "reason": _text(),
        "detail": _text(nullable=True),
    },
    strict=True,
)
GENE_SCORES = pa.DataFrameSchema(
    {
        "gene": _text(unique=True),
        "score": pa.Column(float, pa.Check.in_range(-1, 1)),
        "spread": pa.Column(float, pa.Check.ge(0)),
        "changed": pa.Column(float, pa.Check.in_range(0, 1), coerce=True),
        "cell_lines": pa.Column(int, pa.Check.ge(1)),
    },
    strict=True,
)
HIDDEN = pa.DataFrameSchema(
    {
        "target": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        **{
            f"{score}{group}": _share() for score in ("macro_f1", "ece") for group in ("", "_seen", "_unseen")
        },
    },
    strict=True,
    unique=["target", "seed", "predictor"],
)
SPLITS = pa.DataFrameSchema(
    {
        "target": _text(),
        "drug_id": _text(),
        "role": _text(checks=[pa.Check.isin(["test", "pool"])]),
    },
    strict=True,
    unique=["target", "drug_id"],
)
SELECTIONS = pa.DataFrameSchema(
    {
        "target": _text(),
        "strategy": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "round": pa.Column(int, pa.Check.ge(1)),
        "rank": pa.Column(int, pa.Check.ge(1), unique=True),
        "drug_id": _text(unique=True),
        "inchikey": _text(unique=True, checks=[pa.Check.str_matches(INCHIKEY)]),
        "smiles": _text(),
        "name": _text(nullable=True),
        "score": pa.Column(float),
        "reason": _text(),
    },
    strict=True,
)
LEARNING_CURVE = pa.DataFrameSchema(
    {
        "target": _text(),
        "strategy": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        "macro_f1": _share(),
    },
    strict=True,
)
SCORES = pa.DataFrameSchema(
    {
        "target": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        **{
            name: _share()
            for name in (
                "macro_f1",
                "macro_f1_seen",
                "macro_f1_unseen",
                "per_drug_f1",
                "per_drug_f1_seen",
                "per_drug_f1_unseen",
                "macro_f1_weak",
                "macro_f1_medium",
                "macro_f1_strong",
                "ece",
                "f1_down",
                "f1_none",
                "f1_up",
            )
        },
        **{
            f"z_correlation{suffix}": pa.Column(float, pa.Check.in_range(-1.000001, 1.000001), nullable=True)
            for suffix in ("", "_seen", "_unseen")
        },
    },
    strict=True,
    unique=["target", "seed", "predictor"],
)
RELIABILITY = pa.DataFrameSchema(
    {
        "target": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        **{name: _share() for name in ("confidence", "accuracy", "share")},
    },
    strict=True,
)
RISK_COVERAGE = pa.DataFrameSchema(
    {
        "target": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        **{name: _share() for name in ("coverage", "macro_f1", "accuracy")},
    },
    strict=True,
)
# How many (drug, gene) pairs that were measured as the first label were predicted as the second.
_LABELS = ("down", "none", "up")
CONFUSION = tuple(f"{measured}_as_{said}" for measured in _LABELS for said in _LABELS)
TEST_DRUGS = pa.DataFrameSchema(
    {
        "target": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        "drug_id": _text(),
        "seen": pa.Column(bool),
        "z_correlation": pa.Column(float, pa.Check.in_range(-1.000001, 1.000001)),
        **{name: pa.Column(int, pa.Check.ge(0)) for name in CONFUSION},
    },
    strict=True,
    unique=["target", "seed", "predictor", "drug_id"],
)
TEST_GENES = pa.DataFrameSchema(
    {
        "target": _text(),
        "seed": pa.Column(int, pa.Check.ge(0)),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        "gene": _text(),
        **{name: pa.Column(int, pa.Check.ge(0)) for name in CONFUSION},
    },
    strict=True,
    unique=["target", "seed", "predictor", "gene"],
)
HEADLINE = pa.DataFrameSchema(
    {
        "target": _text(),
        "predictor": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        **{name: _share() for name in ("macro_f1", "low", "high")},
    },
    strict=True,
    unique=["target", "predictor"],
)
PREDICTIONS = pa.DataFrameSchema(
    {
        "target": _text(),
        "drug_id": _text(),
        "name": _text(nullable=True),
        "gene": _text(),
        "label": _text(checks=[pa.Check.isin(["down", "none", "up", "unknown"])]),
        **{name: pa.Column("float32", pa.Check.in_range(0, 1)) for name in ("p_down", "p_none", "p_up")},
        "z": pa.Column("float32", nullable=True),
        "confidence": pa.Column("float32", pa.Check.in_range(0, 1.00001)),
        "strength": pa.Column("float32", pa.Check.ge(0)),
        "nearest_drug": _text(),
        "similarity": pa.Column("float32", pa.Check.in_range(0, 1)),
        "source_lines": pa.Column("int64", pa.Check.ge(0)),
        "evidence": _text(checks=[pa.Check.isin(GROUPS)]),
    },
    strict=True,
)
# Column names as in the plate maps and metadata of JUMP Cell Painting, where those have one.
PLATE_MAP = pa.DataFrameSchema(
    {
        "plate": _text(),
        "well_position": _text(checks=[pa.Check.str_matches(r"^[A-P](0[1-9]|1[0-9]|2[0-4])$")]),
        "pert_type": _text(checks=[pa.Check.isin(["trt", "negcon", "poscon"])]),
        "drug_id": _text(),
        "name": _text(nullable=True),
        "InChIKey": _text(nullable=True),
        "SMILES": _text(nullable=True),
        "concentration": pa.Column(float, pa.Check.ge(0), coerce=True),
        "unit": _text(checks=[pa.Check.isin(["uM"])]),
        "replicate": pa.Column(int, pa.Check.ge(1)),
        "cell_line": _text(),
    },
    strict=True,
    unique=["plate", "well_position"],
)
BENCH_SELECTION = pa.DataFrameSchema(
    {
        "round": pa.Column(int, pa.Check.ge(1)),
        "rank": pa.Column(int, pa.Check.ge(1), unique=True),
        "drug_id": _text(unique=True),
        "inchikey": _text(unique=True, checks=[pa.Check.str_matches(INCHIKEY)]),
        "smiles": _text(),
        "name": _text(nullable=True),
        "moa": _text(nullable=True),
        "vendor": _text(nullable=True),
        "cost": pa.Column(float, pa.Check.ge(0), nullable=True, coerce=True),
        "score": pa.Column(float, nullable=True),
        "reason": _text(nullable=True),
    },
    strict=True,
)
ADVICE = pa.DataFrameSchema(
    {
        "cell_line": _text(),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        **{name: _share() for name in ("macro_f1", "low", "high")},
        **{
            name: pa.Column(float, pa.Check.in_range(-1, 1), nullable=True)
            for name in ("gain", "gain_low", "gain_high")
        },
    },
    strict=True,
    unique=["cell_line", "drugs"],
)
EVIDENCE = pa.DataFrameSchema(
    {
        "cell_line": _text(),
        "group": _text(checks=[pa.Check.isin(GROUPS)]),
        "drugs": pa.Column(int, pa.Check.ge(0)),
        "anchors": pa.Column(int, pa.Check.ge(0)),
        **{
            name: pa.Column(float, pa.Check.in_range(0, 1), nullable=True, coerce=True)
            for name in ("macro_f1", "low", "high")
        },
    },
    strict=True,
    unique=["cell_line", "group"],
)
OUTCOME = pa.DataFrameSchema(
    {
        "cell_line": _text(),
        "drug_id": _text(),
        "status": _text(checks=[pa.Check.isin(["ok", "failed", "missing"])]),
        "reason": _text(nullable=True),
        "wells": pa.Column(int, pa.Check.ge(0)),
        "wells_failed": pa.Column(int, pa.Check.ge(0)),
        "replicate_correlation": pa.Column(float, nullable=True, coerce=True),
        "changed": _share(),
    },
    strict=True,
    unique=["cell_line", "drug_id"],
)


def text_columns(schema: pa.DataFrameSchema) -> list[str]:
    """Return the columns that hold text, also digits as in the cell line 5637."""
    return [name for name, column in schema.columns.items() if column.dtype == pa.Column(str).dtype]


def validate(
    table: pd.DataFrame, schema: pa.DataFrameSchema, path: Path, remedy: str = PATHS_HINT
) -> pd.DataFrame:
    """Return `table`, checked and with the types of `schema`; `remedy` ends an error.

    Raises
    ------
    TableError
        Naming `path`, the column, the first row and value that break the schema, and how many do.
    """
    # First, because a check of a joint key blames another column for one that is missing.
    wrong = [f"no column '{name}'" for name in schema.columns if name not in table.columns]
    wrong += [f"unknown column '{name}'" for name in table.columns if name not in schema.columns]
    if wrong:
        raise TableError(f"{path}: {', '.join(wrong)}; {remedy}")
    if table.empty:  # a CSV without rows does not tell its types
        types = {name: column.dtype for name, column in schema.columns.items() if column.dtype}
        table = table.assign(**{name: kind.coerce(table[name]) for name, kind in types.items()})
    try:
        return schema.validate(table, lazy=True)
    except SchemaErrors as error:
        failures = error.failure_cases
        first = failures.iloc[0]
        place = "" if pd.isna(first["index"]) else f" row {int(first['index'])}"
        case = first["failure_case"]
        value = repr(case) if isinstance(case, str) else f"'{case}'"  # repr keeps a line break on the line
        cases = len(failures.drop_duplicates(["index", "column"]))
        raise TableError(
            f"{path}:{place} column '{first['column']}': {value} breaks {first['check']} "
            f"({cases} such cases); {remedy}"
        ) from error


def require_known(values: pd.Series, known: Collection[str], path: Path, known_path: Path) -> None:
    """Check a foreign key: every value of `values` is in `known`.

    Raises
    ------
    TableError
        Naming both files and the first values without a match.
    """
    unknown = values[~values.isin(list(known))]
    if len(unknown):
        raise TableError(
            f"{path}: {values.name} {shortlist(unknown.unique())} (row {unknown.index[0]}) "
            f"not in {known_path}; {PATHS_HINT}"
        )
