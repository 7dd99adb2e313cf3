"""Response predictors as ONNX: file and library are one function, for drugs of the atlas and others."""

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from anchordrug.chem.fingerprints import fingerprints
from anchordrug.chem.structures import standardise
from anchordrug.files.checksums import checked
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.graph.onnx_ops import Graph, GraphOps
from anchordrug.labels import LABELS, decide
from anchordrug.prediction.export import AtlasDrugs, export
from anchordrug.prediction.inference import load_onnx, parse
from anchordrug.predictors.base import Fitted
from tests.predictors.response.response_worlds import SHARES, UNSEEN, random_world

BITS = 64
FINGERPRINT = {"kind": "morgan", "radius": 2, "bits": BITS}
CARD = {
    **{"target": "L0", "threshold": 1.5, "fingerprint": FINGERPRINT, "anchors": ["D1"], "strategy": None},
    **{"predictor": "response_gp", "seed": 0, "metrics": {}, "training_data": {}},
    "source_cell_lines": [f"L{number}" for number in range(1, 9)],
    **{"concentration_um": [], "time_h": [], "assays": []},
    **{"sources": [], "packages": {}, "evidence_groups": {}},
}
# Chains with a group at their end: chains of some length share all bits.
SMILES = [
    f"{'C' * length}{group}"
    for group in ("O", "N", "Cl", "C(=O)O", "c1ccccc1", "S", "C#N", "c1ccncc1")
    for length in range(2, 7)
]


@cache
def world():
    drugs = [standardise(one) for one in SMILES]
    bits = fingerprints([one.molecule for one in drugs], 2, BITS)
    return random_world(seed=1, bits=bits, inchikeys=[one.inchikey for one in drugs])


def card():
    """The card of a model of the world's genes, whose ids nobody knows."""
    unknown = [None] * len(world().atlas.genes)
    return CARD | {"gene_ids": {"ensembl": unknown, "entrez": unknown}}


@cache
def fitted(share, anchors=12):
    return world().predictor(share).fit(*world().anchors(anchors), seed=3)


def keys():
    return world().atlas.drugs["inchikey"].tolist()


def atlas_drugs(anchors=12):
    sources = world().sources
    return AtlasDrugs(
        keys(),
        world().atlas.drugs["drug_id"].tolist(),
        world().bits.astype(np.float32),
        np.bincount(sources.drug, minlength=len(keys())),
        np.union1d(sources.measured_drugs(), world().anchors(anchors)[0]),
    )


def write(path, share, anchors=12):
    export(fitted(share, anchors), path, card(), world().atlas.genes, atlas_drugs(anchors))
    return path


