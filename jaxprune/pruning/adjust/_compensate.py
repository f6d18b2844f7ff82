"""Adjust the remaining weights so that each neuron keeps its input."""

import dataclasses
from functools import partial
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, check_choice, check_matrix, check_positive, is_concrete
from jaxprune._types import Mask, Matrix, Moment, Real, Scalar
from jaxprune.linalg import resolve_symmetry, symmetrise
from jaxprune.pruning._importance import check_moment
from jaxprune.pruning._kinds import has_leak
from jaxprune.pruning.adjust._adjust import Adjust, Survivors
from jaxprune.pruning.adjust._projection import held, pair_drive, project, row_drive
from jaxprune.pruning.adjust._rows import solve_rows

SOLVERS = ("cg", "cholesky")
ROWS = 1000
"""Neurons from which rows of a directed linear network are solved one by one: far fewer inputs stay than there are neurons."""
RIDGE = 1e-6
"""How firmly `Compensate` holds weights where a trained network's or a layer's activity says nothing."""


def compensate(
    A: Matrix,
    mask: Mask,
    C: Moment,
    *,
    leak: bool | None = None,
    ridge: Real = 0.0,
    solver: Literal["cg", "cholesky"] = "cg",
    symmetric: bool | None = None,
    max_iterations: int = 500,
) -> Matrix:
    """Adjust the surviving weights so that every neuron's input stays what it was, as well as its survivors can.

        min over S of  E ‖(A − S) x‖² + ρ (tr C / N) ‖A − S‖_F²
                     = tr (A − S) (C + ρ (tr C / N) I) (A − S)ᵀ,   sᵢⱼ = 0 where mᵢⱼ = 0

    Each row is its own problem, in what that neuron sees: its inputs, their covariance (or second moment), and its own drive;
    gradient descent on it is the local delta rule (`DeltaRule`). Of a dynamics matrix the leaks are adjusted as well. With
    `symmetric` the two ends of a pair share one weight, which follows the mean of their two delta rules.

    Nothing promises stability: `linalg.certify` the result.

    Args:
      A: dynamics matrix, recurrent weights, or the weights of a layer, [post, pre].
      mask: ones where a synapse stays.
      C: covariance, or second moment, of the presynaptic activity; without a ridge positive definite on each row's support.
      leak: whether the diagonal is the leak, which stays whatever the mask says; by default that of square matrices.
      ridge: ρ, how firmly weights are held where C says nothing.
      solver: "cg", conjugate gradients on all rows at once, matrix products only, for well-conditioned C; "cholesky", one
        factorisation for each row, exact for any C with a ridge.
      symmetric: keep S symmetric; by default when A and the mask are.
      max_iterations: most conjugate-gradient steps.

    Returns:
      The pruned matrix; NaN for a C that is not finite (inside `jit`).

    Raises:
      InputError: an argument empty or not finite, or shapes that do not fit; a square A or mask that is traced, without
        `symmetric`; ridge negative; an unknown solver, or Cholesky where pairs share one weight.

    Example:
      Two inputs that always move together: the survivor takes over.

      >>> A = jnp.array([[-3.0, 1.0, 1.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
      >>> C = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.999], [0.0, 0.999, 1.0]])
      >>> compensate(A, jnp.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), C)[0]
      Array([-3.   ,  1.999,  0.   ], dtype=float64)

      A layer of one neuron, whose second and third inputs always fire together:

      >>> H = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
      >>> weights, kept = jnp.array([[0.0, 1.0, 1.0]]), jnp.array([[0.0, 1.0, 0.0]])
      >>> compensate(weights, kept, H, ridge=1e-6, solver="cholesky").round(3)
      Array([[0., 2., 0.]], dtype=float64)

    Reference: Widrow1960, the delta rule; Hassibi1992 for compensation by second-order information.
    """
    check_moment(A, C, names=("A", "C"))
    check_matrix("mask", mask, like=("A", A))
    check_choice("solver", solver, SOLVERS)
    check_positive("ridge", ridge, zero=True)
    leak = has_leak(A, leak)
    square = A.shape[0] == A.shape[1]
    if symmetric is None and solver == "cholesky":
        symmetric = False
    symmetric = bool(resolve_symmetry(symmetric, A=A, mask=mask)) if square else bool(symmetric)
    if symmetric and not square:
        raise InputError(f"symmetric is True, but A has shape {A.shape}: only a square matrix can be symmetric.")
    if symmetric and solver == "cholesky":
        raise InputError(
            "solver is 'cholesky', which takes every row by itself, but in a symmetric network two rows share each weight: use "
            "solver='cg', or symmetric=False."
        )
    mask, C = mask.astype(A.dtype), C.astype(A.dtype)
    hold = None if is_concrete(ridge) and float(ridge) == 0 else jnp.asarray(ridge, A.dtype) * jnp.trace(C) / len(C)
    if solver == "cholesky":
        S = solve_rows(A, _support(mask, leak), C, jnp.zeros((), A.dtype) if hold is None else hold)
    else:
        S = _conjugate_gradients(A, mask, C, hold, leak, symmetric, max_iterations)
    # A covariance whose entries are known has been looked at.
    return S if is_concrete(C) else jnp.where(jnp.all(jnp.isfinite(C)), S, jnp.nan)


