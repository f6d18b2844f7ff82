"""Speed of Boltzmann machines: updates and Gibbs sweeps beside the matrix products in them, NumPy, and other samplers.

The deep machine has the sizes of the study of MNIST: 400 visible, 400 and 676 hidden units, minibatches of 100 and 1,000
persistent chains. A `product` row holds ours against nothing but the matrix products that it cannot do without. Samplers of
general graphs (thrml, hamon) get a restricted machine of a size that they can build: `pip install thrml hamon`; without them
their rows are empty.
"""

import dataclasses
import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
import xarray as xr
from jax import lax

from experiments import _study
from jaxprune import boltzmann
from jaxprune.boltzmann import Learning

UPDATES, SWEEPS, TOGETHER = 30, 20, 16
CASES = (
    "update, products", "Gibbs sweep, products", "Gibbs sweep, NumPy", "update of 16 small machines, one by one",
    "small Gibbs sweep, thrml", "small Gibbs sweep, hamon", "small Gibbs sweep, NumPy",
)  # fmt: skip
DIMS = ("benchmark",)


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      visible: visible units of the deep machine, and units of its first hidden layer.
      top: units of its top layer.
      small: visible and hidden units of the small restricted machine.
      batch: samples to an update.
      chains: persistent chains.
      mean_field: mean-field sweeps to an update.
      repeats: timed runs, after one that is not counted.
      seed: seed of everything.
    """

    visible: int = 400
    top: int = 676
    small: int = 100
    batch: int = 100
    chains: int = 1000
    mean_field: int = 30
    repeats: int = 5
    seed: int = 0


def points(config: Config) -> list[_study.Row]:
    """Benchmarks by their names."""
    del config
    return [{"benchmark": name} for name in CASES]


def evaluate(config: Config, benchmark: str) -> list[_study.Row]:
    """Milliseconds of an update or sweep of ours and of the peer."""
    key = jax.random.key(config.seed)
    if benchmark.startswith("small"):
        row, count = _small(config, key, benchmark.rpartition(" ")[2]), SWEEPS
    elif benchmark.startswith("Gibbs"):
        row, count = _sweep(config, key, numpy=benchmark.endswith("NumPy")), SWEEPS
    elif benchmark == "update, products":
        row, count = _update(config, key), UPDATES
    else:
        row, count = _together(config, key), UPDATES
    ours, peer = 1000 * row["ours_s"] / count, 1000 * row["peer_s"] / count
    return [{"ours_ms": ours, "peer_ms": peer, "ratio": row["ratio"], "first_s": row["first_s"]}]


def _deep(config, key):
    model = boltzmann.dbm(key, visible=config.visible, hidden=(config.visible, config.top))
    return model, boltzmann.start_chains(key, model, config.chains)


def _data(config, key):
    return (jax.random.uniform(key, (UPDATES * config.batch, config.visible)) < 0.3).astype(jnp.uint8)


def _update(config, key):
    """A joint update: mean field under the data, a sweep of the chains, and the two sides of the gradient."""
    model, chains = _deep(config, key)
    data = _data(config, key)
    # A tolerance below single precision: all sweeps of the mean field are made.
    learning = Learning(
        1, (0.01, 0.01), config.batch, chains=config.chains, mean_field=config.mean_field, tolerance=1e-30
    )

    @jax.jit
    def products(model, chains, batches):
        W, U = model.weights

        def update(carry, batch):
            v, h, g = carry
            a = batch @ W.T
            b = a @ U.T

            def sweep(_, pair):
                a, b = pair
                return b @ U, a @ U.T

            a, b = lax.fori_loop(0, config.mean_field, sweep, (a, b))
            h = v @ W.T + g @ U
            v, g = h @ W, h @ U.T
            pairs = (a.T @ batch, b.T @ a, h.T @ v, g.T @ h)
            scale = 1e-30 * sum(jnp.sum(p) for p in pairs)  # so that nothing is left out, and nothing grows
            return (v * scale, h * scale, g * scale), None

        return lax.scan(update, chains, batches)[0]

    batches = data.reshape(UPDATES, config.batch, -1).astype(jnp.float32)
    jax.block_until_ready(products(model, chains, batches))
    return _study.compare(
        lambda: boltzmann.learn(key, model, data, learning, chains=chains).model,
        lambda: products(model, chains, batches),
        config.repeats,
    )


def _sweep(config, key, *, numpy):
    model, chains = _deep(config, key)
    if numpy:
        return _study.compare(
            lambda: boltzmann.run_gibbs(key, model, chains, SWEEPS), lambda: _numpy_gibbs(model, chains), config.repeats
        )

    @jax.jit
    def products(model, chains):
        W, U = model.weights

        def sweep(carry, _):
            v, h, g = carry
            h = 1e-3 * (v @ W.T + g @ U)
            return (h @ W, h, h @ U.T), None

        return lax.scan(sweep, chains, None, length=SWEEPS)[0]

    jax.block_until_ready(products(model, chains))
    return _study.compare(
        lambda: boltzmann.run_gibbs(key, model, chains, SWEEPS), lambda: products(model, chains), config.repeats
    )


def _together(config, key):
    """Restricted machines that learn under vmap, and one after the other."""
    data = _data(config, key)
    learning = Learning(1, (0.01, 0.01), config.batch, chains=100)
    keys = jax.random.split(key, TOGETHER)
    models = [boltzmann.rbm(k, visible=config.visible, hidden=config.visible // 2) for k in keys]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    learn = eqx.filter_jit(eqx.filter_vmap(lambda k, m: boltzmann.learn(k, m, data, learning).model))
    jax.block_until_ready(boltzmann.learn(keys[0], models[0], data, learning).model)
    return _study.compare(
        lambda: learn(keys, stacked),
        lambda: [boltzmann.learn(k, m, data, learning).model for k, m in zip(keys, models, strict=True)],
        config.repeats,
    )


def _small(config, key, peer):
    model = boltzmann.rbm(key, visible=config.small, hidden=config.small)
    chains = boltzmann.start_chains(key, model, config.chains)
    other = (lambda: _numpy_gibbs(model, chains)) if peer == "NumPy" else _graph_sampler(peer, config, key, model)
    return _study.compare(lambda: boltzmann.run_gibbs(key, model, chains, SWEEPS), other, config.repeats)


def _graph_sampler(name, config, key, model):
    """A sampler of general graphs on the same machine, or None where it is not installed."""
    try:
        library, models = importlib.import_module(name), importlib.import_module(f"{name}.models")
    except ImportError:
        return None
    below, above = ([library.SpinNode() for _ in range(size)] for size in model.sizes)
    edges = [(pre, post) for post in above for pre in below]
    # Spins are 2 x - 1: a weight w between units is w / 4 between spins, and w / 4 more on the bias of both.
    W = model.weights[0]
    biases = jnp.concatenate([model.biases[0] / 2 + W.sum(axis=0) / 4, model.biases[1] / 2 + W.sum(axis=1) / 4])
    energy = models.IsingEBM(below + above, edges, biases, W.ravel() / 4, jnp.array(1.0, W.dtype))
    blocks = [library.Block(above), library.Block(below)]
    program = models.IsingSamplingProgram(energy, blocks, [])
    schedule = library.SamplingSchedule(SWEEPS, 1, 1)
    start_key, run_key = jax.random.split(key)
    start = models.hinton_init(start_key, energy, blocks, (config.chains,))
    keys = jax.random.split(run_key, config.chains)

    @eqx.filter_jit
    @jax.vmap
    def sample(key, start):
        return library.sample_states(key, program, schedule, start, [], [library.Block(below)])

    jax.block_until_ready(sample(keys, start))
    return lambda: sample(keys, start)


def _numpy_gibbs(model, chains):
    rng = np.random.default_rng(0)
    biases, weights = [np.asarray(b) for b in model.biases], [np.asarray(W) for W in model.weights]
    states = [np.asarray(x) for x in chains]
    layers = range(len(states))
    for _ in range(SWEEPS):
        for layer in (*layers[1::2], *layers[0::2]):
            field = biases[layer]
            if layer > 0:
                field = field + states[layer - 1] @ weights[layer - 1].T
            if layer < len(weights):
                field = field + states[layer + 1] @ weights[layer]
            uniform = rng.random(field.shape, dtype=np.float32)
            states[layer] = (uniform < 1 / (1 + np.exp(-field))).astype(np.float32)
    return states


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table("benchmark, peer", "ours, ms", "a second", "peer, ms", "peer / ours", "first run, s")
    for name in results.benchmark.values:
        at = results.sel(benchmark=name)
        ours = float(at.ours_ms)
        cells = (ours, 1000 / ours, float(at.peer_ms), float(at.ratio), float(at.first_s))
        table.add_row(str(name), *("" if np.isnan(cell) else f"{cell:.3g}" for cell in cells))
    rich.console.Console(width=110).print(table)


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show)
