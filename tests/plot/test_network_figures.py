"""Figures of one network beside its original show what the library computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import linalg, plot, pruning, rnn
from jaxprune.explore import _pictures as explore_pictures
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
    assert view.stability.stable
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
    assert not away.stability.stable
    figure = plot.network_figure(away)
    assert "the network is unstable" in figure.get_suptitle()
    assert any("grows without end" in title for title in titles(figure))
    plot.figure_bytes(figure)


def test_the_verdict_is_that_of_the_command(monkeypatch, tmp_path):
    """Also where activity has not grown yet, and where all that was found of the spectrum is nothing; the page says the same."""
    saved = []
    monkeypatch.setattr(plot, "figure_bytes", lambda figure: saved.append(figure) or b"")
    A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
    pairs = {
        "is marginal": (jnp.array([[-1.0, 1.0], [1.0, -1.0]]), "it never comes to rest"),
        "is unstable": (1e-3 * A.at[0, 0].set(1.0), "it grows without end"),
    }
    for verdict, (B, activity) in pairs.items():
        view = plot.network_view(KEY, A, B)
        assert not view.stability.stable
        figure = plot.network_figure(view)
        assert verdict in figure.get_suptitle()
        explore_pictures.network_activity(view)
        page = saved.pop()
        assert all(f"activity under the same noise: {activity}" in titles(drawn) for drawn in (figure, page))
        assert not any("correlation" in title for title in titles(figure) | titles(page))
    unknown = linalg.Stability(np.nan, 1e-15, False, known=False)
    A = as_sparse("A", A)
    view = plot.sparse_network_view(KEY, A, A, stability=unknown)
    view = view._replace(spectra=view.spectra | {"pruned": np.zeros(0)})
    assert not view.stability.stable
    figure = plot.sparse_network_figure(view)
    assert "whether the network is stable is not known" in figure.get_suptitle()
    assert "activity under the same noise: whether it comes to rest is not known" in titles(figure)
    plot.save_figure(figure, tmp_path / "B.png")


def test_sparse_views_agree_with_dense_ones(pair):
    A, B = pair
    dense = plot.network_view(KEY, A, B)
    view = plot.sparse_network_view(KEY, as_sparse("A", A), as_sparse("B", B))
    np.testing.assert_allclose(view.errors["pruned"][:3], dense.errors["pruned"][:3], rtol=1e-6)
    assert view.kept == dense.kept
    assert bool(view.densities) == linalg.is_symmetric(A)
    off = np.asarray(B) * (1 - np.eye(len(B)))
    np.testing.assert_array_equal(view.degrees["pruned"], np.count_nonzero(off, axis=1))
    assert view.stability.words == dense.stability.words == "stable"
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
    maps = [image.get_array() for ax in figure.axes for image in ax.images]
    np.testing.assert_array_equal(np.ma.filled(maps[0], np.nan), view.weights["original"])
    assert ("75% of the accuracy is kept" in titles(figure)) == trials
    plot.figure_bytes(figure)
