"""What must not be in the code, and what a file must not be able to do."""

import ast
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest

from anchordrug.files.atomic import atomic_folder, atomic_path
from tests.conftest import ROOT

FILES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
# Modules that build objects from bytes, or run what they are given.
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "tarfile", "telnetlib"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("torch.load", "torch.save", "pd.read_pickle", "yaml.load", "yaml.unsafe_load"),
    *("os.system", "os.popen", "tempfile.mktemp", "shutil.unpack_archive"),
}
UNSAFE = {"allow_pickle": True, "shell": True, "verify": False}


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            name = name_of(node.func)
            if name in FORBIDDEN_CALLS or name.endswith((".to_pickle", ".extract", ".extractall")):
                yield name
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if value is not None and UNSAFE.get(keyword.arg or "") is value:
                    yield f"{keyword.arg}={keyword.value.value}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_runs_what_a_file_holds(path):
    assert list(faults(path.read_text(encoding="utf-8"))) == []


# Files of these kinds can name other files or grow without end, so each has one reader, which looks first.
READERS = {
    "yaml.safe_load": set(),
    "yaml.compose": set(),
    "yaml.parse": set(),
    "h5py.File": {"raw/hdf5.py"},
    # The doctor opens a model of its own.
    "onnxruntime.InferenceSession": {"prediction/inference.py", "cli/doctor.py"},
    "json.loads": {"files/json_text.py", "chem/worker.py"},
    "json.load": set(),
}


def calls_of_readers(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and name_of(node.func) in READERS:
            mode = node.args[1] if len(node.args) > 1 else None
            if not (isinstance(mode, ast.Constant) and mode.value == "w"):
                yield name_of(node.func)


def test_what_can_harm_is_opened_in_one_place():
    package = ROOT / "src/anchordrug"
    for path in package.rglob("*.py"):
        place = path.relative_to(package).as_posix()
        assert [
            name for name in calls_of_readers(path.read_text("utf-8")) if place not in READERS[name]
        ] == []
    assert list(calls_of_readers("h5py.File(path)\nh5py.File(path, 'w')")) == ["h5py.File"]


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from joblib import load", "torch.load('a')", "np.load('a', allow_pickle=True)"),
        *(
            "yaml.load(text)",
            "subprocess.run('ls', shell=True)",
            "eval('1')",
            "requests.get(url, verify=False)",
        ),
        *("table.to_pickle('a')", "archive.extractall()"),
    ],
)
def test_the_search_finds_what_it_is_to_find(code):
    assert list(faults(code))


def test_what_is_half_written_is_nobody_elses_to_read(tmp_path):
    umask = os.umask(0o022)
    try:
        with atomic_path(tmp_path / "a.csv") as temporary:
            temporary.write_text("secret", encoding="utf-8")
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o644
        with atomic_folder(tmp_path / "b") as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o755
    finally:
        os.umask(umask)


def test_onnxruntime_reports_nothing_to_its_maker(tmp_path):
    """Such a build keeps its reports in the home folder until they are sent, from its import on."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    script = "import anchordrug.prediction.inference, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    command = [sys.executable, "-c", script]
    environment["HOME"] = str(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert list(tmp_path.iterdir()) == []
    importers = [
        path.name
        for path in FILES
        if re.search(r"^\s*(import|from) onnxruntime", path.read_text(encoding="utf-8"), re.M)
    ]
    assert importers == ["runtime.py"]


def test_every_package_of_the_environment_is_pinned():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in pin for pin in pins)
    assert not any("/" in pin or "@" in pin for pin in pins)
