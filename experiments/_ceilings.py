"""What a device can do at best: the rates of a matrix product and of a copy of memory, and a computation's share of the first."""

import os
import platform
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments import _study

COPIED = 2**24
"""Numbers that are copied."""


def device() -> str:
    """Where it runs."""
    found, processors = jax.devices()[0], Path("/proc/cpuinfo")
    if found.platform != "cpu":
        return f"{jax.device_count()} x {found.device_kind}"
    lines = processors.read_text().splitlines() if processors.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}"


def product(n: int) -> dict[str, float]:
    """Seconds of a product of two n x n matrices, of NumPy as well, and the rate in 10^9 operations a second."""
    A = jnp.ones((n, n))
    best = jax.jit(jnp.matmul)
    measured = _study.compare(lambda: best(A, A), lambda: np.asarray(A) @ np.asarray(A), 20)
    return measured | {"rate": 2 * n**3 / measured["ours_s"] / 1e9}


def copy() -> dict[str, float]:
    """Seconds of a pass over memory, of NumPy as well, and the rate in 10^9 bytes read and written a second."""
    x = jnp.ones(COPIED)
    best = jax.jit(lambda x: x + 1)
    measured = _study.compare(lambda: best(x), lambda: np.asarray(x) + 1, 20)
    return measured | {"rate": 2 * 8 * COPIED / measured["ours_s"] / 1e9}


def share(n: int, operations: float, seconds: float) -> float:
    """Share of the rate of a product of n x n matrices."""
    rate = max(product(n)["rate"] for _ in range(3))
    return operations / (rate * 1e9) / seconds
