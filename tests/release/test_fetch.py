"""anchordrug fetch: files of the release by their key, and the pipeline that asks for them."""

import functools
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from anchordrug.errors import AnchorDrugError, RawDataError, SettingsError
from tests.conftest import ROOT, run_cli
from tests.terminal import Terminal

RELEASE = ROOT / "sources/lincs/pipeline"
GENES = b"gene_id\tgene_symbol\n780\tDDR1\n"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def release(tmp_path):
    """A folder with a manifest of one file, which a server has."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served/geneinfo.txt").write_bytes(GENES)
    handler = functools.partial(QuietHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01)).start()
        write(tmp_path, url=f"http://127.0.0.1:{server.server_address[1]}/geneinfo.txt")
        (tmp_path / "params.yaml").write_text("mirror: null\n")
        yield tmp_path
        server.shutdown()


def write(folder: Path, **changes) -> None:
    entry = {
        "file": "geneinfo.txt",
        "url": "http://127.0.0.1:9/geneinfo.txt",
        "size": len(GENES),
        "checksum": None,
        "licence": "CC0",
        "what": "genes",
    }
    manifest = {"files": {"genes": entry | changes}}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))


def fetch(folder: Path, key: str, into: str = "downloads"):
    """Run the command with the files of `folder`."""
    files = ("--manifest", folder / "manifest.yaml", "--params", folder / "params.yaml")
    return run_cli("fetch", key, *files, "--into", folder / into)


def mistake(folder: Path, key: str, into: str = "downloads") -> AnchorDrugError:
    """Return the error that the command ends with."""
    result = fetch(folder, key, into)
    assert isinstance(result.exception, AnchorDrugError), result.output
    return result.exception


def test_a_file_is_fetched_once(release):
    with Terminal(release) as terminal:
        ended = terminal.run("fetch", "genes")
        assert (ended.code, ended.error) == (0, "")
        assert ended.printed == "downloads/geneinfo.txt: 29 bytes, size checked; licence: CC0\n"
        assert (release / "downloads/geneinfo.txt").read_bytes() == GENES
        assert "was there already" in terminal.run("fetch", "genes").printed


def test_a_wrong_checksum_is_told(release):
    url = yaml.safe_load((release / "manifest.yaml").read_text())["files"]["genes"]["url"]
    write(release, url=url, checksum="md5:" + "0" * 32)
    assert isinstance(error := mistake(release, "genes", "elsewhere"), RawDataError)
    assert "expected md5:000" in str(error)
    assert not (release / "elsewhere/geneinfo.txt").exists()


def test_a_mirror_is_named_in_the_params(release):
    write(release)
    (release / "params.yaml").write_text(f"mirror: {release / 'served'}\ngo: {{}}\n")
    assert fetch(release, "genes").exit_code == 0
    assert (release / "downloads/geneinfo.txt").read_bytes() == GENES
    (release / "params.yaml").write_text("mirror: nowhere\n")
    assert f"params.yaml: mirror: no folder {release}/nowhere" in str(mistake(release, "genes"))
    (release / "params.yaml").write_text("mirror: served\ngo: {}\n")
    copy = release / ".dvc/tmp/exps/tmpa1"
    shutil.copytree(release, copy, ignore=shutil.ignore_patterns(".dvc", "served", "downloads"))
    assert fetch(copy, "genes").exit_code == 0


def test_unknown_keys_are_mistakes_with_a_suggestion(release):
    told = f"gens: no such file in {release / 'manifest.yaml'} (genes); did you mean 'genes'?"
    assert told in str(mistake(release, "gens"))
    write(release, sise=3)
    error = mistake(release, "genes")
    assert isinstance(error, SettingsError)
    assert "manifest.yaml: files.genes: unknown key 'sise'; did you mean 'size'?" in str(error)
    write(release)
    (release / "params.yaml").write_text("mirror: null\nmirrors: []\n")
    assert "unknown key 'mirrors'; did you mean 'mirror'?" in str(mistake(release, "genes"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"checksum": "abc"},
        {"checksum": "crc32:00000000"},
        {"size": 0},
        {"url": "ftp://host/file"},
        {"file": "../file"},
        {"file": ".hidden"},
    ],
)
def test_values_that_cannot_be_are_mistakes(release, wrong):
    write(release, **wrong)
    (key,) = wrong
    assert f"manifest.yaml: files.genes: {key}: " in str(mistake(release, "genes"))


def test_a_missing_manifest_is_told(tmp_path):
    told = f"{tmp_path / 'manifest.yaml'}: no such file; run the command in sources/lincs/pipeline"
    assert told in str(mistake(tmp_path, "genes"))


def test_the_manifest_of_the_release_is_right():
    """Nothing is fetched: the key is asked for only after everything has been checked."""
    assert "lincs2020_matrix" in str(mistake(RELEASE, "nothing"))
    files = yaml.safe_load((RELEASE / "manifest.yaml").read_text(encoding="utf-8"))["files"]
    names = [entry["file"] for entry in files.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("bundle", "others"),
    [
        ("pack@gse70138", ("lincs2020", "gse92742")),
        ("slice", ("gse", "lincs2020_matrix", "depmap_expression")),
    ],
)
def test_a_bundle_asks_for_the_files_it_is_made_of(tmp_path, bundle, others):
    """The dry run ends at the bundle, as none of the files is there."""
    folder = tmp_path / "sources/lincs/pipeline"
    shutil.copytree(RELEASE, folder, ignore=shutil.ignore_patterns("tmp"))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    dvc = [str(Path(sys.executable).parent / "dvc"), "repro", "--dry", bundle]
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    output = subprocess.run(
        dvc, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout
    asked = {line.split()[3] for line in output.splitlines() if line.startswith("> anchordrug fetch")}
    files = yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))["files"]
    assert asked == {key for key in files if not key.startswith(others)}
