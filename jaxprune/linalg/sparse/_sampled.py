r"""The covariance of a large network from samples of its noise-driven activity, in a form that never becomes a matrix."""

from functools import partial
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from jaxprune._checks import InputError, check_choice, check_fraction, check_key, check_positive, check_whole
from jaxprune._memory import check_memory
from jaxprune._types import Count, PRNGKey, Scalar
from jaxprune.linalg.sparse._condition import condition
from jaxprune.linalg.sparse._matrix import (
    SparseMatrix,
    as_sparse,
    check_sparse_leak,
    diagonal_of,
    input_of,
    resolve_sparse_symmetry,
    rows_of,
    with_data,
)
from jaxprune.linalg.sparse._precondition import is_dominant, least_slack
from jaxprune.linalg.sparse._simulate import LOST, Run, begin_pairs, simulate_pairs
from jaxprune.linalg.sparse._singular import check_singular
from jaxprune.linalg.sparse._solve import MOST, SolveCode, solve

BLOCK = 16
"""Samples that are drawn together: as many columns as a product takes at little more than the price of one."""
PROBES = 1024
"""Most samples that are drawn of themselves."""
LOOKED_AT = 200_000
"""Synapses from which the error is judged."""
PATIENCE = 40
"""Iterations after which the leak alone is held to be too weak a preconditioner, and clusters are looked for."""
CHUNK = 1 << 16
"""Synapses whose variances are computed together."""
LEAST = 0.25
"""Of its standard error: what a variance is at least, as chance may leave less than nothing of it."""


class SampledCovariance(eqx.Module):
    """Covariance of activity under unit white noise, `C ≈ C₀ + (1/n) (Z Zᵀ − Z₀ Z₀ᵀ)`, from n samples.

    C₀ is known exactly: what neurons would do alone, and, of a symmetric network, what one synapse adds,
    `½ (D⁻¹ + D⁻¹ W D⁻¹)`. Only the rest is sampled, which in a network of many synapses is a small part.

    Attributes:
      samples: Z, one column for each; of a simulation snapshot by snapshot, each of all replicas.
      alone: Z₀, the same neurons without synapses under the same noise; None where C₀ is subtracted from each sample.
      leak: d.
      error: relative standard error of the variance that a synapse sees, as root mean square over synapses.
      solve_error: largest share of the standard deviation by which any synapse's is off, because equations are solved to a
        tolerance; of a simulation that of the slowest mode.
      iterations: number of products of the matrix with a block of samples.
      clusters: of the preconditioner.
      replicas: number of independent ones among the samples, from whose scatter errors are judged: all that were solved for, or
        the networks that were simulated side by side.
      symmetric: whether C₀ has the part of one synapse.
      guaranteed: whether the bound of solve_error is proven; else it rests on an estimate of the smallest eigenvalue.
      method: "solve" or "simulation".
    """

    samples: Float[Array, "neuron probe"]
    alone: Float[Array, "neuron probe"] | None
    leak: Float[Array, " neuron"]
    error: Scalar
    solve_error: Scalar
    iterations: Count
    clusters: Count
    replicas: int = eqx.field(static=True)
    symmetric: bool = eqx.field(static=True)
    guaranteed: bool = eqx.field(static=True)
    method: Literal["solve", "simulation"] = eqx.field(static=True)

    @property
    def probes(self) -> int:
        """Number of samples."""
        return self.samples.shape[1]

    @property
    def variances(self) -> Float[Array, " neuron"]:
        """Of each neuron's activity; at least a quarter of their standard error."""
        seen = self.samples**2 - (0 if self.alone is None else self.alone**2)
        mean, error = self.mean_over(seen)
        return jnp.maximum(1 / (2 * self.leak) + mean, LEAST * error)

    def mean_over(
        self, seen: Float[Array, "quantity probe"]
    ) -> tuple[Float[Array, " quantity"], Float[Array, " quantity"]]:
        """Means over the samples, and their standard errors by the scatter of replicas, whose own snapshots are not independent.

        Args:
          seen: one row for each quantity, with its value in each sample.
        """
        count, mean = seen.shape[1], jnp.mean(seen, axis=1)
        apart = jnp.pad(seen - mean[:, None], ((0, 0), (0, -count % self.replicas)))
        each = jnp.sum(apart.reshape(len(seen), -1, self.replicas), axis=1)
        return mean, jnp.sqrt(jnp.sum(each**2, axis=1) * self.replicas / max(self.replicas - 1, 1)) / count

    @property
    def words(self) -> str:
        """How it was found, and how well it is known, in one line."""
        how = "one solve each" if self.method == "solve" else f"simulated in {self.replicas} independent replicas"
        bound = "at most" if self.guaranteed else "about"
        return (
            f"{self.probes} samples of noise-driven activity ({how}, {int(self.iterations)} products in all), relative standard "
            f"error {float(self.error):.2g}, and by the solves {bound} {float(self.solve_error):.1g} of the standard deviation"
        )


