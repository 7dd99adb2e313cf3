"""The documents' commands: where they stand, which are played in what order, which are not and why."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.conftest import ROOT
from tests.forks import environment
from tests.terminal import Terminal

# Pages that are played as they stand, in this order; those of a story in one folder.
STORIES = {
    "how-to": (
        "docs/howto/compounds.md",
        "docs/howto/signatures.md",
        "docs/howto/untreated_expression.md",
        "docs/howto/plates.md",
        "docs/howto/assay_results.md",
        "docs/howto/grow_the_atlas.md",
        "docs/howto/raw_bundle.md",
        "docs/howto/gene_panels.md",
        "docs/model_card.md",
        "docs/data_card.md",
        "docs/tutorial_onnx.md",
    ),
    "bench": ("docs/tutorial_bench.md",),
    "python": ("docs/python.md",),
    "assays": ("docs/howto/other_assays.md",),
}
# The same in a clone of the repository, through DVC.
PIPELINE_STORY = ("docs/tutorial_demo.md", "docs/tutorial_strategies.md")
# The same in a copy of that clone, next to which a remote and a second clone are made.
TEAM_STORY = ("docs/howto/team.md",)

_NETWORK = "needs the network; "
_HOURS = "takes hours and the real data; "
_VARIANT = "docs/tutorial_strategies.md plays a smaller one; "
# How commands begin (regular expressions) that are not played, with the reason and what tests them instead.
# All others are played, or equal one that is.
NOT_RUN = {
    "make run": "installs, then dvc repro, which tests/test_dvc.py runs in a clone",
    "make test": "runs these tests",
    "make bench": "measures for minutes: tests/test_speed.py tests the parts of its script",
    "source .venv/bin/activate": "the tests run in the environment",
    "anchordrug app": "serves until it is ended: tests/app plays the page",
    "anchordrug doctor": "what it says depends on the machine: its own tests set that up",
    "pip install": f"{_NETWORK}tests/prediction/test_predict_only.py installs the package",
    "pipx run": f"{_NETWORK}it looks at what is installed, not at the code",
    "cd examples && npm install": f"{_NETWORK}tests/prediction/test_consumers.py runs the words of the page",
    "cd examples && node": "needs what npm installs: "
    "tests/prediction/test_consumers.py runs the words of the page",
    "cd examples/java && mvn": f"{_NETWORK}tests/prediction/test_examples.py compiles the program",
    "cd examples/java && java": "needs what Maven fetches: tests/prediction/test_examples.py runs it",
    "MODEL=": "serves until it is ended: tests/prediction/test_examples.py asks the service",
    "curl -s localhost": "needs the service: tests/prediction/test_examples.py asks it",
    "podman ": f"{_NETWORK}tests/prediction/test_examples.py reads the Containerfile",
    "anchordrug predict --engine ray": "needs S3: tests/prediction/test_ray.py has folders instead",
    "anchordrug predict --model models/onnx/SIM-T1.onnx --model": "the small project has one model: "
    "tests/prediction/test_engine.py makes a second",
    "dvc plots diff$": _VARIANT + "the same with names",
    "dvc exp run -S select.": _VARIANT + "tests/acquisition/test_campaign.py plays scenario common",
    "dvc exp run -S predictor=mlp": _VARIANT + "mlp_project of tests/conftest.py is that",
    r"dvc exp run -S raw.dir=\$ANCHORDRUG_LINCS": f"{_HOURS}tests/real curates and plays a small share",
    "(cosmic-ray|cr-filter-operators|cr-report) ": f"{_HOURS}docs/mutation.md has what came of it",
    "cd benchmarks/paper && dvc repro": f"{_HOURS}tests/test_paper_benchmark.py plays a small grid",
    "python scripts/plain_english.py": "tests/test_plain_english.py looks for the same habits",
    "python benchmarks/": f"{_HOURS}tests/test_docs.py looks at the options",
    "cd sources/lincs/pipeline && dvc repro": f"{_NETWORK}"
    "tests/release/test_fetch.py, test_slice.py and test_pack.py do its parts",
    "dvc exp run -S raw.dir=sources/lincs/bundles/slice": f"{_NETWORK}"
    "tests/release/test_slice.py curates such a bundle",
}


_WARNING = re.compile(r"\.py:\d+: \w*Warning: ")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the file that its title names (or ""), and its text."""

    language: str
    title: str
    text: str


def pages() -> list[Path]:
    """Return every markdown file that git tracks, or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in sorted(set(listed.splitlines())) if (ROOT / name).is_file()]


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found = re.findall(
        r'^```(\w*)(?: title="([^"]*)")?\n(.*?)^```$', page.read_text(encoding="utf-8"), re.M | re.S
    )
    return [Block(*one) for one in found]


def commands(page: Path) -> list[str]:
    """Return the commands of a page's bash blocks without comments; below a `cd` each begins with it."""
    return [line for block in blocks(page) if block.language == "bash" for line in _lines(block.text)]


def _lines(script: str) -> Iterator[str]:
    place = ""
    for line in re.sub(r"\\\n\s*", "", script).splitlines():
        command = re.sub(r"(^|\s)#\s.*", "", line).strip()
        if command.startswith("cd "):
            place = f"{command} && "
        elif command:
            yield place + command


def is_not_run(command: str) -> bool:
    """Tell whether `NOT_RUN` says why nobody runs `command`."""
    return any(re.match(start, command) for start in NOT_RUN)


@cache
def played_commands() -> frozenset[str]:
    """Return the commands of all stories."""
    names = [*(name for story in STORIES.values() for name in story), *PIPELINE_STORY, *TEAM_STORY]
    return frozenset(line for name in names for line in commands(ROOT / name) if not is_not_run(line))


def shell(script: str, folder: Path) -> str:
    """Run a bash script in `folder` in this environment; return what it prints, which holds no warning."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert not _WARNING.search(done.stdout + done.stderr), f"{script}\n{done.stderr[-3000:]}"
    return done.stdout


def play(pages: tuple[str, ...], folder: Path) -> str:
    """Do in `folder` what pages tell to: write their files, run their commands and their Python.

    A file is a block with a title. Questions are answered by yes.

    Returns
    -------
    str
        What all commands print.
    """
    with Terminal(folder) as terminal:
        return "".join(
            _play_block(block, page, folder, terminal) for page in pages for block in blocks(ROOT / page)
        )


def _play_block(block: Block, page: str, folder: Path, terminal: Terminal) -> str:
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    elif block.language == "python":
        terminal.python(block.text, page)
    elif block.language == "bash":
        return _play_commands(block, folder, terminal)
    return ""


def _play_commands(block: Block, folder: Path, terminal: Terminal) -> str:
    said = ""
    for line in _lines(block.text):
        if is_not_run(line):
            continue
        words = shlex.split(line)
        if words[0] == "anchordrug":
            ended = terminal.run(*words[1:], answer="y\n")
            assert ended.code == 0, (line, ended.printed, ended.error)
            said += ended.printed
        else:
            said += shell(line, folder)
    return said
