"""Predictions over HTTP: MODEL=models/onnx/SIM-T1.onnx uvicorn --app-dir examples/service service:app."""

import os
import warnings
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

import anchordrug

app = FastAPI(title="AnchorDrug", description="Which genes a drug changes in one cell line.")
model = anchordrug.load_onnx(os.environ["MODEL"])


class Drugs(BaseModel):
    """Structures to predict, and the share of labels to answer."""

    smiles: list[str] = Field(min_length=1, max_length=1000)
    coverage: float = Field(0.8, gt=0, le=1)


@app.get("/card")
def card() -> dict[str, Any]:
    """Return the card of the model: target, genes, dose, time, metrics, intended use, limits."""
    return model.card


@app.post("/predict")
def predict(drugs: Drugs) -> list[dict[str, Any]]:
    """Return one row per drug and gene; a structure that cannot be read has one row with the reason."""
    try:
        with warnings.catch_warnings():
            # The rows have the reasons.
            warnings.simplefilter("ignore")
            table = anchordrug.predict(model, drugs.smiles, coverage=drugs.coverage)
    except anchordrug.AnchorDrugError as error:
        raise HTTPException(status_code=422, detail=str(error)) from error
    return table.astype(object).where(table.notna(), None).to_dict("records")
