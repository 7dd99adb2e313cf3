"""Every command with a fault at each point where it touches the disk or starts a process.

After each fault, the same command ends with the bytes of an undisturbed run and leaves nothing half written.
"""

import functools
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from anchordrug.bench.folder import is_ingested
from anchordrug.files.lock import locked
from anchordrug.prediction import engine
from tests.conftest import run_cli
from tests.faults import Faults, Point, Tree, left_over, restore, run, tree_of
from tests.release.test_download import CONTENT, Server, digest
from tests.release.test_pack import GO, write_release
from tests.tiny import write_tiny_project

T1 = ("--target", "SIM-T1")
MODEL, LIBRARY, C, RELEASE = (Path(p) for p in ("models/onnx/SIM-T1.onnx", "library.smi", "c", "release"))
GENES = Path("tables/atlas/genes.parquet")
PREDICT = ("--model", MODEL, "--drugs", LIBRARY, "--out")
NEW = ("--library", Path("tables/atlas/drugs.parquet"), "--budget", "4", "--rounds", "2", "--rehearsal")
RANK = ("--signature", Path("signature.csv"), "--permutations", "10")
FETCHED = ("--manifest", RELEASE / "manifest.yaml", "--params", RELEASE / "params.yaml")
PACKED = ("--downloads", RELEASE / "downloads", "--params", RELEASE / "params.yaml")
# In an order in which each finds what it needs; paths are below the project.
COMMANDS = {
    "fetch": ("fetch", "genes", *FETCHED, "--into", RELEASE / "fetched"),
    "curate": ("curate",),
    "grow": ("grow",),
    "featurize": ("featurize",),
    "split": ("split",),
    "pretrain": ("pretrain", *T1),
    "select": ("select", *T1),
    "finetune": ("finetune", *T1),
    "evaluate": ("evaluate", *T1),
    "export": ("export", *T1),
    "predict": ("predict", *PREDICT, Path("out.csv")),
    "new": ("campaign", "new", C, *T1, *NEW),
    "next": ("campaign", "next", C),
    "rehearse": ("campaign", "rehearse", C, "--out", Path("counts.csv")),
    "ingest": ("campaign", "ingest", C, Path("counts.csv"), "--yes"),
    "add": ("atlas", "add", "mine", C),
    "remove": ("atlas", "remove", "mine"),
    "finish": ("campaign", "finish", C),
    "rank": ("rank", *PREDICT, Path("ranks.parquet"), *RANK),
    "compare": ("compare", *T1),
    "hidden": ("hidden", *T1),
    "summarise": ("summarise",),
    "report": ("report",),
    "panel": ("panel", "--size", "5", "--out", Path("p.txt"), "--scores", Path("p.csv")),
    "pack": ("pack", "gse70138", *PACKED, "--out", RELEASE / "bundle"),
}
# Those of few points that take little: with every fault, and with kills alone.
QUICK, QUICK_KILLS = {"grow", "split", "remove"}, {"select", "predict", "fetch"}


def below(root: Path, words: tuple) -> list[object]:
    """Return the words of a command for the project `root`."""
    return [root / word if isinstance(word, Path) else word for word in words]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The project's folder, which is the same for all commands, because some files tell where it is."""
    root = tmp_path_factory.mktemp("faults") / "project"
    root.mkdir()
    write_tiny_project(root)
    rows = ["CCO", "CCN", "CC(", "OCC", "c1ccccc1", "CCCO", "CCCN", "nothing"]
    (root / LIBRARY).write_text("".join(f"{row} d{place}\n" for place, row in enumerate(rows)))
    genes = next((root / "data").glob("gene_panel*")).read_text().split()
    pd.DataFrame({"gene": genes, "logFC": range(-8, 8)}).to_csv(root / "signature.csv", index=False)
    return root