class Differences(NamedTuple):
    """What synapses see of a covariance.

    Attributes:
      variance: of `xᵢ − s xⱼ`, for a synapse of sign s between i and j; at least a quarter of its standard error, as the part
        that is sampled may by chance take away more than there is.
      error: its standard error.
    """

    variance: Float[Array, " synapse"]
    error: Float[Array, " synapse"]


def sampled_covariance(
    key: PRNGKey,
    A: SparseMatrix,
    *,
    error: float = 0.1,
    probes: int | None = None,
    fewest: int = 2,
    symmetric: bool | None = None,
    method: Literal["auto", "solve", "simulation"] = "auto",
    solve_error: float | None = None,
    max_iterations: int = MOST,
) -> SampledCovariance:
    """Sample the noise-driven activity of a large network, as often as the wanted error of what synapses see asks for.

    Of a symmetric network with dominant leaks, `M = −A = Σᵢⱼ |wᵢⱼ| bᵢⱼ bᵢⱼᵀ + diag(δ)` with
    `b = eᵢ − s eⱼ`. Noise on synapses and slacks, `y = Σ √|w| b ξ + √δ ζ`, has the covariance
    M, and `M x = y` gives x the covariance `M⁻¹ = 2 C`, without any time step. The signs `ξᵢⱼ = hᵢⱼ ηᵢ ηⱼ`,
    with h fixed and η drawn for each sample, are uncorrelated between any two pairs, and make y one product,
    `η ∘ (G η)`.
    What is sampled is `z = x − D⁻¹ y`, whose covariance is `M⁻¹ − D⁻¹ − D⁻¹ W D⁻¹`.

    Any other stable network is simulated with the implicit midpoint rule, whose stationary covariance is exact for any step.

    Args:
      key: random key.
      A: dynamics matrix, in 1/time, stable; BCSR or SciPy sparse.
      error: wanted relative standard error of the variance that a synapse sees, as root mean square over synapses.
      probes: number of samples, instead of what the error asks for.
      fewest: samples that are drawn at least, where the error decides; they come in blocks of 16.
      symmetric: whether A is symmetric; by default looked up.
      method: "solve" for symmetric networks with dominant leaks, "simulation" for all; by default what suits.
      solve_error: tolerance of the solves, as the largest share of the standard deviation by which a synapse's may be off; by
        default a quarter of the error. A simulation keeps to a hundredth, or less if this is less.
      max_iterations: most iterations of a solve.

    Returns:
      The samples, with the errors reached.

    Raises:
      InputError: A not square, empty, not finite, with a positive diagonal, singular or unstable; solves that do not converge;
        "solve" for a network that is not symmetric or whose leaks are not dominant; samples that do not fit into memory.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> A = sparse.as_sparse("A", jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      >>> C = sparse.sampled_covariance(jax.random.key(0), A, probes=64)
      >>> C.method, bool(abs(sparse.differences(C, A).variance[1] - 1 / 3) < 5 * sparse.differences(C, A).error[1])
      ('solve', True)

    Reference: Spielman2011 (effective resistances by solves with random right-hand sides); what is subtracted, the signs, and the
    norm in which solves end are ours.
    """
    check_key("key", key)
    A = as_sparse("A", A)
    check_fraction("error", error)
    check_choice("method", method, ("auto", "solve", "simulation"))
    if probes is not None:
        check_whole("probes", probes, least=2)
    check_whole("fewest", fewest, least=1)
    check_whole("max_iterations", max_iterations, least=1)
    if solve_error is None:
        solve_error = error / 4
    check_positive("solve_error", solve_error)
    leak = -diagonal_of(A)
    check_sparse_leak("A", -leak)
    symmetric = resolve_sparse_symmetry(symmetric, A)
    silent = int(jnp.argmin(leak))
    if not leak[silent] > 0:
        raise InputError(
            f"neuron {silent} has no leak (A[{silent}, {silent}] is 0), so its activity never comes to rest: give every neuron "
            "one."
        )
    _check_room(A, max(BLOCK, probes or fewest))
    dominant = is_dominant(A)
    if method == "solve" and not (symmetric and dominant):
        what = (
            "not symmetric"
            if not symmetric
            else f"not diagonally dominant (least slack {float(least_slack(A)):.3g} of the leak)"
        )
        raise InputError(f"method is 'solve', but A is {what}: leave method out, and the network is simulated.")
    if method == "simulation" or not (symmetric and dominant):
        return _simulated(key, A, leak, error, probes, fewest, min(LOST, solve_error))
    return _solved(key, A, leak, error, probes, fewest, solve_error, max_iterations)


