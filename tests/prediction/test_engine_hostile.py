"""anchordrug predict on ten thousand rows that nobody should have written, and on what rdkit chokes on."""

import csv
import itertools
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from anchordrug.chem import workers
from anchordrug.errors import WorkerError
from anchordrug.files.formulas import escaped
from anchordrug.files.outputs import side_files
from anchordrug.prediction import engine as stage
from anchordrug.prediction.inference import load_onnx
from anchordrug.prediction.rest import DUPLICATES, REJECTS
from tests.chem import mischief
from tests.chem.molecules import bipartite, real_smiles, ring_bonds
from tests.conftest import run_cli
from tests.processes import MOST_SECONDS, require_none_left

MODEL = Path("models/onnx/SIM-T1.onnx")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
C60 = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3"
    "c3c8c4c4c9c5c1c1c6c2c3c41"
)


@pytest.fixture(autouse=True)
def _structures() -> None:
    """Read structures in processes, which these may crash or keep for ever."""


def dendrimer(depth: int) -> str:
    return "C" if depth == 0 else f"C({dendrimer(depth - 1)})({dendrimer(depth - 1)})"


# One that would take minutes, and two that take seconds.
ENDLESS = {"iron 22": bipartite(22), "iron 15": bipartite(15), "iron 17": bipartite(17)}
READABLE = {
    "mixture": f"CCO.{ASPIRIN}.c1ccncc1",
    "salt": "CC(=O)[O-].[Na+]",
    "charges": "C[N+](C)(C)CC(=O)[O-]",
    "isotopes": "[13CH3][14CH2][2H]",
    "impossible isotope": "[999C]",
    "radical": "[CH3]",
    "carbene": "[CH2]",
    "hydrogen": "[H][H]",
    "proton": "[H+]",
    "hypervalent": "FS(F)(F)(F)(F)F",
    "fullerene": C60,
    "huge ring": "C1" + "C" * 497 + "C1",
    "ladder": "C1CC1" + "C2CC2" * 100,
    "deep": "C(" * 200 + "C" + ")" * 200,
    "dendrimer": dendrimer(7),
    "stereo": "".join("[C@H](F)" for _ in range(100)) + "C",
    "cumulene": "C=" * 100 + "C",
    "nitro": "CN(=O)=O",
    "named": "CCCCCCO hexanol",
    "extended": "CCCCCCCO |$;;;;;;;$|",
    "superheavy": "[Og]",
}
WITHOUT_PARENT = {
    "metal": "[Pt]",
    "cisplatin": "N[Pt](N)(Cl)Cl",
    "ferrocene": "[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]",
    "dative": "[NH3]->[Pt](Cl)(Cl)<-[NH3]",
    "many parts": ".".join(["[Na+].[Cl-]"] * 200),
    "triangles": ring_bonds(list(itertools.combinations(range(12), 2)), "Fe", 12),
}
UNREADABLE = {
    "five megabytes": "C" * 5_000_000,
    "five megabytes of brackets": "(" * 5_000_000,
    "null": "CC\0O",
    "control": "C\x01C\x1b[31mO",
    "vertical tab": "CC\x0bO",
    "polymer": "*CCO*",
    "attachment": "[*:1]CC",
    "reaction": "CCO>>CC=O",
    "reaction with agents": "CCO>[Pt]>CC=O.[H][H]",
    "SMARTS": "[#6;R]~[!#1]",
    "SMARTS with recursion": "[$([NX3])]",
    "InChI": "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3",
    "InChIKey": "LFQSCWFLJHTTHZ-UHFFFAOYSA-N",
    "emoji": "💊",
    "right to left": "\u202eOCC",
    "byte-order mark": "\ufeffOCC",
    "dash": "\u2013CCO",
    "control character at the end": "OCC\x1b",
    "Arabic": "دواء",
    "full width": "\uff23\uff23\uff2f",
    "zero width": "C\u200bCO",
    "formula": "=cmd|' /C calc'!A0",
    "formula of a link": '=HYPERLINK("http://x","y")',
    "number": "1.5",
    "date": "2022-01-05",
    "error": "#N/A",
    "nothing": "",
    "brackets": "[" * 5000,
    "open": "C(C",
    "ring not closed": "C1CC",
    "rings beyond count": "C%(99999)",
    "valence": "C(C)(C)(C)(C)C",
    "aromatic": "c1cccc1",
    "no element": "[Xx]",
    "charge": "[C+9999999999]",
    "atom count": "[CH9999999999]",
    "isotope": "[99999999999C]",
    "too many atoms": "C" * 501,
    "quadruple": "[Cr]$[Cr]",
    "lines": "CC\nO",
    "molblock": "\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nM  END",
    "HTML": "<script>alert(1)</script>",
    "path": "../../etc/passwd",
    "percent": "%s%n%x",
    "quotation marks": '""","',
    "SQL": "'; DROP TABLE structures; --",
}


