"""Who may use the page: only this machine's own address, only with the token."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from anchordrug.app.gate import gated

TOKEN, READING, PORT = "secret", "key", 8000
OWN = {"host": "127.0.0.1:8000"}
WITH_COOKIE = {**OWN, "cookie": "other=1; anchordrug-8000=secret"}


async def inner(scope, receive, send) -> None:
    """An application that takes the body and answers with its size, open to everyone."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = [(b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(size).encode()})


def ask(headers, *, path="/x", query="", kind="http", method="GET", bodies=(b"",)):
    """Return what the gate sends."""
    app = gated(inner, token=TOKEN, reading=READING, port=PORT, most_bytes=10)
    scope = {
        "type": kind,
        "path": path,
        "method": method,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    parts = [
        {"type": "http.request", "body": body, "more_body": place < len(bodies) - 1}
        for place, body in enumerate(bodies)
    ]
    sent = []

    async def run() -> None:
        async def receive():
            return parts.pop(0)

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)

    # The browser of other tests runs a loop in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()
    return sent


def test_the_cookie_opens_it_and_nothing_may_load_from_elsewhere():
    start, body = ask(WITH_COOKIE)
    headers = dict(start["headers"])
    assert (start["status"], body["body"]) == (200, b"0")
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert b"access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        {},
        {**OWN, "cookie": "anchordrug-8000=wrong"},
        {**OWN, "cookie": "anchordrug-8000="},
        {**OWN, "cookie": "anchordrug-8001=secret"},
        {**OWN, "cookie": "\xff;;;=\x00"},
        {**WITH_COOKIE, "host": "evil.example:8000"},
        {**WITH_COOKIE, "host": "127.0.0.1"},
        {**WITH_COOKIE, "origin": "http://evil.example"},
        {**WITH_COOKIE, "origin": "https://127.0.0.1:8000"},
        {**WITH_COOKIE, "origin": "null"},
    ],
)
def test_others_get_nothing(headers):
    assert ask(headers)[0]["status"] == 403
    assert ask(headers, kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_the_token_comes_once_and_stays_in_a_cookie_that_scripts_cannot_read():
    start, body = ask(OWN, path="/", query="token=secret")
    headers = dict(start["headers"])
    assert headers[b"set-cookie"] == b"anchordrug-8000=secret; Path=/; HttpOnly; SameSite=Strict"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert b"secret" not in body["body"]
    assert ask(OWN, path="/", query="token=Secret")[0]["status"] == 403
    assert ask(OWN, path="/drop/one/library", query="token=secret")[0]["status"] == 403


def test_a_request_brings_no_more_than_it_may():
    assert ask(WITH_COOKIE, bodies=(b"12345", b"12345"))[1]["body"] == b"10"
    assert ask({**WITH_COOKIE, "content-length": "11"})[0]["status"] == 413
    # Without a length it is broken off.
    assert ask(WITH_COOKIE, bodies=(b"12345", b"123456", b"")) == []


def test_a_key_opens_what_is_only_read_and_nothing_else():
    assert ask(OWN, path="/reading/key/one/finish/SIM-T1.onnx")[0]["status"] == 200
    assert ask(OWN, path="/reading/other/one/finish/SIM-T1.onnx")[0]["status"] == 403
    assert ask(OWN, path="/reading/secret/one")[0]["status"] == 403
    assert ask(OWN, path="/reading/key/one", method="PUT")[0]["status"] == 403
    assert ask(OWN, path="/file/key/one")[0]["status"] == 403
    assert ask({"host": "evil.example:8000"}, path="/reading/key/one")[0]["status"] == 403
    assert ask(OWN, path="/reading/key/one", kind="websocket") == [{"type": "websocket.close", "code": 1008}]
