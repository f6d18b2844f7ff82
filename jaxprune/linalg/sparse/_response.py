r"""The H2 error and the information lost of a large symmetric network, from what a few random patterns become in both."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxprune._checks import InputError, check_key, check_whole
from jaxprune._memory import check_memory
from jaxprune._types import PRNGKey
from jaxprune.linalg.sparse._certificate import check_sparse_pair, resolve_pair_symmetry
from jaxprune.linalg.sparse._krylov import Krylov, krylov
from jaxprune.linalg.sparse._matrix import AnySparse, SparseMatrix
from jaxprune.linalg.sparse._solve import solve
from jaxprune.linalg.sparse._start import Start, find_start

PROBES, STEPS = 8, 10
"""Patterns, and steps of the block Lanczos method, where no numbers are given."""
GROUP = 4
"""Patterns that are followed together; the vectors of one such group fill the memory."""
POWERS = 2
"""Solves of each pattern, one after the other, that go into the space of a network: they hold its slow modes."""
LESS = 3
"""Steps fewer, with which the result is compared."""
SOLVED = 0.01
"""Wanted relative error of these solves in the energy norm. It decides how good the space is, and the square of what is reached
is what the path's rate is short of."""
MOST = 1000
"""Most iterations of a solve."""


class Estimate(NamedTuple):
    """A number that was estimated.

    Attributes:
      value: the estimate.
      error: its standard error, by the scatter over random patterns; zero where there was no chance, NaN where it is not known.
      unsettled: by how much it still moved in the last steps of the iteration, with what solves leave open.
      estimator: how it was found, in words.
    """

    value: float
    error: float
    unsettled: float
    estimator: str

    @property
    def words(self) -> str:
        """The number, how well it is known, and how it was found."""
        return f"{self.value:.4g} (standard error {self.error:.2g}, unsettled {self.unsettled:.1g}; {self.estimator})"


class Response(NamedTuple):
    """The leading measures of a large pruned network that need no modes.

    Attributes:
      h2: relative H2 error, as `H2Error.relative`.
      stationary, path: information lost, as `InformationLost`, in nats per neuron (and unit of time).
      products: number of products of either matrix with a block of patterns.
    """

    h2: Estimate
    stationary: Estimate
    path: Estimate
    products: int


def sparse_response(
    key: PRNGKey,
    A: AnySparse,
    B: AnySparse,
    *,
    symmetric: bool | None = None,
    probes: int = PROBES,
    steps: int = STEPS,
) -> Response:
    """Estimate the H2 error and the information lost of a large symmetric network, without a dense matrix or a time step.

    With M = −A, M_B = −B, patterns z of ±1, an orthonormal basis V of the block Krylov space of `z, M⁻¹ z, M⁻² z` and
    the same of M_B, `e^(−M t) z ≈ V e^(−Vᵀ M V t) Vᵀ z`. With the eigenvalues θ of the two small matrices and
    what z is made of in them, `∫ ‖e^(−M t) z − e^(−M_B t) z‖² dt` is a sum over pairs of `1 / (θᵢ + θⱼ)`, and
    `zᵀ (ln M − ln M_B) z` one over logarithms. The solves bring in the slow modes, which decide the H2 error of a network of
    weakly joined clusters, and which products alone take many times as many steps to find.

    The information of trajectories takes one solve more, `(1/4N) zᵀ (A − B) M⁻¹ (A − B) z`.

    Args:
      key: random key of the patterns.
      A: the original, in 1/time; BCSR or SciPy sparse.
      B: the pruned network.
      symmetric: whether both are symmetric; by default looked up.
      probes: number of patterns, at least 2. More make the standard error smaller.
      steps: of the block Lanczos method, at least 4. More make what is unsettled smaller; memory grows with them, by twelve
        vectors each for either network.

    Returns:
      The estimates; infinite if B is not stable, NaN if A is not.

    Raises:
      InputError: a matrix not square, empty or not finite, of different sizes, or not symmetric; fewer than two patterns or four
        steps; bases that do not fit into memory.

    Example:
      >>> from jaxprune.linalg import sparse
      >>> A, B = (sparse.as_sparse("A", -rate * jnp.eye(8)) for rate in (1.0, 2.0))
      >>> round(sparse_response(jax.random.key(0), A, B).h2.value, 4)  # sqrt((1/2 - 2/3 + 1/4) / (1/2))
      0.4082

    Reference: Hutchinson1990 (traces from random signs); Druskin1998 (spaces with inverse powers); Ubaru2017 (quadrature).
    """
    check_key("key", key)
    A, B = check_sparse_pair(A, B)
    check_whole("probes", probes, least=2)
    check_whole("steps", steps, least=LESS + 1)
    if not resolve_pair_symmetry(symmetric, A, B):
        raise InputError(
            "A or B is not symmetric: the response of a large network is estimated for symmetric ones alone; make the "
            "matrices dense for estimate_h2, if they are small enough."
        )
    return response_of(key, A, B, probes, steps)


