"""What each neuron gets from its inputs, kept as well as its surviving synapses can: exact, row by row."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError, check_positive, check_square, is_concrete
from jaxprune._types import Mask, Matrix, Real, Scalar

WIDTH = 32
"""Systems are solved at a size rounded up to a multiple of this, so that few sizes are compiled."""

GROUP = 64
"""Rows that are solved at the size of the fullest of them; rows of like size come together."""


def fit_rows(W: Matrix, mask: Mask, H: Matrix, *, ridge: Real = 1e-6) -> Matrix:
    r"""Refit every neuron's surviving synapses so that its recurrent input stays what it was.

    $$\min_S \operatorname{tr} (W - S)\, H\, (W - S)^T + \rho \tfrac{\operatorname{tr} H}{N} \|W - S\|_F^2, \qquad
      s_{ij} = 0 \text{ where } m_{ij} = 0$$

    with H the second moment of the presynaptic rates, $H = E[f f^T]$. Each row is its own problem in what that neuron sees: the
    rates of its inputs and its own total. One Cholesky factorisation for each, of the size of its support. `compensate` is the
    same for a dynamics matrix, whose leak is fitted as well, and `delta_rule` is how a synapse gets there.

    Args:
      W: weights; entries on the diagonal are synapses like others, kept where the mask is one.
      mask: ones where a synapse stays.
      H: second moment of the rates, positive semidefinite.
      ridge: $\rho$, how firmly weights are held where H says nothing.

    Returns:
      The pruned weights.

    Raises:
      InputError: an argument not square, empty or not finite, or of different shapes; ridge not positive.

    Example:
      Two inputs that always fire together: the survivor takes over.

      >>> W = jnp.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
      >>> H = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
      >>> fit_rows(W, jnp.zeros((3, 3)).at[0, 1].set(1.0), H)[0].round(3)
      Array([0., 2., 0.], dtype=float64)

    Reference: Hassibi1992 (compensation by second-order information), restricted to a neuron's own inputs.
    """
    check_same(W, mask=mask, H=H)
    check_positive("ridge", ridge)
    H, mask = H.astype(W.dtype), mask.astype(W.dtype)
    n = len(W)
    hold = jnp.asarray(ridge, W.dtype) * jnp.trace(H) / n
    target = W @ H + hold * W
    # One more presynaptic neuron, which does nothing, for the empty places of short rows.
    padded = jnp.zeros((n + 1, n + 1), H.dtype).at[:n, :n].set(H)
    if not is_concrete(mask):
        return _solve(mask, target, padded, hold, n)
    counts = (np.asarray(mask) > 0).sum(axis=1)
    groups = np.array_split(np.argsort(counts, kind="stable"), -(-n // GROUP))
    widths = [min(-(-max(counts[group].max(), 1) // WIDTH) * WIDTH, n) for group in groups]
    solved = [
        _solve(mask[group], target[group], padded, hold, int(width))
        for group, width in zip(groups, widths, strict=True)
    ]
    return jnp.zeros_like(W).at[np.concatenate(groups)].set(jnp.concatenate(solved))


@partial(jax.jit, static_argnums=4)
def _solve(mask, target, padded, hold, width):
    n = len(padded) - 1

    def row(arguments):
        support, wanted = arguments
        place = jnp.nonzero(support, size=width, fill_value=n)[0]
        diagonal = jnp.where(place < n, hold, 1.0)
        factor = jax.scipy.linalg.cho_factor(padded[place][:, place] + jnp.diag(diagonal))
        solution = jax.scipy.linalg.cho_solve(factor, jnp.append(wanted, 0)[place])
        return jnp.zeros(n, target.dtype).at[place].set(solution, mode="drop")

    # Row after row: jaxlib's batched factorisations must not meet on a CPU (see linalg/_lapack.py).
    return lax.map(row, (mask, target))


def drive_error(W: Matrix, S: Matrix, H: Matrix) -> Scalar:
    r"""Share of the recurrent drive that pruning loses, $\operatorname{tr} (W - S) H (W - S)^T / \operatorname{tr} W H W^T$.

    Example:
      >>> drive_error(jnp.ones((2, 2)), jnp.zeros((2, 2)), jnp.eye(2))
      Array(1., dtype=float64)
    """
    missing = W - S
    return jnp.vdot(missing @ H, missing) / jnp.vdot(W @ H, W)


def delta_rule(
    W: Matrix, start: Matrix, mask: Mask, rates: Float[Array, "time pre"], *, rate: Real = 0.5, batch: int = 1
) -> Matrix:
    r"""What `fit_rows` solves, learnt synapse by synapse from a stream of presynaptic rates.

    $$\Delta s_{ij} = \eta_i\, \langle e_i f_j \rangle, \qquad e_i = \sum_k (w_{ik} - s_{ik}) f_k, \qquad
      \eta_i = \eta \Big/ \sum_{j \in S_i} \langle f_j^2 \rangle$$

    Each synapse uses the rate of its presynaptic neuron and the error of the drive of its postsynaptic one. The rate falls as
    1/time after a quarter of the stream; the result is the mean over the second half.

    Args:
      W: weights before pruning, which give the drive that is wanted.
      start: weights after it.
      mask: ones where a synapse is.
      rates: presynaptic rates, in order.
      rate: $\eta$, between 0 and 2.
      batch: number of rates to a step; static.

    Raises:
      InputError: shapes that do not fit; rate outside (0, 2); a batch that is not between 1 and the length of the stream.

    Example:
      >>> W = jnp.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
      >>> mask = jnp.zeros((3, 3)).at[0, 1].set(1.0)
      >>> together = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (2000, 1)), (2000, 3))
      >>> delta_rule(W, W * mask, mask, together)[0].round(3)
      Array([0., 2., 0.], dtype=float64)

    Reference: Widrow1960 (the delta rule); Polyak1992 (averaging).
    """
    check_same(W, mask=mask, start=start)
    if rates.ndim != 2 or rates.shape[1] != len(W):
        raise InputError(f"rates has shape {rates.shape}, but must be (time, {len(W)}).")
    if is_concrete(rate) and not 0 < float(rate) < 2:
        raise InputError(f"rate is {float(rate):g}, but the delta rule needs it between 0 and 2.")
    if not 1 <= batch <= len(rates):
        raise InputError(f"batch is {batch}, but must be between 1 and the {len(rates)} rates.")
    return _learn(W, start, mask, rates, jnp.asarray(rate, W.dtype), batch)


@partial(jax.jit, static_argnums=5)
def _learn(W, start, mask, rates, rate, batch):
    steps = len(rates) // batch
    half = steps // 2
    power = jnp.mean(rates**2, axis=0)

    def learn(carry, inputs):
        S, mean = carry
        number, f = inputs
        S = S + delta_step(f @ (W - S).T, f, mask, power, rate / jnp.maximum(1, 4 * number / steps))
        return (S, mean + jnp.where(number >= half, S / (steps - half), 0)), None

    chunks = rates[: steps * batch].reshape(steps, batch, -1)
    return lax.scan(learn, (start, jnp.zeros_like(start)), (jnp.arange(steps), chunks))[0][1]


def delta_step(
    missing: Float[Array, "trial post"],
    rates: Float[Array, "trial pre"],
    mask: Mask,
    power: Float[Array, " pre"],
    rate: Real,
) -> Matrix:
    r"""One step of the delta rule, $\Delta s_{ij} = \eta_i \langle e_i f_j \rangle$.

    The rate is over the power of a neuron's inputs, as known so far or at present, whichever is larger: no step overshoots.

    Args:
      missing: e, the drive that each neuron misses.
      rates: f, of its inputs.
      mask: ones where a synapse is.
      power: $E[f_j^2]$, as far as it is known.
      rate: $\eta$.

    Returns:
      $\Delta s$, zero where the mask is, and for neurons that hear nothing.

    Example:
      >>> delta_step(jnp.ones((1, 2)), jnp.array([[1.0, 2.0]]), jnp.eye(2), jnp.zeros(2), 0.5)
      Array([[0.5 , 0.  ],
             [0.  , 0.25]], dtype=float64)

    Reference: Widrow1960.
    """
    heard = jnp.maximum(mask @ power, mask @ jnp.mean(rates**2, axis=0))
    eta = jnp.where(heard > 0, rate / jnp.where(heard > 0, heard, 1), 0).astype(missing.dtype)
    return mask * eta[:, None] * (missing.T @ rates / len(rates))


def check_same(W: Matrix, **others: Matrix) -> None:
    """Refuse matrices that are not square or not of one network."""
    check_square("W", W)
    for name, other in others.items():
        check_square(name, other)
        if other.shape != W.shape:
            raise InputError(f"{name} has shape {other.shape} and W has {W.shape}: all must be of the same network.")
