"""Connected components of a network."""

import numpy as np
from jax import Array
from jaxtyping import Bool, Num

from jaxprune.linalg.sparse import AnySparse, to_scipy


def count_components(mask: Num[Array, "post pre"] | Bool[Array, "post pre"] | AnySparse) -> int:
    """Number of connected components, directions ignored, of the network whose synapses are the nonzero entries.

    Args:
      mask: square, dense or sparse; nonzero where there is a synapse.

    Example:
      >>> count_components(jnp.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]]))
      2
    """
    import scipy.sparse.csgraph  # slow to import, and seldom needed

    joined = to_scipy(mask) if isinstance(mask, AnySparse) else scipy.sparse.csr_array(np.asarray(mask))
    return int(scipy.sparse.csgraph.connected_components(joined, connection="weak")[0])
