"""CONTRIBUTING.md's examples do what the page says, as they stand there."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from anchordrug.errors import RawDataError
from tests.acquisition.fakes import fake_view
from tests.conftest import DEMO, ROOT, small_params, write_params
from tests.forks import python

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```', PAGE, flags=re.M | re.S))
(EDITS,) = re.findall(r"^```diff\n(.*?)^```", PAGE, flags=re.M | re.S)


def example(path: str) -> dict:
    names: dict = {"__name__": path.replace("/", ".").removesuffix(".py")}
    exec(compile(EXAMPLES[path], path, "exec"), names)
    return names


def test_there_is_an_example_of_each_kind():
    assert {path.split("/")[2] for path in EXAMPLES} == {
        "acquisition",
        "bench",
        "features",
        "prediction",
        "predictors",
        "raw",
    }


CHOOSE = """
import json
import sys
import numpy as np
import anchordrug.acquisition.strategies as package
from anchordrug.acquisition import strategy
from tests.acquisition.fakes import fake_view

package.__path__.append(sys.argv[1])
chosen = strategy("most_changed")(fake_view(0, 12, anchors=3), 4, np.random.default_rng(0))
print(json.dumps([chosen.positions.tolist(), chosen.scores.tolist()]))
"""


def test_a_strategy_is_found_by_its_file_alone_and_chooses_what_it_promises(tmp_path):
    path = "src/anchordrug/acquisition/strategies/most_changed.py"
    (tmp_path / "most_changed.py").write_text(EXAMPLES[path], encoding="utf-8")
    done = python("-c", CHOOSE, tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    positions, scores = json.loads(done.stdout)
    view = fake_view(0, 12, anchors=3)
    changed = [1 - view.probabilities[place, :, 1].mean() for place in range(12)]
    best = sorted(range(12), key=lambda place: -changed[place])[:4]
    assert positions == best
    assert scores == pytest.approx([changed[place] for place in best])


PREDICT = """
import sys
import pytest
import anchordrug.predictors as package

package.__path__.append(sys.argv[1])
tests = "tests/predictors/test_contract.py"
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", tests, "-k", "gene_shares"]))
"""


def test_a_predictor_is_found_by_its_file_alone_and_keeps_the_contract(tmp_path):
    path = "src/anchordrug/predictors/gene_shares.py"
    (tmp_path / "gene_shares.py").write_text(EXAMPLES[path], encoding="utf-8")
    done = python("-c", PREDICT, tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.match(r"\.{10,}", done.stdout), done.stdout


INGEST = """
import json
import sys
from pathlib import Path
import anchordrug.bench.assays.formats as package
from anchordrug.bench.assays.reader import read_assay
from anchordrug.errors import AssayError

package.__path__.append(sys.argv[1])
for name in sys.argv[2:]:
    try:
        counts = read_assay(Path(name), ["SIMG1", "SIMG2"])
        print(json.dumps([counts.genes, counts.values.columns.tolist(), counts.values.to_numpy().tolist()]))
    except AssayError as error:
        print(json.dumps(str(error)))
"""


def test_an_assay_format_is_found_by_its_file_alone_and_others_are_read_as_before(tmp_path):
    path = "src/anchordrug/bench/assays/formats/umi_tools.py"
    folder = tmp_path / "formats"
    folder.mkdir()
    (folder / "umi_tools.py").write_text(EXAMPLES[path], encoding="utf-8")
    rows = "SIMG1\tP1_A1\t3\nSIMG2\tP1_A1\t1\nSIMG2\tP1_A2\t7\n"
    texts = {
        "own.tsv": f"gene\tcell\tcount\n{rows}",
        "wide.tsv": "gene\tP1_A1\tP1_A2\nSIMG1\t3\t0\nSIMG2\t1\t7\n",
        "twice.tsv": f"gene\tcell\tcount\n{rows}SIMG1\tP1_A1\t4\n",
        "text.tsv": f"gene\tcell\tcount\n{rows.replace('7', 'many')}",
        "well.tsv": f"gene\tcell\tcount\n{rows.replace('A2', 'A99')}",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = python("-c", INGEST, folder, *(tmp_path / name for name in texts), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    own, wide, twice, text, well = map(json.loads, done.stdout.splitlines())
    assert own == wide == [["SIMG1", "SIMG2"], [["P1", "A01"], ["P1", "A02"]], [[3, 0], [1, 7]]]
    assert "twice.tsv: line 5: gene 'SIMG1' has a row for well 'P1_A1' above; remove one" in twice
    assert "text.tsv: line 4, column 'count': 'many' is not a number" in text
    assert "well.tsv: counts in well 'P1_A99': 'P1_A99' names no well" in well


PREDICT_INTO = """
import sys
import anchordrug.prediction.formats as package
from anchordrug.cli import app

