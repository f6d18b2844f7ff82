"""Adjust a symmetric network so that its quadratic form stays, where the slow modes weigh most."""

import dataclasses
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_square, is_concrete
from jaxprune._types import Mask, Matrix, Real
from jaxprune.linalg import resolve_symmetry, symmetrise
from jaxprune.pruning.adjust._adjust import Adjust, Survivors
from jaxprune.pruning.adjust._projection import blend as mixed
from jaxprune.pruning.adjust._projection import pair_drive, project, quadratic_form


def match_form(A: Matrix, mask: Mask, C: Matrix, *, blend: Real = 1.0, max_iterations: int = 500) -> Matrix:
    """Adjust a symmetric pruned network towards the original's quadratic form, where the slow modes weigh most.

        min over S of  (1 − β) tr E C E / (tr C / N) + β tr E C E C / (tr C / N)²,   E = A − S = Eᵀ

    With `C ∝ M⁻¹` (M = −A symmetric) the second term is `‖M^(−1/2) (M − M_S) M^(−1/2)‖_F²`, the mean-square form
    of the certificate's epsilon; the first is `compensate`. Unlike that, the second is not local. Between the two, `blend`
    trades the median mode (β = 0) against the worst (β = 1).

    Args:
      A: symmetric dynamics matrix.
      mask: symmetric mask.
      C: stationary covariance.
      blend: β, in [0, 1].
      max_iterations: most conjugate-gradient steps.

    Returns:
      The symmetric pruned matrix; NaN for a C that is not finite (inside `jit`).

    Raises:
      InputError: an argument not square, empty or not finite, or of different shapes; A or mask not symmetric; blend outside
        [0, 1].

    Example:
      >>> A = jnp.array([[-2.0, 1.0], [1.0, -2.0]])
      >>> match_form(A, jnp.zeros((2, 2)), jnp.array([[2.0, 1.0], [1.0, 2.0]]) / 6)
      Array([[-1.2,  0. ],
             [ 0. , -1.2]], dtype=float64)
    """
    check_square("A", A)
    for name, value in (("mask", mask), ("C", C)):
        check_square(name, value, like=("A", A))
    resolve_symmetry(True, A=A, mask=mask)
    _check_blend(blend)
    S = _match(symmetrise(A), mask.astype(A.dtype), C, blend, max_iterations)
    return jnp.where(jnp.all(jnp.isfinite(C)), S, jnp.nan)


@partial(jax.jit, static_argnums=4)
def _match(A, mask, C, blend, max_iterations):
    scale = jnp.trace(C) / len(C)
    metric = mixed(pair_drive(C / scale), quadratic_form(C / scale), blend)
    return project(A, jnp.maximum(mask, jnp.eye(len(A), dtype=A.dtype)), metric, max_iterations)


def _check_blend(blend):
    if is_concrete(blend) and not 0 <= float(blend) <= 1:
        raise InputError(f"blend is {float(blend):g}, but must be in [0, 1].")


@dataclasses.dataclass(frozen=True)
class MatchForm(Adjust):
    """Fit a symmetric linear network's quadratic form: `match_form`. Not local.

    Attributes:
      blend: as in `match_form`.

    Raises:
      InputError: blend outside [0, 1].
    """

    needs_activity: ClassVar[bool] = True

    blend: float = 1.0

    def __post_init__(self):
        _check_blend(self.blend)

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The fitted weights; the mask stays.

        Raises:
          InputError: a network that is not symmetric, or not linear.
        """
        if survivors.kind != "linear" or not survivors.symmetric:
            raise InputError(
                "the rule adjusts by '+form', which needs a symmetric linear network: use '+compensation'."
            )
        covariance = survivors.moments().covariance
        return match_form(survivors.weights, survivors.mask, covariance, blend=self.blend), survivors.mask
