"""anchordrug doctor: what is wrong with the installation, the machine and the project, and what to do."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

import typer

from anchordrug.errors import AnchorDrugError

GIB = 2**30
# docs/performance.md: what predicting needs, and what learning from 35,000 drugs x 307 genes needs.
PREDICT_GIB, PIPELINE_GIB = 0.5, 3.0
FREE_GIB = 5.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# y = x + x, one float32 input and output; the onnx package that could make it belongs to the pipeline.
ONNX_MODEL = (
    b'\x08\x08:7\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x01gZ\x10\n\x01x\x12\x0b\n\t\x08\x01\x12\x05\n\x03'
    b"\x12\x01nb\x10\n\x01y\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01nB\x04\n\x00\x10\x11"
)
# One output of every stage that runs once per project or first target.
OUTPUTS = {
    "curate": "tables/curated",
    "grow": "tables/atlas",
    "featurize": "tables/features",
    "split": "tables/splits/splits.csv",
    "pretrain": "models/pretrained",
    "select": "tables/selections",
    "finetune": "models/finetuned",
    "evaluate": "metrics/scores",
    "hidden": "metrics/hidden",
    "export": "models/onnx",
    "summarise": "metrics/summary.json",
}


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, what was found, and the remedy where it is not ok."""

    what: str
    state: Literal["ok", "warning", "problem"]
    found: str
    remedy: str = ""


def examine(root: Path, params: Path) -> list[Finding]:
    """Look at everything; `params` is the settings file of the project in `root`, which need not exist."""
    pipeline = util.find_spec("torch") is not None
    return [
        *_environment(pipeline),
        *_machine(root, pipeline),
        _onnx_runtime(),
        *_programs(pipeline),
        *_project(root, params, pipeline),
    ]


def show(findings: list[Finding]) -> None:
    """Print a line for each finding, a second one for its remedy, and how many are not ok."""
    for finding in findings:
        typer.echo(f"{finding.state:<9}{finding.what:<14}{finding.found}")
        if finding.remedy:
            typer.echo(f"{'':<23}-> {finding.remedy}")
    problems, warnings = (
        sum(finding.state == state for finding in findings) for state in ("problem", "warning")
    )
    typer.echo(f"{problems} problems, {warnings} warnings")


