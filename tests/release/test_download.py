"""Downloads from servers that cut, lie, forget and refuse."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from anchordrug.errors import RawDataError
from anchordrug.release.download import download
from tests.processes import MOST_SECONDS, wait_until

CONTENT = np.random.default_rng(0).bytes(500_000)
NO_PAUSES = (0.0,) * 4


def digest(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class Handler(BaseHTTPRequestHandler):
    """Answers each request as the next of its server's `answers` says, in the end as a good server does."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        answer = self.server.answers.popleft() if self.server.answers else self.server.usual
        answer(self)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"one"'
        self.answers: deque[Callable[[Handler], None]] = deque()
        self.usual: Callable[[Handler], None] = give
        self.ranges: list[str | None] = []
        self.sent = 0
        self.go_on = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/matrix.gctx"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


def give(
    handler: Handler,
    cut: int | None = None,
    wait_after: int | None = None,
    length: int | None = None,
    ranges: bool = True,
    kind: str = "application/octet-stream",
    told: bool = True,
    coding: str | None = None,
) -> None:
    """Answer well, but for what the arguments say: `cut` bytes only, another `length`, no `ranges`."""
    server = handler.server
    asked = handler.headers.get("Range") if ranges else None
    if handler.headers.get("If-Range") not in (None, server.etag):
        asked = None
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    total = len(server.content)
    if start >= total > 0 and asked:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{total}")
        handler.end_headers()
        return
    body = server.content[start:]
    handler.send_response(206 if asked else 200)
    if asked:
        handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    handler.send_header("Content-Type", kind)
    handler.send_header("ETag", server.etag)
    if coding is not None:
        handler.send_header("Content-Encoding", coding)
    if told:
        handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    body = body[:cut]
    for piece in (body[:wait_after], body[wait_after:] if wait_after is not None else b""):
        handler.wfile.write(piece)
        handler.wfile.flush()
        server.sent += len(piece)
        if wait_after is not None:
            server.go_on.wait(MOST_SECONDS)


