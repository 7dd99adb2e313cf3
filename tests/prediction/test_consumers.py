"""The consumer in another language: it says of drugs what Python says."""

import shutil
import subprocess
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest

from anchordrug.prediction.inference import load_onnx, parse
from anchordrug.prediction.tables import ANSWERS
from tests.conftest import ROOT
from tests.documents import commands, shell
from tests.processes import MOST_SECONDS

# What the tutorial tells to type, in the folder examples.
INSTALL, PREDICT, PREDICT_A_FILE = (
    line.removeprefix("cd examples && ")
    for line in commands(ROOT / "docs/tutorial_onnx.md")
    if line.startswith("cd examples && ")
)
MODEL = "models/onnx/SIM-T1.onnx"
# Salts, charges that stay and charges that do not, stereo of both kinds, a sulfoxide; none is in the atlas.
DIFFICULT = [
    "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]",
    "C[NH2+]CCC=C1c2ccccc2CCc2ccccc21.[Cl-]",
    "C[N+](C)(C)CC(O)CC(=O)[O-]",
    "C[N+](C)(C)CCOC(C)=O.OC(=O)/C=C/C(=O)[O-]",
    "CCCCCCCCCCCCC/C=C/[C@@H](O)[C@@H](N)CO",
    "C[S@](=O)c1ccc(C)cc1",
    "O=[N+]([O-])c1ccc([O-])cc1.[K+]",
    # Counter-ions larger than the drug, also as ions, and nothing but counter-ions.
    "CC(N)Cc1ccccc1.OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(O)=O)cc3ccccc23)c1O",
    "CC(C)Cc1ccc(cc1)CC(=O)[O-].C[NH2+]C[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO.O",
    "C1CNCCN1.C1CNCCN1.OC(=O)CC(O)(CC(=O)O)C(=O)O",
    "C[N+](C)(C)CCO.[O-]C(=O)c1ccccc1O",
    "[Zn+2].[O-]n1ccccc1=S.[O-]n1ccccc1=S",
]
# What neither reads, and the last words that both say of it.
WITHOUT_PARENT = {
    "N.N.Cl[Pt]Cl": "holds a metal",
    "[Fe+2].[O-]C(=O)/C=C/C([O-])=O": "holds a metal",
    "[Li+].[Li+].[O-]C([O-])=O": "nothing but counter-ions",
    "[Zn+2].CC(=O)[O-].CC(=O)[O-]": "nothing but counter-ions",
    "[Na+].[Cl-]": "nothing but counter-ions",
}
OTHERS = ["CCO", "CC(C)Cc1ccc(cc1)C(C)C(=O)[O-].[Na+]"]


@pytest.fixture(scope="module")
def consumer(tmp_path_factory) -> Path:
    """consumer.mjs next to its packages."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("consumer") / "examples"
    folder.mkdir()
    for name in ("consumer.mjs", "package.json"):
        shutil.copy(ROOT / "examples" / name, folder)
    # A registry that is silent for so many milliseconds is not reached; load does not count.
    quick = ("--no-audit", "--no-fund", "--fetch-retries=0", "--fetch-timeout=60000")
    command = [*INSTALL.split(), *quick]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=MOST_SECONDS)
    # Packages that cannot be reached are not the project's fault; versions that do not exist are.
    assert "ETARGET" not in done.stderr, done.stderr
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        pytest.skip(f"npm cannot install the packages: {' '.join(reason[:1])}")
    return folder / "consumer.mjs"


@dataclass
class Said:
    """What the consumer prints of one drug."""

    head: str
    genes: list[str]
    answers: list[str]
    probabilities: list[list[float]]


def run(consumer, *arguments, stdin=""):
    command = ["node", consumer, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=MOST_SECONDS)
    assert done.returncode == 0, done.stderr
    drugs = []
    for is_gene, lines in groupby(done.stdout.splitlines(), lambda line: line.startswith("  ")):
        if not is_gene:
            drugs.extend(Said(line, [], [], []) for line in lines)
            continue
        for line in lines:
            gene, answer, *probabilities = line.split()
            drugs[-1].genes.append(gene)
            drugs[-1].answers.append(answer)
            drugs[-1].probabilities.append([float(one) for one in probabilities])
    return drugs, done.stderr


def model_that_knows(structures, project, path):
    """Write the project's model with the InChIKeys of `structures` for those of drugs of its source lines."""
    model, predictor = onnx.load(project / MODEL), load_onnx(project / MODEL)
    (encoder,) = (node for node in model.graph.node if node.op_type == "LabelEncoder")
    (keys,) = (one.strings for one in encoder.attribute if one.name == "keys_strings")
    drugs = pd.read_parquet(project / "tables/atlas/drugs.parquet")["drug_id"]
    measured = {*predictor.card["learned_drugs"]} - {*predictor.card["anchors"]}
    rows = [row for row, drug in enumerate(drugs) if drug in measured][-len(structures) :]
    for row, key in zip(rows, parse(predictor, structures).inchikeys, strict=True):
        keys[row] = key.encode()
    # The others have a decision of their own.
    model.metadata_props.add(key="decision_offsets_unseen", value="[0, -3, 0.5]")
    onnx.save(model, path)
    return path


