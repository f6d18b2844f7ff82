"""Cells of the page, run without a server: what they set and what they say."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from jaxprune import plot
from jaxprune.explore._systems import Session

mo = pytest.importorskip("marimo")


@pytest.fixture(scope="module")
def page():
    from jaxprune.explore import _app

    return _app


def test_it_computes_in_double_precision_and_with_one_thread(page):
    """Whoever serves it: also where marimo gives it a process of its own."""
    with threadpool_limits(2):
        jax.config.update("jax_enable_x64", False)
        try:
            page.setting.run()
            assert jnp.zeros(()).dtype == "float64"
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        finally:
            jax.config.update("jax_enable_x64", True)


def test_the_error_of_a_machine_is_called_what_it_is(page):
    told: list = [Session(10, 2, error, None) for error in (0.0625, 0.125)]
    made, _ = page.machine_seen.run(
        mo=mo,
        pictured=lambda png, words: mo.md(words),
        pictures=SimpleNamespace(machine=lambda session: b""),
        row=lambda *parts: mo.hstack(parts),
        session=SimpleNamespace(value=1),
        sessions=told,
    )
    assert "mean error of a pixel, reconstructed" in made.text
    assert "0.125" in made.text
    assert "0.062 at first" in made.text


def test_neurons_of_an_upload_keep_their_names(page):
    A = jnp.array([[-2.0, 1.0], [0.5, -2.0]])
    drawn = []
    page.upload_seen.run(
        ACTIVITY="activity",
        WEIGHTS="weights",
        became=SimpleNamespace(outcome=SimpleNamespace(pruned=SimpleNamespace(matrix=A))),
        jax=jax,
        mo=mo,
        pictured=lambda png, words: mo.md(words),
        pictures=SimpleNamespace(network_weights=drawn.append, network_activity=drawn.append),
        plot=plot,
        upload=SimpleNamespace(original=SimpleNamespace(matrix=A), names=("AVAL", "AVAR")),
    )
    assert [view.names for view in drawn] == [("AVAL", "AVAR")] * 2
    assert np.isclose(drawn[0].agreement, 1)
