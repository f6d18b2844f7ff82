"""Speed of sparse training and of pruning layer by layer, beside plain training, NumPy, and other forms of the network.

`epoch` rows hold an epoch of training with the rule against the same loop without rule, masks or anything that listens. `fit`
rows hold the least-squares fit of all rows of a large layer, from a given second moment at half of the synapses, against a loop
over rows in NumPy, of which a part is run and scaled. `inference` rows hold a network with zeros against its smaller or sparse
form.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import rich.console
import rich.table
import xarray as xr
from jax import lax

from experiments import _study
from jaxprune import deep, pruning
from jaxprune.deep import Counter, Training

CASES = (
    "epoch with counter, LeNet-300-100, plain", "epoch with magnitude, LeNet-300-100, plain",
    "epoch with counter, small VGG, plain", "fit, float32, NumPy", "inference, 10 % kept, compact",
    "inference, 10 % kept, sparse", "inference, 2 % kept, sparse", "inference, half of the units, compact",
)  # fmt: skip
DIMS = ("benchmark",)


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      images: images to an epoch of the dense network; a twentieth of them of the convolutional one.
      batch: images to an update.
      size: rows and columns of the large layer.
      rows: rows of it that NumPy fits.
      inferred: images that inference is timed on.
      repeats: timed runs, after one that is not counted; the large layer is fitted once.
      seed: seed of everything.
    """

    images: int = 20_000
    batch: int = 100
    size: int = 4096
    rows: int = 16
    inferred: int = 2000
    repeats: int = 5
    seed: int = 0

    @property
    def stored_as(self) -> str:
        """Name of the results; those of an accelerator have its kind in it."""
        backend = jax.default_backend()
        return "bench_deep" if backend == "cpu" else f"bench_deep_{backend}"


def points(config: Config) -> list[_study.Row]:
    """Benchmarks by their names."""
    del config
    return [{"benchmark": name} for name in CASES]


def evaluate(config: Config, benchmark: str) -> list[_study.Row]:
    """Seconds of ours and of the peer."""
    key = jax.random.key(config.seed)
    if benchmark.startswith("epoch"):
        rule = Counter() if "counter" in benchmark else deep.named_method("magnitude", 0.1)
        row = _epoch(config, key, rule, dense="LeNet" in benchmark)
    elif benchmark.startswith("fit"):
        row = _fit(config, key)
    else:
        row = _inference(config, key, benchmark)
    return [row]


def _single(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, tree)


def _epoch(config, key, rule, *, dense):
    """Training with a rule, and the plain loop."""
    shape, count = ((1, 28, 28), config.images) if dense else ((3, 32, 32), config.images // 20)
    x = jax.random.uniform(key, (count, *shape), jnp.float32)
    y = jax.random.randint(key, (count,), 0, 10)
    made: Any = (
        (deep.Dense(key), None) if dense else eqx.nn.make_with_state(deep.VGG)(key, widths=(16, 16, 32, 32, 64, 64))
    )
    model, extra = _single(made)
    optimiser = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.1, momentum=0.9))
    training = Training(10, optimiser, config.batch, rule)
    state = deep.init_training(key, model, training, extra=extra)
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)

    updates, scanned = count // config.batch, dense or jax.default_backend() != "cpu"

    def step(carry, arguments):
        arrays, extra, remembered = carry
        key, place = arguments

        def loss(arrays):
            return deep.cross_entropy(eqx.combine(arrays, rest), extra, x[place], y[place], key)

        (value, extra), gradient = jax.value_and_grad(loss, has_aux=True)(arrays)
        changes, remembered = optimiser.update(gradient, remembered, arrays)
        return (optax.apply_updates(arrays, changes), extra, remembered), value

    @jax.jit
    def order(key):
        order_key, step_key = jax.random.split(key)
        places = jax.random.permutation(order_key, count)[: updates * config.batch].reshape(updates, config.batch)
        return jax.random.split(step_key, updates), places

    @jax.jit
    def in_a_loop(carry, steps):
        return lax.scan(step, carry, steps)[0]

    one_update = jax.jit(step)

    def plain(key, arrays, remembered, extra):
        carry, steps = (arrays, extra, remembered), order(key)
        if scanned:
            return in_a_loop(carry, steps)
        # As `fit` does: convolutions are slow inside compiled loops on a CPU.
        for number in range(updates):
            carry, _ = one_update(carry, jax.tree.map(lambda leaf, number=number: leaf[number], steps))
        return carry

    one_epoch = deep.train_epoch if scanned else deep.train_epoch_by_steps
    remembered = optimiser.init(arrays)
    jax.block_until_ready(plain(key, arrays, remembered, extra))
    return _study.compare(
        lambda: jax.tree.leaves(eqx.filter(one_epoch(key, state, x, y, training), eqx.is_array)),
        lambda: jax.tree.leaves(plain(key, arrays, remembered, extra)[0]),
        config.repeats,
    )


