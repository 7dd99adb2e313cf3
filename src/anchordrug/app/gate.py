"""Who may use the page: whoever has the token, from this machine's own address alone."""

import secrets
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

TOKEN = "token"
# Below this and a key, files can be read without the cookie.
READING = "/reading/"
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
# The page itself loads nothing from elsewhere; the browser sees to it that nothing in it does.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self' ws://{host}; frame-ancestors 'none'; form-action 'self'; base-uri 'self'; "
    "object-src 'none'"
)
_REFUSED = (
    "This page belongs to someone else, or the program was started again: open the address that "
    "anchordrug app has printed."
)
# A browser sends a strict cookie after a click on a page of this address, not after a link from another page.
_ENTER = '<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>AnchorDrug</title>'


def gated(app: Any, *, token: str, reading: str, port: int, most_bytes: int) -> Any:
    """Return `app` behind a check of the Host and Origin headers and of a token.

    The token comes in the address once, and from then on in a cookie that scripts cannot read. A report is
    shown in a sandbox, from which the browser sends no cookie. Its links lead to addresses with a key that
    opens the files of campaigns for reading, and nothing else.

    Parameters
    ----------
    app
        An ASGI application.
    token
        The secret that the address must contain.
    reading
        The key of addresses that are only read.
    port
        The port that it is served at.
    most_bytes
        The most that a request may bring.
    """
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    # Cookies belong to a machine, whatever the port.
    cookie = f"anchordrug-{port}"

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in hosts or (origin is not None and origin.removeprefix("http://") not in hosts):
            await _refuse(scope, send, "Only this machine's own address is served.")
            return
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(TOKEN, [""])[0]
        if scope["type"] == "http" and scope["path"] == "/" and _is(asked, token):
            kept = f"{cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(send, 200, _ENTER, [(b"set-cookie", kept.encode())])
            return
        is_read = scope["type"] == "http" and scope["method"] == "GET" and _is(_key(scope["path"]), reading)
        if not is_read and not _is(_cookie(headers.get("cookie", ""), cookie), token):
            await _refuse(scope, send, _REFUSED)
            return
        if int(headers.get("content-length") or 0) > most_bytes:
            await _answer(send, 413, f"A file may have at most {most_bytes / 2**30:g} GiB.")
            return
        await app(scope, _limited(receive, most_bytes), _with_headers(send, host))

    return checked


def _is(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _key(path: str) -> str:
    """Return the key in an address that is only read, or ""."""
    return path.removeprefix(READING).partition("/")[0] if path.startswith(READING) else ""


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _limited(receive: Receive, most: int) -> Receive:
    """Return `receive`, which breaks off a request that brings more than it may say."""
    taken = 0

    async def counted() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body") or b"")
        return {"type": "http.disconnect"} if taken > most else message

    return counted


def _with_headers(send: Send, host: str) -> Send:
    added = [
        (b"content-security-policy", _POLICY.format(host=host).encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            own = message.get("headers", [])
            there = {name.lower() for name, _ in own}
            own = [(name, value) for name, value in own if not name.lower().startswith(b"access-control-")]
            message = {**message, "headers": [*own, *(pair for pair in added if pair[0] not in there)]}
        await send(message)

    return sent


async def _refuse(scope: Scope, send: Send, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await _answer(send, 403, text)


async def _answer(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    kind = b"text/html; charset=utf-8" if text.startswith("<") else b"text/plain; charset=utf-8"
    own = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *(headers or [])]})
    await send({"type": "http.response.body", "body": text.encode()})
