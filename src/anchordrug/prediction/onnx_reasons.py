"""Why onnxruntime does not open or compute a model, in words for users, with a remedy."""

import re

from anchordrug.errors import printable
from anchordrug.prediction.runtime import onnxruntime

_NEWER = (
    (re.compile(r"Opset (\d+) is under development.*?till opset (\d+)", re.DOTALL), "opset"),
    (re.compile(r"IR version: (\d+), max supported IR version: (\d+)"), "IR version"),
)
_OPERATOR = re.compile(
    r"No Op registered for (\S+)|error: (\S+?)(?:\(-?\d+\))? is not a registered function/op"
)
_NODE = re.compile(r"while running (\w+) node")
_DAMAGED = ("protobuf parsing failed", "No graph was found")
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory", "bad allocation")
_MORE = "end other programs, or take a machine with more"
_LONGEST = 200


def reason_of(error: Exception) -> str:
    """Return why a model cannot be opened, with a remedy, from the error that onnxruntime raised."""
    text = str(error)
    if _lacks_memory(error):
        return f"the memory does not suffice to open it; {_MORE}"
    for pattern, noun in _NEWER:
        if found := pattern.search(text):
            return (
                f"{noun} {found[1]} is newer than this onnxruntime ({onnxruntime.__version__}, up to "
                f"{noun} {found[2]}); install a newer onnxruntime"
            )
    if found := _OPERATOR.search(text):
        return (
            f"this onnxruntime ({onnxruntime.__version__}) does not know its operator "
            f"{found[1] or found[2]}; install a newer onnxruntime"
        )
    if any(words in text for words in _DAMAGED):
        return "not a readable ONNX model: it is damaged, cut or of another kind; copy or export it again"
    return f"not a readable ONNX model ({_words(error)}); export it again"


def why_it_failed(error: Exception) -> str:
    """Return why a model did not compute, with a remedy, from the error that onnxruntime raised."""
    if _lacks_memory(error):
        return f"the memory does not suffice to predict with it; {_MORE}"
    node = _NODE.search(str(error))
    reason = f"its operation {node[1]} fails" if node else _words(error)
    return f"cannot predict ({reason}); export it again"


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _words(error: Exception) -> str:
    """Return onnxruntime's own words in short."""
    # "[ONNXRuntimeError] : 1 : FAIL : file.cc:46 void f(int) The reason"
    plain = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    plain = re.sub(r"^\S+\.(cc|h):\d+ .*?\)( const)? ", "", plain, flags=re.DOTALL)
    return printable(plain, _LONGEST) or type(error).__name__