def _fit(config, key):
    """All rows of a large layer with half of their synapses, and a loop over some of the rows."""
    n = config.size
    weight_key, data_key, mask_key = jax.random.split(key, 3)
    W = jax.random.normal(weight_key, (n, n), jnp.float32) / np.sqrt(n)
    X = jax.random.normal(data_key, (2 * n, n), jnp.float32)
    X = X + 0.5 * jnp.roll(X, 1, axis=1)
    H = X.T @ X / len(X)
    mask = (jax.random.uniform(mask_key, (n, n)) < 0.5).astype(jnp.float32)
    hold = 1e-3 * float(jnp.trace(H)) / n
    found = {}

    def ours():
        found["S"] = pruning.compensate(W, mask, H, leak=False, ridge=1e-3, symmetric=False)
        return found["S"]

    W_, H_, mask_ = (np.asarray(part) for part in (W, H, mask))
    held = H_ + hold * np.eye(n, dtype=np.float32)
    drive = W_[: config.rows] @ held

    def numpy():
        for row in range(config.rows):
            place = np.flatnonzero(mask_[row])
            found[row] = np.linalg.solve(held[np.ix_(place, place)], drive[row, place])

    times = _study.compare(ours, numpy, 1)
    for row in range(config.rows):
        place = np.flatnonzero(mask_[row])
        error = np.abs(np.asarray(found["S"])[row, place] - found[row]).max() / np.abs(found[row]).max()
        if not error < 1e-3:
            raise AssertionError(f"row {row} differs from NumPy's by {error:.1e}")
    peer = times["peer_s"] * n / config.rows
    return times | {"peer_s": peer, "ratio": peer / times["ours_s"]}


def _inference(config, key, name):
    """A dense network with zeros, and its other form."""
    model = _single(deep.Dense(key))
    x = jax.random.uniform(key, (config.inferred, 784), jnp.float32)
    if "units" in name:
        stays = [np.ones((300, 784)), np.ones((100, 300)), np.ones((10, 100))]
        stays[0][::2], stays[1][::2] = 0, 0
        masks = eqx.tree_at(
            lambda m: [layer.weight for layer in m.layers],
            deep.ones(model),
            [jnp.asarray(s, jnp.float32) for s in stays],
        )
    else:
        masks = deep.random_masks(key, deep.weights(model), 0.1 if "10 %" in name else 0.02)
    model = deep.masked(model, masks)
    other = deep.compact(model, x[:200]) if name.endswith("compact") else deep.sparse_layers(model)
    run: Callable = eqx.filter_jit(lambda m, x: jax.vmap(m)(x))
    jax.block_until_ready(run(model, x))
    return _study.compare(lambda: run(other, x), lambda: run(model, x), 4 * config.repeats)


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table("benchmark, peer", "ours, ms", "peer, ms", "peer / ours", "first run, s")
    for name in results.benchmark.values:
        at = results.sel(benchmark=name)
        cells = (1000 * float(at.ours_s), 1000 * float(at.peer_s), float(at.ratio), float(at.first_s))
        table.add_row(str(name), *(f"{cell:.3g}" for cell in cells))
    console = rich.console.Console(width=110)
    console.print(table)
    console.print("epoch: a ratio of .91 is an overhead of 10 %; inference: above 1 the other form is faster")


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show)
