"""Multiply all remaining weights by one factor that restores the slowest decay."""

import dataclasses

import jax.numpy as jnp
from jax import lax

from jaxprune._checks import InputError
from jaxprune._types import Mask, Matrix
from jaxprune.linalg import spectral_abscissa, symmetrise
from jaxprune.pruning.adjust._adjust import Adjust, Survivors

DOUBLINGS, STEPS = 10, 40
LARGEST = 2**DOUBLINGS


@dataclasses.dataclass(frozen=True)
class MatchAbscissa(Adjust):
    """Multiply all surviving weights by one factor, so that the slowest mode of a linear network decays as before.

        S = g (M ∘ W) − diag(leak),   α(S) = α(A)

    with the spectral abscissa α; the leak stays as it is. Where the pruned network is faster than the original the factor
    is above 1, else between 0 and 1. Of a symmetric network, with T the surviving weights and the diagonal matrix
    `D = α(A) I + diag(leak)`, it is the number at which `D − g T` becomes singular,
    `g = 1 / λₘₐₓ(D^(−1/2) T D^(−1/2))`: one eigenvalue problem. Of a directed one it is found by the Illinois method,
    to rounding. Weights stay as they are where no factor up to 1,024 does it, or where the network is slower than the original
    with these weights and with none. Not local: no synapse knows the abscissa.

    Example:
      >>> from jaxprune.pruning import prune
      >>> A = jnp.array([[-2.0, 1.0, 0.5], [1.0, -2.0, 0.2], [0.5, 0.2, -2.0]])
      >>> pruned = prune(jax.random.key(0), A, "weight+abscissa", keep=0.67).matrix
      >>> bool(jnp.isclose(spectral_abscissa(pruned), spectral_abscissa(A))), float(pruned[1, 2])
      (True, 0.0)

    Reference: Dowell1971, the Illinois method.
    """

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The scaled weights; the mask stays.

        Raises:
          InputError: a network without leaks, or a layer.
        """
        if survivors.kind != "linear":
            raise InputError(
                f"only a linear network has a slowest decay to restore, not one of kind {survivors.kind!r}: use +radius, or "
                "another adjustment."
            )
        A, symmetric = survivors.weights, survivors.symmetric
        leak = jnp.diag(jnp.diagonal(A))
        thinned = (A - leak) * survivors.mask
        target = spectral_abscissa(A, symmetric=symmetric)
        if symmetric:
            gain = _symmetric_root(target - jnp.diagonal(A), thinned)
            return leak + gain * thinned, survivors.mask
        tolerance = 4 * len(A) * jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(jnp.diagonal(A)))

        def excess(gain):
            return spectral_abscissa(leak + gain * thinned, symmetric=symmetric) - target

        none, one = jnp.max(jnp.diagonal(A)) - target, excess(jnp.ones((), A.dtype))
        gain = _root(excess, none, one, tolerance)
        return leak + gain * thinned, survivors.mask


def _symmetric_root(slack, thinned):
    """The factor at which the slack, on the diagonal, minus the weights becomes singular; 1 where there is none."""
    possible = jnp.min(slack) > 0
    root = jnp.sqrt(jnp.where(possible, slack, 1))
    largest = spectral_abscissa(symmetrise(thinned / root[:, None] / root[None, :]), symmetric=True)
    found = possible & (largest * LARGEST >= 1)
    return jnp.where(found, 1 / jnp.where(found, largest, 1), 1)


def _root(excess, at_none, at_one, tolerance):
    """The factor at which the excess is zero; 1 where none is found."""
    one = jnp.ones_like(at_one)

    def too_fast(state):
        *_, f_high, doublings = state
        return (f_high < 0) & (doublings < DOUBLINGS)

    def double(state):
        _, high, _, f_high, doublings = state
        return high, 2 * high, f_high, excess(2 * high), doublings + 1

    start = (0 * one, one, at_none, at_one, jnp.zeros((), jnp.int32))
    low, high, f_low, f_high, _ = lax.while_loop(too_fast, double, start)

    def unsettled(state):
        *_, f, steps = state
        return (jnp.abs(f) > tolerance) & (steps < STEPS)

    def step(state):
        low, high, f_low, f_high, _, _, steps = state
        gain = (low * f_high - high * f_low) / (f_high - f_low)
        f = excess(gain)
        same = jnp.sign(f) == jnp.sign(f_high)
        # The end that stays counts half, so that both ends move.
        low, f_low = jnp.where(same, low, high), jnp.where(same, f_low / 2, f_high)
        return low, gain, f_low, f, gain, f, steps + 1

    bracketed = (f_low < 0) & (f_high >= 0)
    first = jnp.where(bracketed, f_high, 0)
    found = lax.while_loop(unsettled, step, (low, high, f_low, f_high, high, first, jnp.zeros((), jnp.int32)))
    return jnp.where(bracketed & (jnp.abs(found[5]) <= 1e3 * tolerance), found[4], one)