package.__path__.append(sys.argv[1])
app(["predict", *sys.argv[2:]])
"""


def test_an_output_format_is_found_by_its_file_alone_and_has_the_rows_of_the_others(project, tmp_path):
    (tmp_path / "formats").mkdir()
    path = "src/anchordrug/prediction/formats/json_lines.py"
    (tmp_path / "formats/json_lines.py").write_text(EXAMPLES[path], encoding="utf-8")
    (tmp_path / "drugs.csv").write_text("id,name,smiles\na,x,CCO\nb,y,CCN\n", encoding="utf-8")
    for name in ("out.jsonl", "out.parquet"):
        files = ["--drugs", str(tmp_path / "drugs.csv"), "--out", str(tmp_path / name)]
        model = ["--model", str(project / "models/onnx/SIM-T1.onnx")]
        done = python("-c", PREDICT_INTO, tmp_path / "formats", *model, *files, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    expected = pd.read_parquet(tmp_path / "out.parquet")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    found = pd.DataFrame([json.loads(line) for line in lines])
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


EMBED = """
from anchordrug.cli import app

app({arguments}, standalone_mode=False)
"""


def test_a_feature_of_cell_lines_reaches_the_pipeline_and_campaigns(project, tmp_path):
    """The page's file and edits are made in a copy of the code, which then runs."""
    code = tmp_path / "code"
    shutil.copytree(ROOT / "src", code / "src", ignore=shutil.ignore_patterns("__pycache__"))
    name = "src/anchordrug/features/tissues.py"
    (code / name).write_text(EXAMPLES[name], encoding="utf-8")
    apply = ["git", "apply", "--unidiff-zero", "-"]
    subprocess.run(apply, cwd=code, input=EDITS, text=True, check=True)
    home = tmp_path / "home"
    shutil.copytree(project / "tables", home / "tables")
    shutil.copytree(DEMO, home / "data")
    lines = pd.read_csv(home / "data/basal_expression_n60x128.csv.gz").iloc[:, 0]
    tissues = ["skin" if place % 3 else "lung" for place in range(len(lines))]
    table = pd.DataFrame({"cell_line": lines, "tissue": tissues})
    table.to_csv(home / "data/cell_line_tissues.csv", index=False)
    write_params(home, small_params() | {"raw": {"dir": "data"}})
    library = pd.read_parquet(home / "tables/atlas/drugs.parquet")
    library.head(20).to_csv(home / "library.csv", index=False)
    new = ["campaign", "new", "campaign", "--target", "SIM-T1", "--library", "library.csv", "--rehearsal"]
    for arguments in (["featurize"], [*new, "--budget", "4", "--rounds", "1"]):
        done = python("-c", EMBED.format(arguments=arguments), cwd=home, path=code / "src")
        assert done.returncode == 0, done.stderr
    tissue_of = dict(zip(lines, tissues, strict=True))
    for path in ("tables/features/cell_lines.parquet", "campaign/model/cell_lines.parquet"):
        features = pd.read_parquet(home / path)
        assert features.columns[-2:].tolist() == ["tissue_lung", "tissue_skin"]
        for line, lung, skin in features[["cell_line", "tissue_lung", "tissue_skin"]].itertuples(index=False):
            assert (lung > 0, skin > 0) == (tissue_of[line] == "lung", tissue_of[line] == "skin")


def test_a_reader_reads_what_is_in_the_file_and_refuses_what_is_not_a_number(tmp_path):
    open_csv_signatures = example("src/anchordrug/raw/csv_signatures.py")["open_csv_signatures"]
    path = tmp_path / "z.csv"
    path.write_text("id,780,7849\nS1,1.5,-2\nS2,0,3\nS3,-1,4\n", encoding="utf-8")
    with open_csv_signatures(path) as matrix:
        assert matrix.signature_ids == ["S1", "S2", "S3"]
        assert matrix.gene_ids == ["780", "7849"]
        ((positions, block),) = matrix.blocks(np.array([2, 0]), np.array([1]))
        assert block[np.argsort(positions), 0].tolist() == [4, -2]
    path.write_text("id,780\nS1,high\n", encoding="utf-8")
    with pytest.raises(RawDataError, match="'high' is not a finite number"), open_csv_signatures(path):
        pass
