"""Who is answered: browsers that show this server's own page, and nobody on behalf of another page."""

from collections.abc import Awaitable, Callable
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""Called with scope, receive and send (ASGI)."""
NAMES = ("127.0.0.1", "localhost")
DEFAULT = 80
"""Port that browsers leave out."""


def own_page_only(app: Application, *, port: int) -> Application:
    """Refuse requests to another host's name, and those that a page of another origin makes.

    A page elsewhere could otherwise reach this one through the browser of whoever has it open, by a name that leads to this
    machine.

    Args:
      app: what is guarded.
      port: of the server.

    Returns:
      The application, guarded.
    """
    hosts = {f"{name}:{port}".encode() for name in NAMES}
    if port == DEFAULT:
        hosts |= {name.encode() for name in NAMES}
    right = {b"host": hosts, b"origin": {b"http://" + host for host in hosts}}

    async def guarded(scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            given = [(name, value) for name, value in scope["headers"] if name in right]
            named = any(name == b"host" for name, _ in given)
            if not named or any(value not in right[name] for name, value in given):
                return await _refuse(scope["type"], send, port)
        await app(scope, receive, send)

    return guarded


async def _refuse(kind, send, port):
    if kind == "websocket":
        return await send({"type": "websocket.close", "code": 1008})
    text = f"This page answers to http://{NAMES[0]}:{port} and http://{NAMES[1]}:{port} alone.\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": text})
