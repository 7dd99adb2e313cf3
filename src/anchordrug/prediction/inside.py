"""Whether an ONNX file holds all of its data, read from its bytes alone, before anything is loaded."""

from collections.abc import Iterator

# Of each kind of message the fields that hold messages, from onnx.proto. A tensor is a leaf.
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
# Fields of a tensor: the location of its data, and whether the data are there.
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
# As deep as protobuf itself reads.
_MOST_LEVELS = 100
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def holds_all_its_data(model: bytes) -> bool:
    """Return whether no tensor of a model, wherever it is, has its data in another file.

    Tensors are initializers, also sparse initializers, and attributes of nodes, in the graph, in graphs
    inside it, in functions and in graphs for training.

    Raises
    ------
    ValueError
        The bytes are not an ONNX model.
    """
    # The format of onnxruntime's own, which is not protobuf, is taken for ONNX by these bytes.
    if model[4:8] == b"ORTM":
        raise _no_model("a model in the format of onnxruntime")
    waiting = [("model", memoryview(model), 0)]
    while waiting:
        kind, data, level = waiting.pop()
        if level > _MOST_LEVELS:
            raise _no_model("nested too deep")
        for field, value in _fields(data):
            if kind == "tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)):
                return False
            inner = _FIELDS[kind].get(field)
            if inner is not None and isinstance(value, memoryview):
                waiting.append((inner, value, level + 1))
    return True


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message; numbers of fixed size as their bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        value: int | memoryview
        if wire == _VARINT:
            value, at = _varint(data, at)
        else:
            if wire == _BYTES:
                size, at = _varint(data, at)
            elif wire in (_FIXED64, _FIXED32):
                size = 8 if wire == _FIXED64 else 4
            else:
                raise _no_model("a group, which ONNX does not have")
            if size > len(data) - at:
                raise _no_model("cut")
            value, at = data[at : at + size], at + size
        yield (tag & 0xFFFFFFFF) >> 3, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if at == len(data):
            raise _no_model("cut")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise _no_model("a number without end")


def _no_model(why: str) -> ValueError:
    # As onnxruntime calls it.
    return ValueError(f"protobuf parsing failed: {why}")
