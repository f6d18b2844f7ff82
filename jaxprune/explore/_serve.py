"""The server of the page: on this machine alone, behind a token."""

import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from jaxprune._checks import InputError, quoted
from jaxprune.explore._origin import own_page_only
from jaxprune.explore._process import one_thread

HOST = "127.0.0.1"
"""Nobody reaches it from another machine."""
PAGE = Path(__file__).with_name("_app.py")
PORTS = 2**16
IN_TERMINAL = ("www-browser", "links", "elinks", "lynx", "w3m")
"""Browsers that run in a terminal, where they would cover the address, and show nothing of such a page."""
WAIT = 1
"""Seconds that open pages have to end when the server is stopped."""


def serve(
    *,
    port: int | None = None,
    store: str | None = None,
    browser: bool = True,
    say: Callable[[str], object] | None = None,
) -> None:
    """Serve the page until the process is stopped, and open a browser on it.

    It computes in double precision, which is on in this process from then on.

    Args:
      port: of this machine; by default any that is free.
      store: a sweep's store, a path or URL, that the page of sweeps opens first.
      browser: whether to open one, where there is one.
      say: told the address, with its token, in one line; it is printed by default.

    Raises:
      InputError: a port that is in use or cannot be used; without the packages of the extra `explore`.

    Example:
      >>> serve(port=2718)  # doctest: +SKIP
      http://127.0.0.1:2718/?access_token=... (Ctrl-C stops it)

    Reference: the page is a marimo app.
    """
    uvicorn, marimo = _packages()
    listener, token = _listen(port), secrets.token_urlsafe(16)
    port = listener.getsockname()[1]
    app = _page(marimo, port, token)
    settings = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=WAIT)
    address, window = _address(port, token, store), _window() if browser else None
    tell = say or partial(print, flush=True)
    tell(f"{address if window else f'open {address} in a browser'} (Ctrl-C stops it)")
    if window:
        # Some return only when they are closed. One that connects before the server runs waits: the port is listened to already.
        threading.Thread(target=window.open, args=(address,), daemon=True).start()
    with one_thread():
        uvicorn.Server(settings).run(sockets=[listener])


def _page(marimo, port, token):
    """The page as an application, for its own visitors alone."""
    builder = marimo.create_asgi_app(quiet=True, token=token)
    # By itself marimo answers to pages of any origin.
    return builder.with_app(path="/", root=str(PAGE), middleware=[partial(own_page_only, port=port)]).build()


def _packages():
    try:
        import marimo
        import uvicorn
    except ImportError as error:
        raise InputError(f"the page needs the package {error.name}: pip install 'jaxprune[explore]'.") from error
    return uvicorn, marimo


def _listen(port):
    """A socket of this machine that listens."""
    if port is not None and not 0 < port < PORTS:
        raise InputError(f"--port is {quoted(port)}, but must be from 1 to {PORTS - 1}.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it lets two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen()
    except OSError as error:
        listener.close()
        why = (error.strerror or "it cannot be used").lower()
        raise InputError(
            f"--port is {port}, but there: {why}. Choose another, or leave it out for one that is free."
        ) from None
    return listener


def _address(port, token, store):
    parts = {"access_token": token} | ({} if store is None else {"store": store})
    return f"http://{HOST}:{port}/?{urlencode(parts)}"


def _window():
    """A browser with a window of its own, if there is one."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return None
    return None if Path(getattr(found, "name", "")).name in IN_TERMINAL else found
