r"""Preconditioners: the leak alone, or with it the slow modes of weakly joined clusters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxprune._types import Matrix, PRNGKey, Scalar
from jaxprune.linalg.sparse._matrix import SparseMatrix, diagonal_of, input_of, rows_of, to_scipy

ALIKE = 0.8
"""Squared cosine, between the test vectors of two neurons, from which they move as one; of independent ones in 16 dimensions one
of a million pairs passes."""
LARGEST = 4000
"""Most clusters of the coarse problem, which is inverted as a dense matrix."""
SMALLEST = 8
"""Neurons that make a cluster."""
TESTS, RELAXATIONS = 16, 24
"""Test vectors, and how often each is relaxed: modes of the leak's own rate are then gone, and those ten times slower are not."""
CHUNK = 1 << 18
"""Synapses that are looked at together."""


class Preconditioner(NamedTuple):
    """An approximate inverse of -A: one over the leak of each neuron, and the exact inverse on a few slow patterns.

    Attributes:
      inverse: one over the leaks.
      cluster: each neuron's cluster; the number of clusters where it has none.
      pattern: each neuron's part in the slow pattern of its cluster; zero where it has none.
      coarse: inverse of -A between the patterns; 0 x 0 without clusters.
    """

    inverse: Float[Array, " neuron"]
    cluster: Int[Array, " neuron"]
    pattern: Float[Array, " neuron"]
    coarse: Matrix

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.coarse)


def precondition(A: SparseMatrix) -> Preconditioner:
    """Precondition by the leak alone: enough where no part of the network is nearly cut off from leaks and other parts.

    Args:
      A: dynamics matrix, with a positive leak for every neuron.
    """
    leak = -diagonal_of(A)
    return Preconditioner(1 / leak, jnp.zeros(len(leak), jnp.int32), jnp.zeros_like(leak), jnp.zeros((0, 0), A.dtype))


def least_slack(A: SparseMatrix) -> Scalar:
    """Least share of its leak that a neuron has as slack, `minᵢ (dᵢ − Σⱼ |wᵢⱼ|) / dᵢ`; negative if not dominant.

    For symmetric A, it is a lower bound of the eigenvalues of -A preconditioned by its leak (Gershgorin), and, as adding to a
    preconditioner only raises them, by any that `precondition` or `precondition_clusters` makes.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> least_slack(sparse.as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -4.0]])))
      Array(0.5, dtype=float64)

    Reference: Varga2004.
    """
    return jnp.min(slack_shares(A))


@jax.jit
def slack_shares(A: SparseMatrix) -> Float[Array, " neuron"]:
    """Each neuron's slack as a share of its leak; minus infinity without a leak."""
    leak = -diagonal_of(A)
    return jnp.where(leak > 0, (leak - input_of(A)) / jnp.where(leak > 0, leak, 1), -jnp.inf)


def slack_rounding(A: SparseMatrix) -> Float[Array, " neuron"]:
    """Size below which a share of slack is not told from zero: a few units of rounding times the root of the row's length."""
    return 16 * jnp.finfo(A.dtype).eps * jnp.sqrt(jnp.diff(A.indptr).astype(A.dtype))


def is_dominant(A: SparseMatrix) -> bool:
    """Whether every leak is at least its neuron's input, up to rounding."""
    return bool(jnp.all(slack_shares(A) >= -slack_rounding(A)))


@jax.jit
def apply(preconditioner: Preconditioner, r: Float[Array, "neuron probe"]) -> Float[Array, "neuron probe"]:
    """The approximate inverse times a block of columns."""
    scaled = preconditioner.inverse[:, None] * r
    if not preconditioner.clusters:
        return scaled
    inside = jnp.zeros((preconditioner.clusters + 1, r.shape[1]), r.dtype)
    inside = inside.at[preconditioner.cluster].add(preconditioner.pattern[:, None] * r)[:-1]
    outside = jnp.concatenate([preconditioner.coarse @ inside, jnp.zeros((1, r.shape[1]), r.dtype)])
    return scaled + preconditioner.pattern[:, None] * outside[preconditioner.cluster]


