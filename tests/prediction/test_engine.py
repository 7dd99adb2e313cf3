"""anchordrug predict on libraries as people have them, and in every shape of its tables."""

import csv
import io
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet
from rdkit import Chem

from anchordrug import schemas
from anchordrug.errors import LibraryError
from anchordrug.evidence_group import GROUPS
from anchordrug.files.atomic import PARTIAL
from anchordrug.files.formulas import unescaped
from anchordrug.files.outputs import side_files
from anchordrug.prediction import engine as stage
from anchordrug.prediction.frames import predict as frame
from anchordrug.prediction.inference import load_onnx
from anchordrug.prediction.ledger import Ledger
from anchordrug.prediction.rest import DUPLICATES, REJECTS
from anchordrug.raw.molecules import STDIN
from tests.conftest import run_cli

MODEL = Path("models/onnx/SIM-T1.onnx")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
TWO = f"drug_id,smiles\na,{ASPIRIN}\nb,CCO\n"
VALUES = ["p_down", "p_none", "p_up", "z"]
OF_DRUG = ["confidence", "strength", "nearest_drug", "similarity", "source_lines", "evidence"]


@pytest.fixture
def predict(project, tmp_path):
    """Runs the command on a library of this content; returns its result and the file asked for.

    Models are files of the project, or paths.
    """

    def run(content: str | bytes, *options, name="drugs.csv", out="out.parquet", models=(MODEL,)):
        library = tmp_path / name
        library.write_bytes(content if isinstance(content, bytes) else content.encode())
        given = [word for model in models for word in ("--model", project / model)]
        result = run_cli("predict", *given, "--drugs", library, "--out", tmp_path / out, *options)
        return result, tmp_path / out

    return run


@pytest.fixture(scope="module")
def other_model(mlp_project, tmp_path_factory) -> Path:
    """The paper's network as a model of another target; it has no z, and calls one gene by another name."""
    path = tmp_path_factory.mktemp("other") / "other.onnx"
    model = onnx.load(mlp_project / MODEL)
    for entry in model.metadata_props:
        if entry.key == "target":
            entry.value = '"SIM-OTHER"'
        if entry.key == "genes":
            entry.value = entry.value.replace('["', '["OTHER-', 1)
    onnx.save(model, path)
    return path