def session_of(path):
    return onnxruntime.InferenceSession(path.as_posix(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Path by share of the network, with 12 anchors."""
    folder = tmp_path_factory.mktemp("onnx")
    return {share: write(folder / f"{share}.onnx", share) for share in SHARES}


@pytest.fixture(params=SHARES, ids=lambda share: f"net_share {share}")
def case(request, exported):
    """The exported file, a session on it, and what it was made of."""
    path = exported[request.param]
    return SimpleNamespace(path=path, session=session_of(path), fitted=fitted(request.param))


def run(session, bits, inchikeys):
    feed = {"fingerprint": bits.astype(np.float32), "inchikey": np.array(inchikeys, object)}
    return session.run(["probabilities", "z"], feed)


def assert_agrees(found, expected):
    for ours, theirs, tolerance in zip(found, expected, (1e-5, 1e-4), strict=True):
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=0)


def unknown(fit, bits):
    """What the library says of drugs that are not in the atlas."""
    return fit.predict(NumpyOps, bits.astype(np.float32), np.full(len(bits), -1))


def test_the_world_is_worth_looking_at():
    """It has unseen drugs, twins in structure, and drugs with and without a mechanism."""
    prior = fitted(0).prior
    assert (prior.lines[:-1] == 0).sum() >= UNSEEN
    assert len(np.unique(prior.bits[:], axis=0)) < len(prior.bits)
    assert (prior.mechanism < 0).any()
    assert (prior.mechanism >= 0).any()
    assert len(set(keys())) == len(keys())


def test_file_and_library_agree_on_every_drug_of_the_atlas(case):
    drugs = world().everything
    expected = case.fitted.probabilities(drugs), case.fitted.z(drugs)
    assert_agrees(run(case.session, world().bits, keys()), expected)
    assert np.ptp(expected[1], axis=0).max() > 1


def test_a_drug_of_the_atlas_is_found_by_its_key_in_any_order(case):
    drugs = np.random.default_rng(0).permutation(world().everything)
    found = run(case.session, world().bits[drugs], [keys()[drug] for drug in drugs])
    assert_agrees(found, (case.fitted.probabilities(drugs), case.fitted.z(drugs)))


@pytest.mark.parametrize("key", ["", "AAAAAAAAAAAAAA-UHFFFAOYSA-N", "no key"])
def test_an_unknown_drug_with_the_structure_of_a_known_one_agrees(case, key):
    bits = world().bits
    expected = unknown(case.fitted, bits)
    assert_agrees(run(case.session, bits, [key] * len(bits)), expected)
    # It is not taken for the known one.
    seen = case.fitted.prior.known
    assert np.abs(expected[1] - case.fitted.z(world().everything))[seen].max(axis=1).min() > 1e-3


def test_unknown_structures_agree(case):
    bits = (np.random.default_rng(4).random((30, BITS)) < 0.2).astype(np.float32)
    assert_agrees(run(case.session, bits, [""] * 30), unknown(case.fitted, bits))


def test_a_structure_without_any_bit_agrees_known_or_not(case):
    bits = np.zeros((2, BITS), np.float32)
    rows = np.array([3, -1])
    expected = case.fitted.predict(NumpyOps, bits, rows)
    assert np.isfinite(expected[0]).all()
    assert_agrees(run(case.session, bits, [keys()[3], ""]), expected)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_any_batch_size_gives_the_same_numbers(case, size):
    rows = np.random.default_rng(size).integers(-1, len(keys()), 100)
    bits = world().bits[rows].astype(np.float32)
    expected = case.fitted.predict(NumpyOps, bits, rows)
    names = [keys()[row] if row >= 0 else "" for row in rows]
    parts = [
        run(case.session, bits[start : start + size], names[start : start + size])
        for start in range(0, 100, size)
    ]
    assert_agrees([np.concatenate(one) for one in zip(*parts, strict=True)], expected)
    assert (rows < 0).any()


@pytest.mark.parametrize("share", SHARES)
def test_a_predictor_without_anchors_can_be_exported(share, tmp_path):
    fit = fitted(share, 0)
    session = session_of(write(tmp_path / "m.onnx", share, anchors=0))
    drugs = world().everything
    assert_agrees(run(session, world().bits, keys()), (fit.probabilities(drugs), fit.z(drugs)))
    assert_agrees(run(session, world().bits, [""] * len(drugs)), unknown(fit, world().bits))


@pytest.mark.parametrize("share", SHARES)
def test_a_single_anchor_is_enough(share, tmp_path):
    fit = fitted(share, 1)
    session = session_of(write(tmp_path / "m.onnx", share, anchors=1))
    drugs = world().everything
    assert_agrees(run(session, world().bits, keys()), (fit.probabilities(drugs), fit.z(drugs)))


def test_the_contract_of_the_file(case):
    model = onnx.load(case.path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    genes = world().atlas.genes
    assert [one.name for one in model.graph.input] == ["fingerprint", "inchikey"]
    assert not any(one.external_data for one in model.graph.initializer)
    assert [(one.name, one.type, one.shape) for one in case.session.get_outputs()] == [
        ("probabilities", "tensor(float)", ["n", len(genes), 3]),
        ("z", "tensor(float)", ["n", len(genes)]),
        ("nearest", "tensor(int64)", ["n"]),
        ("similarity", "tensor(float)", ["n"]),
        ("source_lines", "tensor(int64)", ["n"]),
    ]
    assert [one.shape for one in case.session.get_inputs()] == [["n", BITS], ["n"]]
    card = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert card["genes"] == genes
    assert card["labels"] == list(LABELS)
    assert card["drugs_a_run"] == Fitted.drugs_a_run
    np.testing.assert_array_equal(np.float32(card["decision_offsets"]), case.fitted.offsets)
    assert any(card["decision_offsets"])
    assert {name: card[name] for name in CARD} == CARD
    assert card["learned_drugs"] == [atlas_drugs().drug_ids[one] for one in atlas_drugs().learned]
    assert set(card) >= {"format_version", "package_version"}


def test_a_drug_that_was_learned_from_is_nearest_to_itself_even_if_another_has_its_bits(case):
    drugs, predictor = atlas_drugs(), load_onnx(case.path)
    learned, bits = drugs.learned, world().bits
    first = np.array([np.nonzero((bits[learned] == bits[drug]).all(axis=1))[0][0] for drug in learned])
    assert (first != np.arange(len(learned))).any()
    found = predictor.predict(bits[learned], [keys()[drug] for drug in learned])
    np.testing.assert_array_equal(found.nearest, np.arange(len(learned)))
    np.testing.assert_array_equal(found.similarity, 1)
    # Under another key it is any of those with its bits.
    found = predictor.predict(bits[learned], [""] * len(learned))
    np.testing.assert_array_equal(bits[learned[found.nearest]], bits[learned])


def test_an_anchor_that_no_source_line_has_seen_was_learned_from_all_the_same(case):
    drugs, predictor = atlas_drugs(), load_onnx(case.path)
    found = predictor.predict(world().bits, keys())
    np.testing.assert_array_equal(found.source_lines, drugs.lines)
    (unseen,) = np.nonzero(drugs.lines == 0)
    learned = np.isin(unseen, drugs.learned)
    assert 0 < learned.sum() < len(learned)
    np.testing.assert_array_equal(drugs.learned[found.nearest[unseen]] == unseen, learned)


def test_no_constant_is_stored_twice(case):
    """The atlas' tables are the bulk of the file."""
    constants = [
        (one.data_type, tuple(one.dims), one.raw_data)
        for one in onnx.load(case.path).graph.initializer
        if one.raw_data
    ]
    assert len(constants) > 10
    assert len(set(constants)) == len(constants)


def test_drugs_that_no_source_line_has_seen_can_have_a_decision_of_their_own(case, tmp_path):
    assert "decision_offsets_unseen" not in load_onnx(case.path).card
    offsets = np.array([[0, -2.5, 0], [0, 0.75, 0]], np.float32)
    fitted, path = replace(case.fitted, decision_offsets=offsets), tmp_path / "by_group.onnx"
    export(fitted, path, card(), world().atlas.genes, atlas_drugs())
    predictor, drugs = load_onnx(path), world().everything
    assert predictor.card["decision_offsets"] == offsets[0].tolist()
    assert predictor.card["decision_offsets_unseen"] == offsets[1].tolist()
    found = predictor.predict(world().bits, keys())
    own = offsets[np.where(atlas_drugs().lines > 0, 0, 1)][:, None]
    logs = np.sort(np.log(case.fitted.probabilities(drugs)) + own, axis=2)
    clear = logs[:, :, 2] - logs[:, :, 1] > 1e-3
    np.testing.assert_array_equal(found.labels[clear], fitted.labels(drugs)[clear])
    np.testing.assert_allclose(found.margin, logs[:, :, 2] - logs[:, :, 1], atol=1e-3)
    np.testing.assert_allclose(predictor.card["margins"], np.percentile(found.margin, range(101)), atol=2e-3)


def test_a_file_of_the_format_before_is_read(case, tmp_path):
    model = onnx.load(case.path)
    (version,) = (entry for entry in model.metadata_props if entry.key == "format_version")
    version.value = '"3"'
    onnx.save(model, tmp_path / "before.onnx")
    before, now = (
        load_onnx(path).predict(world().bits, keys()) for path in (tmp_path / "before.onnx", case.path)
    )
    np.testing.assert_array_equal(before.labels, now.labels)


@pytest.mark.parametrize("share", SHARES)
def test_exporting_again_gives_the_same_bytes(exported, share, tmp_path):
    before = exported[share].read_bytes()
    assert write(tmp_path / "again.onnx", share).read_bytes() == before
    # Of the same fit made again, too; not of another one.
    fit = world().predictor(share).fit(*world().anchors(12), seed=3)
    export(fit, tmp_path / "anew.onnx", card(), world().atlas.genes, atlas_drugs())
    assert (tmp_path / "anew.onnx").read_bytes() == before
    assert write(tmp_path / "other.onnx", share, anchors=11).read_bytes() != before
    models = ["again.onnx", "anew.onnx", "other.onnx"]
    assert {path.name for path in tmp_path.iterdir()} == {*models, *(f"{name}.sha256" for name in models)}
    assert all(checked(tmp_path / name) == "matches" for name in models)


def test_prediction_from_structures_agrees_with_the_library(case):
    predictor = load_onnx(case.path)
    drugs = world().everything
    parsed = parse(predictor, SMILES)
    assert parsed.positions == drugs.tolist()
    assert parsed.inchikeys == keys()
    found = predictor.predict(parsed.bits, parsed.inchikeys)
    assert_agrees((found.probabilities, found.z), (case.fitted.probabilities(drugs), case.fitted.z(drugs)))
    assert found.labels.dtype == np.int8
    np.testing.assert_array_equal(found.labels, decide(found.probabilities, case.fitted.offsets))
    # Where it is not a close call, that is what the library decides.
    logs = np.sort(np.log(case.fitted.probabilities(drugs)) + case.fitted.offsets, axis=2)
    clear = logs[:, :, 2] - logs[:, :, 1] > 1e-3
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(found.labels[clear], case.fitted.labels(drugs)[clear])
    assert predictor.genes == world().atlas.genes


def test_drugs_of_many_runs_get_the_same_numbers(case):
    """More than go into one run, known ones and others, in both kinds of numbers that bits come in."""
    predictor = load_onnx(case.path)
    rows = np.random.default_rng(7).integers(-1, len(keys()), 2 * Fitted.drugs_a_run + 5)
    bits = world().bits[rows]
    expected = case.fitted.predict(NumpyOps, bits.astype(np.float32), rows)
    names = [keys()[row] if row >= 0 else "" for row in rows]
    for kind in (np.uint8, np.float32):
        found = predictor.predict(bits.astype(kind), names)
        assert_agrees((found.probabilities, found.z), expected)
    one = predictor.predict(bits[:1], names[:1])
    assert_agrees((one.probabilities, one.z), [values[:1] for values in expected])


def test_no_drugs_have_no_predictions(case):
    found = load_onnx(case.path).predict(world().bits[:0], [])
    genes = len(world().atlas.genes)
    assert found.probabilities.shape == (0, genes, 3)
    assert found.labels.shape == found.z.shape == (0, genes)


def test_an_unknown_drug_is_predicted_from_its_structure_alone(case):
    predictor = load_onnx(case.path)
    parsed = parse(predictor, ["CC(=O)Oc1ccccc1C(=O)O"])
    assert parsed.inchikeys[0] not in keys()
    found = predictor.predict(parsed.bits, parsed.inchikeys)
    assert_agrees((found.probabilities, found.z), unknown(case.fitted, parsed.bits))


# The operations, one by one. `one` and `other` [5, 4] differ in sign and size and share some values.
RNG = np.random.default_rng(0)
ONE = RNG.normal(size=(5, 4)).astype(np.float32) * 3
OTHER = np.where(RNG.random((5, 4)) < 0.3, ONE, RNG.normal(size=(5, 4))).astype(np.float32)
TABLE = RNG.normal(size=(6, 3)).astype(np.float32)
NUMBERS = RNG.integers(0, 3, 6)
INDEX = np.array([0, 5, -1, 2, 2])
SQUARE = RNG.normal(size=(4, 4)).astype(np.float32)

OPERATIONS = {
    "abs": lambda ops, x: ops.abs(x.one),
    "sqrt": lambda ops, x: ops.sqrt(x.one * x.one),
    "tanh": lambda ops, x: ops.tanh(x.one),
    "log": lambda ops, x: ops.log(x.one * x.one + np.float32(0.1)),
    "maximum of tensors": lambda ops, x: ops.maximum(x.one, x.other),
    "maximum with a number": lambda ops, x: ops.maximum(x.one, np.float32(0.5)),
    "maximum of a column": lambda ops, x: ops.maximum(ops.total(x.one), x.other),
    "where": lambda ops, x: ops.where(x.one >= x.other, x.one, x.other * np.float32(9)),
    "where with a number": lambda ops, x: ops.where(x.one > x.other, np.float32(-1), x.one),
    "equal": lambda ops, x: ops.equal(x.one, x.other),
    "equal to constants": lambda ops, x: ops.equal(ops.expand(x.index, 1), INDEX[1:4]),
    "cast to float64": lambda ops, x: ops.cast(x.one, np.float64) / np.float64(3),
    "cast to int64": lambda ops, x: ops.cast(x.one, np.int64),
    "cast of a condition": lambda ops, x: ops.cast(x.one > x.other, np.float32),
    "rows": lambda ops, x: ops.rows(TABLE, x.index),
    "rows of numbers": lambda ops, x: ops.rows(NUMBERS, x.index),
    "total": lambda ops, x: ops.total(x.one),
    "total of three axes": lambda ops, x: ops.total(ops.expand(x.one, 1) * SQUARE),
    "largest": lambda ops, x: ops.kth_largest(x.one, 1),
    "third largest": lambda ops, x: ops.kth_largest(x.one, 3),
    "smallest": lambda ops, x: ops.kth_largest(x.one, 4),
    "largest of ties": lambda ops, x: ops.kth_largest(ops.maximum(x.one, np.float32(0)), 2),
    "stack": lambda ops, x: ops.stack([x.one, x.other, x.one]),
    "concat": lambda ops, x: ops.concat([x.one, ops.total(x.one), x.other]),
    "expand at the front": lambda ops, x: ops.expand(x.one, 0),
    "expand in the middle": lambda ops, x: ops.expand(x.one, 1),
    "expand at the end": lambda ops, x: ops.expand(x.one, 2),
    "reshape": lambda ops, x: ops.reshape(x.one, (-1, 2, 2)),
    "log_softmax": lambda ops, x: ops.log_softmax(x.one),
    "log_softmax of large numbers": lambda ops, x: ops.log_softmax(x.one * np.float32(200)),
    "softmax": lambda ops, x: ops.softmax(x.one),
    "softmax of large numbers": lambda ops, x: ops.softmax(x.one * np.float32(200)),
    "matrix product of three axes": lambda ops, x: ops.stack([x.one, x.other]) @ SQUARE[:2],
    "softmax of three axes": lambda ops, x: ops.softmax(ops.stack([x.one, x.other])),
}
# How tensors and arrays are joined by operators.
ARITHMETIC = {
    "plus": lambda x: x.one + x.other,
    "number plus": lambda x: np.float32(2) + x.one,
    "array plus": lambda x: SQUARE[0] + x.one,
    "minus": lambda x: x.one - x.other,
    "minus array": lambda x: x.one - SQUARE[0],
    "times": lambda x: x.one * x.other,
    "number times": lambda x: np.float32(2) * x.one,
    "array times": lambda x: SQUARE[0] * x.one,
    "divided": lambda x: x.one / x.other,
    "matrix product": lambda x: x.one @ SQUARE,
    "at least": lambda x: x.one >= x.other,
    "above": lambda x: x.one > x.other,
}
KINDS = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(bool): TensorProto.BOOL,
}


def result_of(name, ops, values):
    return ARITHMETIC[name](values) if name in ARITHMETIC else OPERATIONS[name](ops, values)


def graph_of(name, expected):
    """A model of one operation, whose output has the type of `expected`."""
    graph = Graph()
    values = SimpleNamespace(
        one=graph.input("one", TensorProto.FLOAT, ["n", 4]),
        other=graph.input("other", TensorProto.FLOAT, ["n", 4]),
        index=graph.input("index", TensorProto.INT64, ["n"]),
    )
    result = result_of(name, GraphOps, values)
    shape = [None] * expected.ndim
    graph.outputs.append(onnx.helper.make_tensor_value_info(result.name, KINDS[expected.dtype], shape))
    return graph.model(producer_name="test")


@pytest.mark.parametrize("name", [*OPERATIONS, *ARITHMETIC])
def test_an_operation_in_a_graph_is_what_it_is_in_numpy(name):
    expected = result_of(name, NumpyOps, SimpleNamespace(one=ONE, other=OTHER, index=INDEX))
    session = onnxruntime.InferenceSession(
        graph_of(name, expected).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"one": ONE, "other": OTHER, "index": INDEX})[0]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert len(np.unique(expected)) > 1


def public(ops):
    return {name for name in vars(ops) if not name.startswith("_")}


def test_graphs_have_every_operation_that_numpy_has_and_each_is_looked_at():
    assert public(GraphOps) == public(NumpyOps)
    assert public(NumpyOps) <= {name for one in OPERATIONS.values() for name in one.__code__.co_names}