def refuse(handler: Handler, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=partial(one.serve_forever, poll_interval=0.01), daemon=True)
        thread.start()
        yield one
        one.go_on.set()
        one.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "downloads/matrix.gctx"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for, none of which is made."""
    made: list[float] = []
    monkeypatch.setattr("anchordrug.release.http.time.sleep", made.append)
    return made


def left(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def refused(server: Server, path: Path, match: str, **options) -> None:
    with pytest.raises(RawDataError, match=match):
        download(server.url, path, **({"pauses": NO_PAUSES} | options))
    assert not path.exists()


def test_a_file_arrives_whole_and_leaves_only_its_record(server, path):
    assert download(server.url, path, size=len(CONTENT), checksum=digest(CONTENT))
    assert path.read_bytes() == CONTENT
    assert left(path) == {"matrix.gctx", "matrix.gctx.source.json"}
    assert server.ranges == [None]


@pytest.mark.parametrize("algorithm", ["md5", "sha512"])
def test_other_checksums_do_as_well(server, path, algorithm):
    assert download(server.url, path, checksum=digest(CONTENT, algorithm))


def test_cut_connections_go_on_where_they_were_cut(server, path):
    server.answers.extend(partial(give, cut=140_000) for _ in range(3))
    download(server.url, path, checksum=digest(CONTENT), pauses=NO_PAUSES)
    assert path.read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert None not in server.ranges[1:]
    assert server.sent < len(CONTENT) + 3 * 2**16


def test_a_server_that_ignores_ranges_sends_all_of_it_again(server, path):
    server.usual = partial(give, ranges=False)
    server.answers.append(partial(give, cut=200_000))
    download(server.url, path, pauses=NO_PAUSES)
    assert path.read_bytes() == CONTENT


def test_a_file_that_changed_between_two_attempts_is_not_glued_together(server, path):
    def cut_then_change(handler):
        give(handler, cut=200_000)
        server.content, server.etag = CONTENT[::-1], '"two"'

    server.answers.append(cut_then_change)
    download(server.url, path, pauses=NO_PAUSES)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_server_that_answers_with_another_version_of_a_piece_is_asked_for_all_of_it(server, path):
    def piece_of_another(handler):
        handler.headers.replace_header("If-Range", '"two"')
        server.content, server.etag = CONTENT[::-1], '"two"'
        give(handler)

    server.answers.extend([partial(give, cut=200_000), piece_of_another])
    download(server.url, path, pauses=NO_PAUSES)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_length_too_long_is_a_cut_that_never_ends(server, path):
    server.usual = partial(give, length=len(CONTENT) + 10, ranges=False)
    refused(server, path, "cut|promises")
    assert len(server.ranges) == 2 + len(NO_PAUSES)


def test_a_length_too_short_shows_by_size_or_checksum(server, path):
    server.usual = partial(give, length=1000)
    refused(server, path, "has 1,000 bytes on the server, expected 500,000", size=len(CONTENT))
    refused(server, path, "has checksum sha256:.*, expected", checksum=digest(CONTENT))


def test_more_bytes_than_wanted_are_noticed(server, path):
    server.usual = partial(give, told=False)
    refused(server, path, "sends more than the 400,000 bytes", size=400_000)


def test_another_size_than_in_the_manifest_is_told(server, path):
    refused(server, path, "500,000 bytes on the server, expected 400,000: it has changed", size=400_000)


def test_a_file_without_any_length_needs_a_size_or_a_checksum(server, path):
    server.usual = partial(give, told=False)
    refused(server, path, "does not tell its length.*add its size or checksum")
    assert download(server.url, path, checksum=digest(CONTENT))
    path.unlink()
    assert download(server.url, path, size=len(CONTENT))


def test_a_damaged_resumed_file_gets_a_second_chance(server, path):
    def damaged(handler):
        server.content = CONTENT[:400_000] + bytes(100_000)
        give(handler)
        server.content = CONTENT

    server.answers.extend([partial(give, cut=200_000), damaged])
    download(server.url, path, checksum=digest(CONTENT), pauses=NO_PAUSES)
    assert path.read_bytes() == CONTENT
    assert server.ranges[2] is None


def test_a_damaged_file_is_refused_with_both_checksums_and_removed(server, path):
    server.content = CONTENT[::-1]
    refused(
        server,
        path,
        f"{digest(CONTENT[::-1])}, expected {digest(CONTENT)}",
        size=len(CONTENT),
        checksum=digest(CONTENT),
    )
    assert server.ranges == [None]
    assert "matrix.gctx.part" not in left(path)


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "login"), (403, "refuses it"), (404, "no such file"), (410, "gone for good"), (418, "refuses it")],
)
def test_a_refusal_is_told_at_once(server, path, status, message):
    server.usual = partial(refuse, status=status)
    refused(server, path, f"{message}.*{status}.*correct its url in the manifest")
    assert len(server.ranges) == 1


def test_a_busy_server_is_given_the_time_it_asks_for(server, path, pauses):
    server.answers.extend([partial(refuse, status=429, Retry_After="7"), partial(refuse, status=503)])
    download(server.url, path, pauses=(1.0, 2.0))
    assert path.read_bytes() == CONTENT
    assert pauses == [7.0, 2.0]


def test_a_time_to_retry_may_be_a_date(server, path, pauses):
    server.answers.append(partial(refuse, status=503, Retry_After="Thu, 01 Jan 2126 00:00:00 GMT"))
    server.answers.append(partial(refuse, status=503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"))
    server.answers.append(partial(refuse, status=503, Retry_After="soon"))
    download(server.url, path, pauses=(1.0, 2.0, 4.0))
    assert pauses == [600.0, 2.0, 4.0]


def test_a_server_that_stays_away_is_given_up(server, path, pauses):
    server.usual = partial(refuse, status=503)
    refused(server, path, "answers 503; gave up after 4 attempts", pauses=(1.0, 2.0, 4.0))
    assert pauses == [1.0, 2.0, 4.0]
    assert left(path) == set()


def test_no_server_at_all_is_told(path):
    with pytest.raises(RawDataError, match=r"cannot be reached.*take it from a mirror"):
        download("http://127.0.0.1:9/matrix.gctx", path, pauses=(0.0,))


def test_redirects_are_followed_and_circles_told(server, path):
    server.answers.append(partial(refuse, status=302, Location="/elsewhere"))
    download(server.url, path)
    assert path.read_bytes() == CONTENT
    path.unlink()
    server.usual = partial(refuse, status=302, Location="/matrix.gctx")
    refused(server, path, "redirects in a circle")


def test_a_web_page_instead_of_the_file_is_told(server, path):
    server.content = b"<!DOCTYPE html><html>Sign in</html>"
    server.usual = partial(give, kind="text/html; charset=utf-8")
    refused(server, path, "web page instead of the file")
    server.usual = give
    refused(server, path, "web page instead of the file")


def test_a_coding_nobody_asked_for_would_change_the_file(server, path):
    server.usual = partial(give, coding="gzip")
    refused(server, path, "only in gzip coding")
    assert download(server.url, path.with_name("matrix.gctx.gz"))


def test_a_part_that_is_complete_needs_no_byte_more(server, path):
    """As after a kill between the last byte and the renaming."""
    download(server.url, path)
    path.rename(path.with_name("matrix.gctx.part"))
    server.sent = 0
    assert download(server.url, path)
    assert path.read_bytes() == CONTENT
    assert (server.sent, server.ranges[-1]) == (0, f"bytes={len(CONTENT)}-")


def test_a_part_that_is_too_long_is_thrown_away(server, path):
    download(server.url, path)
    path.unlink()
    path.with_name("matrix.gctx.part").write_bytes(bytes(len(CONTENT) + 1))
    download(server.url, path, pauses=NO_PAUSES)
    assert path.read_bytes() == CONTENT


def test_a_part_of_another_address_is_thrown_away(server, path):
    path.parent.mkdir()
    path.with_name("matrix.gctx.part").write_bytes(bytes(1000))
    path.with_name("matrix.gctx.source.json").write_text('{"url": "http://other", "etag": "x", "total": 9}')
    download(server.url, path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{}, {"size": len(CONTENT)}, {"checksum": digest(CONTENT)}])
def test_a_file_that_is_there_is_not_fetched_again(server, path, known):
    assert download(server.url, path, **known)
    assert not download(server.url, path, **known)
    assert len(server.ranges) == 1
    assert left(path) == {"matrix.gctx", "matrix.gctx.source.json"}


def test_a_file_that_is_there_but_another_one_is_replaced(server, path):
    path.parent.mkdir()
    path.write_bytes(CONTENT[::-1])
    assert download(server.url, path, checksum=digest(CONTENT))
    assert path.read_bytes() == CONTENT
    server.content = CONTENT[::-1]
    assert download(f"{server.url}?v=2", path)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_disk_too_small_is_told_before_anything_is_fetched(server, path, monkeypatch):
    usage = shutil.disk_usage(path.parent.parent)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=100))
    server.content = bytes(20_000_100)
    refused(server, path, r"0\.02 GB too little space in .*downloads \(0\.02 GB to come")


def test_a_mirror_stands_in_for_the_net(path, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / path.name).write_bytes(CONTENT)
    url = "http://nowhere.invalid/matrix.gctx"
    assert download(url, path, size=len(CONTENT), checksum=digest(CONTENT), mirror=mirror)
    assert path.read_bytes() == CONTENT
    assert not download(url, path, mirror=mirror)
    path.unlink()
    with pytest.raises(RawDataError, match="500,000 bytes, expected 7"):
        download(url, path, size=7, mirror=mirror)
    with pytest.raises(RawDataError, match=r"mirror.*has checksum"):
        download(url, path, checksum=digest(b""), mirror=mirror)
    with pytest.raises(RawDataError, match=r"mirror.*no such file; copy it there from http"):
        download(url, path.with_name("other"), mirror=mirror)
    assert {name for name in left(path) if not name.endswith(".json")} == set()


def started(server: Server, path: Path) -> subprocess.Popen:
    """Start a process that fetches and wait until the server has sent the first piece of the answer."""
    code = (
        "import sys; from pathlib import Path; from anchordrug.release.download import download;"
        "download(sys.argv[1], Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(path)])
    part = path.with_name(f"{path.name}.part")
    wait_until(lambda: part.exists() and part.stat().st_size >= 200_000, process)
    return process


def test_a_killed_download_goes_on(server, path):
    server.answers.append(partial(give, wait_after=300_000))
    process = started(server, path)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not path.exists()
    server.sent = 0
    download(server.url, path)
    assert path.read_bytes() == CONTENT
    assert 0 < server.sent <= len(CONTENT) - 200_000


def test_only_one_process_fetches_a_file(server, path):
    server.answers.append(partial(give, wait_after=300_000))
    process = started(server, path)
    refused(server, path, "another process is fetching this file")
    server.go_on.set()
    assert process.wait() == 0
    assert path.read_bytes() == CONTENT
    assert not download(server.url, path)
    assert len(server.ranges) == 1


def test_progress_is_shown_in_megabytes(server, path, monkeypatch, capsys):
    monkeypatch.setattr("anchordrug.files.progress.SECONDS_BETWEEN_LINES", 0)
    download(server.url, path, checksum=digest(CONTENT))
    shown = capsys.readouterr().err
    assert "fetching matrix.gctx: 0 MB, " in shown
    assert "MB/s" in shown
    assert "checking matrix.gctx: " in shown