def table(outcome) -> pd.DataFrame:
    """Return the table of a run that went well."""
    result, out = outcome
    assert result.exit_code == 0, (result.output, result.exception)
    if out.suffix == ".arrow":
        return ipc.open_file(out).read_pandas()
    return pd.read_parquet(out) if out.suffix == ".parquet" else read_csv(out)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of text and numbers; "NA" is text."""
    return pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in VALUES})


def rejects(out: Path) -> list[list[str]]:
    return cells(out.with_name(f"{out.name}.rejects.csv"), REJECTS)


def duplicates(out: Path) -> list[list[str]]:
    return cells(out.with_name(f"{out.name}.duplicates.csv"), DUPLICATES)


def cells(path: Path, header: tuple[str, ...]) -> list[list[str]]:
    """Return the cells under `header` as they stand; names and further ids are in columns after them."""
    with path.open(encoding="utf-8", newline="") as file:
        first, *rows = csv.reader(file)
    assert first[: len(header) + 1] == [*header, "name"]
    return [row[: len(header)] for row in rows]


def of_gene(frame: pd.DataFrame, genes: list[str], column: str) -> np.ndarray:
    """Return a column of a long table as [drugs, genes]."""
    return frame[column].to_numpy().reshape(-1, len(genes))


def test_every_drug_and_gene_has_a_row(predict, project):
    result, out = predict(TWO, "--coverage", 1)
    found = schemas.validate(table((result, out)), schemas.PREDICTIONS, out)
    genes = pd.read_parquet(project / "tables/atlas/genes.parquet")["gene"].tolist()
    assert set(found["target"]) == {"SIM-T1"}
    assert found["drug_id"].tolist() == ["a"] * len(genes) + ["b"] * len(genes)
    assert found["gene"].tolist() == genes * 2
    offsets = load_onnx(project / MODEL).card["decision_offsets"]
    best = (np.log(found[["p_down", "p_none", "p_up"]].to_numpy()) + offsets).argmax(axis=1)
    assert found["label"].tolist() == np.array(["down", "none", "up"])[best].tolist()
    np.testing.assert_allclose(found[["p_down", "p_none", "p_up"]].sum(axis=1), 1, atol=1e-5)
    assert found["z"].notna().all()
    assert found.groupby("drug_id")[OF_DRUG].nunique().eq(1).all(axis=None)
    assert rejects(out) == duplicates(out) == []
    *_, closing, groups = result.output.splitlines()
    assert closing.endswith(f"out.parquet: 2 drugs x {len(genes)} genes in SIM-T1")
    assert groups == said_of("SIM-T1", found)


def said_of(target: str, found: pd.DataFrame) -> str:
    """Return the line that tells how many drugs of a target are in each evidence group."""
    own = found[found["target"] == target].groupby("drug_id")["evidence"].first()
    counts = ", ".join(f"{(own == group).sum()} {group}" for group in GROUPS)
    return f"{target}: {counts} (drugs by evidence)"


@pytest.mark.parametrize("options", [(), ("--top", 3), ("--layout", "wide")], ids=["long", "top", "wide"])
@pytest.mark.parametrize("out", ["out.parquet", "out.csv", "out.arrow"])
def test_every_row_has_the_evidence_group_of_its_drug(predict, project, other_model, options, out):
    card = load_onnx(project / MODEL).card
    drugs = pd.read_parquet(project / "tables/atlas/drugs.parquet")
    chosen = pd.concat([drugs.iloc[:20], drugs[drugs["drug_id"].isin(card["anchors"])]])
    chosen = chosen.drop_duplicates("drug_id")[["drug_id", "smiles"]]
    library = chosen.to_csv(index=False) + f"a,{ASPIRIN}\nb,CCO\n"
    outcome = predict(library, *options, out=out, models=(MODEL, other_model))
    found = table(outcome)
    seen = (found["source_lines"] > 0) | found["drug_id"].isin(card["anchors"])
    expected = np.where(seen, "seen", np.where(found["similarity"] >= 0.4, "near", "far"))
    assert found["evidence"].tolist() == expected.tolist()
    assert {"seen", "far"} <= set(expected)
    lines = outcome[0].output.splitlines()[-2:]
    assert lines == [said_of(target, found) for target in ("SIM-T1", "SIM-OTHER")]


def test_a_predictor_without_z_leaves_that_column_empty(mlp_project, tmp_path):
    (tmp_path / "drugs.csv").write_text(TWO)
    out = tmp_path / "out.parquet"
    words = ("predict", "--model", mlp_project / MODEL, "--drugs", tmp_path / "drugs.csv", "--out", out)
    assert run_cli(*words).exit_code == 0
    found = schemas.validate(pd.read_parquet(out), schemas.PREDICTIONS, out)
    assert found["z"].isna().all()
    refused = run_cli(*words, "--layout", "wide", "--values", "z")
    assert str(refused.exception).startswith("--values z: this predictor gives none; use label")


def test_the_least_certain_labels_are_unknown_about_as_many_as_asked_for(predict, project, tmp_path):
    pd.read_parquet(project / "tables/atlas/drugs.parquet").iloc[:150].to_parquet(tmp_path / "part.parquet")
    library = (tmp_path / "part.parquet").read_bytes()
    every = table(predict(library, "--coverage", 1, name="d.parquet"))
    assert set(every["label"]) <= {"down", "none", "up"}
    answered = np.ones(len(every), bool)
    for coverage in (0.8, 0.4):
        found = table(predict(library, "--coverage", coverage, name="d.parquet"))
        known = (found["label"] != "unknown").to_numpy()
        assert known.mean() == pytest.approx(coverage, abs=0.07)
        # Only labels differ; what is answered is the same, and was answered where more is.
        assert found["label"][known].tolist() == every["label"][known].tolist()
        assert not (known & ~answered).any()
        pd.testing.assert_frame_equal(found.drop(columns="label"), every.drop(columns="label"))
        answered = known
    default = table(predict(TWO))
    pd.testing.assert_frame_equal(default, table(predict(TWO, "--coverage", 0.8)))


def test_unreadable_structures_are_rejected_and_the_run_goes_on(predict):
    result, out = predict(f"id,SMILES\na,{ASPIRIN}\nb,C(C\nc,\nd,CCO\ne,CCN,x\n{'f' * 300},C\n")
    assert table((result, out))["drug_id"].unique().tolist() == ["a", "d"]
    assert "out.parquet.rejects.csv: 4 rows rejected (not a valid SMILES, ...)" in result.output
    assert rejects(out) == [
        ["line 3", "b", "C(C", "not a valid SMILES"],
        ["line 4", "c", "", "empty SMILES"],
        ["line 6", "e", "CCN", "3 cells, the header has 2; quote texts that hold ','"],
        ["line 7", "f" * 60 + "...", "C", "a drug_id of 300 characters; give it one of at most 250"],
    ]


SALTS = """id,smiles
hydroxyzine pamoate,OCCOCCN1CCN(CC1)C(c1ccccc1)c1ccc(Cl)cc1.OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(O)=O)cc3ccccc23)c1O
hydroxyzine,OCCOCCN1CCN(CC1)C(c1ccccc1)c1ccc(Cl)cc1
pamoic acid,OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O
ibuprofen lysine,CC(C)Cc1ccc(cc1)C(C)C(=O)[O-].NCCCC[C@H]([NH3+])C(=O)O
ibuprofen sodium,CC(C)Cc1ccc(cc1)C(C)C(=O)O[Na]
lysine,NCCCC[C@H](N)C(=O)O
picoplatin,[NH2-].Cc1cccc[n]1.[Cl-].[Cl-].[Pt+3]
zinc gluconate,[Zn+2].OCC(O)C(O)C(O)C(O)C(=O)[O-].OCC(O)C(O)C(O)C(O)C(=O)[O-]
potassium chloride,[K+].[Cl-]
"""


def test_a_salt_is_its_drug_and_a_metal_complex_is_rejected(predict):
    outcome = predict(SALTS)
    kept = ["hydroxyzine pamoate", "pamoic acid", "ibuprofen lysine", "lysine"]
    assert table(outcome)["drug_id"].unique().tolist() == kept
    assert duplicates(outcome[1]) == [
        ["line 3", "hydroxyzine", "hydroxyzine pamoate", "line 2"],
        ["line 6", "ibuprofen sodium", "ibuprofen lysine", "line 5"],
    ]
    lost = "that standardisation would take off"
    assert [(row[1], row[3]) for row in rejects(outcome[1])] == [
        ("picoplatin", f"holds a metal (Pt) {lost} its ligands"),
        ("zinc gluconate", f"holds a metal (Zn) {lost}, and next to it nothing but counter-ions"),
        ("potassium chloride", f"holds a metal (K) {lost}, and next to it nothing but counter-ions"),
    ]


FORMER = """names its drugs by the rule 'rdkit ChargeParent', and yours are read by 'anchordrug parent 2': \
a drug that it learned from as a salt of an organic counter-ion may count as unseen; export it again"""


@pytest.mark.parametrize("named", [True, False])
def test_a_file_of_the_former_rule_of_the_parent_says_so(predict, project, tmp_path, named):
    model = onnx.load(project / MODEL)
    card = {entry.key: entry for entry in model.metadata_props}
    fingerprint = json.loads(card["fingerprint"].value) | {"standardisation": "rdkit ChargeParent"}
    if not named:
        del fingerprint["standardisation"]
    card["fingerprint"].value, card["format_version"].value = json.dumps(fingerprint), '"4"'
    model.metadata_props.remove(card["counter_ions"])
    onnx.save(model, tmp_path / "former.onnx")
    result, out = predict(SALTS, models=(tmp_path / "former.onnx",))
    assert f"{tmp_path / 'former.onnx'}: {FORMER}\n" in result.stderr
    pd.testing.assert_frame_equal(table((result, out)), table(predict(SALTS, out="now.parquet")))
    assert FORMER not in predict(SALTS, out="now.parquet")[0].stderr
    with pytest.warns(UserWarning, match="^the model names its drugs by the rule 'rdkit ChargeParent'"):
        frame(tmp_path / "former.onnx", ["CCO"])
    (line,) = (
        line for line in run_cli("inspect", tmp_path / "former.onnx").output.splitlines() if "remark" in line
    )
    assert line.startswith("remark              names its drugs by the rule 'rdkit ChargeParent'")
    (tmp_path / "up.txt").write_text("\n".join(load_onnx(project / MODEL).genes[:30]))
    words = ("rank", "--model", tmp_path / "former.onnx", "--drugs", tmp_path / "drugs.csv")
    result = run_cli(*words, "--up", tmp_path / "up.txt", "--out", tmp_path / "ranked.csv")
    assert f"{tmp_path / 'former.onnx'}: {FORMER}\n" in result.stderr


def test_long_structures_are_shown_in_part(predict):
    _, out = predict(f"id,smiles\na,{ASPIRIN}\nb,{'C' * 20_000}\n")
    ((_, _, shown, reason),) = rejects(out)
    assert shown == "C" * 200 + "..."
    assert reason == "20,000 characters; no small molecule has more than 10,000"


@pytest.mark.parametrize(
    ("name", "content", "ids"),
    [
        ("d.csv", f"name,smiles\nß-lactam,{ASPIRIN}\n".encode("latin-1"), ["ß-lactam"]),
        ("d.csv", b"\xef\xbb\xbfname,smiles\r\nx,CCO\r\n", ["x"]),
        ("d.csv", b"Canonical_SMILES\nCCO\nCCN\n", ["row_1", "row_2"]),
        ("d.tsv", b"pert_id\tsmiles\nx\tCCO\n", ["x"]),
        ("d.csv", b'name,smiles\n"a, b",CCO\n,CCN\nNA,CCC\n', ["a, b", "row_2", "NA"]),
        ("d.smi", b"CCO ethyl alcohol\nCCN\n", ["ethyl alcohol", "row_2"]),
    ],
)
def test_spellings_of_a_library(predict, name, content, ids):
    assert table(predict(content, name=name))["drug_id"].unique().tolist() == ids


def test_a_library_without_ids_is_told_once(predict):
    told = "no id column (found smiles, MW): called row_N; name one with --id-column"
    text = "smiles,MW\nCCO,46\nCCN,45\n"
    result, _ = predict(text)
    assert result.output.count(told) == 1
    assert "--id-column" not in predict(text, "--id-column", "MW", out="other.parquet")[0].output


def test_ids_that_a_spreadsheet_has_changed_are_counted_and_shown(predict):
    ids = ["1-Mar", "2-Sep", "3/4/2024", "1.2E+05", "CHEMBL25", "64-17-5"]
    rows = "".join(f"{name},{'C' * (2 + number)}O\n" for number, name in enumerate(ids))
    told = (
        "4 ids look like a date or a number that a spreadsheet has written in place of an id ('1-Mar', "
        "'2-Sep', '3/4/2024', ...); compare with the original list, and import its ids as text"
    )
    result, out = predict(f"id,smiles\n{rows}")
    assert result.output.count(told) == 1
    assert table((result, out))["drug_id"].unique().tolist() == ids


def test_rows_without_an_id_are_counted(predict):
    result, _ = predict("id,name,smiles\n,x,CCO\nA,y,CCN\n,,CCC\n")
    told = "column 'id' is empty in 2 of 3 rows; a drug without an id is called by its name, else row_N"
    assert result.output.count(told) == 1


def test_given_columns(predict):
    text = "smiles,id,mol,nr\nC,x,CCO,1\nC,y,CCN,2\n"
    found = table(predict(text, "--smiles-column", "mol", "--id-column", "nr"))
    assert found["drug_id"].unique().tolist() == ["1", "2"]
    # A column of ids that is not the one asked for is kept as it is.
    assert found["id"].unique().tolist() == ["x", "y"]
    same = table(predict("id,smiles\n1,CCO\n2,CCN\n", out="other.parquet"))
    pd.testing.assert_frame_equal(found.drop(columns="id"), same)


def test_a_structure_has_the_same_numbers_from_every_kind_of_file(predict, tmp_path):
    smiles = table(predict(TWO))
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles(one)) for one in (ASPIRIN, "CCO")]
    sdf = "".join(f"{block}> <ID>\n{name}\n\n$$$$\n" for name, block in zip("ab", blocks, strict=True))
    pd.testing.assert_frame_equal(table(predict(sdf, name="d.sdf", out="sdf.parquet")), smiles)
    pd.DataFrame({"drug_id": ["a", "b"], "smiles": [ASPIRIN, "CCO"]}).to_excel(
        tmp_path / "d.xlsx", index=False
    )
    content = (tmp_path / "d.xlsx").read_bytes()
    pd.testing.assert_frame_equal(table(predict(content, name="d.xlsx", out="xlsx.parquet")), smiles)


def test_a_pipe(project, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TWO.encode())))
    stage.run([project / MODEL], STDIN, tmp_path / "pipe.parquet")
    assert pd.read_parquet(tmp_path / "pipe.parquet")["drug_id"].unique().tolist() == ["a", "b"]


@pytest.mark.parametrize("value", ["label", *VALUES])
def test_a_wide_table_has_the_long_ones_numbers(predict, value):
    long = table(predict(TWO))
    genes = long["gene"].unique().tolist()
    wide = table(predict(TWO, "--layout", "wide", "--values", value, out="wide.parquet"))
    assert wide.columns.tolist() == ["target", "drug_id", "name", *OF_DRUG, *genes]
    np.testing.assert_array_equal(wide[genes].to_numpy(), of_gene(long, genes, value))
    first = long.drop_duplicates("drug_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(
        wide[["target", "drug_id", *OF_DRUG]], first[["target", "drug_id", *OF_DRUG]]
    )


def test_top_genes_are_those_likeliest_to_change(predict):
    whole = table(predict(TWO))
    best = whole.sort_values("p_none", kind="stable").groupby("drug_id", sort=False).head(5)
    expected = best.sort_values("drug_id", kind="stable").reset_index(drop=True)
    top = table(predict(TWO, "--top", 5, out="top.parquet"))
    pd.testing.assert_frame_equal(top, expected)
    pd.testing.assert_frame_equal(table(predict(TWO, "--top", 10_000, out="all.parquet")), whole)


LAB = """Cat No.,Compound name,CAS,smiles,MW,drug_id
A1,aspirin,50-78-2,CC(=O)Oc1ccccc1C(=O)O,180,007
A2,,64-17-5,CCO,46,
,ethylamine,,CCN,45,
,again,,NCC,45,
A5,bad,1,C(C,1,
"""
NAMES = ["aspirin", None, "ethylamine"]


@pytest.mark.parametrize("options", [(), ("--layout", "wide"), ("--top", "2")], ids=["long", "wide", "top"])
@pytest.mark.parametrize("out", ["out.parquet", "out.csv", "out.arrow"])
def test_names_and_further_ids_are_in_every_table(predict, options, out):
    result, path = predict(LAB, "--id-column", "Cat No.", *options, out=out)
    found = table((result, path)).drop_duplicates("drug_id")
    assert found.columns.tolist()[:5] == ["target", "drug_id", "name", "CAS", "drug_id_"]
    shown = found.astype(object).where(found.notna() & (found != ""), None)
    # Who has no id is called by the name.
    assert shown["drug_id"].tolist() == ["A1", "A2", "ethylamine"]
    assert shown["name"].tolist() == NAMES
    assert shown["CAS"].tolist() == ["50-78-2", "64-17-5", None]
    if out != "out.csv":
        assert shown["drug_id_"].tolist() == ["007", None, None]
    assert "drugs.csv: ignored columns: MW\n" in result.output
    rejected, repeated = (list(csv.reader(side.open(encoding="utf-8"))) for side in side_files(path))
    assert rejected[0][4:] == repeated[0][4:] == ["name", "CAS", "drug_id_"]
    assert rejected[1][1:2] + rejected[1][4:] == ["A5", "bad", "1", ""]
    assert repeated[1][1:2] + repeated[1][4:] == ["again", "again", "", ""]


def test_a_gene_named_like_a_column_of_the_drug_does_not_replace_it(predict, project, tmp_path):
    model = onnx.load(project / MODEL)
    (entry,) = (entry for entry in model.metadata_props if entry.key == "genes")
    genes = json.loads(entry.value)
    entry.value = json.dumps(["target", "similarity", "CAS", *genes[3:]])
    onnx.save(model, tmp_path / "odd.onnx")
    text = "drug_id,smiles,CAS\na,CCO,64-17-5\n"
    plain = table(predict(text, "--layout", "wide", "--values", "z"))
    odd = table(
        predict(text, "--layout", "wide", "--values", "z", models=(tmp_path / "odd.onnx",), out="odd.parquet")
    )
    renamed = {genes[0]: "target (gene)", genes[1]: "similarity (gene)", genes[2]: "CAS (gene)"}
    pd.testing.assert_frame_equal(odd, plain.rename(columns=renamed))


def test_other_names_of_the_same_drugs_are_another_library(predict, monkeypatch):
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 2)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_tables", lambda *_: 1 / 0)
        assert predict(LAB)[0].exit_code == 1
    result, out = predict(LAB.replace("CAS", "Chembl ID"))
    assert "starting again" in result.output
    assert "Chembl ID" in table((result, out)).columns


def test_several_models_at_once_say_what_each_says_alone(predict, other_model):
    both = table(predict(TWO, models=(MODEL, other_model)))
    alone = [table(predict(TWO, models=(one,), out="alone.parquet")) for one in (MODEL, other_model)]
    assert both["target"].drop_duplicates().tolist() == ["SIM-T1", "SIM-OTHER"]
    # Drug by drug, and of each drug one target after the other.
    assert both.groupby(["drug_id", "target"], sort=False).ngroup().is_monotonic_increasing
    for one in alone:
        part = both[both["target"] == one["target"].iloc[0]].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, one)


def test_a_wide_table_of_several_models_has_gaps_where_a_model_lacks_a_gene(predict, project, other_model):
    models = (MODEL, other_model)
    genes, others = (load_onnx(project / one).genes for one in models)
    missing = list(dict.fromkeys([*genes, *others]))
    for value in ("z", "p_up", "label"):
        both = table(predict(TWO, "--layout", "wide", "--values", value, models=models))
        assert both["drug_id"].tolist() == ["a", "a", "b", "b"]
        assert both.columns.tolist()[-len(missing) :] == missing
        for target, own, foreign in (("SIM-T1", genes, others[0]), ("SIM-OTHER", others, genes[0])):
            part = both[both["target"] == target]
            assert part[foreign].isna().all()
            assert part[own].isna().all(axis=None) == (value == "z" and target == "SIM-OTHER")


@pytest.mark.parametrize("options", [(), ("--layout", "wide"), ("--layout", "wide", "--values", "z")])
def test_every_kind_of_file_holds_the_same(predict, other_model, monkeypatch, options):
    # Arrow files hold one dictionary a column, whatever the number of blocks.
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 2)
    text = "id,smiles\n" + "".join(f'"d, {n}",{"C" * n}O\n' for n in range(1, 8))
    found = {
        kind: table(predict(text, *options, models=(MODEL, other_model), out=f"out.{kind}"))
        for kind in ("parquet", "arrow", "csv")
    }
    pd.testing.assert_frame_equal(
        found["arrow"], found["parquet"], check_dtype=False, check_categorical=False
    )
    plain = found["parquet"].astype(object).where(found["parquet"].notna(), np.nan)
    for name in found["csv"]:
        if found["parquet"][name].dtype.kind == "f":
            written = pd.to_numeric(found["csv"][name]).astype("float32")
            # Written so that the very same number is read again.
            np.testing.assert_array_equal(written, found["parquet"][name])
        else:
            written = found["csv"][name].replace("", np.nan)
            assert written.isna().tolist() == plain[name].isna().tolist()
            assert written.dropna().tolist() == plain[name].dropna().tolist()
    assert found["csv"].columns.tolist() == found["parquet"].columns.tolist()
    types = [field.type for field in parquet.read_schema(predict(text, *options)[1])]
    # Every reader of parquet sees text as text.
    assert not any(pa.types.is_dictionary(one) for one in types)


FORMULAS = [
    "=CMD()",
    "+1",
    "-x",
    "@x",
    "=cmd|' /C calc'!A0",
    "'=already",
    "''",
    "=1\n=2",
    '="a,b"',
    "\uff1d1",
]


def test_formulas_never_reach_a_csv_file_unescaped(predict, tmp_path):
    structures = ["C" * (n + 1) + "O" for n in range(len(FORMULAS))]
    good = pd.DataFrame({"drug_id": FORMULAS, "smiles": structures})
    again = pd.DataFrame({"drug_id": [f"={n}" for n in range(len(FORMULAS))], "smiles": structures})
    bad = pd.DataFrame({"drug_id": [f"@{n}" for n in range(len(FORMULAS))], "smiles": FORMULAS})
    pd.concat([good, again, bad]).to_parquet(tmp_path / "d.parquet")
    content = (tmp_path / "d.parquet").read_bytes()
    for options in ((), ("--layout", "wide")):
        result, out = predict(content, *options, name="d.parquet", out="out.csv")
        assert result.exit_code == 0
        written = []
        for path in (
            out,
            out.with_name(f"{out.name}.rejects.csv"),
            out.with_name(f"{out.name}.duplicates.csv"),
        ):
            with path.open(encoding="utf-8", newline="") as file:
                written += [cell for row in csv.reader(file) for cell in row if not is_number(cell)]
        assert {unescaped(cell) for cell in written} >= {*FORMULAS, *again["drug_id"], *bad["drug_id"]}
        assert [cell for cell in written if cell[:1] in {*"=+-@\t\r\n\uff1d"} and cell] == []
    ids = table(predict(content, name="d.parquet"))["drug_id"].unique()
    assert ids.tolist() == FORMULAS
    # What a CSV of ours is read back as.
    lines = io.StringIO()
    csv.writer(lines).writerows([["id", "smiles"], *zip(["'=CMD()", "'-x"], ["CCO", "CCN"], strict=True)])
    assert table(predict(lines.getvalue()))["drug_id"].unique().tolist() == ["=CMD()", "-x"]


def is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


MIXED = "id,smiles\n" + "".join(
    f"d{n},{smiles}\n"
    for n, smiles in enumerate(
        [
            *("C(C", "CCO", "OCC", ASPIRIN, "", "c1ccccc1", "C1=CC=CC=C1", "CC(=O)[O-].[Na+]", "CC(=O)O"),
            *("C" * n + "N" for n in range(1, 12)),
            *("x", "y", "z", "CCN"),
        ]
    )
)


@pytest.mark.parametrize("options", [(), ("--layout", "wide", "--values", "z"), ("--top", "3")])
def test_the_block_a_drug_falls_into_does_not_matter(predict, other_model, monkeypatch, options):
    """To the last bit: the files are equal, not their numbers alone."""
    models = (MODEL,) if "z" in options else (MODEL, other_model)
    _, out = predict(MIXED, *options, models=models, out="whole.parquet")
    expected = [path.read_bytes() for path in (out, *side_files(out))]
    for size in (2, 7):
        # Of two, one block holds no drug at all.
        monkeypatch.setattr(stage, "DRUGS_A_BLOCK", size)
        result, out = predict(MIXED, *options, models=models, out=f"{size}.parquet")
        assert result.exit_code == 0
        assert [path.read_bytes() for path in (out, *side_files(out))] == expected


def test_numbers_do_not_depend_on_other_drugs(predict):
    alone = table(predict("id,smiles\nd3,CC(=O)Oc1ccccc1C(=O)O\n"))
    beside = table(predict(MIXED, out="mixed.parquet"))
    beside = beside[beside["drug_id"] == "d3"].reset_index(drop=True)
    # But for the last digit: a sum depends on where its numbers lie in memory.
    pd.testing.assert_frame_equal(beside, alone, rtol=1e-5)


def test_a_repeated_structure_is_computed_once_and_listed(predict, monkeypatch):
    computed = []
    really = stage.predict_each
    monkeypatch.setattr(
        stage,
        "predict_each",
        lambda models, kinds, drugs, done: computed.extend(drugs) or really(models, kinds, drugs, done),
    )
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 2)
    result, out = predict("id,smiles\na,CCO\nb,OCC\nc,CCN\na,CCO\nd,CC(=O)[O-].[Na+]\ne,CC(=O)O\nf,C(O)C\n")
    assert table((result, out))["drug_id"].unique().tolist() == ["a", "c", "d"]
    assert len(computed) == 3
    assert duplicates(out) == [
        ["line 3", "b", "a", "line 2"],
        ["line 5", "a", "a", "line 2"],
        ["line 7", "e", "d", "line 6"],
        ["line 8", "f", "a", "line 2"],
    ]
    assert rejects(out) == []
    assert "out.parquet.duplicates.csv: 4 rows with the structure of an earlier row" in result.output


def test_an_id_of_two_structures_is_rejected_where_it_stands_again(predict):
    result, out = predict("id,smiles\nx,CCO\nx,CCN\ny,CCN\nx,OCC\nrow_6,C\n,CC\n")
    assert table((result, out))["drug_id"].unique().tolist() == ["x", "y", "row_6"]
    assert rejects(out) == [
        ["line 3", "x", "CCN", "drug_id 'x' stands for another structure in line 2; rename it"],
        ["line 7", "row_6", "CC", "drug_id 'row_6' stands for another structure in line 6; rename it"],
    ]
    assert duplicates(out) == [["line 5", "x", "x", "line 2"]]
    # What an id holds does not reach the terminal as it is.
    result, _ = predict("id,smiles\n\x1b[31mred,CCO\n\x1b[31mred,CCN\n", out="red.parquet")
    assert "\x1b" not in result.output


def test_every_row_is_a_drug_a_reject_or_a_duplicate(predict, project):
    drugs = pd.read_parquet(project / "tables/atlas/drugs.parquet")["smiles"].tolist()[:60]
    structures = [*drugs, "C(C", "", "x", *drugs[:20], *[f"{one}.Cl" for one in drugs[20:30]]]
    ids = [f"d{n % 85}" for n in range(len(structures))]
    text = "id,smiles\n" + "".join(f"{one},{smiles}\n" for one, smiles in zip(ids, structures, strict=True))
    result, out = predict(text, "--layout", "wide")
    found = table((result, out))
    assert found["drug_id"].is_unique
    assert len(found) + len(rejects(out)) + len(duplicates(out)) == len(structures)
    places = [row[0] for row in (*rejects(out), *duplicates(out))]
    assert len(set(places)) == len(places)


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a table"),
        (b"name,smiles\n", "holds no drugs; add one row per drug"),
        (b"name,weight\nx,1\n", "no SMILES column (expected 'smiles', found name, weight)"),
        (b"name,smiles\n" + b"x,CCO\n" * 5 + b"y" * 100, "a line of more than 100 characters"),
    ],
)
def test_libraries_that_cannot_be_used(predict, tmp_path, monkeypatch, content, message):
    monkeypatch.setattr("anchordrug.raw.compound_text.LONGEST_LINE", 100)
    result, _ = predict(content)
    assert isinstance(result.exception, LibraryError)
    assert message in str(result.exception)
    assert "drugs.csv: " in str(result.exception)
    assert leftovers(tmp_path) == {"drugs.csv"}


def test_a_library_without_a_readable_structure(predict, tmp_path):
    result, out = predict("id,smiles\nx,C(C\ny,\n")
    message = (
        f"drugs.csv: none of its 2 structures can be read; see {out.with_name(f'{out.name}.rejects.csv')}"
    )
    assert str(result.exception).endswith(message)
    assert [row[1] for row in rejects(out)] == ["x", "y"]
    assert leftovers(tmp_path) == {"drugs.csv", "out.parquet.rejects.csv", "out.parquet.duplicates.csv"}


def test_a_missing_library_and_an_unknown_format(project, tmp_path):
    model = ["predict", "--model", project / MODEL, "--drugs", tmp_path / "no.csv"]
    assert "no.csv: no such file" in str(run_cli(*model, "--out", tmp_path / "o.csv").exception)
    assert "cannot write '.xls'" in str(run_cli(*model, "--out", tmp_path / "o.xls").exception)
    assert leftovers(tmp_path) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layout", "wid"), "--layout wid: not one of long, wide; did you mean 'wide'?"),
        (("--layout", "wide", "--values", "p_upp"), "--values p_upp: not one of label, z, p_down"),
        (("--layout", "wide", "--top", "3"), "--top: a wide table has a column for every gene"),
        (("--values", "z"), "--values z: a long table holds all of them; use --layout wide"),
        (("--id-column", "nr"), "no column 'nr' (found drug_id, smiles); correct the name (--id-column)"),
        (("--smiles-column", "smile"), "no column 'smile' (found drug_id, smiles); did you mean 'smiles'?"),
    ],
)
def test_options_that_cannot_be_met(predict, tmp_path, options, message):
    result, _ = predict(TWO, *options)
    assert isinstance(result.exception, LibraryError)
    assert message in str(result.exception)
    assert leftovers(tmp_path) == {"drugs.csv"}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (MODEL, "two models are of 'SIM-T1'; predict them one at a time"),
        ("no.onnx", "no.onnx: no such model"),
        ("params.yaml", "params.yaml: not a readable ONNX model"),
    ],
)
def test_a_second_model_that_cannot_be_used(predict, tmp_path, second, message):
    result, _ = predict(TWO, models=(MODEL, second))
    assert isinstance(result.exception, LibraryError)
    assert message in str(result.exception)
    assert leftovers(tmp_path) == {"drugs.csv"}


@pytest.mark.parametrize("option", [("--coverage", "0"), ("--coverage", "1.1"), ("--top", "0")])
def test_options_out_of_range(predict, option):
    assert predict(TWO, *option)[0].exit_code == 2


@pytest.mark.parametrize("name", ["out.csv", "out.csv.rejects.csv", "out.csv.duplicates.csv"])
def test_the_library_is_never_overwritten(predict, tmp_path, name):
    """Rejects are mended where they stand, and predicted again with the same command."""
    text = TWO + "c,C(C\n"
    result, _ = predict(text, name=name, out="out.csv")
    assert (
        str(result.exception)
        == f"{tmp_path / name}: is an input, and would be overwritten; name another --out"
    )
    assert (tmp_path / name).read_text() == text
    assert leftovers(tmp_path) == {name}


@pytest.fixture
def unfinished(predict, tmp_path, monkeypatch):
    """A run that has predicted all but could not write it."""
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 2)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_tables", lambda *_: 1 / 0)
        result, out = predict(MIXED)
    assert isinstance(result.exception, ZeroDivisionError)
    part = tmp_path / "out.parquet.part"
    assert part.is_dir()
    assert not out.exists()
    return part


def expected(predict) -> pd.DataFrame:
    return table(predict(MIXED, out="expected.parquet"))


def test_a_wrong_name_costs_nothing_that_is_done(predict, unfinished, project, tmp_path):
    words = ("predict", "--model", project / MODEL, "--out", tmp_path / "out.parquet")
    assert "no such file" in str(run_cli(*words, "--drugs", tmp_path / "drugs.tsv").exception)
    (tmp_path / "drugs.tsv").write_text("weight\n1\n")
    assert "no SMILES column" in str(run_cli(*words, "--drugs", tmp_path / "drugs.tsv").exception)
    result, out = predict(MIXED)
    assert "out.parquet.part: resuming after row 24" in result.output
    pd.testing.assert_frame_equal(table((result, out)), expected(predict))
    assert not unfinished.exists()


@pytest.mark.parametrize("change", ["library", "option", "model", "block"])
def test_what_has_changed_is_done_again(predict, unfinished, monkeypatch, mlp_project, change):
    text, options, models = MIXED, [], [MODEL]
    if change == "library":
        text = MIXED.replace(ASPIRIN, "CCCCCl")
    elif change == "option":
        options = ["--coverage", 0.5]
    elif change == "model":
        models = [mlp_project / MODEL]
    else:
        monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 5)
    result, out = predict(text, *options, models=models)
    assert "resuming" not in result.output
    assert ("the library has changed since the interrupted run; starting again" in result.output) == (
        change == "library"
    )
    found = table((result, out))
    fresh = table(predict(text, *options, models=models, out="fresh.parquet"))
    pd.testing.assert_frame_equal(found, fresh, check_exact=True)
    assert rejects(out) == rejects(out.with_name("fresh.parquet"))
    assert not unfinished.exists()


def test_rows_that_are_added_are_all_that_is_left_to_do(predict, unfinished):
    result, out = predict(MIXED + "e1,CCCl\ne2,CCO\n")
    assert "resuming after row 24" in result.output
    assert table((result, out))["drug_id"].unique()[-1] == "e1"
    assert duplicates(out)[-1] == ["line 27", "e2", "d1", "line 3"]


@pytest.mark.parametrize("damage", ["none", "database", "half the database", "block", "no block"])
def test_what_a_power_cut_has_damaged_is_done_again(predict, unfinished, tmp_path, damage):
    # A copy is what a kill leaves: the database's log is still a file of its own.
    part = shutil.copytree(unfinished, tmp_path / "cut.parquet.part")
    database, block = part / "ledger.sqlite", part / "000003.arrow"
    assert (part / "ledger.sqlite-wal").stat().st_size > 0
    if "database" in damage:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = database.stat().st_size
        database.write_bytes(b"x" * size if damage == "database" else database.read_bytes()[: size // 2])
    elif damage == "block":
        block.write_bytes(block.read_bytes()[:-100])
    elif damage == "no block":
        block.unlink()
    result, out = predict(MIXED, out="cut.parquet")
    assert ("resuming" in result.output) == (damage == "none")
    pd.testing.assert_frame_equal(table((result, out)), expected(predict), check_exact=True)
    assert not part.exists()


def test_a_pipe_with_another_input_is_refused_and_keeps_what_is_done(project, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"

    def run(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        stage.run([project / MODEL], STDIN, out)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_tables", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(TWO)
    with pytest.raises(LibraryError, match=r"was begun with another input; remove it and run again"):
        run(MIXED)
    run(TWO)
    assert pd.read_parquet(out)["drug_id"].unique().tolist() == ["a", "b"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_ours_is_never_removed(predict, tmp_path, kind):
    part = tmp_path / "out.parquet.part"
    if kind == "file":
        part.write_text("a download")
    else:
        part.mkdir()
        (part / "thesis.docx").write_text("ten years")
    result, out = predict(TWO)
    assert str(result.exception).startswith(
        f"{part}: this name is needed for the unfinished part of the prediction"
    )
    assert part.read_text() == "a download" if kind == "file" else leftovers(part) == {"thesis.docx"}
    assert not out.exists()


def test_two_commands_do_not_write_one_file(predict, tmp_path):
    part = tmp_path / "out.parquet.part"
    script = (
        "import sys, pathlib; from anchordrug.prediction.ledger import Ledger; "
        "ledger = Ledger(pathlib.Path(sys.argv[1]), 'x'); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, part], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        before = leftovers(part)
        result, out = predict(TWO)
        assert str(result.exception) == f"{part}: another anchordrug command works in it; wait until it ends"
        assert leftovers(part) == before
        assert not out.exists()
        other.kill()
    # A killed command holds nothing.
    assert table(predict(TWO))["drug_id"].nunique() == 2


def test_what_a_kill_left_half_written_is_removed_and_nothing_else(predict, tmp_path):
    ours = [
        tmp_path / f"{PARTIAL}{name}" for name in ("out-abcd_123.parquet", "out.parquet.rejects-abcd_123.csv")
    ]
    others = [tmp_path / f"{PARTIAL}out-2-abcd_123.parquet", tmp_path / f"{PARTIAL}out-abcd_123.csv"]
    for path in (*ours, *others):
        path.write_text("half")
    assert predict(TWO)[0].exit_code == 0
    assert [path.exists() for path in (*ours, *others)] == [False, False, True, True]


def test_a_full_disk_is_not_blamed_on_the_library(predict, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "add", full)
        result, _ = predict(TWO)
    assert isinstance(result.exception, OSError)
    assert leftovers(tmp_path) == {"drugs.csv"}
    assert predict(TWO)[0].exit_code == 0


def test_the_folder_of_the_output_is_made(predict):
    result, out = predict(TWO, out="new/folder/out.csv")
    assert result.exit_code == 0
    assert leftovers(out.parent) == {"out.csv", "out.csv.rejects.csv", "out.csv.duplicates.csv"}
