"""A server of a folder that gives parts of files, counts what it sends, and can be made to misbehave."""

import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers each request as the next of its server's `answers` says, in the end as a good server does."""

    server: "FileServer"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests[self.path] += 1
            answer = self.server.answers.popleft() if self.server.answers else give
        answer(self)

    def log_message(self, *_: object) -> None:
        pass


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.etag = folder, '"one"'
        self.answers: deque[Callable[[Handler], None]] = deque()
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


def give(handler: Handler, cut: int | None = None, parts: bool = True) -> None:
    """Answer well; or send `cut` bytes and close the connection; or know of no `parts`."""
    server, path = handler.server, handler.server.folder / handler.path.lstrip("/")
    total = path.stat().st_size
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", "")) if parts else None
    if handler.headers.get("If-Range") not in (None, server.etag):
        asked = None
    start = int(asked[1]) if asked else 0
    stop = min(int(asked[2] or total - 1) + 1, total) if asked else total
    handler.send_response(206 if asked else 200)
    if asked:
        handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
    handler.send_header("ETag", server.etag)
    handler.send_header("Content-Length", str(stop - start))
    handler.end_headers()
    with path.open("rb") as file:
        file.seek(start)
        # Nobody reads a whole file here; so large an answer is a mistake of the client.
        body = file.read(min(stop - start, 2**26))[:cut]
    handler.wfile.write(body)
    with server.lock:
        server.sent[handler.path] += len(body)
    if cut is not None:
        handler.close_connection = True


def refuse(handler: Handler, status: int) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """Serve a folder as long as the block lasts."""
    with FileServer(folder) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
