"""Commands start without the packages that they do not need; each takes a tenth of a second or more."""

import json
import shutil
import subprocess
import sys

HEAVY = (
    *("anndata", "h5py", "matplotlib", "numpy", "onnx", "onnxruntime", "openpyxl", "pandas", "pandera"),
    *("pyarrow", "pydeseq2", "rdkit", "requests", "scipy.linalg", "scipy.optimize", "scipy.stats", "sklearn"),
    "torch",
)
# What a command may import; each runs in the process of those before it.
ALLOWED = {
    "help": set(),
    "inspect": {"numpy", "onnxruntime", "rdkit"},
    "predict": {"numpy", "onnxruntime", "rdkit", "pandas", "pyarrow"},
    # Without a round, the strategy is looked up.
    "status": {"numpy", "onnxruntime", "rdkit", "pandas", "pyarrow", "pandera", "scipy.linalg"},
    # The plates are drawn, and the pack is a workbook.
    "next": {
        *("numpy", "onnxruntime", "rdkit", "pandas", "pyarrow", "pandera"),
        *("scipy.linalg", "matplotlib", "openpyxl"),
    },
}
SCRIPT = """
import json, sys
from typer.testing import CliRunner
from anchordrug.cli import app
commands, heavy = json.loads(sys.argv[1])
found = {}
for name, arguments in commands.items():
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, (name, result.output, result.exception)
    found[name] = [module for module in heavy if module in sys.modules]
print(json.dumps(found))
"""


def test_commands_import_what_they_need_alone(played, project, tmp_path):
    shutil.rmtree(played / "rounds/01")
    model, drugs, out = project / "models/onnx/SIM-T1.onnx", tmp_path / "drugs.csv", tmp_path / "out.csv"
    drugs.write_text("drug_id,smiles\na,CCO\n", encoding="utf-8")
    commands = {
        "help": ["--help"],
        "inspect": ["inspect", model],
        "predict": ["predict", "--model", model, "--drugs", drugs, "--out", out],
        "status": ["campaign", "status", played],
        "next": ["--project", played.parent, "campaign", "next", played],
    }
    words = {name: [str(word) for word in command] for name, command in commands.items()}
    command = [sys.executable, "-c", SCRIPT, json.dumps([words, HEAVY])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    surplus = {name: sorted(set(found[name]) - ALLOWED[name]) for name in ALLOWED}
    assert surplus == {name: [] for name in ALLOWED}
