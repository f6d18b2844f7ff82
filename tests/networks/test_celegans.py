"""The packaged connectome of the worm, beside its tables read without the library."""

from importlib import resources

import numpy as np

from jaxprune import networks

EXAMPLES = resources.files("jaxprune") / "examples"


def rows(name):
    """Lines of a table, as lists of fields; the quoted ones of the neurons hold no GABA."""
    return [line.split(",") for line in (EXAMPLES / name).read_text().splitlines()[1:]]


def test_celegans():
    worm, edges, neurons = networks.celegans(), rows("celegans_edges.csv"), rows("celegans_neurons.csv")
    assert worm.names == tuple(row[0] for row in neurons)
    kinds = [kind for *_, kind, _ in edges]
    assert (len(worm.names), kinds.count("chemical"), kinds.count("electrical")) == (279, 2194, 1031)
    gaba = {row[0] for row in neurons if "GABA" in row}
    assert len(gaba) == 26
    index = {name: position for position, name in enumerate(worm.names)}
    expected = np.zeros((279, 279))
    for pre, post, kind, count in edges:
        expected[index[post], index[pre]] += -float(count) if pre in gaba and kind == "chemical" else float(count)
        if kind == "electrical":
            expected[index[pre], index[post]] += float(count)
    assert worm.left_out == np.count_nonzero(np.diagonal(expected)) == 3
    np.fill_diagonal(expected, 0)
    np.testing.assert_array_equal(worm.matrix, expected)


def test_examples_are_packaged_with_their_sources_and_are_small():
    names = {"README.md", "celegans_edges.csv", "celegans_neurons.csv", "rbm.eqx", "rnn.npz"}
    assert {path.name for path in EXAMPLES.iterdir()} == names
    notes = (EXAMPLES / "README.md").read_text()
    assert all(f"`{name}`" in notes for name in names - {"README.md"})
    assert sum(len(path.read_bytes()) for path in EXAMPLES.iterdir()) < 1e6
