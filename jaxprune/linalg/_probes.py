"""The H2 error of large networks, estimated from what a few random patterns become in both."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import check_pair, check_square, check_whole
from jaxprune._types import Matrix, PRNGKey, Scalar
from jaxprune.linalg._lyapunov import cayley_shift
from jaxprune.linalg.lapack import inv

REMAINDER = 1e-6
"""Share of the squared norm that the end of the series may leave out."""
CHUNK, LONGEST = 32, 1000
"""Terms between two looks at the remainder; most such chunks."""
GROWN = 1e8
"""A series whose squared terms have grown by this has no end."""


class H2Estimate(NamedTuple):
    """An estimate of `H2Error.relative`.

    Attributes:
      relative: the estimate; infinite where the pruned network grows, NaN where the original does.
      error: its standard error over the probes.
    """

    relative: Scalar
    error: Scalar


def estimate_h2(key: PRNGKey, A: Matrix, B: Matrix, *, probes: int = 32) -> H2Estimate:
    r"""Estimate the relative H2 error of a pruned network, at the cost of one inverse and of products with a few vectors.

    With random patterns z of ±1, `E ‖G z‖² = ‖G‖_F²`, and with a shift p the integral is a sum without an error
    of discretisation,

    $$\int_0^\infty \|(e^{A t} - e^{B t}) z\|^2 dt = 2 p \sum_{j \ge 0} \|M_A^j R_A z - M_B^j R_B z\|^2$$

    with `R_A = (A − p I)⁻¹` and `M_A = I + 2 p R_A`. The square of `H2Error.relative` is the ratio of the means of this and
    of `∫ ‖e^(A t) z‖² dt` over the probes.

    Args:
      key: random key of the probes; the same key gives the same ones for every B, so that differences are seen well.
      A: the original, in 1/time.
      B: the pruned network.
      probes: number of patterns, at least 2. With 32, the standard error is a few per cent for thousands of neurons; it falls
        with the root of the number of probes.

    Returns:
      Estimate and standard error, this by the ratio of two means.

    Raises:
      InputError: a matrix not square, empty or not finite, or of different sizes; fewer than two probes.

    Example:
      >>> A = -jnp.eye(3)
      >>> estimate_h2(jax.random.key(0), A, 2 * A).relative.round(4)  # sqrt((1/2 - 2/3 + 1/4) / (1/2))
      Array(0.4082, dtype=float64)

    Reference: Hutchinson1990 (traces from random signs); Smith1968 (the series).
    """
    check_pair(A, B)
    return h2_of_probes(probe(key, A, probes), B)


class Probes(NamedTuple):
    """An original network, prepared for many estimates; made by `probe`.

    Attributes:
      patterns: z, as columns.
      shift: p.
      resolvent: R_A.
    """

    patterns: Float[Array, "neuron probe"]
    shift: Scalar
    resolvent: Matrix


def probe(key: PRNGKey, A: Matrix, probes: int = 32) -> Probes:
    """Prepare an original network for many H2 estimates: random patterns, a shift and one inverse.

    Args:
      key, A, probes: as in `estimate_h2`.

    Raises:
      InputError: A not square, empty or not finite; fewer than two probes.

    Example:
      >>> float(h2_of_probes(probe(jax.random.key(0), -jnp.eye(3)), -jnp.eye(3)).relative)
      0.0

    Reference: as for `estimate_h2`.
    """
    check_square("A", A)
    check_whole("probes", probes, least=2)
    return _prepare(key, A, probes)


@partial(jax.jit, static_argnums=2)
def _prepare(key, A, probes):
    shift = cayley_shift((A,))
    return Probes(jax.random.rademacher(key, (len(A), probes), A.dtype), shift, _resolvent(A, shift))


def _resolvent(A, shift):
    return inv(A - shift * jnp.eye(len(A), dtype=A.dtype))


@jax.jit
def h2_of_probes(original: Probes, B: Matrix) -> H2Estimate:
    """`estimate_h2` from an original that is prepared.

    Args:
      original: from `probe`.
      B: the pruned network.

    Example:
      >>> h2_of_probes(probe(jax.random.key(0), -jnp.eye(3)), -2 * jnp.eye(3)).relative.round(4)
      Array(0.4082, dtype=float64)

    Reference: as for `estimate_h2`.
    """
    z, shift = original.patterns, original.shift
    resolvents = original.resolvent, _resolvent(B, shift)
    first = tuple(R @ z for R in resolvents)

    def add(state, _):
        (u, v), own, apart = state
        own, apart = own + jnp.sum(u**2, axis=0), apart + jnp.sum((u - v) ** 2, axis=0)
        return (tuple(w + 2 * shift * (R @ w) for w, R in zip((u, v), resolvents, strict=True)), own, apart), None

    def ended(w, own):
        return jnp.sum(w**2) * CHUNK <= REMAINDER * jnp.sum(own)

    def more(state):
        ((u, v), own, _), chunks = state
        bounded = jnp.sum(u**2) + jnp.sum(v**2) < GROWN * (jnp.sum(first[0] ** 2) + jnp.sum(first[1] ** 2))
        return ~(ended(u, own) & ended(v, own)) & bounded & (chunks < LONGEST)

    def extend(state):
        return lax.scan(add, state[0], None, length=CHUNK)[0], state[1] + 1

    probes = z.shape[1]
    none = jnp.zeros(probes, z.dtype)
    ((u, v), own, apart), _ = lax.while_loop(more, extend, ((first, none, none), jnp.zeros((), jnp.int32)))
    ratio = jnp.mean(apart) / jnp.mean(own)
    error = jnp.std(apart - ratio * own, ddof=1) / (jnp.sqrt(probes) * jnp.mean(own) * 2 * jnp.sqrt(ratio))
    known, stable = ended(u, own), ended(v, own)
    return H2Estimate(
        jnp.where(known, jnp.where(stable, jnp.sqrt(ratio), jnp.inf), jnp.nan),
        jnp.where(known & stable, jnp.where(ratio > 0, error, 0), jnp.nan),
    )
