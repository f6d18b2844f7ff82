"""The server of the page: on this machine alone, behind a token."""

import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from jaxprune._checks import InputError, quoted

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
    app = marimo.create_asgi_app(quiet=True, token=token).with_app(path="/", root=str(PAGE)).build()
    settings = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=WAIT)
    address = _address(listener.getsockname()[1], token, store)
    # Whoever connects before the server runs waits: the port is listened to already.
    line = address if _opened(browser, address) else f"open {address} in a browser"
    tell = say or partial(print, flush=True)
    tell(f"{line} (Ctrl-C stops it)")
    with _one_thread():
        uvicorn.Server(settings).run(sockets=[listener])


def _one_thread():
    """One thread for linear algebra: at these sizes two wait for each other, and for those of JAX, longer than they compute."""
    import scipy.linalg  # noqa: F401 - what is not loaded yet cannot be limited
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


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


def _opened(wanted, address):
    """Whether a browser was asked for and opened; those of a terminal do not count."""
    if not wanted:
        return False
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    return Path(getattr(found, "name", "")).name not in IN_TERMINAL and found.open(address)
