"""Where synapses should be: the useless go, new ones grow where a neuron's error and an input agree."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_fraction
from jaxprune._types import Mask, Matrix, Real
from jaxprune.pruning._rows import check_same, fit_rows


def regrow(
    W: Matrix, mask: Mask, H: Matrix, *, rounds: int = 10, fraction: Real = 0.3, ridge: Real = 1e-6
) -> tuple[Matrix, Mask]:
    r"""Improve a mask by local turnover at a constant number of synapses.

    In each round the survivors refit (`fit_rows`); those that carry least go, and as many of the lost ones come back where
    they would help most:

    $$\text{loss}_{ij} = s_{ij}^2 H_{jj}, \qquad
      \text{gain}_{ij} = \frac{E[e_i f_j]^2}{H_{jj}}, \qquad e_i = \sum_k (w_{ik} - s_{ik}) f_k$$

    Both are local: what a synapse carries is its weight times its input, and what it could give back is the correlation of its
    input with its neuron's error, which the delta rule measures in any case. The number exchanged falls linearly to none.

    Args:
      W: weights before pruning; nothing grows where it is zero.
      mask: ones where a synapse stays at first.
      H: second moment of the presynaptic rates.
      rounds: number of rounds.
      fraction: share of the survivors exchanged in the first round, in (0, 1].
      ridge: as in `fit_rows`.

    Returns:
      The pruned, refitted weights, and their mask; the mask holds as many synapses as before.

    Raises:
      InputError: matrices not square, empty, not finite or of different shapes; a negative number of rounds; fraction outside
        (0, 1].

    Example:
      >>> W = jnp.array([[0.0, 1.0, 0.9], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
      >>> H = jnp.diag(jnp.array([1.0, 0.01, 1.0]))  # the second neuron hardly fires
      >>> regrow(W, jnp.zeros((3, 3)).at[0, 1].set(1.0), H, rounds=3, fraction=1.0)[1][0]
      Array([0., 0., 1.], dtype=float64)

    Reference: turnover at constant number as in Mocanu2018 and Evci2020, with local scores instead of gradients.
    """
    check_same(W, mask=mask, H=H)
    check_fraction("fraction", fraction)
    if rounds < 0:
        raise InputError(f"rounds is {rounds}, but must not be negative.")
    S = fit_rows(W, mask, H, ridge=ridge)
    for number in range(rounds):
        mask = _exchange(W, S, mask, H, fraction * (1 - number / rounds))
        S = fit_rows(W, mask, H, ridge=ridge)
    return S, mask


@jax.jit
def _exchange(W, S, mask, H, fraction):
    power = jnp.maximum(jnp.diagonal(H), jnp.finfo(H.dtype).tiny)[None, :]
    there = mask > 0
    lost = ~there & (W != 0)
    count = jnp.minimum(jnp.floor(fraction * jnp.sum(there)), jnp.sum(lost))
    carried = jnp.where(there, S**2 * power, jnp.inf)
    gained = jnp.where(lost, ((W - S) @ H) ** 2 / power, -jnp.inf)
    return mask - _first(carried, count, mask.dtype) + _first(-gained, count, mask.dtype)


def _first(values, count, dtype):
    """Ones at the smallest values; ties go to the first in order, on every platform."""
    order = jnp.argsort(values.reshape(-1), stable=True)
    chosen = (jnp.arange(values.size) < count).astype(dtype)
    return jnp.zeros(values.size, dtype).at[order].set(chosen, unique_indices=True).reshape(values.shape)