ALPHABET = "CNOPScnops()[]=#@+-/\\.%0123456789HFBrIl*:~$>|&^,{} \t'\"\0é"


def mutated(count: int) -> list[tuple[str, str]]:
    """Return ids and real structures with some characters put in, cut out or doubled."""
    rng = random.Random(3)
    smiles, found = real_smiles(), []
    for number in range(count):
        text = rng.choice(smiles)
        for _ in range(rng.choice((1, 1, 2, 5))):
            start, length = rng.randrange(len(text) + 1), rng.randrange(4)
            put_in = "".join(rng.choices(ALPHABET, k=rng.randrange(3)))
            text = text[:start] + put_in + text[start + rng.choice((-1, 0, 1)) * length :]
        found.append((f"m{number % 3000}", text))
    return found


def generated(count: int) -> list[tuple[str, str]]:
    """Return ids and structures as hypothesis thinks them up, the same ones every time."""
    found: list[tuple[str, str]] = []

    @given(st.text(max_size=8), st.text(st.sampled_from(ALPHABET), max_size=20) | st.text(max_size=20))
    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(drug_id: str, structure: str) -> None:
        found.append((drug_id, structure))

    collect()
    return found


def command(project: Path, library: str | Path, out: Path, piped: bytes | None = None) -> str:
    """Run the command in a process of its own; return what it printed, in which there is no traceback."""
    script = Path(sys.executable).with_name("anchordrug")
    words = [
        script,
        "predict",
        "--model",
        project / MODEL,
        "--drugs",
        library,
        "--layout",
        "wide",
        "--out",
        out,
    ]
    done = subprocess.run([str(word) for word in words], input=piped, capture_output=True, cwd=project)
    printed = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, printed
    assert "Traceback" not in printed
    # Nothing of the input steers the terminal.
    assert "\x1b" not in printed
    return printed


