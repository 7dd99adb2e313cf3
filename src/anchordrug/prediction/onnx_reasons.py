"""Why onnxruntime does not open a model, in words for users, with a remedy."""

import re

from anchordrug.prediction.runtime import onnxruntime

_NEWER = (
    (re.compile(r"Opset (\d+) is under development.*?till opset (\d+)", re.DOTALL), "opset"),
    (re.compile(r"IR version: (\d+), max supported IR version: (\d+)"), "IR version"),
)
_OPERATOR = re.compile(
    r"No Op registered for (\S+)|error: (\S+?)(?:\(-?\d+\))? is not a registered function/op"
)
_DAMAGED = ("protobuf parsing failed", "No graph was found")
_LONGEST = 200


def reason_of(error: Exception) -> str:
    """Return why a model cannot be opened and what to do, from the error that onnxruntime raised."""
    text = str(error)
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
    # "[ONNXRuntimeError] : 1 : FAIL : file.cc:46 void f(int) The reason"
    plain = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    plain = re.sub(r"^\S+\.(cc|h):\d+ .*?\)( const)? ", "", plain, flags=re.DOTALL)
    words = "".join(character for character in " ".join(plain.split()) if character.isprintable())[:_LONGEST]
    return f"not a readable ONNX model ({words or type(error).__name__}); export it again"