@pytest.fixture(scope="module")
def release(root: Path) -> Iterator[Path]:
    """A folder like sources/lincs/pipeline, whose file a server has."""
    folder = root / "release"
    folder.mkdir()
    write_release(folder, "gse70138")
    (folder / "params.yaml").write_text(yaml.safe_dump({"mirror": None, "go": GO}))
    with Server() as server:
        serve = functools.partial(server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        entry = {"file": "genes.txt", "url": server.url, "size": len(CONTENT), "checksum": digest(CONTENT)}
        manifest = {"files": {"genes": entry | {"licence": "CC0", "what": "genes"}}}
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
        yield folder
        server.shutdown()


@pytest.fixture(scope="module")
def start(root: Path, release: Path) -> Callable[[str], list[object]]:
    """Make the project as it is before a command, and return the command's words."""
    names = list(COMMANDS)
    before = {names[0]: tree_of(root)}

    def to(wanted: str) -> list[object]:
        while wanted not in before:
            name, following = names[len(before) - 1 : len(before) + 1]
            restore(root, before[name])
            ended = run(below(root, COMMANDS[name]), root)
            assert ended.code == 0, (name, ended)
            if following == "ingest":
                # Of the atlas' genes and few others, so that it takes less.
                counts, genes = pd.read_csv(root / "counts.csv"), pd.read_parquet(root / GENES)["gene"]
                counts[counts["gene"].isin(genes) | (counts.index % 50 == 0)].to_csv(
                    root / "counts.csv", index=False
                )
            if following == "add":
                # What a rehearsal has measured cannot be added, so it is made a campaign.
                told = (path for path in (root / C).rglob("*") if path.suffix in {".yaml", ".json"})
                for path in told:
                    text = path.read_text(encoding="utf-8")
                    path.write_text(re.sub(r'(rehearsal"?): true', r"\1: false", text), encoding="utf-8")
            before[following] = tree_of(root)
        restore(root, before[wanted])
        return below(root, COMMANDS[wanted])

    return to


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(engine, "DRUGS_A_BLOCK", 3)
    # So wide that no path is broken.
    monkeypatch.setenv("COLUMNS", "500")


def cases() -> list:
    marks = {name: () if name in QUICK | QUICK_KILLS else pytest.mark.long for name in COMMANDS}
    return [pytest.param(name, name not in QUICK_KILLS, marks=marks[name]) for name in COMMANDS] + [
        pytest.param(name, True, marks=pytest.mark.long) for name in QUICK_KILLS
    ]


@pytest.mark.parametrize(("name", "errors"), cases())
def test_a_fault_at_any_point_of_a_command_is_told_and_a_rerun_ends_the_same(name, errors, root, start):
    faults = Faults(root, start(name))
    for full in (False, True) if errors else ():
        for point, ended in faults.fail(full):
            # Some faults do no harm, as that of a folder to be made which is there.
            assert ended.code in (0, 2), (point, ended)
            assert ended.code == 0 or (len(ended.line) < 500 and "\n" not in ended.line), (point, ended)
    for origin, ended, found in faults.again():
        assert ended.code == 0, (origin, ended)
        assert not left_over(found), origin
        assert found == faults.end, origin
    print(f"{name}: {len(faults.points)} points, {len(faults.states)} remains, {faults.runs} runs")


CAMPAIGN = ("new", "next", "rehearse", "ingest", "finish")


def left_by_a_kill(root: Path, words: list[object], rename: int) -> Tree:
    """Return what a command leaves that is killed before it renames its `rename`-th file, -1 for the last."""
    trees: list[Tree] = []
    ended = run(words, root, lambda point: trees.append(tree_of(root)) if point.kind == "os.rename" else None)
    assert ended.code == 0, ended
    return trees[rename]


def test_results_that_are_copied_but_not_evaluated_are_taken_up_without_naming_them_again(root, start):
    words = start("ingest")
    begun = left_by_a_kill(root, words, 1)
    end = tree_of(root)
    restore(root, begun)
    assert (root / "c/results/01/counts.csv").exists()
    assert not (root / "c/rounds/01/responses.csv").exists()
    assert run(["campaign", "ingest", root / C, "--yes"], root).code == 0
    assert tree_of(root) == end


def test_a_round_whose_ingest_was_killed_before_its_last_file_still_waits(root, start):
    restore(root, left_by_a_kill(root, start("ingest"), -1))
    assert not is_ingested(root / C, 1)
    assert f"campaign ingest {root / C}" in run(["campaign", "status", root / C], root).line
    before = tree_of(root)
    assert left_over(before)
    assert run(["campaign", "next", root / C], root).code == 0
    assert tree_of(root) == {path: before[path] for path in before.keys() - set(left_over(before))}


@pytest.mark.parametrize("name", CAMPAIGN)
def test_a_second_command_in_the_folder_of_a_campaign_is_refused_and_changes_nothing(name, root, start):
    words = start(name)
    (root / C).mkdir(exist_ok=True)
    with locked(root / C):
        before = tree_of(root)
        ended = run(words, root)
        assert ended.code == 2
        assert ended.line.startswith(f"{root / C}: another anchordrug command works in it (")
        assert ended.line.endswith(f", process {os.getpid()}); wait until it ends")
        assert tree_of(root) == before


def test_a_command_is_not_disturbed_by_a_second_one_in_its_folder(root, start):
    words = start("ingest")
    assert run(words, root).code == 0
    end, seconds = tree_of(root), []

    def second(point: Point) -> None:
        if point.kind == "os.rename" and len(seconds) < 2:
            seconds.append(run_cli("campaign", "next", root / C, folder=root))
            assert run_cli("campaign", "status", root / C, folder=root).exit_code == 0

    start("ingest")
    assert run(words, root, second).code == 0
    assert tree_of(root) == end
    assert len(seconds) == 2
    assert all("another anchordrug command works in it" in str(each.exception) for each in seconds)
