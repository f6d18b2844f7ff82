"""What a result was made with: versions, precision, device; and short names of settings."""

import dataclasses
import functools
import hashlib
import inspect
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

PACKAGES = ("jaxprune", "jax", "jaxlib", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def provenance() -> dict[str, Any]:
    """Versions, precision and machine, to be written beside every result.

    Example:
      >>> sorted(provenance())
      ['dtype', 'machine', 'versions']
    """
    import jax
    import jax.numpy as jnp

    return {
        "versions": versions(),
        "dtype": str(jnp.zeros(()).dtype),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {jax.default_backend()}",
    }


def fingerprint(*settings: Any) -> str:
    """SHA-256 of settings: numbers, text, arrays, containers, dataclasses and functions, these by what they do.

    It is the same in every process, and tells apart lambdas and closures that look alike.

    Example:
      >>> fingerprint(1, lambda x: 2 * x) == fingerprint(1, lambda x: 3 * x)
      False
    """
    return hashlib.sha256(_describe(settings).encode()).hexdigest()


def _describe(value):
    if isinstance(value, functools.partial):
        return f"partial({_describe((value.func, value.args, value.keywords))})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return f"{type(value).__qualname__}({_describe(fields)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_describe(key)}: {_describe(value[key])}' for key in value)}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_describe, value)))}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_describe, value))})"
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    if inspect.iscode(value):
        return _describe((value.co_code.hex(), value.co_names, value.co_consts))
    if inspect.isfunction(value):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        inside = _describe((value.__code__, value.__defaults__, value.__kwdefaults__, held))
        return f"{value.__module__}.{value.__qualname__}({inside})"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if type(value).__repr__ is object.__repr__:  # which would give its address
        return f"{type(value).__qualname__}({_describe(getattr(value, '__dict__', {}))})"
    return repr(value)
