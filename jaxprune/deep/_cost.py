"""What a network costs: synapses, operations, and the time that it takes as it is, smaller, or sparse."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxprune._checks import InputError, check_whole
from jaxprune.deep._compact import compact
from jaxprune.deep._layers import Around, check_single, each_layer, names, weights
from jaxprune.deep._matrices import sparse_layers
from jaxprune.deep._run import on_data, outputs
from jaxprune.deep._watch import count_positions, sum_of_outputs


class LayerCost(NamedTuple):
    """Of one layer.

    Attributes:
      name: where it is in the model.
      synapses, kept: their numbers, and how many are not zero.
      operations, kept_operations: multiplications and additions for one sample, with all synapses and with those that are not
        zero; each synapse is used once at every output position.
    """

    name: str
    synapses: int
    kept: int
    operations: int
    kept_operations: int


def cost(model: Any, data: Array, *, forward: Callable[[Any, Any], Any] | None = None) -> tuple[LayerCost, ...]:
    """Synapses and operations of every prunable layer, over all its calls: each token of a sequence, each step of a `scan`.

    Operations of zeros are saved only by code that leaves them out: see `inference_times`.

    Args:
      model: any Equinox model, with zeros where synapses were removed.
      data: inputs, one a row; only their shape matters.
      forward: (model, inputs) -> outputs; by default `jax.vmap(model)(inputs)`.

    Raises:
      InputError: a model without prunable layers, with stacked ones, or that does not take the data.

    Example:
      >>> model = eqx.nn.Conv2d(1, 2, 3, key=jax.random.key(0))
      >>> cost(model, jnp.ones((5, 1, 6, 6)))[0].operations  # 18 synapses at 16 positions
      576
    """
    check_single(model)
    with on_data():
        calls = _calls(model, outputs(forward), jnp.asarray(data[:1]))
    found = []
    for name, W, positions in zip(names(model), jax.tree.leaves(weights(model)), calls, strict=True):
        times = 2 * int(positions)
        kept = int(np.count_nonzero(W))
        found.append(LayerCost(name, W.size, kept, times * W.size, times * kept))
    return tuple(found)


@jax.custom_vjp
def _tap(y, total):
    """y as it is; the gradient of anything with respect to the total is the number of output positions."""
    del total
    return y


def _forward(y, total):
    del total
    return y, y


def _backward(y, cotangent):
    return cotangent, count_positions(y).astype(float)


_tap.defvjp(_forward, _backward)


class _Counted(Around):
    total: Array

    def __call__(self, x, *arguments, **options):
        return _tap(self.layer(x, *arguments, **options), self.total)


def _calls(model, run, x):
    """How many output positions every layer has, over all its calls."""

    def loss(totals):
        number = iter(totals)
        return sum_of_outputs(run(each_layer(lambda layer: _Counted(layer, next(number)), model), x))

    return jax.jit(jax.grad(loss))([jnp.zeros(())] * len(names(model)))


class Times(NamedTuple):
    """Seconds for all samples: as it is, without dead units, and with sparse linear layers.

    Attributes:
      dense: with all zeros.
      compact: from `compact`; NaN for a model that it refuses.
      sparse: from `sparse_layers`.
    """

    dense: float
    compact: float
    sparse: float


def inference_times(
    model: Any, data: Array, *, forward: Callable[[Any, Any], Any] | None = None, repeats: int = 20
) -> Times:
    """Measure how long a pruned network takes, dense, compact and sparse; the median of runs in turn.

    Args:
      model: with zeros where synapses were removed.
      data: inputs, one a row.
      forward: (model, inputs) -> outputs; by default `jax.vmap(model)(inputs)`.
      repeats: runs of each, after one that compiles.

    Raises:
      InputError: repeats below 1.

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> inference_times(model, jnp.ones((10, 4)), repeats=2).dense > 0
      True
    """
    check_whole("repeats", repeats, least=1)
    run = eqx.filter_jit(outputs(forward))
    models = {"dense": model, "sparse": sparse_layers(model)}
    with contextlib.suppress(InputError):  # no chain: it has no smaller form
        models["compact"] = compact(model, data[:200], forward=forward)
    taken: dict[str, list[float]] = {name: [] for name in models}
    for number in range(repeats + 1):
        for name, one in models.items():
            started = time.perf_counter()
            jax.block_until_ready(run(one, data))
            if number:
                taken[name].append(time.perf_counter() - started)
    return Times(*(float(np.median(taken[name])) if name in taken else np.nan for name in Times._fields))