def outcome(out: Path, rows: int) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Return ids predicted, rejects and duplicates; every row of the input is one of them."""
    predicted = pd.read_parquet(out)
    rest = []
    for path, header in zip(side_files(out), (REJECTS, DUPLICATES), strict=True):
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
        # Names and further ids are in columns after them.
        assert lines[0][: len(header) + 1] == [*header, "name"]
        assert all(len(line) == len(lines[0]) for line in lines)
        # As they stand, no cells are formulas; those of ids and structures have the mark of text.
        assert [cell for line in lines for cell in line if escaped(cell) != cell and cell[0] != "'"] == []
        rest.append([line[: len(header)] for line in lines[1:]])
    rejects, duplicates = rest
    assert len(predicted) + len(rejects) + len(duplicates) == rows
    assert predicted["drug_id"].is_unique
    places = [line[0] for line in (*rejects, *duplicates)]
    assert len(set(places)) == len(places)
    assert all(reason.isprintable() and reason for *_, reason in rejects)
    assert all(len(structure) <= 204 for _, _, structure, _ in rejects)
    numbers = predicted.select_dtypes("float")
    assert np.isfinite(numbers).all(axis=None)
    return predicted["drug_id"].tolist(), rejects, duplicates


@pytest.mark.parametrize(
    ("endless", "invented", "changed"), [(1, 300, 1000), pytest.param(3, 1500, 5000, marks=pytest.mark.long)]
)
def test_a_table_of_hostile_rows(project, tmp_path, endless, invented, changed):
    """So many structures take for ever, are thought up, and are real ones with characters changed."""
    hand = [*READABLE.items(), *WITHOUT_PARENT.items(), *UNREADABLE.items()]
    # Formulas and the like as ids of good structures, too; and ids that are absurd.
    hand += [(text[:100], "C" * n + "S") for n, text in enumerate(UNREADABLE.values(), start=1)]
    hand += [("x" * 5_000_000, "CCCCCl"), ("a\nb\n\nc", "CCCCBr"), ("", "CCCCI")]
    slow = dict(itertools.islice(ENDLESS.items(), endless))
    rows = [*hand, *slow.items(), *generated(invented), *mutated(changed), *hand]
    library = tmp_path / "drugs.csv"
    with library.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "note", "smiles"])
        writer.writerows((drug_id, "=1+1", structure) for drug_id, structure in rows)
    printed = command(project, library, tmp_path / "out.parquet")
    drugs, rejects, duplicates = outcome(tmp_path / "out.parquet", len(rows))
    assert len(printed) < 3000
    known = {*drugs, *(line[1] for line in duplicates)}
    assert [name for name in READABLE if name not in known] == []
    reasons = {line[1]: line[3] for line in rejects}
    assert [name for name in UNREADABLE if name not in reasons] == []
    assert all(reasons[name].startswith("holds a metal (") for name in WITHOUT_PARENT)
    assert {reasons[name] for name in slow} == {"rdkit took more than 1 s for it"}
    assert not any("crashed" in reason for reason in reasons.values())
    # The second time, nothing new is found among the same rows.
    assert len(duplicates) >= len(READABLE)
    good = pd.read_parquet(tmp_path / "out.parquet").set_index("drug_id")
    assert good.loc["fullerene", "similarity"] <= 1


def test_lines_of_any_bytes_from_a_pipe(project, tmp_path):
    rng = random.Random(0)
    smiles = real_smiles()
    lines = []
    for _ in range(2500):
        kind = rng.randrange(6)
        text = rng.choice(smiles)
        if kind == 0:
            line = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
        elif kind == 1:
            line = f"{text} {rng.choice(['µ-opioid', 'ß', 'é'])}".encode("latin-1")
        elif kind == 2:
            line = text.encode("utf-16")
        elif kind == 3:
            line = f"{text} 医薬品{rng.random()}".encode("shift-jis")
        elif kind == 4:
            line = f"{text[: rng.randrange(len(text) + 1)]}\t{rng.random()}\textra, cells".encode()
        else:
            line = f'{text} "{rng.random()}'.encode()
        lines.append(line.replace(b"\n", b"").replace(b"\r", b""))
    content = b"\n".join(lines) + b"\n"
    # As the reader takes them: lines that are not blank.
    decoded = content.decode("utf-8", "anchordrug.latin1").split("\n")
    rows = sum(bool(line.strip()) for line in decoded)
    # Nothing but a comment stands before the first row.
    assert not decoded[0].lstrip().startswith("#")
    command(project, "-", tmp_path / "out.parquet", piped=content)
    drugs, rejects, duplicates = outcome(tmp_path / "out.parquet", rows)
    assert rows > 2000
    assert min(len(drugs), len(rejects), len(duplicates)) > 100


def test_ragged_rows(project, tmp_path):
    rng = random.Random(1)
    lines = ["id,smiles,x"]
    for number in range(700):
        cells = [f"d{number}", "C" * rng.randrange(1, 40) + "O", *("y" for _ in range(rng.randrange(4)))]
        rng.shuffle(cells)
        # A mark that opens a cell and is never closed, alone in its line.
        lines.append(",".join(cells[rng.randrange(2) :]).replace("y", '"y' if number % 50 == 0 else "y", 1))
    (tmp_path / "drugs.csv").write_text("\n".join(lines) + "\n")
    words = ("predict", "--model", project / MODEL, "--drugs", tmp_path / "drugs.csv", "--layout", "wide")
    result = run_cli(*words, "--out", tmp_path / "out.parquet")
    assert result.exit_code == 0, result.exception
    _, rejects, _ = outcome(tmp_path / "out.parquet", 700)
    reasons = Counter(line[3].split(";")[0] for line in rejects)
    assert reasons["4 cells, the header has 3"] > 20
    assert reasons["a quotation mark is not closed"] > 5


def test_records_of_damaged_sdf(project, tmp_path):
    rng = random.Random(2)
    blocks = []
    for text in real_smiles()[:120]:
        molecule = Chem.MolFromSmiles(text)
        if molecule is not None:
            blocks += [Chem.MolToMolBlock(molecule), Chem.MolToMolBlock(molecule, forceV3000=True)]
    odd = [
        *("M  CHG  8   1   1   2   3", "M  RGP  1   1   1", "M  V30 COUNTS 999999999 1 0 0 0", "A    1\nfoo"),
        *("M  V30 1 C 0 0 0 0 CHG=99999999999", "M  STY  1   1 SRU", "> <ID>", "M  END", "M  ISO  1   1 999"),
        *("999999  0  0  0  0  0  0  0  0  0999 V2000", "", "\0", "💊", "=cmd()"),
    ]
    records = []
    for _ in range(600):
        lines = rng.choice(blocks).split("\n")
        for _ in range(rng.randrange(3)):
            place = rng.randrange(len(lines))
            if rng.random() < 0.5:
                lines.insert(place, rng.choice(odd))
            else:
                lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
        records.append("\n".join(lines[: rng.randrange(5, 200)]).rstrip("\n") + "\n$$$$\n")
    (tmp_path / "drugs.sdf").write_text("".join(records))
    words = ("predict", "--model", project / MODEL, "--drugs", tmp_path / "drugs.sdf", "--layout", "wide")
    result = run_cli(*words, "--out", tmp_path / "out.parquet")
    assert result.exit_code == 0, result.exception
    drugs, rejects, _ = outcome(tmp_path / "out.parquet", 600)
    assert len(drugs) > 50
    assert {"not a valid molblock", "no line 'M  END'; the record is cut"} <= {line[3] for line in rejects}


def test_a_library_of_crashes_ends_like_any_other(project, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PROGRAM", Path(mischief.__file__))
    words = [f"SIGNAL {number}" for number in (4, 6, 7, 8, 11)]
    rows = [*words, "CCO", "SIGNAL 24", ASPIRIN]
    (tmp_path / "drugs.csv").write_text("smiles\n" + "\n".join(rows) + "\n")
    out = tmp_path / "out.parquet"
    result = run_cli("predict", "--model", project / MODEL, "--drugs", tmp_path / "drugs.csv", "--out", out)
    assert result.exit_code == 0, result.exception
    found = pd.read_parquet(out)
    assert found["drug_id"].unique().tolist() == ["row_6", "row_8"]
    assert len(found) == 2 * len(load_onnx(project / MODEL).genes)
    rejects = pd.read_csv(out.with_name(f"{out.name}.rejects.csv"))
    assert rejects["place"].tolist() == [f"line {number}" for number in (2, 3, 4, 5, 6, 8)]
    assert set(rejects["reason"]) == {"rdkit crashed on it"}


def test_workers_killed_for_want_of_memory_stop_the_run_and_reject_nothing(project, tmp_path, monkeypatch):
    """The rerun, on a machine that has the memory, ends as if nothing had happened."""
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 2)
    table = tmp_path / "drugs.csv"
    table.write_text(f"smiles\nCCO\n{ASPIRIN}\nSIGNAL 9\nCCN\n")
    command = ["predict", "--model", project / MODEL, "--drugs", table, "--out"]
    assert run_cli(*command, tmp_path / "whole.csv").exit_code == 0
    before = set(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(workers, "PROGRAM", Path(mischief.__file__))
        killed = run_cli(*command, tmp_path / "out.csv")
    assert isinstance(killed.exception, WorkerError)
    assert "was killed, as the system does where memory is short, twice" in str(killed.exception)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out.csv.part"}
    again = run_cli(*command, tmp_path / "out.csv")
    assert again.exit_code == 0, again.exception
    assert "resuming after row 2" in again.output
    for name in ("csv", "csv.rejects.csv", "csv.duplicates.csv"):
        assert (tmp_path / f"out.{name}").read_bytes() == (tmp_path / f"whole.{name}").read_bytes()


# What somebody types into a file who has never heard of main guards.
SCRIPT = """
from pathlib import Path
from anchordrug.prediction import engine