def test_the_consumer_in_javascript_says_what_python_says(project, consumer, tmp_path):
    path = model_that_knows(DIFFICULT, project, tmp_path / "model.onnx")
    predictor = load_onnx(path)
    known = pd.read_parquet(project / "tables/atlas/drugs.parquet")["smiles"].tolist()[:200:40]
    structures = [*known, *DIFFICULT, *OTHERS]
    parsed = parse(predictor, structures)
    expected = predictor.predict(parsed.bits, parsed.inchikeys)
    assert expected.source_lines[:-2].all()
    assert not expected.source_lines[-2:].any()
    said, _ = run(consumer, path, "--genes", "1000", stdin="\n".join(structures) + "\n")
    assert len(said) == len(structures)
    assert all(one.genes == predictor.genes for one in said)
    np.testing.assert_allclose([one.probabilities for one in said], expected.probabilities, atol=5.1e-5)
    least = predictor.least_margin(0.8)
    answers = np.array(ANSWERS)[expected.answers(least)]
    # A label that is decided by less than a rounding error may differ.
    clear = np.minimum(expected.margin, np.abs(expected.margin - least)) > 1e-4
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(np.array([one.answers for one in said])[clear], answers[clear])
    assert set(answers.ravel()) == set(ANSWERS)
    for place, (one, structure) in enumerate(zip(said, structures, strict=True)):
        nearest = predictor.card["learned_drugs"][expected.nearest[place]]
        assert one.head.startswith(f"{structure}: nearest {nearest}, similarity ")
        lines, evidence = expected.source_lines[place], expected.evidence[place]
        assert one.head.endswith(f", source lines {lines}, evidence {evidence}")
        similarity = float(one.head.removeprefix(f"{structure}: ").split()[3].rstrip(","))
        assert similarity == pytest.approx(expected.similarity[place], abs=1e-4)


def test_the_consumer_in_javascript_tells_what_it_cannot_read_and_goes_on(project, consumer):
    """Among it the metals that Python rejects, too."""
    said, problems = run(consumer, project / MODEL, "C1CC", "CCO", *WITHOUT_PARENT, "", "CCN")
    assert [drug.head.split(":")[0] for drug in said] == ["CCO", "CCN"]
    assert [len(drug.genes) for drug in said] == [5, 5]
    first, *others = problems.splitlines()
    assert first == "C1CC: not a valid SMILES"
    lines = dict(line.split(": ") for line in others)
    reasons = parse(load_onnx(project / MODEL), list(WITHOUT_PARENT)).reasons
    assert lines.keys() == WITHOUT_PARENT.keys()
    for place, (structure, words) in enumerate(WITHOUT_PARENT.items()):
        assert lines[structure].endswith(words)
        assert words in reasons[place]


def test_the_words_of_the_tutorial_run(project, consumer):
    (consumer.parent.parent / "models").symlink_to(project / "models")
    (consumer.parent / "one_smiles_a_line.smi").write_text("CCO\nCCN\n")
    for words, drugs in ((PREDICT, ["CC(=O)Oc1ccccc1C(=O)O", "CCO"]), (PREDICT_A_FILE, ["CCO", "CCN"])):
        said = shell(words, consumer.parent)
        assert [line.split(":")[0] for line in said.splitlines() if not line.startswith(" ")] == drugs
