"""The page in a browser: the system's Chromium, headless. Skipped where there is none."""

import re
import shutil

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("marimo")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 90_000
"""Milliseconds: programs are compiled meanwhile."""


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
