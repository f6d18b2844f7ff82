"""Checks of what a caller hands in: one line that names the argument, its value, the rule and the remedy."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

FLOATS = ("float32", "float64")


class InputError(ValueError):
    """Input that cannot be used as it is; the message says what, which value, and what to do."""


def is_concrete(*values: Any) -> bool:
    """Whether all values are known now, so that they may be looked at (false inside `jit`, `vmap` and `grad`)."""
    return not any(isinstance(value, Tracer) for value in values)


def on_host(A: Any) -> bool:
    """Whether A's entries are known and lie in this machine's memory, where NumPy may read them without a copy."""
    return is_concrete(A) and all(device.platform == "cpu" for device in jnp.asarray(A).devices())


def check_key(name: str, key: Any) -> None:
    """Refuse anything but one typed random key."""
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        found = f"{key!r}" if isinstance(key, int) else f"a {type(key).__name__}"
        raise InputError(f"{name} is {found}, but must be a typed random key: pass jax.random.key(0), for example.")
    if key.ndim:
        raise InputError(f"{name} holds {key.shape} keys, but one is needed: vmap over keys, or take one of them.")


def check_array(name: str, A: Any) -> None:
    """Refuse anything but a non-empty array of floats in single or double precision; finite where its entries are known."""
    if not isinstance(A, jax.Array | np.ndarray):
        convert = f"{name}.toarray()" if hasattr(A, "toarray") else f"jnp.asarray({name}, float)"
        raise InputError(f"{name} is a {type(A).__name__}, but must be an array: convert it with {convert}.")
    if 0 in A.shape:
        raise InputError(f"{name} is empty ({' x '.join(map(str, A.shape))}): a network needs at least one neuron.")
    if str(A.dtype) not in FLOATS:
        raise InputError(
            f"{name} has dtype {A.dtype}, but must be real floating point, float32 or float64: convert with .astype(float)."
        )
    if jax.dtypes.canonicalize_dtype(A.dtype) != A.dtype:
        raise InputError(
            f"{name} has dtype {A.dtype}, but JAX computes in single precision here: call "
            f"jax.config.update('jax_enable_x64', True) first, or convert with {name}.astype('float32')."
        )
    if is_concrete(A):
        finite = np.isfinite(np.asarray(A))
        if not finite.all():
            bad = np.argwhere(~finite)
            place = ", ".join(str(int(index)) for index in bad[0])
            raise InputError(
                f"{name}[{place}] is {np.asarray(A)[tuple(bad[0])]} ({len(bad)} such entries in all), but every entry must be "
                "finite: remove or repair them."
            )


def check_matrix(name: str, A: Any, *, like: tuple[str, Any] | None = None) -> None:
    """Refuse anything but a matrix [post, pre] as `check_array` does; `like` names another that it must have the shape of."""
    if isinstance(A, jax.Array | np.ndarray) and A.ndim != 2:
        raise InputError(f"{name} has shape {A.shape}, but must be a matrix (post x pre).")
    check_array(name, A)
    if like is not None and A.shape != like[1].shape:
        raise InputError(
            f"{name} has shape {A.shape} and {like[0]} has {like[1].shape}: all must be of the same network."
        )


def check_square(name: str, A: Any, *, like: tuple[str, Any] | None = None) -> None:
    """Refuse anything but a square matrix, as `check_matrix` does."""
    if isinstance(A, jax.Array | np.ndarray) and (A.ndim != 2 or A.shape[0] != A.shape[1]):
        raise InputError(
            f"{name} has shape {A.shape}, but must be square (neurons x neurons): pass one network's matrix."
        )
    check_matrix(name, A, like=like)


def check_pair(A: Any, B: Any) -> None:
    """Refuse an original and a pruned matrix that are not square and of one size."""
    check_square("A", A)
    check_square("B", B)
    if A.shape != B.shape:
        raise InputError(f"B has shape {B.shape} and A has {A.shape}: compare a network with its own pruned matrix.")


LEAK = "give A = W - diag(leak), for example from networks.dominant_leak(W)."
"""What to do about a diagonal that is no leak."""


def check_leak(name: str, A: Any, remedy: str = LEAK) -> None:
    """Refuse a positive diagonal entry: a neuron that excites itself instead of leaking."""
    if not is_concrete(A):
        return
    diagonal = np.diagonal(np.asarray(A))
    worst = int(np.argmax(diagonal))
    if diagonal[worst] > 0:
        raise InputError(
            f"{name}[{worst}, {worst}] is {diagonal[worst]:.6g}, but the diagonal (minus the leak) must not be positive: {remedy}"
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


def check_whole(name: str, value: Any, *, least: int = 0) -> None:
    """Refuse a number that is not whole, or below the least."""
    if value != int(value) or value < least:
        raise InputError(f"{name} is {value:g}, but must be a whole number, {least} or more.")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse a value that is not one of the named choices."""
    known = list(choices)
    if value not in known:
        raise InputError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, known))}.")


SEEDS = 2**63
"""Seeds are below this: keys are made of signed 64-bit numbers."""


def check_seed(name: str, value: Any) -> None:
    """Refuse a seed that no key can be made of."""
    if not -SEEDS <= value < SEEDS:
        raise InputError(f"{name} is {quoted(value)}, but must be below 2^63 in size.")


def quoted(value: Any, longest: int = 60) -> str:
    """A value as it is shown in a message, on one line and never longer than this; the middle of what is longer is left out.

    Example:
      >>> quoted("1" * 6000, longest=20)
      "'11111111...1111111' (6000 characters)"
    """
    text = str(value)
    shown = repr(value) if isinstance(value, str) else " ".join(text.split())
    if len(shown) <= longest:
        return shown
    front = (longest - 3 + 1) // 2
    return f"{shown[:front]}...{shown[len(shown) - (longest - 3 - front) :]} ({len(text)} characters)"


def plain_number(text: str) -> float:
    """A number as files write it: `float` without what Python alone reads (underscores, digits of other scripts).

    Raises:
      ValueError: anything else.

    Example:
      >>> plain_number("1e3")
      1000.0
    """
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)