def as_values(findings: list[Finding]) -> dict[str, object]:
    """Return the findings as JSON-serialisable values."""
    return {
        "ok": all(finding.state != "problem" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _environment(pipeline: bool) -> Iterator[Finding]:
    yield Finding("anchordrug", "ok", f"{metadata.version('anchordrug')}, Python {platform.python_version()}")
    wrong = [*_wrong_packages("")]
    install = "pip install --upgrade anchordrug"
    if pipeline:
        wrong += _wrong_packages("pipeline")
        install = "pip install --upgrade 'anchordrug[pipeline]'"
    kind = (
        "prediction and pipeline" if pipeline else "prediction only; the stages need 'anchordrug[pipeline]'"
    )
    if wrong:
        yield Finding("packages", "problem", "; ".join(wrong), install)
    else:
        yield Finding("packages", "ok", kind)


def _wrong_packages(extra: str) -> Iterator[str]:
    """Yield what is missing or too old of what the package asks for, in `extra` or, for "", always."""
    from packaging.requirements import Requirement

    for text in metadata.requires("anchordrug") or []:
        required = Requirement(text)
        always = required.marker is None or required.marker.evaluate({"extra": ""})
        wanted = required.marker is None or required.marker.evaluate({"extra": extra})
        if not wanted or (extra and always):
            continue
        try:
            version = metadata.version(required.name)
        except metadata.PackageNotFoundError:
            yield f"{required.name} is missing"
            continue
        if not required.specifier.contains(version, prereleases=True):
            yield f"{required.name} is {version}, not {required.specifier}"


def _machine(root: Path, pipeline: bool) -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = {name: os.environ[name] for name in THREADS if os.environ.get(name)}
    said = "".join(f", {name}={value}" for name, value in given.items())
    odd = [name for name, value in given.items() if not value.isdigit() or not 1 <= int(value) <= cores]
    if odd:
        remedy = f"set {odd[0]} to a number from 1 to {cores}, or unset it"
        yield Finding("threads", "warning", f"{cores} cores{said}", remedy)
    else:
        yield Finding("threads", "ok", f"{cores} cores{said}")
    least = PIPELINE_GIB if pipeline else PREDICT_GIB
    memory = _free_memory()
    if memory is None:
        yield Finding("memory", "ok", "this system does not tell")
    elif memory < least:
        yield Finding("memory", "warning", f"{memory:.1f} GiB are free", f"have {least:g} GiB: end programs")
    else:
        yield Finding("memory", "ok", f"{memory:.1f} GiB are free")
    free = shutil.disk_usage(root).free / GIB
    if free < FREE_GIB:
        yield Finding("disk", "warning", f"{free:.1f} GiB are free here", f"have {FREE_GIB:g} GiB free")
    else:
        yield Finding("disk", "ok", f"{free:,.0f} GiB are free here")


def _free_memory() -> float | None:
    """Return the memory in GiB that programs can still have, None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 / GIB for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _onnx_runtime() -> Finding:
    """Run a model: a wheel for another processor imports well and fails only here."""
    try:
        import numpy as np

        from anchordrug.prediction.runtime import onnxruntime

        session = onnxruntime.InferenceSession(ONNX_MODEL, providers=["CPUExecutionProvider"])
        (doubled,) = session.run(None, {"x": np.array([1, 2], np.float32)})
        if np.asarray(doubled).tolist() != [2, 4]:
            raise ValueError(f"1 + 1 and 2 + 2 gave {doubled}")
    # Whatever it raises, the runtime does not run.
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return Finding("onnxruntime", "problem", what, "pip install --force-reinstall onnxruntime")
    return Finding("onnxruntime", "ok", f"{onnxruntime.__version__} runs a model")


def _programs(pipeline: bool) -> Iterator[Finding]:
    for name, why in (("git", "dvc exp and versions of results"), ("dvc", "'dvc repro'")):
        found = shutil.which(name)
        if found or not pipeline:
            yield Finding(name, "ok", found or "not found, and not needed to predict")
        else:
            remedy = "install git" if name == "git" else "activate the environment it is installed in"
            yield Finding(name, "warning", f"not found on the path; {why} needs it", remedy)


def _project(root: Path, params: Path, pipeline: bool) -> Iterator[Finding]:
    if not params.exists():
        text = f"no {params} here; predict, rank and inspect need none"
        yield Finding("project", "ok", text)
        return
    if not pipeline:
        yield Finding("project", "ok", f"{params} is not read: the pipeline is not installed")
        return
    from anchordrug.files.experiments import outside_of_copies, seen_from
    from anchordrug.predictors.registry import check_predictors
    from anchordrug.raw.bundle import find_bundle
    from anchordrug.settings import read_settings

    try:
        settings = read_settings(params)
        check_predictors(settings, params)
    except AnchorDrugError as error:
        yield _mistake("settings", error)
        return
    yield Finding("settings", "ok", f"{params}: targets {', '.join(settings.targets)}")
    try:
        bundle = find_bundle(seen_from(root, settings.raw.dir))
        found = f"{settings.raw.dir}: {bundle.matrix.name} and its tables"
        warning, _, remedy = (outside_of_copies(root, settings.raw.dir, "raw.dir") or "").rpartition("; ")
        state = "warning" if warning else "ok"
        yield Finding("raw bundle", state, warning or found, remedy)
    except AnchorDrugError as error:
        yield _mistake("raw bundle", error)
    there = [stage for stage, path in OUTPUTS.items() if (root / path).exists()]
    missing = [stage for stage in OUTPUTS if stage not in there]
    if missing:
        text = f"{', '.join(there) or 'none'} have run; not yet {', '.join(missing)}"
        yield Finding("stages", "ok", f"{text}; 'dvc repro' runs them")
    else:
        yield Finding("stages", "ok", "all have run")


def _mistake(what: str, error: AnchorDrugError) -> Finding:
    """Return what an error says as a finding; the texts put the remedy behind the last semicolon."""
    found, _, remedy = str(error).rpartition("; ")
    return Finding(what, "problem", found or remedy, remedy if found else f"correct it ({what})")
