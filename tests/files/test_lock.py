"""One process at a time works in a folder."""

import multiprocessing
import os
import re
import signal

import pytest

from anchordrug.errors import SettingsError
from anchordrug.files import lock
from anchordrug.files.lock import NAME, locked
from tests.processes import MOST_SECONDS


def hold(folder, held):
    """Run in a process of its own: hold the lock until killed."""
    with locked(folder):
        held.set()
        signal.pause()


def test_the_second_is_told_who_holds_it_until_that_one_ends(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "new/folder", held))
    process.start()
    assert held.wait(MOST_SECONDS)
    folder = re.escape(str(tmp_path / "new/folder"))
    with (
        pytest.raises(
            SettingsError, match=rf"^{folder}: another .*process {process.pid}\); wait until it ends$"
        ),
        locked(tmp_path / "new/folder"),
    ):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with locked(tmp_path / "new/folder"):
        pass


@pytest.mark.parametrize("record", [b"", b"\xff\x00\x1b[31m", b"12", b"12 \x1b[31mred" * 99, b"x" * 1000])
def test_a_holder_that_left_no_word_is_told_in_general(tmp_path, record):
    with locked(tmp_path):
        (tmp_path / NAME).write_bytes(record)
        with pytest.raises(SettingsError) as error, locked(tmp_path):
            pass
    assert "another anchordrug command works in it" in str(error.value)
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()


def test_folders_are_held_apart(tmp_path):
    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        pass


def test_a_folder_that_is_removed_and_made_again_is_held_by_who_made_it(tmp_path, monkeypatch):
    """The first holder removes it between the second's look at it and its lock."""
    folder = tmp_path / "work"
    first, flock = lock.hold(folder), lock.fcntl.flock

    def late(descriptor, kind):
        monkeypatch.setattr(lock.fcntl, "flock", flock)
        folder.rmdir()
        folder.mkdir()
        os.close(first)
        flock(descriptor, kind)

    monkeypatch.setattr(lock.fcntl, "flock", late)
    second = lock.hold(folder)
    assert os.path.samestat(os.fstat(second), folder.stat())
    with pytest.raises(SettingsError, match="another anchordrug command works in it; wait until it ends"):
        lock.hold(folder)
    os.close(second)
    os.close(lock.hold(folder))
