"""Weights as sparse matrices, which hold only what is not zero."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import scipy.sparse
from jax import Array
from jax.custom_batching import custom_vmap
from jax.experimental.sparse import BCSR

from jaxprune._checks import InputError
from jaxprune.deep._layers import each_layer, names, weights


def sparse_weights(model: Any) -> dict[str, scipy.sparse.csr_array]:
    """The weights that are left, as SciPy matrices in compressed rows [post, pre]; kernels of convolutions are flattened.

    Args:
      model: with zeros where synapses were removed.

    Returns:
      Matrices by the `names` of their layers.

    Raises:
      InputError: a model without linear or convolutional layers.

    Example:
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> {name: W.shape for name, W in sparse_weights(model).items()}
      {'layers[0]': (8, 4), 'layers[1]': (2, 8)}
    """
    leaves = jax.tree.leaves(weights(model))
    return {
        name: scipy.sparse.csr_array(np.asarray(W).reshape(len(W), -1))
        for name, W in zip(names(model), leaves, strict=True)
    }


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

    Args:
      model: with zeros where synapses were removed.

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
