"""Every schema: a good table passes, and a table with one mistake is told in one line."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from anchordrug import schemas
from anchordrug.errors import TableError

PATH = Path("tables/some/table.parquet")
KEY_1, KEY_2, KEY_3 = (
    "BSYNRYMUTXBXSQ-UHFFFAOYSA-N",
    "RYYVLZVUVIJVGH-UHFFFAOYSA-N",
    "LFQSCWFLJHTTHZ-UHFFFAOYSA-N",
)


@dataclass(frozen=True)
class Case:
    """A good table of three rows, and what its schema is documented to refuse."""

    table: dict[str, list]
    nullable: set[str] = field(default_factory=set)
    keys: list[list[str]] = field(default_factory=list)
    wrong: list[tuple[str, object]] = field(default_factory=list)  # (column, value), refused in any row


DRUG = {
    "drug_id": ["D1", "D2", "D3"],
    "inchikey": [KEY_1, KEY_2, KEY_3],
    "smiles": ["CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CCO"],
    "name": ["aspirin", None, "ethanol"],
}
NO_KEYS = [
    ("inchikey", "ABC"),
    ("inchikey", KEY_1.lower()),
    ("inchikey", KEY_1 + "A"),
    ("inchikey", " " + KEY_1),
]
SHARES = [
    *(f"{score}{suffix}" for score in ("macro_f1", "per_drug_f1") for suffix in ("", "_seen", "_unseen")),
    *("macro_f1_weak", "macro_f1_medium", "macro_f1_strong", "ece", "f1_down", "f1_none", "f1_up"),
]
CORRELATIONS = ["z_correlation", "z_correlation_seen", "z_correlation_unseen"]
CASES = {
    "DRUGS": Case(
        DRUG | {"moa": ["COX inhibitor", None, None], "other_ids": [None, "D8|D9", None]},
        nullable={"name", "moa", "other_ids"},
        keys=[["drug_id"], ["inchikey"]],
        wrong=NO_KEYS,
    ),
    "GENES": Case(
        {
            "gene": ["JUN", "MYC", "CIAO3"],
            "gene_id": ["1", "2", "3"],
            "ensembl_id": ["ENSG00000177606", None, None],
            "annotated_as": ["JUN", "MYC", "NARFL"],
        },
        nullable={"gene_id", "ensembl_id", "annotated_as"},
        keys=[["gene"], ["gene_id"], ["annotated_as"]],
    ),
    "CELL_LINES": Case({"cell_line": ["A", "B", "C"]}, keys=[["cell_line"]]),
    "RESPONSES": Case(
        {
            "drug_id": ["D1", "D1", "D2"],
            "cell_line": ["A", "B", "A"],
            "replicates": [1, 2, 3],
            "assay": ["L1000", "L1000", "RNA counts"],
            "dose_um": [10.0, 10.0, 1.0],
            "time_h": [24.0, 24.0, 6.0],
            "origin": ["release", "release.gctx", "my-line"],
        },
        keys=[["drug_id", "cell_line"]],
        wrong=[("replicates", 0), ("replicates", -1), ("assay", ""), ("dose_um", 0.0), ("time_h", -1.0)],
    ),
    "ADDED_RESPONSES": Case(
        {"drug_id": ["D1", "D1", "D2"], "cell_line": ["A", "B", "A"], "replicates": [1, 2, 3]},
        keys=[["drug_id", "cell_line"]],
        wrong=[("replicates", 0), ("replicates", -1)],
    ),
    "ADDITION": Case(
        {
            "assay": ["RNA counts", "z-scores", "z-scores"],
            "dose_um": [10.0, 10.0, 1.0],
            "time_h": [24.0, 24.0, 6.0],
            "source": ["my-line", "z.csv", "z.csv"],
        },
        wrong=[("assay", ""), ("dose_um", 0.0), ("time_h", -1.0)],
    ),
    "EXPRESSION_GENES": Case({"gene": ["A", "B", "C"]}, keys=[["gene"]]),
    "FUNNEL": Case(
        {
            "step": ["dose", "time", "genes"],
            "unit": ["signatures", "signatures", "genes"],
            "kept": [5, 0, 2],
            "dropped": [0, 5, 1],
        },
        keys=[["step"]],
        wrong=[("unit", "wells"), ("unit", "Genes"), ("kept", -1), ("dropped", -1)],
    ),
    "GENE_SCORES": Case(
        {
            "gene": ["TP53", "DDIT4", "ACTB"],
            "score": [0.5, 0.0, -0.1],
            "spread": [0.1, 0.0, 0.2],
            "changed": [0.2, 1.0, 0.0],
            "cell_lines": [3, 3, 3],
        },
        keys=[["gene"]],
        wrong=[("score", 1.1), ("spread", -0.1), ("changed", 1.5), ("cell_lines", 0)],
    ),
    "REJECTS": Case(
        {
            "kind": ["drug", "gene", "cell_line"],
            "id": ["D1", "JUN", "A"],
            "reason": ["no SMILES", "no annotation", "no expression"],
            "detail": ["CC(", None, None],
        },
        nullable={"detail"},
        wrong=[("kind", "line"), ("kind", "")],
    ),
    "SPLITS": Case(
        {"target": ["A", "A", "B"], "drug_id": ["D1", "D2", "D1"], "role": ["test", "pool", "pool"]},
        keys=[["target", "drug_id"]],
        wrong=[("role", "train"), ("role", "Test")],
    ),
    "SELECTIONS": Case(
        {
            "target": ["A"] * 3,
            "strategy": ["bald"] * 3,
            "seed": [0] * 3,
            "round": [1, 1, 2],
            "rank": [1, 2, 3],
        }
        | DRUG
        | {"score": [0.5, -0.25, 3.0], "reason": ["Near.", "Far.", "Far."]},
        nullable={"name"},
        keys=[["rank"], ["drug_id"], ["inchikey"]],
        wrong=[*NO_KEYS, ("seed", -1), ("round", 0), ("rank", 0)],
    ),
    "LEARNING_CURVE": Case(
        {
            "target": ["A"] * 3,
            "strategy": ["bald"] * 3,
            "seed": [0] * 3,
            "drugs": [0, 10, 20],
            "macro_f1": [0.0, 1.0, np.nan],
        },
        nullable={"macro_f1"},
        wrong=[("seed", -1), ("drugs", -1), ("macro_f1", -0.001), ("macro_f1", 1.001), ("macro_f1", np.inf)],
    ),
    "SCORES": Case(
        {"target": ["A", "A", "B"], "seed": [0, 1, 0], "predictor": ["all_none"] * 3, "drugs": [0, 0, 30]}
        | {name: [0.0, 1.0, np.nan] for name in SHARES}
        | {name: [-1.0, 1.0, np.nan] for name in CORRELATIONS},
        nullable={*SHARES, *CORRELATIONS},
        keys=[["target", "seed", "predictor"]],
        wrong=[("seed", -1), ("drugs", -1)]
        + [(name, value) for name in SHARES for value in (-0.001, 1.001, np.inf)]
        + [(name, value) for name in CORRELATIONS for value in (-1.001, 1.001, np.inf)],
    ),
    "RELIABILITY": Case(
        {"target": ["A", "A", "B"], "seed": [0, 1, 0], "predictor": ["drugs-30"] * 3, "drugs": [0, 0, 30]}
        | {name: [0.0, 1.0, np.nan] for name in ("confidence", "accuracy", "share")},
        nullable={"confidence", "accuracy", "share"},
        wrong=[("seed", -1), ("drugs", -1), ("confidence", -0.001), ("accuracy", 1.001), ("share", np.inf)],
    ),
    "RISK_COVERAGE": Case(
        {"target": ["A", "A", "B"], "seed": [0, 1, 0], "predictor": ["drugs-30"] * 3, "drugs": [0, 0, 30]}
        | {name: [0.0, 1.0, np.nan] for name in ("coverage", "macro_f1", "accuracy")},
        nullable={"coverage", "macro_f1", "accuracy"},
        wrong=[("seed", -1), ("drugs", -1), ("coverage", 1.001), ("macro_f1", -0.001), ("accuracy", np.inf)],
    ),
    "TEST_DRUGS": Case(
        {"target": ["A", "A", "B"], "seed": [0, 1, 0], "predictor": ["drugs-30"] * 3, "drugs": [0, 0, 30]}
        | {"drug_id": ["D1"] * 3, "seen": [True, False, True], "z_correlation": [-1.0, 0.0, 1.0]}
        | {name: [0, 1, 300] for name in schemas.CONFUSION},
        keys=[["target", "seed", "predictor", "drug_id"]],
        wrong=[("seed", -1), ("drugs", -1), ("z_correlation", 1.1), ("none_as_up", -1)],
    ),
    "TEST_GENES": Case(
        {"target": ["A", "A", "B"], "seed": [0, 1, 0], "predictor": ["drugs-30"] * 3, "drugs": [0, 0, 30]}
        | {"gene": ["JUN"] * 3}
        | {name: [0, 1, 300] for name in schemas.CONFUSION},
        keys=[["target", "seed", "predictor", "gene"]],
        wrong=[("seed", -1), ("drugs", -1), ("down_as_up", -1)],
    ),
    "HEADLINE": Case(
        {"target": ["A", "A", "mean"], "predictor": ["drugs-30", "consensus", "drugs-30"], "drugs": [30] * 3}
        | {name: [0.0, 1.0, np.nan] for name in ("macro_f1", "low", "high")},
        nullable={"macro_f1", "low", "high"},
        keys=[["target", "predictor"]],
        wrong=[("drugs", -1), ("macro_f1", 1.001), ("low", -0.001), ("high", np.inf)],
    ),
    "PREDICTIONS": Case(
        {"target": ["A"] * 3, "drug_id": ["D1", "D1", "D2"], "name": ["aspirin", "aspirin", None]}
        | {"gene": ["JUN", "MYC", "JUN"]}
        | {"label": ["down", "unknown", "up"]}
        | {f"p_{name}": np.array([0.0, 0.25, 1.0], np.float32) for name in ("down", "none", "up")}
        | {"z": np.array([-4.0, 0.5, np.nan], np.float32)}
        | {"confidence": np.array([0.3, 1, 0.5], np.float32), "strength": np.array([0, 2, 9], np.float32)}
        | {"nearest_drug": ["D1", "D1", "D9"], "similarity": np.array([1, 1, 0], np.float32)}
        | {"source_lines": [0, 3, 20], "evidence": ["near", "far", "seen"]},
        nullable={"z", "name"},
        wrong=[
            ("label", "same"),
            ("label", "Up"),
            ("similarity", 1.1),
            ("strength", -1),
            ("source_lines", -1),
            ("evidence", "unseen"),
        ]
        + [(f"p_{name}", value) for name in ("down", "none", "up") for value in (-0.001, 1.001)],
    ),
    "PLATE_MAP": Case(
        {
            "plate": ["P1", "P1", "P2"],
            "well_position": ["A01", "P24", "A01"],
            "pert_type": ["trt", "negcon", "trt"],
            "drug_id": ["D1", "DMSO", "D1"],
            "name": ["aspirin", None, None],
            "InChIKey": [KEY_1, None, KEY_1],
            "SMILES": ["CCO", None, None],
            "concentration": [10.0, 0.0, 2.5],
            "unit": ["uM"] * 3,
            "replicate": [1, 1, 2],
            "cell_line": ["A"] * 3,
        },
        nullable={"name", "InChIKey", "SMILES"},
        keys=[["plate", "well_position"]],
        wrong=[
            *(("well_position", value) for value in ("A1", "Q01", "A25", "A00")),
            *(("pert_type", "control"), ("unit", "mM"), ("concentration", -1.0), ("replicate", 0)),
        ],
    ),
    "BENCH_SELECTION": Case(
        {"round": [1, 1, 2], "rank": [1, 2, 3]}
        | DRUG
        | {
            "moa": ["COX inhibitor", None, None],
            "vendor": [None, "Shop", None],
            "cost": [1.5, np.nan, 0.0],
            "score": [0.5, -0.25, np.nan],
            "reason": ["Near.", None, "Far."],
        },
        nullable={"name", "moa", "vendor", "cost", "score", "reason"},
        keys=[["rank"], ["drug_id"], ["inchikey"]],
        wrong=[*NO_KEYS, ("round", 0), ("rank", 0), ("cost", -0.5)],
    ),
    "ADVICE": Case(
        {"cell_line": ["A", "A", "B"], "drugs": [0, 10, 0]}
        | {name: [0.0, 1.0, np.nan] for name in ("macro_f1", "low", "high")}
        | {name: [-1.0, 1.0, np.nan] for name in ("gain", "gain_low", "gain_high")},
        nullable={"macro_f1", "low", "high", "gain", "gain_low", "gain_high"},
        keys=[["cell_line", "drugs"]],
        wrong=[("drugs", -1), ("macro_f1", 1.001), ("low", -0.001), ("gain", 1.001), ("gain_low", -1.001)],
    ),
    "EVIDENCE": Case(
        {
            "cell_line": ["A", "A", "B"],
            "group": ["seen", "near", "seen"],
            "drugs": [3, 0, 2],
            "anchors": [0, 0, 10],
            "macro_f1": [0.0, np.nan, 1.0],
            "low": [0.0, np.nan, 1.0],
            "high": [0.0, np.nan, 1.0],
        },
        nullable={"macro_f1", "low", "high"},
        keys=[["cell_line", "group"]],
        wrong=[("group", "odd"), ("drugs", -1), ("anchors", -1), ("macro_f1", 1.001), ("low", -0.001)],
    ),
    "HIDDEN": Case(
        {"target": ["A", "A", "B"], "seed": [0, 1, 0], "predictor": ["x", "x", "y"], "drugs": [0, 10, 30]}
        | {
            f"{score}{group}": [0.0, 1.0, np.nan]
            for score in ("macro_f1", "ece")
            for group in ("", "_seen", "_unseen")
        },
        nullable={f"{score}{group}" for score in ("macro_f1", "ece") for group in ("", "_seen", "_unseen")},
        keys=[["target", "seed", "predictor"]],
        wrong=[("seed", -1), ("drugs", -1), ("macro_f1", 1.001), ("ece_unseen", -0.001)],
    ),
    "OUTCOME": Case(
        {
            "cell_line": ["A", "A", "B"],
            "drug_id": ["D1", "D2", "D1"],
            "status": ["ok", "failed", "missing"],
            "reason": [None, "1 good wells of 3", "no result in the files"],
            "wells": [3, 3, 0],
            "wells_failed": [0, 2, 0],
            "replicate_correlation": [0.5, np.nan, np.nan],
            "changed": [0.25, np.nan, np.nan],
        },
        nullable={"reason", "replicate_correlation", "changed"},
        keys=[["cell_line", "drug_id"]],
        wrong=[("status", "fine"), ("wells", -1), ("wells_failed", -1), ("changed", 1.001)],
    ),
}
TEXT = {
    name: [column for column, values in case.table.items() if any(isinstance(value, str) for value in values)]
    for name, case in CASES.items()
}


def good(name: str) -> pd.DataFrame:
    return pd.DataFrame(CASES[name].table)


def changed(name: str, column: str, row: int, value: object) -> pd.DataFrame:
    table = good(name)
    if not isinstance(value, str) and table[column].dtype.kind == "f":
        table.loc[row, column] = np.asarray(value, table[column].dtype)
    else:
        values = table[column].tolist()
        values[row] = value
        table[column] = values
    return table


def refusal(name: str, table: pd.DataFrame) -> str:
    """Return the line that tells what is wrong with `table`."""
    with pytest.raises(TableError) as error:
        schemas.validate(table, getattr(schemas, name), PATH)
    text = str(error.value)
    assert text.startswith(f"{PATH}:")
    assert "\n" not in text
    assert text.endswith("delete the file and run its stage again (dvc repro)")
    return text


def test_every_schema_is_tested():
    every = {name for name, value in vars(schemas).items() if isinstance(value, pa.DataFrameSchema)}
    assert every == CASES.keys()
    for name, case in CASES.items():
        assert list(case.table) == list(getattr(schemas, name).columns)


@pytest.mark.parametrize("name", CASES)
def test_a_good_table_passes_unchanged(name):
    table = good(name)
    pd.testing.assert_frame_equal(schemas.validate(table, getattr(schemas, name), PATH), good(name))
    pd.testing.assert_frame_equal(table, good(name))


@pytest.mark.parametrize("name", [name for name in CASES if name != "PREDICTIONS"])
def test_a_table_that_went_through_csv_passes(name, tmp_path):
    good(name).to_csv(tmp_path / "t.csv", index=False)
    read = schemas.validate(pd.read_csv(tmp_path / "t.csv"), getattr(schemas, name), PATH)
    pd.testing.assert_frame_equal(read, good(name), check_dtype=False)
    for column in TEXT[name]:
        assert all(isinstance(value, str) for value in read[column].dropna())


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name in CASES for column in CASES[name].table]
)
def test_a_missing_column_is_named(name, column):
    assert f"'{column}'" in refusal(name, good(name).drop(columns=column))


@pytest.mark.parametrize("name", CASES)
def test_a_surplus_column_is_named(name):
    assert "'surplus'" in refusal(name, good(name).assign(surplus=1))


@pytest.mark.parametrize(
    ("name", "column", "value"), [(name, *wrong) for name, case in CASES.items() for wrong in case.wrong]
)
def test_a_value_out_of_range_or_form_is_named_with_its_row(name, column, value):
    text = refusal(name, changed(name, column, 1, value))
    shown = re.match(
        rf"{re.escape(str(PATH))}: row 1 column '{column}': (.*) breaks .* \(1 such cases\); ", text
    )
    assert shown, text
    if isinstance(value, str):
        assert shown[1] == repr(value)
    else:
        number = re.search(r"-?[\d.]+|inf", shown[1].removeprefix("np.float32").removeprefix("np.float64"))
        assert number, text
        assert float(number[0]) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "column"),
    [(name, c) for name, case in CASES.items() for c in case.table if c not in case.nullable],
)
def test_a_missing_value_is_named(name, column):
    text = refusal(name, changed(name, column, 1, None))
    assert f"column '{column}'" in text
    if column in TEXT[name]:
        assert text.startswith(f"{PATH}: row 1 ")


@pytest.mark.parametrize(
    ("name", "column"), [(name, c) for name, case in CASES.items() for c in sorted(case.nullable)]
)
def test_a_value_that_may_be_missing_may_be_missing(name, column):
    table = changed(name, column, 1, None)
    checked = schemas.validate(table, getattr(schemas, name), PATH)
    assert pd.isna(checked.loc[1, column])


@pytest.mark.parametrize(
    ("name", "column"), [(name, c) for name, case in CASES.items() for c in case.table if c not in TEXT[name]]
)
def test_text_in_a_column_of_numbers_is_named(name, column):
    text = refusal(name, changed(name, column, 1, "many"))
    assert f"column '{column}'" in text


@pytest.mark.parametrize(
    ("name", "column"),
    [
        (name, c)
        for name, case in CASES.items()
        for c in case.table
        if c not in TEXT[name] and good(name)[c].dtype.kind == "i"
    ],
)
def test_a_fraction_in_a_column_of_counts_is_named(name, column):
    text = refusal(name, changed(name, column, 1, 1.5))
    assert f"column '{column}'" in text


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, case in CASES.items() for key in case.keys])
def test_a_repeated_key_is_named_with_a_row(name, key):
    table = good(name)
    for column in key:
        table = table.assign(**{column: [*table[column].iloc[:2], table[column].iloc[0]]})
    assert table.duplicated(key).tolist() == [False, False, True]
    text = refusal(name, table)
    named = re.match(rf"{re.escape(str(PATH))}: row [02] column '(\w+)': (.*) breaks ", text)
    assert named, text
    assert named[1] in key
    assert str(table[named[1]].iloc[0]) in named[2]


@pytest.mark.parametrize(
    ("name", "key", "column"),
    [(name, key, c) for name, case in CASES.items() for key in case.keys if len(key) > 1 for c in key],
)
def test_a_part_of_a_joint_key_may_repeat(name, key, column):
    table = good(name)
    assert table[column].duplicated().any()
    assert not table.duplicated(key).any()
    schemas.validate(table, getattr(schemas, name), PATH)


def test_all_cases_of_a_mistake_are_counted_and_the_first_is_shown():
    table = good("SPLITS").assign(role=["pool", "train", "train"])
    text = refusal("SPLITS", table)
    assert text.startswith(f"{PATH}: row 1 column 'role': 'train' breaks ")
    assert "(2 such cases)" in text


def test_a_value_with_a_line_break_is_still_told_in_one_line():
    assert r"'te\nst'" in refusal("SPLITS", changed("SPLITS", "role", 0, "te\nst"))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("PREDICTIONS", "SELECTIONS")])
def test_an_empty_table_passes(name):
    table = good(name).iloc[:0]
    assert schemas.validate(table, getattr(schemas, name), PATH).empty


KNOWN = Path("tables/atlas/drugs.parquet")


@pytest.mark.parametrize("values", [[], ["D2"], ["D1", "D1", "D2"]])
def test_known_values_pass(values):
    schemas.require_known(pd.Series(values, name="drug_id", dtype="str"), ["D1", "D2"], PATH, KNOWN)


def test_an_unknown_value_is_named_with_its_row_and_both_files():
    values = pd.Series(["D1", "D9", "D1", "D9", "D8"], name="drug_id")
    with pytest.raises(TableError) as error:
        schemas.require_known(values, ["D1"], PATH, KNOWN)
    assert str(error.value).startswith(f"{PATH}: drug_id D9, D8 (row 1) not in {KNOWN}; ")
    assert "\n" not in str(error.value)


def test_many_unknown_values_are_cut_short():
    values = pd.Series([f"D{i}" for i in range(9)], name="drug_id")
    with pytest.raises(TableError, match=r"drug_id D1, D2, D3, D4, D5 and 3 more \(row 1\) not in"):
        schemas.require_known(values, {"D0"}, PATH, KNOWN)


def test_a_missing_value_is_not_known():
    with pytest.raises(TableError, match=r"drug_id .* \(row 1\)"):
        schemas.require_known(pd.Series(["D1", None], name="drug_id"), ["D1"], PATH, KNOWN)
