"""The server of the page: what it says where something is missing or in the way."""

import socket
import sys
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
    """A browser that remembers what it was shown."""

    def __init__(self, name):
        self.name, self.shown = name, []

    def open(self, address):
        self.shown.append(address)
        return True


@pytest.mark.parametrize(("name", "opened"), [("firefox", True), ("/usr/bin/w3m", False), (None, False)])
def test_a_browser_is_opened_where_there_is_one(monkeypatch, name, opened):
    def get():
        if name is None:
            raise webbrowser.Error("there is none")
        return browser

    browser, said = Browser(name), []
    monkeypatch.setattr(webbrowser, "get", get)
    uvicorn = pytest.importorskip("uvicorn")
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: [one.close() for one in sockets])
    server.serve(store="a b.zarr", say=said.append)
    (line,) = said
    assert line.startswith("http://127.0.0.1:" if opened else "open http://127.0.0.1:")
    assert "&store=a+b.zarr" in line
    assert browser.shown == ([line.split()[0]] if opened else [])
