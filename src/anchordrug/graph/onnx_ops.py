"""An ONNX graph written by ordinary arithmetic: the operations of `numpy_ops` on tensors of a graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Old enough for every onnxruntime since 1.14, new enough for all operators used.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
_TYPES = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE, np.int64: TensorProto.INT64}


class Graph:
    """Nodes and constants in the order in which they came to be."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[bytes, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> "Tensor":
        """Return a new input of the graph."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return Tensor(self, name)

    def output(self, name: str, tensor: "Tensor", shape: Sequence[int | str], kind: int) -> None:
        """Declare `tensor` an output of the graph."""
        self.nodes.append(helper.make_node("Identity", [tensor.name], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def node(self, kind: str, *inputs: Any, **attributes: Any) -> "Tensor":
        """Return the first output of a new node; arrays among `inputs` become constants."""
        names = [
            value.name if isinstance(value, Tensor) else self._constant(np.asarray(value)) for value in inputs
        ]
        outputs = [f"t{len(self.nodes)}"]
        if kind == "TopK":
            outputs.append(f"{outputs[0]}_places")
        self.nodes.append(helper.make_node(kind, names, outputs, **attributes))
        return Tensor(self, outputs[0])

    def _constant(self, values: np.ndarray) -> str:
        values = np.ascontiguousarray(values) if values.ndim else values
        key = f"{values.dtype}{values.shape}".encode() + values.tobytes()
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(values, f"c{len(self.constants)}")
        return self.constants[key].name

    def model(self, **about: str) -> onnx.ModelProto:
        """Return the graph as a model, checked.

        Parameters
        ----------
        about
            Fields of the model, such as producer_name.
        """
        constants = list(self.constants.values())
        graph = helper.make_graph(self.nodes, "anchordrug", self.inputs, self.outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, **about)
        onnx.checker.check_model(model, full_check=True)
        return model


class Tensor:
    """A value of a graph; arithmetic with tensors or arrays adds nodes."""

    # Makes numpy leave `array + tensor` to the methods below.
    __array_ufunc__ = None

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Any) -> "Tensor":
        return self.graph.node("Add", self, other)

    def __radd__(self, other: Any) -> "Tensor":
        return self.graph.node("Add", other, self)

    def __sub__(self, other: Any) -> "Tensor":
        return self.graph.node("Sub", self, other)

    def __rsub__(self, other: Any) -> "Tensor":
        return self.graph.node("Sub", other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return self.graph.node("Mul", self, other)

    def __rmul__(self, other: Any) -> "Tensor":
        return self.graph.node("Mul", other, self)

    def __truediv__(self, other: Any) -> "Tensor":
        return self.graph.node("Div", self, other)

    def __matmul__(self, other: Any) -> "Tensor":
        return self.graph.node("MatMul", self, other)

    def __ge__(self, other: Any) -> "Tensor":
        return self.graph.node("GreaterOrEqual", self, other)

    def __gt__(self, other: Any) -> "Tensor":
        return self.graph.node("Greater", self, other)


def _graph_of(*values: Any) -> Graph:
    return next(value.graph for value in values if isinstance(value, Tensor))


class GraphOps:
    """The operations of `numpy_ops.NumpyOps`, as nodes."""

    @staticmethod
    def abs(values: Tensor) -> Tensor:  # noqa: D102
        return values.graph.node("Abs", values)

    @staticmethod
    def sqrt(values: Tensor) -> Tensor:  # noqa: D102
        return values.graph.node("Sqrt", values)

    @staticmethod
    def tanh(values: Tensor) -> Tensor:  # noqa: D102
        return values.graph.node("Tanh", values)

    @staticmethod
    def log(values: Tensor) -> Tensor:  # noqa: D102
        return values.graph.node("Log", values)

    @staticmethod
    def maximum(left: Any, right: Any) -> Tensor:  # noqa: D102
        return _graph_of(left, right).node("Max", left, right)

    @staticmethod
    def where(condition: Any, if_true: Any, if_false: Any) -> Tensor:  # noqa: D102
        return _graph_of(condition, if_true, if_false).node("Where", condition, if_true, if_false)

    @staticmethod
    def equal(left: Any, right: Any) -> Tensor:  # noqa: D102
        return _graph_of(left, right).node("Equal", left, right)

    @staticmethod
    def cast(values: Tensor, dtype: type) -> Tensor:  # noqa: D102
        return values.graph.node("Cast", values, to=_TYPES[dtype])

    @staticmethod
    def rows(table: np.ndarray, index: Tensor) -> Tensor:  # noqa: D102
        return index.graph.node("Gather", table, index, axis=0)

    @staticmethod
    def total(values: Tensor) -> Tensor:  # noqa: D102
        return values.graph.node("ReduceSum", values, np.array([-1], np.int64), keepdims=1)

    @staticmethod
    def kth_largest(values: Tensor, k: int) -> Tensor:  # noqa: D102
        graph = values.graph
        largest = graph.node("TopK", values, np.array([k], np.int64), axis=-1)
        return graph.node("ReduceMin", largest, axes=[-1], keepdims=1)

    @staticmethod
    def stack(values: Sequence[Tensor]) -> Tensor:  # noqa: D102
        parts = [value.graph.node("Unsqueeze", value, np.array([-1], np.int64)) for value in values]
        return GraphOps.concat(parts)

    @staticmethod
    def concat(values: Sequence[Tensor]) -> Tensor:  # noqa: D102
        return values[0].graph.node("Concat", *values, axis=-1)

    @staticmethod
    def expand(values: Tensor, axis: int) -> Tensor:  # noqa: D102
        return values.graph.node("Unsqueeze", values, np.array([axis], np.int64))

    @staticmethod
    def reshape(values: Tensor, shape: tuple[int, ...]) -> Tensor:  # noqa: D102
        return values.graph.node("Reshape", values, np.array(shape, np.int64))

    @staticmethod
    def log_softmax(logits: Tensor) -> Tensor:  # noqa: D102
        return logits.graph.node("LogSoftmax", logits, axis=-1)

    @staticmethod
    def softmax(logits: Tensor) -> Tensor:  # noqa: D102
        return logits.graph.node("Softmax", logits, axis=-1)