def precondition_clusters(key: PRNGKey, A: SparseMatrix) -> Preconditioner:
    """Precondition by the leak, and exactly on the slow patterns of clusters that hang together more than with the rest.

    Random test vectors are relaxed, `x ← x + 0.6 D⁻¹ A x`, until slow modes alone are left, all of like size.
    Synapses whose two ends have test vectors of a squared cosine of .8 or more join neurons to clusters. A cluster's pattern is
    its neurons' part in the leading test direction, signs included, so that inhibition that splits a cluster into two camps is
    one pattern as well. With the patterns as columns of P,

        B = D⁻¹ + P (Pᵀ M P)⁻¹ Pᵀ

    Args:
      key: random key of the test vectors.
      A: dynamics matrix, symmetric.

    Returns:
      The preconditioner; that of `precondition` where there are no such clusters.

    Reference: Brandt2011 (algebraic distance from relaxed test vectors); Nicolaides1987 (a coarse space of one vector for each
    part).
    """
    import scipy.sparse
    import scipy.sparse.csgraph

    plain, host = precondition(A), to_scipy(A)
    vectors = np.asarray(_relaxed(key, A))
    alike = np.asarray(_alike(A, jnp.asarray(vectors)))
    together = alike > 0
    joined = scipy.sparse.csr_array(
        (alike[together], (np.asarray(rows_of(A))[together], host.indices[together])), shape=host.shape
    )
    found = scipy.sparse.csgraph.connected_components(joined, directed=False)[1]
    sizes = np.bincount(found)
    chosen = np.argsort(-sizes, kind="stable")[: min(LARGEST, int(np.sum(sizes >= SMALLEST)))]
    if not len(chosen):
        return plain
    number = np.full(len(sizes), len(chosen))
    number[chosen] = np.arange(len(chosen))
    cluster = number[found]
    pattern = np.where(cluster < len(chosen), _patterns(vectors, cluster, len(chosen)), 0)
    inside = cluster < len(chosen)
    P = scipy.sparse.csr_array(
        (pattern[inside], (np.flatnonzero(inside), cluster[inside])), shape=(len(cluster), len(chosen))
    )
    coarse = -(P.T @ (host @ P)).toarray()
    inverse = np.linalg.inv((coarse + coarse.T) / 2)
    return plain._replace(
        cluster=jnp.asarray(cluster, jnp.int32),
        pattern=jnp.asarray(pattern, A.dtype),
        coarse=jnp.asarray((inverse + inverse.T) / 2, A.dtype),
    )


def _patterns(vectors, cluster, count):
    """Each neuron's part in the leading direction of its cluster's test vectors, by power iteration on all clusters at once."""
    import scipy.sparse

    places = scipy.sparse.csr_array(
        (np.ones(len(cluster)), (cluster, np.arange(len(cluster)))), shape=(count + 1, len(cluster))
    )
    weights = np.ones((count + 1, vectors.shape[1]))
    # The direction begins at the largest vector of the cluster, which is in no way orthogonal to it.
    order = np.lexsort((np.linalg.norm(vectors, axis=1), cluster))
    last = np.flatnonzero(np.diff(np.append(cluster[order], count + 2)))
    weights[cluster[order[last]]] = vectors[order[last]]
    part = np.zeros(len(cluster))
    for _ in range(5):
        part = np.sum(vectors * weights[cluster], axis=1)
        weights = places @ (vectors * part[:, None])
        weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), np.finfo(float).tiny)
    return part


@jax.jit
def _relaxed(key, A):
    """Test vectors."""
    leak = -diagonal_of(A)[:, None]

    def relax(_: Any, x: Array) -> Array:
        return x + 0.6 * (A @ x) / leak

    return jax.lax.fori_loop(0, RELAXATIONS, relax, jax.random.normal(key, (A.shape[0], TESTS), A.dtype))


@jax.jit
def _alike(A, vectors):
    """One for each synapse that joins neurons that move as one, the diagonal included."""
    rows, size = rows_of(A), A.data.size
    norms = jnp.sum(vectors**2, axis=1)
    count = -(-size // CHUNK)

    def some(chunk):
        place = jnp.minimum(chunk * CHUNK + jnp.arange(CHUNK), size - 1)
        i, j = rows[place], A.indices[place]
        return jnp.sum(vectors[i] * vectors[j], axis=1) ** 2 >= ALIKE * norms[i] * norms[j]

    return jax.lax.map(some, jnp.arange(count)).reshape(-1)[:size].astype(jnp.int8)
