"""anchordrug doctor: faults of the installation, the machine and the project, each with its remedy."""

import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from anchordrug.cores import core_count
from anchordrug.errors import AnchorDrugError, SettingsError, counted, shortlist
from anchordrug.files.checksums import sum_of
from anchordrug.files.whole import damage, files_in
from anchordrug.project.turns import READS

# pydantic takes as long to import as all of the help takes to show.
if TYPE_CHECKING:
    from anchordrug.project.project import AtlasTables, Project
    from anchordrug.raw.bundle import RawBundle

GIB = 2**30
# `predict` takes no turn.
_READS = {**READS, "predict": ("export",)}
# docs/performance.md: the memory for predicting, and for learning from 35,000 drugs x 307 genes.
PREDICT_GIB, PIPELINE_GIB = 0.5, 3.0
FREE_GIB = 5.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# y = x + x, one float32 input and output; the onnx package that could make it belongs to the pipeline.
ONNX_MODEL = (
    b'\x08\x08:7\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x01gZ\x10\n\x01x\x12\x0b\n\t\x08\x01\x12\x05\n\x03'
    b"\x12\x01nb\x10\n\x01y\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01nB\x04\n\x00\x10\x11"
)


@dataclass(frozen=True)
class Finding:
    """One line: the subject, its state, the finding, and the remedy where it is not ok."""

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
    """Print a line for each finding, a second line for its remedy, and how many are not ok."""
    for finding in findings:
        typer.echo(f"{finding.state:<9}{finding.what:<14}{finding.found}")
        if finding.remedy:
            typer.echo(f"{'':<23}-> {finding.remedy}")
    problems, warnings = (
        sum(finding.state == state for finding in findings) for state in ("problem", "warning")
    )
    typer.echo(f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}")


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
    """Yield the missing or too old requirements of the package, in `extra` or, for "", always."""
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
    cores = core_count()
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
        text = f"no {params} here; predict, rank and inspect do not need one"
        yield Finding("project", "ok", text)
        return
    if not pipeline:
        yield Finding("project", "ok", f"{params} is not read: the pipeline is not installed")
        return
    from anchordrug.files.experiments import outside_of_copies, seen_from
    from anchordrug.predictors.registry import check_predictors
    from anchordrug.project.project import Project
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
        yield from _lacking(bundle, settings.predictor)
    except AnchorDrugError as error:
        yield _mistake("raw bundle", error)
    yield from _other_inputs(Project(root, settings))
    yield _stages(Project(root, settings))
    yield from _recorded(Project(root, settings))


def _lacking(bundle: "RawBundle", predictor: str) -> Iterator[Finding]:
    """Tell which inputs of a predictor the raw bundle does not have."""
    from anchordrug.predictors.registry import predictor_class

    kind = predictor_class(predictor)
    for is_needed, file, what in (
        (kind.uses_cell_lines, bundle.expression, "untreated expression (basal_expression*.csv)"),
        (kind.uses_annotation, bundle.annotation, "gene annotation (gene_ontology*.csv, *.gmt or *.gaf)"),
    ):
        if is_needed and file is None:
            found = f"{predictor} needs {what}, and the raw bundle has none"
            remedy = "add it to the raw bundle, or set predictor: response_gp in params.yaml"
            yield Finding("predictor", "problem", found, remedy)


def _other_inputs(project: "Project") -> Iterator[Finding]:
    """Tell which files of outside the stages' own tables are missing, other than the raw bundle."""
    library = project.settings.predict.library
    # A table of a stage is not there before the stage has run.
    if not library.is_relative_to("tables") and not (project.root / library).is_file():
        remedy = "set predict.library in params.yaml to a file of compounds"
        yield Finding("library", "problem", f"{library}: no such file", remedy)
    # Without DVC, nothing asks for the folder.
    if (project.root / "dvc.yaml").exists() and not project.additions.is_dir():
        remedy = f"mkdir {project.relative(project.additions)}"
        yield Finding("additions", "problem", f"{project.additions}: no such folder; DVC asks for it", remedy)


class Run(NamedTuple):
    """One run of a stage: for a target and a seed, where it has them, with the files it writes."""

    stage: str
    target: str | None
    seed: int | None
    outputs: list[Path]

    def missing(self) -> list[Path]:
        """Return the outputs that are not there; an empty folder counts as none."""
        return [
            path for path in self.outputs if not path.exists() or (path.is_dir() and not [*path.iterdir()])
        ]

    def damaged(self) -> Iterator[tuple[Path, str]]:
        """Yield the files of the outputs that are not whole, with their faults."""
        for output in self.outputs:
            for path in files_in(output):
                problem = damage(path)
                if problem is not None:
                    yield path, problem

    def reads(self, other: "Run") -> bool:
        """Return whether this run reads outputs of `other`, and no others."""
        own = other.target in (None, self.target) and other.seed in (None, self.seed)
        return own and other.stage in _READS[self.stage]


