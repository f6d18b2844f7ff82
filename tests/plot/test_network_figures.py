"""Figures of one network beside its original show what the library computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import linalg, plot, pruning, rnn
from jaxprune.linalg.sparse import as_sparse
from tests.helpers import dominant

KEY = jax.random.key(0)


@pytest.fixture(scope="module", params=["clustered", "dale"])
def pair(request):
    A = dominant(request.param)
    return A, pruning.prune(KEY, A, "noise", keep=0.7, warn=False).matrix


def titles(figure):
    return {ax.get_title() or ax.get_title(loc="left") for ax in figure.axes}


def test_view_is_what_the_library_computes(pair):
    A, B = pair
    view = plot.network_view(KEY, A, B)
    np.testing.assert_allclose(view.spectra["pruned"], linalg.eigenvalues(B))
    np.testing.assert_allclose(view.errors["pruned"], linalg.spectral_errors(A, B).quadratic)
    own = jnp.diag(jnp.diagonal(A))
    np.testing.assert_allclose(view.errors["no synapse"], linalg.spectral_errors(A, own).quadratic)
    off = ~np.eye(len(A), dtype=bool)
    assert view.kept == np.count_nonzero(np.asarray(B)[off]) / np.count_nonzero(np.asarray(A)[off])
    assert view.stable
    assert 0.3 < view.agreement < 1
    figure = plot.network_figure(view)
    assert any(f"correlation {view.agreement:.3f}" in title for title in titles(figure))
    assert f"{view.kept:.1%} of the synapses are kept" in figure.get_suptitle()
    assert plot.figure_bytes(figure)[1:4] == b"PNG"


def test_a_network_beside_itself_and_one_that_runs_away(pair):
    A, _ = pair
    same = plot.network_view(KEY, A, A)
    np.testing.assert_array_equal(same.courses["original"], same.courses["pruned"])
    assert "mask only" not in same.errors
    away = plot.network_view(KEY, A, A - 2 * jnp.diag(jnp.diagonal(A)))
    assert not away.stable
    figure = plot.network_figure(away)
    assert "the network is not stable" in figure.get_suptitle()
    plot.figure_bytes(figure)


def test_sparse_views_agree_with_dense_ones(pair):
    A, B = pair
    dense = plot.network_view(KEY, A, B)
    view = plot.sparse_network_view(KEY, as_sparse("A", A), as_sparse("B", B))
    np.testing.assert_allclose(view.errors["pruned"][:3], dense.errors["pruned"][:3], rtol=1e-6)
    assert view.kept == dense.kept
    assert bool(view.densities) == linalg.is_symmetric(A)
    off = np.asarray(B) * (1 - np.eye(len(B)))
    np.testing.assert_array_equal(view.degrees["pruned"], np.count_nonzero(off, axis=1))
    figure = plot.sparse_network_figure(view)
    assert len(figure.axes) == 4 + bool(view.densities)
    plot.figure_bytes(figure)


@pytest.mark.parametrize("trials", [True, False])
def test_recurrent_networks(trials):
    model = rnn.ctrnn(KEY, inputs=2, neurons=12, outputs=3)
    pruned = rnn.prune_rnn(KEY, model, "weight+keep", keep=0.5).model
    trial = np.ones((30, 2)) if trials else None
    scores = {"original": 0.8, "pruned": 0.6} if trials else None
    view = plot.rnn_view(model, pruned, trial=trial, scores=scores, chance=0.5 if trials else None)
    inputs = jnp.ones((30, 1, 2))
    if trials:
        np.testing.assert_allclose(view.outputs["pruned"], rnn.run(pruned, inputs)[:, 0])
    assert view.kept == 0.5
    figure = plot.rnn_figure(view)
    assert len(figure.axes) == 4 + trials
    assert ("75% of the accuracy is kept" in titles(figure)) == trials
    plot.figure_bytes(figure)
