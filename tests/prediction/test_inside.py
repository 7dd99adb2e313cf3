"""A model's data lie in the model itself, wherever a tensor is."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from anchordrug.errors import LibraryError
from anchordrug.prediction.inference import load_onnx, opened
from anchordrug.prediction.inside import holds_all_its_data

ENDS = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]


def tensor(outside: bool, name: str = "c") -> TensorProto:
    values = numpy_helper.from_array(np.ones(4, np.float32), name)
    if outside:
        values.ClearField("raw_data")
        values.data_location = TensorProto.EXTERNAL
        values.external_data.add(key="location", value="secret")
    return values


def model(nodes: list, **parts) -> onnx.ModelProto:
    functions = parts.pop("functions", [])
    graph = helper.make_graph(nodes, "g", ENDS[:1], ENDS[1:], **parts)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)


ADD = helper.make_node("Add", ["x", "c"], ["y"])


def sparse(outside: bool) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(tensor(outside), numpy_helper.from_array(np.arange(4), "i"), [4])


def inner(outside: bool) -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Add", ["x", "c"], ["z"])],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])],
        [tensor(outside)],
    )


def with_inner(graph: onnx.GraphProto) -> onnx.ModelProto:
    truth = helper.make_node("Constant", [], ["t"], value=numpy_helper.from_array(np.array(True)))
    return model([truth, helper.make_node("If", ["t"], ["y"], then_branch=graph, else_branch=graph)])


def nested(outside: bool) -> onnx.ModelProto:
    graph = inner(outside)
    graph.node[0].attribute.append(helper.make_attribute("deeper", inner(outside)))
    graph.ClearField("initializer")
    return with_inner(graph)


def function(outside: bool) -> onnx.ModelProto:
    constant = helper.make_node("Constant", [], ["c"], value=tensor(outside))
    body = helper.make_function("own", "F", ["x"], ["y"], [constant, ADD], [helper.make_opsetid("", 17)])
    return model([helper.make_node("F", ["x"], ["y"], domain="own")], functions=[body])


def training(outside: bool) -> onnx.ModelProto:
    found = model([ADD], initializer=[tensor(False)])
    found.training_info.add().initialization.CopyFrom(inner(outside))
    return found


PLACES: dict[str, Callable[[bool], onnx.ModelProto]] = {
    "initializer": lambda outside: model([ADD], initializer=[tensor(outside)]),
    "sparse initializer": lambda outside: model([ADD], sparse_initializer=[sparse(outside)]),
    "attribute": lambda outside: model([helper.make_node("Constant", [], ["c"], value=tensor(outside)), ADD]),
    "sparse attribute": lambda outside: model(
        [helper.make_node("Constant", [], ["c"], sparse_value=sparse(outside)), ADD]
    ),
    "list of tensors": lambda outside: model([helper.make_node("X", ["x"], ["y"], many=[tensor(outside)])]),
    "initializer of a graph inside": lambda outside: with_inner(inner(outside)),
    "graph in a graph inside": nested,
    "list of graphs": lambda outside: model([helper.make_node("X", ["x"], ["y"], many=[inner(outside)])]),
    "node of a function": function,
    "graph for training": training,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_data_in_another_file_are_found_wherever_the_tensor_is(tmp_path, monkeypatch, place):
    assert holds_all_its_data(place(False).SerializeToString())
    data = place(True).SerializeToString()
    assert not holds_all_its_data(data)
    (tmp_path / "secret").write_bytes(np.ones(4, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(LibraryError, match=r"m.onnx: has data in another file.*save it as one file$"):
        load_onnx(tmp_path / "m.onnx")


def test_either_sign_of_data_elsewhere_is_enough():
    found = model([ADD], initializer=[tensor(True)])
    found.graph.initializer[0].ClearField("data_location")
    assert not holds_all_its_data(found.SerializeToString())
    found = model([ADD], initializer=[tensor(True)])
    found.graph.initializer[0].ClearField("external_data")
    assert not holds_all_its_data(found.SerializeToString())


@pytest.mark.parametrize(
    "data",
    [b"\x3b", b"\x3a\xff\xff", b"\x80" * 11, b"\x08", b"\x3d\0", b"\x10\0\0\0ORTM" + bytes(40), b"\x0b\x0c"],
    ids=["group", "cut", "endless number", "no value", "cut number", "format of onnxruntime", "empty group"],
)
def test_bytes_that_are_no_model(tmp_path, data):
    with pytest.raises(ValueError, match=r"."):
        holds_all_its_data(data)
    told = (
        r"a model in the format of onnxruntime \(\.ort\)"
        if b"ORTM" in data
        else "not a readable ONNX model: it is damaged"
    )
    with pytest.raises(LibraryError, match=told):
        opened(data, tmp_path / "m.onnx", threads=1)


def test_deep_nesting_is_no_model():
    data = b""
    for _ in range(400):
        for tag in (0x32, 0x2A, 0x0A):  # a graph of an attribute of a node
            size = len(data)
            data = bytes([tag, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data
    graph = bytes([0x3A, len(data) & 127 | 128, len(data) >> 7 & 127 | 128, len(data) >> 14]) + data
    with pytest.raises(ValueError, match="nested too deep"):
        holds_all_its_data(graph)
