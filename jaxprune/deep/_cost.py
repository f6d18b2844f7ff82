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
from jax.custom_batching import custom_vmap
from jax.experimental.sparse import BCSR

from jaxprune._checks import InputError, check_whole
from jaxprune.deep._compact import compact
from jaxprune.deep._layers import each_layer, names, weights


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
    """Synapses and operations of every prunable layer.

    Operations of zeros are saved only by code that leaves them out: see `inference_times`.

    Args:
      model: any Equinox model, with zeros where synapses were removed.
      data: inputs, one a row; only their shape matters.
      forward: (model, inputs) -> outputs; by default `jax.vmap(model)(inputs)`.

    Raises:
      InputError: a model without prunable layers, or that does not take the data.

    Example:
      >>> model = eqx.nn.Conv2d(1, 2, 3, key=jax.random.key(0))
      >>> cost(model, jnp.ones((5, 1, 6, 6)))[0].operations  # 18 synapses at 16 positions
      576
    """
    run = forward or (lambda m, x: jax.vmap(m)(x))
    positions: dict[int, int] = {}
    counted = _counted(model, positions)
    try:
        jax.eval_shape(lambda x: run(counted, x), jnp.asarray(data[:1]))
    except (TypeError, ValueError) as error:
        raise InputError(f"the model cannot be run on the data: {' '.join(str(error).split())[:200]}") from error
    found = []
    for place, (name, W) in enumerate(zip(names(model), jax.tree.leaves(weights(model)), strict=True)):
        times = 2 * positions.get(place, 0)
        kept = int(np.count_nonzero(W))
        found.append(LayerCost(name, W.size, kept, times * W.size, times * kept))
    return tuple(found)


class _Counted(eqx.Module):
    layer: Any
    note: Callable[[int], None] = eqx.field(static=True)

    def __call__(self, x, *arguments, **options):
        y = self.layer(x, *arguments, **options)
        self.note(y.size // y.shape[0] if y.ndim else 1)
        return y

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "layer"), name)


def _counted(model, positions):
    """The model with layers that note how many output positions they have, whenever they are called."""
    number = iter(range(len(names(model))))

    def one(layer):
        place = next(number)

        def note(size):
            positions[place] = positions.get(place, 0) + size

        return _Counted(layer, note)

    return each_layer(one, model)


class SparseLinear(eqx.Module):
    """A linear layer whose matrix holds only what is not zero, in compressed rows.

    Attributes:
      matrix: [post, pre].
      bias: or None.
    """

    matrix: BCSR
    bias: Array | None

    def __call__(self, x: Array, *, key: Any = None) -> Array:
        """Output for one input; under `vmap`, one product of the matrix with all of them."""
        del key
        y = _times(self.matrix, x)
        return y if self.bias is None else y + self.bias


@custom_vmap
def _times(matrix, x):
    return matrix @ x


@_times.def_vmap
def _(size, batched, matrix, x):
    del size
    if any(jax.tree.leaves(batched[0])):
        raise InputError("the matrix of a SparseLinear cannot be mapped over, only its inputs.")
    return (matrix @ x.T).T, True


def sparse_layers(model: Any) -> Any:
    """The model with `SparseLinear` in place of its linear layers; convolutions stay as they are.

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> x = jnp.ones((3, 4))
      >>> bool(jnp.allclose(jax.vmap(sparse_layers(model))(x), jax.vmap(model)(x)))
      True
    """

    def one(layer):
        if not isinstance(layer, eqx.nn.Linear):
            return layer
        return SparseLinear(BCSR.fromdense(layer.weight, nse=max(1, int(np.count_nonzero(layer.weight)))), layer.bias)

    return each_layer(one, model)


class Times(NamedTuple):
    """Seconds for all samples: as it is, without dead units, and with sparse linear layers; NaN where that cannot be done.

    Attributes:
      dense: with all zeros.
      compact: from `compact`.
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

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> inference_times(model, jnp.ones((10, 4)), repeats=2).dense > 0
      True
    """
    check_whole("repeats", repeats, least=1)
    run = eqx.filter_jit(forward or (lambda m, x: jax.vmap(m)(x)))
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