engine.run([Path("MODEL")], Path("LIBRARY"), Path("OUT"))
"""


@pytest.mark.parametrize("caller", ["file", "standard input"])
def test_a_script_without_a_main_guard_predicts(project, tmp_path, caller):
    library, out = tmp_path / "drugs.csv", tmp_path / "out.parquet"
    library.write_text(f"smiles\nCCO\nC(C\n{ASPIRIN}\n")
    script = SCRIPT
    for word, path in (("MODEL", project / MODEL), ("LIBRARY", library), ("OUT", out)):
        script = script.replace(word, str(path))
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py" if caller == "file" else "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate("" if caller == "file" else script, MOST_SECONDS)
    finally:
        process.kill()
        require_none_left(process.pid)
    assert process.returncode == 0, printed
    assert f"{out}: 2 drugs x " in printed
    assert pd.read_parquet(out)["drug_id"].unique().tolist() == ["row_1", "row_3"]
    assert pd.read_csv(out.with_name(f"{out.name}.rejects.csv"))["reason"].tolist() == ["not a valid SMILES"]


def test_where_no_worker_can_be_started_no_structure_is_rejected(project, tmp_path, monkeypatch):
    (tmp_path / "drugs.csv").write_text("smiles\nCCO\n")
    out = tmp_path / "out.parquet"
    words = ("predict", "--model", project / MODEL, "--drugs", tmp_path / "drugs.csv", "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        result = run_cli(*words)
    assert isinstance(result.exception, WorkerError)
    assert not out.with_name(f"{out.name}.rejects.csv").exists()
    assert run_cli(*words).exit_code == 0
    assert pd.read_parquet(out)["drug_id"].nunique() == 1
