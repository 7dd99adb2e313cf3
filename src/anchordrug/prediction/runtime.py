"""onnxruntime, which would report to its maker how it is used, without these reports."""

import os

# Read when onnxruntime is imported. Who wants to report has set it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
