"""No command overwrites what it reads, and one that cannot write says so before it works."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from anchordrug.api import FittedTarget
from anchordrug.cli.screen import explained
from anchordrug.errors import OutputError
from anchordrug.files.outputs import require_outputs, side_files
from tests.conftest import DEMO, run_cli, small_params, write_params
from tests.prediction.small_models import write_model


def refused(*words, folder=None):
    """Run a command that is to be refused; return the line that it says after the name of the output."""
    result = run_cli(*words, folder=folder)
    assert isinstance(result.exception, OutputError), (result.output, result.exception)
    line, code = explained(result.exception)
    assert code == 2
    assert len(line) < 500
    return line


def contents(folder):
    """Every file of a folder with its bytes; every link with its target."""
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def inputs(tmp_path):
    """A model and tables to predict and to rank with."""
    write_model(tmp_path / "model.onnx")
    (tmp_path / "drugs.csv").write_text("drug_id,smiles\na,CCO\nb,CCN\n", encoding="utf-8")
    (tmp_path / "signature.csv").write_text("gene,logFC\nTP53,1\nMYC,-2\n", encoding="utf-8")
    (tmp_path / "up.csv").write_text("TP53\n", encoding="utf-8")
    (tmp_path / "down.csv").write_text("MYC\n", encoding="utf-8")
    return tmp_path


def same(path):
    return path


def spelled_otherwise(path):
    (path.parent / "folder").mkdir(exist_ok=True)
    return path.parent / "folder" / ".." / path.name


def linked(path):
    link = path.with_name(f"hard{path.suffix}")
    os.link(path, link)
    return link


def through_a_linked_folder(path):
    (path.parent.parent / f"{path.parent.name}-link").symlink_to(path.parent)
    return path.parent.parent / f"{path.parent.name}-link" / path.name


def commands(home):
    """Commands without their outputs, and the inputs that each could take for its output."""
    model = ("--model", home / "model.onnx")
    drugs = ("--drugs", home / "drugs.csv")
    return {
        "predict": (("predict", *model, *drugs), ["drugs.csv"]),
        "rank": (
            ("rank", *model, *drugs, "--signature", home / "signature.csv"),
            ["drugs.csv", "signature.csv"],
        ),
        "lists": (
            ("rank", *model, *drugs, "--up", home / "up.csv", "--down", home / "down.csv"),
            ["up.csv", "down.csv"],
        ),
    }


@pytest.mark.parametrize("name", ["predict", "rank", "lists"])
@pytest.mark.parametrize("way", [same, spelled_otherwise, linked, through_a_linked_folder])
def test_no_input_is_overwritten(inputs, name, way):
    words, names = commands(inputs)[name]
    for given in names:
        out = way(inputs / given)
        before = contents(inputs)
        line = refused(*words, "--out", out)
        assert line.startswith(f"{out}: is an input")
        assert line.endswith("and would be overwritten; name another --out")
        assert contents(inputs) == before
        if way is not same:
            assert str(inputs / given) in line
        for made in {linked: [out], through_a_linked_folder: [out.parent]}.get(way, []):
            made.unlink()


def test_a_model_is_not_overwritten_whatever_its_name(inputs):
    model = inputs / "model.csv"
    (inputs / "model.onnx").rename(model)
    before = contents(inputs)
    words = ("--model", model, "--drugs", inputs / "drugs.csv", "--out", model)
    assert refused("predict", *words) == f"{model}: is an input, and would be overwritten; name another --out"
    assert contents(inputs) == before


def test_a_side_file_overwrites_no_input(inputs):
    """Rejects are mended where they stand and predicted into the same table."""
    library = side_files(inputs / "out.csv")[0]
    (inputs / "drugs.csv").rename(library)
    before = contents(inputs)
    words = ("--model", inputs / "model.onnx", "--drugs", library, "--out", inputs / "out.csv")
    assert (
        refused("predict", *words) == f"{library}: is an input, and would be overwritten; name another --out"
    )
    assert contents(inputs) == before


def test_standard_input_is_an_input_too(inputs):
    words = ("--model", inputs / "model.onnx", "--drugs", "-", "--out", inputs / "drugs.csv")
    kept = os.dup(0)
    try:
        with (inputs / "drugs.csv").open() as file:
            os.dup2(file.fileno(), 0)
            line = refused("predict", *words)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert line == f"{inputs / 'drugs.csv'}: is an input, and would be overwritten; name another --out"


def test_two_formats_of_one_name_have_side_files_of_their_own(inputs):
    bad = inputs / "bad.csv"
    bad.write_text("drug_id,smiles\nc,C(C\nd,CCO\n", encoding="utf-8")
    model = ("--model", inputs / "model.onnx")
    for drugs, out in ((bad, "x.csv"), (inputs / "drugs.csv", "x.parquet")):
        assert run_cli("predict", *model, "--drugs", drugs, "--out", inputs / out).exit_code == 0
    assert len((inputs / "x.csv.rejects.csv").read_text().splitlines()) == 2
    assert len((inputs / "x.parquet.rejects.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize("suffix", [".rejects.csv", ".duplicates.csv"])
def test_no_output_is_another_runs_side_file(inputs, suffix):
    words, _ = commands(inputs)["predict"]
    out = inputs / f"x.csv{suffix}"
    assert refused(*words, "--out", out) == (
        f"{out}: is a name for rows that a run writes next to its output; name another --out"
    )


def prepared(place, path):
    """Put something in the place of an output."""
    if place == "folder":
        path.mkdir()
    elif place == "link":
        path.with_name("target.csv").write_text("kept")
        path.symlink_to("target.csv")
    elif place == "dangling link":
        path.symlink_to("nowhere.csv")
    elif place == "pipe":
        os.mkfifo(path)
    elif place == "link next to":
        side_files(path)[0].symlink_to("nowhere.csv")
    elif place == "folder next to":
        side_files(path)[1].mkdir()


PLACES = {
    "folder": "is a folder; name a file with --out",
    "link": "is a link to target.csv; name the file itself with --out",
    "dangling link": "is a link to nowhere.csv; name the file itself with --out",
    "pipe": "is a device or a pipe; name a file with --out",
}
BESIDE = {
    "link next to": "out.csv.rejects.csv: is a link to nowhere.csv; name the file itself with --out",
    "folder next to": "out.csv.duplicates.csv: is a folder; name a file with --out",
}


@pytest.mark.parametrize(("place", "words"), PLACES.items(), ids=PLACES)
@pytest.mark.parametrize("name", ["predict", "rank"])
def test_a_place_that_cannot_be_written_costs_no_work(inputs, name, place, words, monkeypatch):
    monkeypatch.setattr("anchordrug.prediction.engine.load_predictors", None)
    out = inputs / "out.csv"
    prepared(place, out)
    before = contents(inputs)
    assert refused(*commands(inputs)[name][0], "--out", out) == f"{out}: {words}"
    assert contents(inputs) == before


@pytest.mark.parametrize(("place", "words"), BESIDE.items(), ids=BESIDE)
def test_nor_does_a_side_file(inputs, place, words):
    prepared(place, inputs / "out.csv")
    line = refused(*commands(inputs)["predict"][0], "--out", inputs / "out.csv")
    assert line == f"{inputs / words.split(':')[0]}:{words.split(':')[1]}"


def test_places_that_no_file_can_have(inputs):
    words, _ = commands(inputs)["predict"]
    out = inputs / "drugs.csv" / "out.csv"
    assert (
        refused(*words, "--out", out) == f"{out}: {inputs / 'drugs.csv'} is not a folder; name another --out"
    )
    out = inputs / f"{'x' * 250}.csv"
    assert refused(*words, "--out", out) == (f"{inputs}: the name of a file in it is too long; shorten --out")
    for out in (Path(), Path("/")):
        with pytest.raises(OutputError, match=r"is a folder; name a file with --out"):
            require_outputs([("--out", out)], [])


def test_a_folder_that_may_not_be_written(inputs, monkeypatch):
    # As another user: this test may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    out = inputs / "new" / "out.csv"
    with pytest.raises(OutputError) as caught:
        require_outputs([("--out", out)], [])
    assert str(caught.value) == (
        f"{out}: {inputs} cannot be written to; have its permissions changed, or name another --out"
    )


def test_a_link_is_no_folder_of_work(inputs):
    elsewhere = inputs / "elsewhere"
    elsewhere.mkdir()
    (inputs / "out.csv.part").symlink_to(elsewhere)
    result = run_cli(*commands(inputs)["predict"][0], "--out", inputs / "out.csv")
    assert str(result.exception).startswith(
        f"{inputs / 'out.csv.part'}: this name is needed for the unfinished part of the"
    )
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def home(tmp_path):
    """A project whose bundle is a copy of the demo's."""
    params = small_params()
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for path in DEMO.iterdir():
        if path.is_file():
            (bundle / path.name).symlink_to(path)
    params["raw"]["dir"] = str(bundle)
    write_params(tmp_path, params)
    return tmp_path


