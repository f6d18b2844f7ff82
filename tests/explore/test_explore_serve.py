"""The server of the page: what it says where something is missing or in the way."""

import http.client
import socket
import sys
import threading
import urllib.parse
import urllib.request
import webbrowser

import pytest

from jaxprune.explore import _serve as server


def test_a_port_in_use_or_out_of_range_is_one_line(run):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        status, _, said = run("explore", "--no-browser", "--port", busy.getsockname()[1])
    assert status == 2
    assert said.startswith("error: --port is ")
    assert "address already in use" in said
    assert said.count("\n") == 1
    assert run("explore", "--port", 70000)[2].startswith("error: --port is 70000, but must be from 1 to 65535")


@pytest.mark.parametrize("package", ["marimo", "uvicorn"])
def test_without_its_packages_the_page_says_what_to_install(run, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    status, _, said = run("explore", "--no-browser")
    assert status == 2
    assert said == f"error: the page needs the package {package}: pip install 'jaxprune[explore]'.\n"


class Browser:
    """A browser that remembers what it was shown, and returns only when it is closed."""

    def __init__(self, name):
        self.name, self.shown, self.closed = name, [], threading.Event()

    def open(self, address):
        self.shown.append(address)
        return self.closed.wait(5)


@pytest.mark.parametrize(("name", "opened"), [("firefox", True), ("/usr/bin/w3m", False), (None, False)])
def test_a_browser_is_opened_where_there_is_one(monkeypatch, name, opened):
    def get():
        if name is None:
            raise webbrowser.Error("there is none")
        return browser

    browser, said, served = Browser(name), [], []
    monkeypatch.setattr(webbrowser, "get", get)
    uvicorn = pytest.importorskip("uvicorn")

    def run(self, sockets):
        served.append(browser.closed.is_set())
        browser.closed.set()
        for one in sockets:
            one.close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    server.serve(store="a b.zarr", say=lambda line: said.append((line, list(browser.shown))))
    for thread in threading.enumerate():
        if thread.daemon and thread.name.endswith("(open)"):
            thread.join(5)
    ((line, before),) = said
    assert before == []
    assert served == [False]
    assert line.startswith("http://127.0.0.1:" if opened else "open http://127.0.0.1:")
    assert "&store=a+b.zarr" in line
    assert browser.shown == ([line.split()[0]] if opened else [])


def test_the_token_is_asked_for(address):
    """Whoever does not have it gets a form for it, and nothing of the page."""

    def got(url):
        # With cookies, as browsers have them.
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(url, timeout=30) as answer:
            return answer.url

    base = address.partition("?")[0]
    for url in (base, f"{base}?access_token=wrong"):
        assert "/auth/login" in got(url)
    assert "/auth/login" not in got(address)


def test_only_the_page_itself_is_answered(address):
    """Neither by another name that leads to this machine, nor on behalf of another page; with the token, too."""
    parts = urllib.parse.urlsplit(address)
    host, port = parts.netloc, parts.port
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    def status(path, **headers):
        connection = http.client.HTTPConnection(server.HOST, port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    page = f"/?{parts.query}"
    right = ({}, {"Host": f"localhost:{port}"}, {"Origin": f"http://{host}"})
    wrong = (
        {"Host": f"evil.example:{port}"},
        {"Host": "localhost"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{host}"},
    )
    for headers in right:
        assert status(page, **headers) != 403, headers
    for headers in wrong:
        assert status(page, **headers) == 403, headers
        assert status(f"/ws?session_id=s&{parts.query}", **upgrade | headers) == 403, headers
    assert status(f"/ws?session_id=s&{parts.query}", **upgrade | {"Origin": f"http://{host}"}) == 101
