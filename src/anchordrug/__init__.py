"""AnchorDrug: choose anchor drugs for a new cell line, predict how every drug changes its expression.

The names below are the public interface. Each is imported when it is first used, so that `import anchordrug`
is quick, and so that prediction from an exported model needs neither torch nor the pipeline's packages.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_PLACES = {
    "AnchorDrugError": "anchordrug.errors",
    "FittedTarget": "anchordrug.api",
    "OnnxPredictor": "anchordrug.prediction.inference",
    "Reference": "anchordrug.api",
    "TargetModel": "anchordrug.api",
    "list_predictors": "anchordrug.api",
    "list_strategies": "anchordrug.api",
    "load_onnx": "anchordrug.prediction.inference",
    "open_atlas": "anchordrug.api",
    "open_project": "anchordrug.api",
    "predict": "anchordrug.prediction.frames",
    "predict_anndata": "anchordrug.prediction.frames",
}

if TYPE_CHECKING:
    from anchordrug.api import (
        FittedTarget,
        Reference,
        TargetModel,
        list_predictors,
        list_strategies,
        open_atlas,
        open_project,
    )
    from anchordrug.errors import AnchorDrugError
    from anchordrug.prediction.frames import predict, predict_anndata
    from anchordrug.prediction.inference import OnnxPredictor, load_onnx

__all__ = [
    "AnchorDrugError",
    "FittedTarget",
    "OnnxPredictor",
    "Reference",
    "TargetModel",
    "__version__",
    "list_predictors",
    "list_strategies",
    "load_onnx",
    "open_atlas",
    "open_project",
    "predict",
    "predict_anndata",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'anchordrug' has no attribute '{name}'")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
