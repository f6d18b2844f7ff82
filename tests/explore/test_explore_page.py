"""The page in a browser: the system's Chromium, headless. Skipped where there is none."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("marimo")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ROOT = Path(__file__).parents[2]
PATIENCE = 90_000
"""Milliseconds: programs are compiled meanwhile."""


@contextlib.contextmanager
def served(folder, *options):
    """The address that `jaxprune explore` prints, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxprune.cli", "explore", "--no-browser", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?\S+", line)
        assert found, line + process.stdout.read()
        yield found.group()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def page(address):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 1500})
        shown.set_default_timeout(PATIENCE)
        sync_api.expect.set_options(timeout=PATIENCE)
        shown.goto(address)
        yield shown
        browser.close()


def choose(page, tab):
    page.get_by_role("tab", name=tab).click()


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


def test_the_slider_moves_the_kept_fraction_and_the_numbers_follow(page):
    def kept():
        page.wait_for_function("document.body.innerText.includes('synapses are kept')")
        return page.get_by_text(re.compile("synapses are kept")).first.inner_text()

    sync_api.expect(page.get_by_text(re.compile("STABLE: spectral abscissa"))).to_be_visible()
    before = kept()
    assert "(20.0%)" in before
    slider = page.get_by_role("slider").first
    slider.focus()
    slider.press("ArrowRight")
    sync_api.expect(page.get_by_text(re.compile(r"\(25\.0%\)"))).to_be_visible()
    assert kept() != before
    assert page.locator("img").count() >= 2


def test_an_upload_is_pruned_and_can_be_downloaded(page, tmp_path):
    choose(page, "Your own network")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "mine.npy", rng.normal(size=(30, 30)) * (rng.random((30, 30)) < 0.5) * (1 - np.eye(30)))
    np.save(tmp_path / "bad.npy", np.zeros((2, 3)))
    sync_api.expect(page.get_by_text("at most 500 neurons")).to_be_visible()
    page.locator("input[type=file]").set_input_files(tmp_path / "bad.npy")
    sync_api.expect(page.get_by_text(re.compile("'bad.npy'.*square"))).to_be_visible()
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.npy")
    sync_api.expect(page.get_by_text(re.compile("30 neurons; leak: "))).to_be_visible()
    with page.expect_download() as found:
        page.get_by_text("Download the pruned network").click()
    found.value.save_as(tmp_path / "pruned.npz")
    from jaxprune.networks import read_matrix

    assert read_matrix(tmp_path / "pruned.npz").matrix.shape == (30, 30)


def test_a_store_that_is_none_is_one_line(page):
    choose(page, "A sweep")
    box = page.get_by_placeholder("sweep.zarr")
    box.fill("nothing.zarr")
    box.press("Enter")
    sync_api.expect(page.get_by_text("there is nothing at this place")).to_be_visible()


def test_the_other_systems_wait_to_be_asked(page):
    choose(page, "The other two systems")
    sync_api.expect(page.get_by_role("button", name="Train and prune")).to_be_visible()
