"""What a result was made with: versions, precision, device."""

import os
import platform
from importlib.metadata import version
from typing import Any

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
