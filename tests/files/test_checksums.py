"""A file and the file of its SHA-256 next to it."""

import shutil
import subprocess

import pytest

from anchordrug.files import checksums
from anchordrug.files.checksums import checked, sum_of, write_with_sum


@pytest.mark.parametrize("name", ["m.onnx", "two words é.onnx", "back\\slash.onnx", "line\nbreak.onnx"])
def test_sha256sum_reads_what_is_written(tmp_path, name):
    write_with_sum(b"model", tmp_path / name)
    assert checked(tmp_path / name) == "matches"
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    command = ["sha256sum", "-c", "--strict", sum_of(tmp_path / name).name]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / name).write_bytes(b"other")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


def test_a_changed_file_a_missing_sum_and_one_that_is_none(tmp_path):
    path = tmp_path / "m.onnx"
    write_with_sum(b"model", path)
    sum_of(path).write_text(sum_of(path).read_text().upper().replace("  M.ONNX", " *renamed.onnx"))
    assert checked(path) == "matches"
    path.write_bytes(b"models")
    assert checked(path) == "differs"
    write_with_sum(b"model", path)
    whole = sum_of(path).read_bytes()
    for text in (b"", b"\xff" * 70, whole[1:], whole * 2, whole[:63], b"x" * 2**20):
        sum_of(path).write_bytes(text)
        assert checked(path) == "unreadable"
    for text in (whole[:64], whole[:64] + b"\r\n", whole.upper()[:64] + b"\n"):
        sum_of(path).write_bytes(text)
        assert checked(path) == "matches"
    sum_of(path).unlink()
    assert checked(path) == "absent"


@pytest.mark.parametrize("writes", [0, 1])
def test_a_run_that_is_killed_leaves_no_wrong_sum(tmp_path, monkeypatch, writes):
    path = tmp_path / "m.onnx"
    write_with_sum(b"former", path)
    done = []

    def write_or_die(data, to):
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(to)
        to.write_bytes(data)

    monkeypatch.setattr(checksums, "write_bytes", write_or_die)
    with pytest.raises(KeyboardInterrupt):
        write_with_sum(b"new", path)
    assert path.read_bytes() == (b"former", b"new")[writes]
    assert checked(path) == "absent"
    monkeypatch.undo()
    write_with_sum(b"new", path)
    assert checked(path) == "matches"