def _support(mask, leak):
    return jnp.maximum(mask, jnp.eye(len(mask), dtype=mask.dtype)) if leak else mask


@partial(jax.jit, static_argnums=(4, 5, 6))
def _conjugate_gradients(A, mask, C, hold, leak, symmetric, max_iterations):
    support = _support(mask, leak)
    metric = pair_drive(C) if symmetric else row_drive(C, len(A))
    return project(
        symmetrise(A) if symmetric else A, support, metric if hold is None else held(metric, hold), max_iterations
    )


def drive_error(W: Matrix, S: Matrix, H: Moment) -> Scalar:
    """Share of the drive that pruning loses, `tr (W − S) H (W − S)ᵀ / tr W H Wᵀ`.

    Args:
      W: original weights.
      S: pruned ones.
      H: second moment of the presynaptic activity.

    Example:
      >>> drive_error(jnp.ones((2, 2)), jnp.zeros((2, 2)), jnp.eye(2))
      Array(1., dtype=float64)
    """
    missing = W - S
    return jnp.vdot(missing @ H, missing) / jnp.vdot(W @ H, W)


@dataclasses.dataclass(frozen=True)
class Compensate(Adjust):
    """Refit the surviving weights so that every neuron keeps its input: `compensate`.

    Attributes:
      solver: as in `compensate`; by default conjugate gradients for a linear network, whose leak keeps its covariance well
        conditioned, and Cholesky for trained networks and layers, whose activity leaves many directions empty; and, without a
        ridge, for directed linear networks of 1,000 neurons or more whose mask is known.
      ridge: as in `compensate`; by default none for linear and symmetric networks, else 1e-6.

    Raises:
      InputError: an unknown solver; ridge negative.
    """

    needs_activity: ClassVar[bool] = True

    solver: Literal["cg", "cholesky"] | None = None
    ridge: float | None = None

    def __post_init__(self):
        if self.solver is not None:
            check_choice("solver", self.solver, SOLVERS)
        if self.ridge is not None:
            check_positive("ridge", self.ridge, zero=True)

    def __call__(self, survivors: Survivors) -> tuple[Matrix, Mask]:
        """The refitted weights; the mask stays."""
        return self.fit(survivors, survivors.mask), survivors.mask

    def fit(self, survivors: Survivors, mask: Mask) -> Matrix:
        """Weights refitted on another mask of the same survivors."""
        well = survivors.kind == "linear" or survivors.symmetric
        few = not survivors.symmetric and len(mask) >= ROWS and is_concrete(mask)
        solver = self.solver or ("cg" if well and not few else "cholesky")
        ridge = (
            self.ridge
            if self.ridge is not None
            else (0.0 if solver == "cg" or (well and self.solver is None) else RIDGE)
        )
        return compensate(
            survivors.weights,
            mask + survivors.fixed,
            survivors.moments().second_moment,
            leak=False,
            ridge=ridge,
            solver=solver,
            symmetric=survivors.symmetric,
        )

    def again(self) -> "Compensate":
        """The same fit."""
        return self
