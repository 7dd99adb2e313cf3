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
    assert {path.split("/")[2] for path in EXAMPLES} == {"acquisition", "predictors", "raw"}


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