def differences(
    covariance: SampledCovariance,
    A: SparseMatrix,
    *,
    entries: Int[Array, " synapse"] | None = None,
) -> Differences:
    """The variance of the difference of the two neurons that a synapse joins (of their sum, if it is inhibitory).

    Args:
      covariance: from `sampled_covariance`.
      A: the network, or one with the same neurons; entries on its diagonal get a variance of zero.
      entries: places of the synapses among A's entries; by default all.

    Returns:
      Variances and their standard errors, for unit noise.
    """
    if entries is None:
        entries = jnp.arange(A.data.size, dtype=A.indices.dtype)
    return Differences(*_differences(covariance, A, entries, True))


def variances_seen(covariance: SampledCovariance, A: SparseMatrix) -> Float[Array, " synapse"]:
    """The variances of `differences` of all entries, without their errors: in less than half the time.

    Args:
      covariance: from `sampled_covariance`.
      A: the network.
    """
    return _differences(covariance, A, jnp.arange(A.data.size, dtype=A.indices.dtype), False)[0]


@partial(jax.jit, static_argnums=3)
def _differences(covariance, A, entries, errors):
    rows, columns, weights = rows_of(A), A.indices, A.data
    Z, alone, leak = covariance.samples, covariance.alone, covariance.leak
    count = len(entries)

    def some(chunk):
        place = entries[jnp.minimum(chunk * CHUNK + jnp.arange(CHUNK), count - 1)]
        i, j, w = rows[place], columns[place], weights[place]
        s = jnp.sign(w)[:, None]
        seen = (Z[i] - s * Z[j]) ** 2
        if alone is not None:
            seen = seen - (alone[i] - s * alone[j]) ** 2
        known = (1 / leak[i] + 1 / leak[j]) / 2
        if covariance.symmetric:
            known = known - jnp.abs(w) / (leak[i] * leak[j])
        if alone is None and not errors:
            # Nothing is subtracted, so that chance cannot leave less than nothing.
            return (jnp.where(i == j, 0, known + jnp.mean(seen, axis=1)),)
        mean, spread = covariance.mean_over(seen)
        variance = known + mean if alone is None else jnp.maximum(known + mean, LEAST * spread)
        return jnp.where(i == j, 0, variance), jnp.where(i == j, 0, spread)

    found = lax.map(some, jnp.arange(-(-count // CHUNK)))
    return [part.reshape(-1)[:count] for part in found]


def _check_room(A, count):
    check_memory(
        f"{count} samples of {A.shape[0]} neurons",
        4 * A.dtype.itemsize * (A.data.size + A.shape[0] * count),
        "ask for fewer, or for single precision.",
    )


def _relative_error(covariance, A, key):
    """Root mean square, over synapses, of the relative standard error."""
    places = jax.random.randint(key, (min(LOOKED_AT, A.data.size),), 0, A.data.size, A.indices.dtype)
    found = differences(covariance, A, entries=places)
    there = found.variance > 0
    ratio = jnp.where(there, found.error / jnp.where(there, found.variance, 1), 0)
    return jnp.sqrt(jnp.sum(ratio**2) / jnp.maximum(jnp.sum(there), 1))


def _wanted(covariance, A, key, error, fewest):
    """Samples that a wanted error takes, by what it is with a few, in whole blocks."""
    count = covariance.probes * (float(_relative_error(covariance, A, key)) / error) ** 2
    count = max(min(int(np.ceil(count)), PROBES), fewest)
    count = BLOCK * -(-count // BLOCK)
    _check_room(A, count)
    return count


def _judged(covariance, A, key):
    """With the error that this many samples have."""
    return eqx.tree_at(lambda found: found.error, covariance, _relative_error(covariance, A, key))


def _solved(key, A, leak, error, probes, fewest, solve_error, max_iterations):
    sign_key, start_key, look_key, draw_key = jax.random.split(key, 4)
    check_singular(A)
    roots = _edge_roots(A, jax.random.bits(sign_key, (len(leak),), jnp.uint32))
    slacks = jnp.maximum(leak - input_of(A), 0)
    how = _conditioned(start_key, A, clusters=False)
    found, worst, iterations, total = [], 0.0, 0, probes
    while total is None or len(found) * BLOCK < total:
        width = BLOCK if total is None else min(BLOCK, total - len(found) * BLOCK)
        y = _draw(jax.random.fold_in(draw_key, len(found)), roots, slacks, width)
        options = {"tolerance": solve_error, "smallest": how.smallest}
        patience = max_iterations if how.searched else min(PATIENCE, max_iterations)
        solved = solve(A, y, how.preconditioner, max_iterations=patience, **options)
        iterations += int(solved.iterations)
        # Where the leak alone is too weak a preconditioner, clusters are looked for, once.
        if int(solved.code) == SolveCode.NOT_CONVERGED and patience < max_iterations:
            how = _conditioned(start_key, A, clusters=True)
            options["smallest"] = how.smallest
            solved = solve(A, y, how.preconditioner, max_iterations=max_iterations, **options)
            iterations += int(solved.iterations)
        if int(solved.code) != SolveCode.CONVERGED:
            raise InputError(
                f"after {int(solved.iterations)} iterations a synapse's standard deviation may be off by "
                f"{float(jnp.max(solved.error)):.2g} of it, but {solve_error:.2g} is wanted: {SolveCode(int(solved.code)).words}"
            )
        worst = max(worst, float(jnp.max(solved.error)))
        found.append((solved.value - y / leak[:, None]) * 0.5**0.5)
        if total is None:
            total = _wanted(_of_solves(found, leak), A, look_key, error, fewest)
    covariance = _of_solves(found, leak, worst, iterations, how.preconditioner.clusters, how.guaranteed)
    return _judged(covariance, A, look_key)


def _conditioned(key, A, *, clusters):
    found = condition(key, A, clusters=clusters)
    if found is None:
        raise InputError(SolveCode.NOT_DEFINITE.words)
    return found


def _of_solves(found, leak, worst=0.0, iterations=0, clusters=0, guaranteed=False):
    numbers = (jnp.asarray(0.0), jnp.asarray(worst), jnp.asarray(iterations), jnp.asarray(clusters))
    samples = found[0] if len(found) == 1 else jnp.concatenate(found, axis=1)
    return SampledCovariance(
        samples, None, leak, *numbers, replicas=samples.shape[1], symmetric=True, guaranteed=guaranteed, method="solve"
    )


def _simulated(key, A, leak, error, probes, fewest, lost):
    look_key, draw_key = jax.random.split(key)
    blocks = 1 if probes is None else -(-probes // BLOCK)
    activity = begin_pairs(draw_key, A, leak, width=min(BLOCK, probes or BLOCK))
    run, activity = simulate_pairs(A, leak, activity, blocks=blocks, lost=lost)
    if probes is None:
        more = _wanted(_of_run(run, leak, activity), A, look_key, error, fewest) // BLOCK - 1
        if more:
            later, activity = simulate_pairs(A, leak, activity, blocks=more, lost=lost)
            run = Run(*(jnp.concatenate(parts, axis=1) for parts in zip(run, later, strict=True)))
    else:
        run = Run(*(part[:, :probes] for part in run))
    return _judged(_of_run(run, leak, activity), A, look_key)


def _of_run(run, leak, activity):
    # A standard deviation is off by half of what a variance is.
    numbers = (jnp.asarray(0.0), jnp.asarray(activity.error / 2), jnp.asarray(activity.products), jnp.asarray(0))
    return SampledCovariance(
        run.states, run.alone, leak, *numbers, replicas=activity.state.shape[1], symmetric=False, guaranteed=False,
        method="simulation",
    )  # fmt: skip


@jax.jit
def _edge_roots(A, words):
    """G: roots of the weights' sizes, with the orientation and the fixed random sign of each pair."""
    rows, columns = rows_of(A), A.indices
    # The same number for both directions of a pair, mixed so that its lowest bit says nothing of the two neurons' own.
    mixed = words[rows] * words[columns]
    mixed ^= mixed >> 15
    mixed *= jnp.uint32(0x2C1B3C6D)
    mixed ^= mixed >> 13
    sign = jnp.where(mixed & 1, 1, -1).astype(A.dtype)
    orientation = jnp.where(rows < columns, 1, -jnp.sign(A.data))
    return with_data(A, jnp.where(rows == columns, 0, jnp.sqrt(jnp.abs(A.data)) * sign * orientation))


@partial(jax.jit, static_argnums=3)
def _draw(key, roots, slacks, width):
    """y, whose covariance is M, as columns."""
    pair_key, own_key = jax.random.split(key)
    shape = (len(slacks), width)
    signs = jax.random.rademacher(pair_key, shape, roots.dtype)
    return signs * (roots @ signs) + jnp.sqrt(slacks)[:, None] * jax.random.rademacher(own_key, shape, roots.dtype)