def response_of(key: PRNGKey, A: SparseMatrix, B: SparseMatrix, probes: int = PROBES, steps: int = STEPS) -> Response:
    """What `sparse_response` does, of matrices that are known to be symmetric."""
    width = (1 + POWERS) * min(GROUP, probes)
    check_memory(
        f"the space of {steps} steps for {A.shape[0]} neurons",
        3 * A.dtype.itemsize * A.shape[0] * width * steps,
        "take fewer steps.",
    )
    start_key, draw_key = jax.random.split(key)
    starts = [find_start(start_key, X, 2 * GROUP) for X in (A, B)]
    if starts[0] is None or starts[1] is None:
        value = np.nan if starts[0] is None else np.inf
        what = "the original is not stable" if starts[0] is None else "the pruned network is not stable"
        none = Estimate(value, np.nan, np.nan, what)
        return Response(none, none, none, 0)
    seen, products = [], 0
    for begin in range(0, probes, GROUP):
        group_key = jax.random.fold_in(draw_key, begin)
        z = jax.random.rademacher(group_key, (A.shape[0], min(GROUP, probes - begin)), A.dtype)
        found, count = _of_group(A, B, z, starts, steps)
        seen.append(found)
        products += count
    return Response(*_judged(np.concatenate(seen, axis=-1), A.shape[0], f"{probes} patterns, {steps} steps"), products)


def _of_group(A, B, z, starts, steps):
    """Per pattern, for all steps and for fewer: own norm, that of the difference, the trace and the logarithms; the path.

    And what the solves leave open, as shares of energy norms: those of the spaces, and that of the path.
    """
    spaces, products, open_of_spaces = [], 0, np.zeros(z.shape[1])
    for X, start in zip((A, B), starts, strict=True):
        columns, count = [z], 0
        for _ in range(POWERS):
            x, used, left = _solved(X, columns[-1], start)
            columns.append(x)
            count += used
            open_of_spaces = np.maximum(open_of_spaces, left)
        spaces.append(krylov(X, jnp.concatenate(columns, axis=1), steps))
        products += count + steps
    change = A @ z - B @ z
    x, used, open_of_path = _solved(A, change, starts[0])
    path = np.sum(np.asarray(change * x), axis=0)
    overlap = np.asarray(spaces[0].basis @ spaces[1].basis.T)
    inside = [np.asarray(space.basis @ z) for space in spaces]
    image = np.asarray(spaces[0].basis @ -(B @ z))
    width = len(overlap) // steps
    rows = [
        _in_small(spaces, overlap, inside, image, width * count) for count in (steps, steps - LESS)
    ]  # two times four numbers for each pattern
    rows.append(np.stack([path, open_of_spaces, open_of_path]))
    return np.concatenate(rows), products + used


def _in_small(spaces: list[Krylov], overlap: np.ndarray, inside: list[np.ndarray], image: np.ndarray, size: int):
    (a, U), (b, X) = (np.linalg.eigh(np.asarray(space.small)[:size, :size]) for space in spaces)
    if min(a[0], b[0]) <= 0:
        return np.full((4, image.shape[1]), np.nan)
    u, v = U.T @ inside[0][:size], X.T @ inside[1][:size]
    between = (U.T @ overlap[:size, :size] @ X) / (a[:, None] + b[None, :])
    own, other = np.sum(u**2 / (2 * a[:, None]), axis=0), np.sum(v**2 / (2 * b[:, None]), axis=0)
    apart = own + other - 2 * np.sum(u * (between @ v), axis=0)
    trace = np.sum((U.T @ image[:size]) * u / a[:, None], axis=0)
    logs = np.sum(v**2 * np.log(b)[:, None], axis=0) - np.sum(u**2 * np.log(a)[:, None], axis=0)
    return np.stack([own, apart, trace, logs])


def _solved(A: SparseMatrix, y: Float[Array, "neuron probe"], start: Start) -> tuple[Any, int, np.ndarray]:
    """The solution of each column, the products that it took, and the share of its squared energy norm that is left open."""
    size = jnp.sqrt(jnp.sum(y**2 * start.preconditioner.inverse[:, None], axis=0))
    size = jnp.where(size > 0, size, 1)
    found = solve(
        A, y / size[None, :], start.preconditioner, smallest=start.smallest, tolerance=SOLVED, max_iterations=MOST
    )
    norm, left = jnp.sum(y * found.value, axis=0) / size, found.error**2
    share = jnp.where(left > 0, left / jnp.maximum(norm + left, jnp.finfo(A.dtype).tiny), 0)
    return found.value * size[None, :], int(found.iterations), np.asarray(share)


def _judged(seen: np.ndarray, n: int, how: str) -> tuple[Estimate, Estimate, Estimate]:
    """Means and standard errors over patterns of what `_of_group` found."""
    count = seen.shape[1]

    def h2_of(rows):
        own, apart = rows[0], np.maximum(rows[1], 0)
        return np.sqrt(apart.mean() / own.mean())

    def stationary_of(rows):
        return (rows[2] - n - rows[3]) / (2 * n)

    def spread(values):
        return float(np.std(values, ddof=1) / np.sqrt(count))

    now, before, path, (of_spaces, of_path) = seen[:4], seen[4:8], seen[8] / (4 * n), seen[9:].max(axis=1)
    h2 = h2_of(now)
    h2_error = spread(now[1] - h2**2 * now[0]) / (2 * h2 * now[0].mean()) if h2 > 0 else 0.0
    stationary = stationary_of(now)
    return (
        Estimate(float(h2), h2_error, float(abs(h2 - h2_of(before)) + of_spaces * h2), f"block Lanczos, {how}"),
        Estimate(
            float(stationary.mean()), spread(stationary),
            float(abs(stationary.mean() - stationary_of(before).mean()) + of_spaces * abs(stationary.mean())),
            f"block Lanczos, {how}",
        ),
        Estimate(float(path.mean()), spread(path), float(of_path * path.mean()), f"one solve each of {count} patterns"),
    )  # fmt: skip
