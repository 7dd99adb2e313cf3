"""The tutorial notebook runs from its first cell to its last, in a project that the pipeline has made."""

import shutil

import nbformat
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs/tutorial_python.ipynb"


def test_every_cell_runs(project, tmp_path):
    shutil.copytree(project, tmp_path / "project")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {}})
    client.resources["metadata"]["path"] = str(tmp_path / "project")
    client.execute()
    (tmp_path / "project/my_model.onnx").stat()
    shown = [cell["outputs"][-1]["data"]["text/plain"] for cell in notebook.cells if cell.get("outputs")]
    share_right = float(next(text for text in shown if text.startswith("0.")))
    assert 0.5 < share_right < 1


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