def test_a_panel_overwrites_neither_its_inputs_nor_itself(home):
    (home / "other.txt").write_text("TP53\n")
    (panel,) = (home / "bundle").glob("gene_panel*")
    (home / "hard.txt").hardlink_to(panel.resolve())
    (home / "made.csv").mkdir()
    out, scores = ("--out", home / "panel.txt"), ("--scores", home / "scores.csv")
    for words, message in (
        (
            ("--compare", home / "other.txt", "--out", home / "other.txt", *scores),
            "other.txt: is an input, and",
        ),
        (("--out", home / "hard.txt", *scores), f"hard.txt: is an input (it is {panel}), and would be"),
        (
            ("--out", home / "same.csv", "--scores", home / "same.csv"),
            "same.csv: is named by --out and --scores",
        ),
        ((*out, "--scores", home / "made.csv"), "made.csv: is a folder; name a file with --scores"),
    ):
        assert refused("panel", *words, folder=home).startswith(f"{home}/{message}")
    result = run_cli("panel", *out, "--scores", home / "scores.txt", folder=home)
    assert str(result.exception).startswith(f"{home / 'scores.txt'}: cannot write '.txt' files")
    # All of this before any work.
    assert not (home / ".anchordrug" / "panel").exists()


def test_a_bundle_replaces_neither_its_downloads_nor_a_link(tmp_path):
    downloads = tmp_path / "bundle" / "downloads"
    downloads.mkdir(parents=True)
    (tmp_path / "bundle" / "SOURCES.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "bundle")
    (tmp_path / "file").write_text("kept")
    before = contents(tmp_path)
    for out, words in {
        "bundle": f"has the input {downloads} in it, and would be replaced; name another --out",
        "bundle/downloads": f"has the input {downloads} in it, and would be replaced; name another --out",
        "link": f"is a link to {tmp_path / 'bundle'}; name the folder itself with --out",
        "file": "is a file; name a folder with --out",
    }.items():
        line = refused("pack", "lincs2020", "--downloads", downloads, "--out", tmp_path / out)
        assert line == f"{tmp_path / out}: {words}"
    assert contents(tmp_path) == before


def test_a_download_does_not_overwrite_its_manifest(tmp_path):
    file = {"file": "manifest.yaml", "url": "https://example.org/x", "licence": "CC0", "what": "x"}
    file |= {"size": 1, "checksum": None}
    manifest, params = tmp_path / "manifest.yaml", tmp_path / "params.yaml"
    manifest.write_text(yaml.safe_dump({"files": {"x": file}}))
    params.write_text("mirror: null\n")
    before = contents(tmp_path)
    words = ("--manifest", manifest, "--params", params, "--into", tmp_path)
    assert refused("fetch", "x", *words).startswith(f"{manifest}: is an input, and would be overwritten")
    assert contents(tmp_path) == before


def test_a_cluster_does_not_write_into_the_library_that_it_reads(inputs, monkeypatch):
    monkeypatch.setattr(pytest.importorskip("ray"), "init", None)
    (inputs / "link").symlink_to(inputs / "library")
    (inputs / "library").mkdir()
    words = ("--engine", "ray", "--model", inputs / "model.onnx", "--drugs", inputs / "library")
    for out in (inputs / "library", inputs / "library/out", inputs / "link/new/out"):
        line = refused("predict", *words, "--out", out)
        assert line == f"{out}: is in the library, and would be read as a part of it; name another --out"
    assert list((inputs / "library").iterdir()) == []


def test_a_fitted_target_writes_no_folder_over(tmp_path):
    model = SimpleNamespace(_file=b"model")
    FittedTarget.write_onnx(model, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == b"model"
    with pytest.raises(OutputError, match=r"is a folder; name a file with path"):
        FittedTarget.write_onnx(model, tmp_path)
