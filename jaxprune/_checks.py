"""Checks of what a caller hands in: one line that names the argument, its value, the rule and the remedy."""

from typing import Any

import numpy as np
from jax.core import Tracer


class InputError(ValueError):
    """Input that cannot be used as it is; the message says what, which value, and what to do."""


def is_concrete(*values: Any) -> bool:
    """Whether all values are known now, so that they may be looked at (false inside `jit`, `vmap` and `grad`)."""
    return not any(isinstance(value, Tracer) for value in values)


def check_square(name: str, A: Any) -> None:
    """Refuse anything but a non-empty square matrix of real floats; finite where its entries are known."""
    shape = np.shape(A)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise InputError(
            f"{name} has shape {shape}, but must be square (neurons x neurons): pass one network's matrix."
        )
    if shape[0] == 0:
        raise InputError(f"{name} is empty (0 x 0): a network needs at least one neuron.")
    if not np.issubdtype(A.dtype, np.floating):
        raise InputError(f"{name} has dtype {A.dtype}, but must be real floating point: convert with .astype(float).")
    if is_concrete(A):
        finite = np.isfinite(np.asarray(A))
        if not finite.all():
            bad = np.argwhere(~finite)
            i, j = (int(index) for index in bad[0])
            raise InputError(
                f"{name}[{i}, {j}] is {np.asarray(A)[i, j]} ({len(bad)} such entries in all), but every entry must be finite: "
                "remove or repair them."
            )


def check_leak(name: str, A: Any) -> None:
    """Refuse a positive diagonal entry: a neuron that excites itself instead of leaking."""
    if not is_concrete(A):
        return
    diagonal = np.diagonal(np.asarray(A))
    worst = int(np.argmax(diagonal))
    if diagonal[worst] > 0:
        raise InputError(
            f"{name}[{worst}, {worst}] is {diagonal[worst]:.6g}, but the diagonal (minus the leak) must not be positive: "
            "give A = W - diag(leak), for example from networks.dominant_leak(W)."
        )


def check_fraction(name: str, value: Any) -> None:
    """Refuse a kept fraction outside (0, 1]."""
    if is_concrete(value) and not 0 < float(value) <= 1:
        raise InputError(f"{name} is {float(value):g}, but must be in (0, 1]: the fraction of synapses that stays.")


def check_positive(name: str, value: Any, *, zero: bool = False) -> None:
    """Refuse a number that is not positive (with `zero`, negative) or not finite."""
    if not is_concrete(value):
        return
    number = float(value)
    if not np.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise InputError(f"{name} is {number:g}, but must be finite and {'not negative' if zero else 'positive'}.")


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Refuse a value that is not one of the named choices."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, choices))}.")