def _stages(project: "Project") -> Finding:
    """Tell which stages have run, and which outputs that were written or read are missing or damaged."""
    missing = [(run, run.missing()) for run in _runs(project)]
    ran = [run for run, paths in missing if len(paths) < len(run.outputs)]
    readers = [*ran, *(run for run in _predictions(project) if not run.missing())]
    lost = [
        (run.stage, path)
        for run, paths in missing
        for path in paths
        if run in ran or any(other.reads(run) for other in readers)
    ]
    if lost:
        stages = ", ".join(dict.fromkeys(stage for stage, _ in lost))
        verb = "is" if len(lost) == 1 else "are"
        text = (
            f"{counted(len(lost), 'output')} of {stages} {verb} missing: "
            f"{shortlist(project.relative(path) for _, path in lost)}"
        )
        return Finding("stages", "problem", text, _restored(project, [path for _, path in lost]))
    damaged = [found for run in readers for found in run.damaged()]
    if damaged:
        named = shortlist((f"{project.relative(path)} {problem}" for path, problem in damaged), 3)
        remedy = f"delete the damaged files; {_restored(project, [path for path, _ in damaged])}"
        return Finding("stages", "problem", f"damaged: {named}", remedy)
    waiting = dict.fromkeys(run.stage for run, _ in missing if run not in ran)
    if waiting:
        whole = dict.fromkeys(run.stage for run in ran if run.stage not in waiting)
        text = f"{', '.join(whole) or 'none'} have run; not yet {', '.join(waiting)}"
        return Finding("stages", "ok", f"{text}; 'dvc repro' runs them")
    return Finding("stages", "ok", "all have run")


def is_in_git(output: Path) -> bool:
    """Return whether git has an output (relative to the project), as dvc.yaml says of small tables."""
    in_folder_of_dvc = output.parts[0] == "models" or output.parts[:2] == ("tables", "features")
    return output.suffix in (".csv", ".json") and not in_folder_of_dvc


def _restored(project: "Project", paths: Iterable[Path]) -> str:
    """Return how missing or damaged outputs of stages are restored."""
    kinds = {is_in_git(path.relative_to(project.root)) for path in paths}
    ways = {False: "'dvc checkout'", True: "'git checkout tables metrics'"}
    restore = " and ".join(ways[kind] for kind in sorted(kinds))
    return f"{restore} {'restore' if len(kinds) > 1 else 'restores'} them, or 'dvc repro' makes them again"


def _recorded(project: "Project") -> Iterator[Finding]:
    """Tell which files are not those that DVC has recorded: a byte may have changed where nothing is cut."""
    from anchordrug.files.dvc_hashes import is_as_recorded, recorded_in

    try:
        recorded = list(recorded_in(project.root))
    except (OSError, SettingsError) as error:
        remedy = "'git checkout' restores a file of DVC"
        yield Finding("hashes", "warning", f"outputs are not compared with their hashes: {error}", remedy)
        return
    other = [one.path for one in recorded if one.path.exists() and not is_as_recorded(one)]
    if other:
        named = shortlist((project.relative(path) for path in other), 3)
        found = f"{counted(len(other), 'output')} changed since 'dvc repro' or 'dvc add': {named}"
        remedy = (
            "'dvc repro' makes outputs of stages again; 'dvc checkout --force' restores files of DVC's cache"
        )
        yield Finding("hashes", "warning", found, remedy)


def _predictions(project: "Project") -> list[Run]:
    return [
        Run("predict", target, None, [project.predictions(target)]) for target in project.settings.targets
    ]


def _runs(project: "Project") -> list[Run]:
    """Return the runs that the settings ask for, in the order of the stages."""
    targets, metrics = project.settings.targets, project.metrics
    curated, atlas = project.curated_tables, project.atlas_tables
    features = [project.drug_features, project.gene_features, project.cell_features]
    once = [
        Run("curate", None, None, [*_tables(curated), project.funnel, project.rejects]),
        Run("grow", None, None, [*_tables(atlas), project.added_expression]),
        Run("featurize", None, None, features),
        Run("split", None, None, [project.splits]),
    ]
    of_campaign = {
        "select": project.selection,
        "compare": lambda target, seed: project.campaign_metrics("compared", target, seed),
        "finetune": lambda target, seed: project.finetuned(target, seed, ""),
        "evaluate": lambda target, seed: project.campaign_metrics("scores", target, seed),
    }
    campaigns = [
        Run(stage, target, seed, [path(target, seed)])
        for stage, path in of_campaign.items()
        for target in targets
        for seed in project.settings.seeds
    ]
    return [
        *once,
        *(Run("pretrain", target, None, [project.pretrained(target)]) for target in targets),
        *campaigns,
        *(Run("hidden", target, None, [metrics / "hidden" / f"{target}.csv"]) for target in targets),
        *(
            Run("export", target, None, [project.onnx(target), sum_of(project.onnx(target))])
            for target in targets
        ),
        Run("summarise", None, None, [metrics / "summary.json"]),
        Run("report", None, None, [metrics / "report.html"]),
    ]


def _tables(tables: "AtlasTables") -> list[Path]:
    return [tables.responses, tables.drugs, tables.genes, tables.cell_lines]


def _mistake(what: str, error: AnchorDrugError) -> Finding:
    """Return an error as a finding; the texts put the remedy behind the last semicolon."""
    found, _, remedy = str(error).rpartition("; ")
    return Finding(what, "problem", found or remedy, remedy if found else f"correct it ({what})")
