"""What the theorem, and what is built on it, assume of a network."""

import jax
import jax.numpy as jnp

from jaxprune._checks import InputError, is_concrete
from jaxprune._types import Matrix
from jaxprune.linalg import dominance_slack, is_symmetric


def check_assumptions(A: Matrix) -> None:
    """Refuse a network that does not meet the theorem's assumptions: not symmetric, or a row not diagonally dominant.

    Args:
      A: dynamics matrix, in 1/time; one that is traced is taken as it is.

    Raises:
      InputError: naming the assumption that fails.

    Example:
      >>> check_assumptions(jnp.array([[-1.0, 2.0], [2.0, -3.0]]))
      Traceback (most recent call last):
      jaxprune._checks.InputError: A has a row with dominance slack -1, but the theorem needs diagonal dominance (slack >= 0): ...

    Reference: Moore2020.
    """
    if not is_concrete(A):
        return
    if not is_symmetric(A):
        raise InputError(
            "A is not symmetric, but the theorem is for symmetric networks: use linalg.certify for what is true of A."
        )
    # An A that a compiled function closes over is known, and looked at now.
    with jax.ensure_compile_time_eval():
        slack = float(dominance_slack(A))
        rounding = len(A) * float(jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(jnp.diagonal(A))))
    if slack < -rounding:
        raise InputError(
            f"A has a row with dominance slack {slack:g}, but the theorem needs diagonal dominance (slack >= 0): "
            "use networks.dominant_leak."
        )
