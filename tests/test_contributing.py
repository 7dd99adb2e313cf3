"""CONTRIBUTING.md's examples do what the page says, as they stand there."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from anchordrug.errors import RawDataError
from tests.acquisition.fakes import fake_view
from tests.conftest import ROOT

EXAMPLES = dict(
    re.findall(
        r'^```python title="([^"]+)"\n(.*?)^```',
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        flags=re.M | re.S,
    )
)


def example(path: str) -> dict:
    names: dict = {"__name__": path.replace("/", ".").removesuffix(".py")}
    exec(compile(EXAMPLES[path], path, "exec"), names)
    return names


def test_there_is_an_example_of_each_kind():
    assert {path.split("/")[2] for path in EXAMPLES} == {"acquisition", "bench", "predictors", "raw"}


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
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
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
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
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
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(folder), *(str(tmp_path / name) for name in texts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    own, wide, twice, text, well = map(json.loads, done.stdout.splitlines())
    assert own == wide == [["SIMG1", "SIMG2"], [["P1", "A01"], ["P1", "A02"]], [[3, 0], [1, 7]]]
    assert "twice.tsv: line 5: gene 'SIMG1' has a row for well 'P1_A1' above; remove one" in twice
    assert "text.tsv: line 4, column 'count': 'many' is not a number" in text
    assert "well.tsv: counts in well 'P1_A99': 'P1_A99' names no well" in well


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
