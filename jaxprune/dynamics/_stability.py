"""Largest stable step of Euler-Maruyama."""

import numpy as np

from jaxprune._checks import InputError
from jaxprune._types import Matrix


def largest_step(A: Matrix) -> float:
    """Largest stable Euler step of `ẋ = A x`, in units of time: below it every `|1 + λᵢ Δt| < 1`.

        Δt = minᵢ 2 |Re λᵢ| / |λᵢ|²

    Zero when A is not stable.

    Args:
      A: dynamics matrix, in 1/time.

    Example:
      >>> largest_step(jnp.array([[-2.0, 1.0], [1.0, -2.0]]))
      0.6666666666666666
    """
    values = np.linalg.eigvals(np.asarray(A))
    if values.real.max() >= 0:
        return 0.0
    return float(np.min(-2 * values.real / np.abs(values) ** 2))


def check_step(A: Matrix, dt: float) -> None:
    """Refuse a step too coarse for a network that is itself stable.

    Cheap where rows are diagonally dominant and `Δt |aᵢᵢ| ≤ 1`, which suffices; else by the eigenvalues. An
    unstable network is let pass: its states grow in any case, and the result code tells.

    Raises:
      InputError: dt is not below `largest_step`.
    """
    entries = np.asarray(A)
    diagonal = np.diagonal(entries)
    others = np.abs(entries).sum(axis=1) - np.abs(diagonal)
    if np.all(np.abs(1 + dt * diagonal) + dt * others <= 1):
        return
    bound = largest_step(A)
    if 0 < bound <= dt:
        raise InputError(
            f"dt is {dt:g}, but Euler-Maruyama is stable for this network only below {bound:.4g}: take a smaller step, or "
            "method='exact' for a linear network."
        )
