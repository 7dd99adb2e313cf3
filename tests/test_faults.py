"""Every command with a fault at each point where it touches the disk or starts a process.

After each fault, the same command ends with the bytes of an undisturbed run, and nothing half written is left.
"""

import functools
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from anchordrug.prediction import engine
from tests.conftest import FROM_PRETRAIN
from tests.faults import Faults, Tree, left_over, restore, run, tree_of
from tests.release.test_download import CONTENT, Server, digest
from tests.release.test_pack import GO, write_release
from tests.tiny import write_tiny_project

T1 = ("--target", "SIM-T1")
MODEL, DRUGS, C = Path("models/onnx/SIM-T1.onnx"), Path("library.smi"), Path("c")
ROUND = (
    ("next", ("campaign", "next", C)),
    ("rehearse", ("campaign", "rehearse", C, "--out", Path("counts.csv"))),
    ("ingest", ("campaign", "ingest", C, Path("counts.csv"), "--yes")),
)
NEW = ("campaign", "new", C, *T1, "--library", Path("tables/atlas/drugs.parquet"), "--budget", "4")
# In an order in which each finds what it needs; paths are below the project.
COMMANDS = (
    *((name, (name,)) for name in ("curate", "grow", "featurize", "split")),
    *((words[0], tuple(words)) for words in FROM_PRETRAIN),
    ("panel", ("panel", "--size", "5", "--out", Path("p.txt"), "--scores", Path("p.csv"))),
    ("predict", ("predict", "--model", MODEL, "--drugs", DRUGS, "--out", Path("out.csv"))),
    (
        "rank",
        (
            *("rank", "--model", MODEL, "--drugs", DRUGS, "--out", Path("ranks.parquet")),
            *("--signature", Path("signature.csv"), "--permutations", "10"),
        ),
    ),
    ("new", (*NEW, "--rounds", "2", "--rehearsal")),
    *ROUND,
    ("finish", ("campaign", "finish", C)),
    ("add", ("atlas", "add", "mine", C)),
    ("remove", ("atlas", "remove", "mine")),
    ("simulate", ("simulate", "--out", Path("simulated"))),
    (
        "fetch",
        (
            *("fetch", "genes", "--manifest", Path("release/manifest.yaml")),
            *("--params", Path("release/params.yaml"), "--into", Path("release/fetched")),
        ),
    ),
    (
        "pack",
        (
            *("pack", "gse70138", "--downloads", Path("release/downloads")),
            *("--params", Path("release/params.yaml"), "--out", Path("release/bundle")),
        ),
    ),
)
# Those that take tenths of a second for each of few points.
QUICK = {"grow", "split", "predict"}


def below(root: Path, words: tuple) -> list[object]:
    """Return the words of a command for the project `root`."""
    return [root / word if isinstance(word, Path) else word for word in words]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The project's folder, which is the same for all commands, because some files tell where it is."""
    root = tmp_path_factory.mktemp("faults") / "project"
    root.mkdir()
    write_tiny_project(root)
    rows = ["CCO", "CCN", "CC(", "OCC", "c1ccccc1", "CCCO", "CCCN", "nothing", "CCCC", "CCOC"]
    (root / DRUGS).write_text("".join(f"{row} d{place}\n" for place, row in enumerate(rows)))
    genes = next((root / "data").glob("gene_panel*")).read_text().split()
    pd.DataFrame({"gene": genes, "logFC": range(-8, 8)}).to_csv(root / "signature.csv", index=False)
    return root


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def starts(root: Path, server: Server) -> dict[str, Tree]:
    """The project before each command."""
    found = {}
    (root / "release").mkdir()
    write_release(root / "release", "gse70138")
    (root / "release/params.yaml").write_text(yaml.safe_dump({"mirror": None, "go": GO}))
    entry = {"file": "genes.txt", "url": server.url, "size": len(CONTENT), "checksum": digest(CONTENT)}
    manifest = {"files": {"genes": entry | {"licence": "CC0", "what": "genes"}}}
    (root / "release/manifest.yaml").write_text(yaml.safe_dump(manifest))
    for name, words in COMMANDS:
        if name == "add":
            # What a rehearsal has measured cannot be added.
            settings = root / C / "campaign.yaml"
            settings.write_text(settings.read_text().replace("rehearsal: true", "rehearsal: false"))
        found[name] = tree_of(root)
        ended = run(below(root, words), root)
        assert ended.code == 0, (name, ended)
    return found


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(engine, "DRUGS_A_BLOCK", 4)


@pytest.mark.parametrize(
    ("name", "words"),
    [pytest.param(*case, id=case[0], marks=() if case[0] in QUICK else pytest.mark.long) for case in COMMANDS],
)
def test_after_a_fault_anywhere_a_rerun_ends_as_if_nothing_had_happened(name, words, root, starts):
    restore(root, starts[name])
    faults = Faults(root, below(root, words))
    for full in (False, True):
        for point, ended in faults.fail(full):
            assert ended.code in (0, 2), (point, ended)
            assert ended.code == 0 or (len(ended.line) < 500 and "\n" not in ended.line), (point, ended)
    for ended, found in faults.again():
        assert ended.code == 0, ended
        assert not left_over(found)
        assert found == faults.end
    print(f"{name}: {len(faults.points)} points, {len(faults.states)} different remains, {faults.runs} runs")
