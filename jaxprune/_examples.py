"""Where the files of the examples that come with the package are."""

from pathlib import Path

EXAMPLES = Path(__file__).parent / "examples"
WORM, WORM_NEURONS = EXAMPLES / "celegans_edges.csv", EXAMPLES / "celegans_neurons.csv"
RNN = EXAMPLES / "rnn.npz"
MACHINE = EXAMPLES / "rbm.eqx"
