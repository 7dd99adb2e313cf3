"""What a model, and the reader of it, does with no drugs, NaN, other bits and inputs of different length."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from anchordrug.errors import LibraryError
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.prediction.export import export
from anchordrug.prediction.inference import load_onnx
from tests.prediction.small_models import BITS, write_model
from tests.prediction.test_export_response import atlas_drugs, card, fitted, world

MODEL = "models/onnx/SIM-T1.onnx"


class NoSession:
    """A session that must not be asked."""

    def run(self, *_):
        raise AssertionError("the runtime was called")


def test_no_drugs_are_predicted_without_the_runtime(project):
    predictor = replace(load_onnx(project / MODEL), session=NoSession())
    found = predictor.predict(np.zeros((0, 1024), np.uint8), [])
    assert found.probabilities.shape == (0, len(predictor.genes), 3)
    assert found.z.shape == found.labels.shape == found.margin.shape == (0, len(predictor.genes))
    assert found.evidence.shape == found.confidence.shape == found.strength.shape == (0,)


def test_the_runtime_itself_does_not_survive_no_drugs(project):
    code = (
        "import sys, numpy as np, onnxruntime; session = onnxruntime.InferenceSession(sys.argv[1]);"
        "feed = {'fingerprint': np.zeros((0, 1024), np.float32), 'inchikey': np.array([], object)};"
        "session.run(None, feed)"
    )
    done = subprocess.run([sys.executable, "-c", code, project / MODEL], capture_output=True)
    # An error of Python's, or SIGFPE.
    assert done.returncode in (1, -8)


def raw(path, bits, inchikeys):
    session = onnxruntime.InferenceSession(path.as_posix(), providers=["CPUExecutionProvider"])
    names = [end.name for end in session.get_outputs()]
    feed = {"fingerprint": bits.astype(np.float32), "inchikey": np.array(inchikeys, object)}
    return dict(zip(names, session.run(names, feed), strict=True))


def some_bits(count=3):
    return (np.random.default_rng(0).random((count, 1024)) < 0.05).astype(np.float32)


def test_nan_spoils_its_own_drug_alone(either_project):
    path, bits = either_project / MODEL, some_bits()
    sound = raw(path, bits, [""] * 3)
    bits[1, 7] = np.nan
    found = raw(path, bits, [""] * 3)
    for name in ("probabilities", "z", "similarity"):
        if name in found:
            assert np.isnan(found[name][1]).all()
            np.testing.assert_allclose(found[name][[0, 2]], sound[name][[0, 2]], atol=1e-5)
    np.testing.assert_array_equal(found["nearest"][[0, 2]], sound["nearest"][[0, 2]])


def test_other_bits_are_no_error_of_the_model(either_project):
    found = raw(either_project / MODEL, some_bits() * 2, [""] * 3)
    assert np.isfinite(found["probabilities"]).all()


@pytest.mark.parametrize(("bits", "keys"), [(3, 1), (1, 3), (3, 2)])
def test_inputs_of_different_length_are_an_error_of_the_runtime(project, bits, keys, capfd):
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        raw(project / MODEL, some_bits(bits), [""] * keys)
    capfd.readouterr()


REFUSED = {
    "NaN": (
        np.where(np.arange(BITS) == 5, np.nan, 1.0)[None],
        [""],
        "drug 0 .* has the value nan; give 0 or 1",
    ),
    "two": (
        np.eye(2, BITS) * [[1], [2]],
        ["", ""],
        r"drug 1 \(counted from 0\) has the value 2; give 0 or 1",
    ),
    "counts": (np.full((1, BITS), 3, np.uint8), [""], "has the value 3"),
    "too few bits": (np.zeros((1, 8)), [""], r"fingerprints of shape \(1, 8\); its card asks for \[n, 64\]"),
    "one drug": (np.zeros(BITS), [""], r"fingerprints of shape \(64,\)"),
    "fewer keys": (np.zeros((3, BITS)), [""], "1 InChIKey for 3 fingerprints; give one per drug"),
    "more keys": (np.zeros((0, BITS)), [""], "1 InChIKey for 0 fingerprints"),
}


@pytest.mark.parametrize(("bits", "keys", "message"), REFUSED.values(), ids=REFUSED)
def test_the_reader_refuses_inputs_that_the_model_does_not_take(tmp_path, bits, keys, message):
    predictor = load_onnx(write_model(tmp_path / "m.onnx"))
    with pytest.raises(LibraryError, match=f"m.onnx: .*{message}"):
        predictor.predict(bits, keys)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
def test_the_reader_takes_bits_of_any_type(tmp_path, kind):
    predictor = load_onnx(write_model(tmp_path / "m.onnx"))
    assert predictor.predict(np.eye(2, BITS).astype(kind), ["", ""]).z.shape == (2, 2)


def test_predicted_z_is_not_clipped_as_learned_z_is(tmp_path):
    fit = fitted(0)
    steep = replace(fit, gp=replace(fit.gp, slope=np.float32(20)))
    export(steep, tmp_path / "m.onnx", card(), world().atlas.genes, atlas_drugs())
    drugs = world().everything
    found = load_onnx(tmp_path / "m.onnx").predict(world().bits, world().atlas.drugs["inchikey"].tolist())
    np.testing.assert_allclose(found.z, steep.predict(NumpyOps, fit.prior.bits[drugs], drugs)[1], atol=1e-3)
    assert np.abs(found.z).max() > 4
