"""The matrix products of an exported model alone, as a call of onnxruntime."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anchordrug.prediction.inference import OnnxPredictor
from anchordrug.prediction.runtime import onnxruntime

PRODUCTS = ("MatMul", "Gemm")


def products_of(predictor: OnnxPredictor, bits: np.ndarray, keys: Sequence[str]) -> Callable[[], object]:
    """Return a call that multiplies the matrices that `predictor` multiplies for such drugs; one thread.

    The second factor is a constant of the model wherever it is one there.
    """
    model = onnx.load(predictor.path)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in PRODUCTS]
    made = sorted({name for node in nodes for name in node.input[:2]} - set(constants))
    values = constants | _computed(model, made, bits, keys)
    inputs, initializers, parts, feed = [], [], [], {}
    for number, node in enumerate(nodes):
        for side, name in enumerate(node.input[:2]):
            here = f"{'xw'[side]}{number}"
            if name in constants:
                initializers.append(numpy_helper.from_array(values[name], here))
            else:
                inputs.append(helper.make_tensor_value_info(here, TensorProto.FLOAT, values[name].shape))
                feed[here] = values[name]
        # Without the bias and activation of a Gemm.
        flags: dict[str, Any] = {
            one.name: one.i for one in node.attribute if one.name in ("transA", "transB")
        }
        parts.append(helper.make_node(node.op_type, [f"x{number}", f"w{number}"], [f"y{number}"], **flags))
    results = [helper.make_tensor_value_info(f"y{k}", TensorProto.FLOAT, None) for k in range(len(nodes))]
    graph = helper.make_graph(parts, "products", inputs, results, initializers)
    bare = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    session = _session(bare)
    return lambda: session.run(None, feed)


def _computed(
    model: onnx.ModelProto, names: Sequence[str], bits: np.ndarray, keys: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return intermediate values of a model."""
    seen = onnx.ModelProto()
    seen.CopyFrom(model)
    known = {entry.name for entry in (*model.graph.input, *model.graph.output)}
    seen.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    feed = {"fingerprint": bits, "inchikey": np.array(keys, object)}
    given = {name: feed[name] for name in names if name in feed}
    wanted = [name for name in names if name not in feed]
    computed: Any = _session(seen).run(wanted, feed)
    return given | dict(zip(wanted, computed, strict=True))


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
