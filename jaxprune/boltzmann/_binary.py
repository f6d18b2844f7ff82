"""Binary data, which machines learn from and are measured on."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Num

from jaxprune._checks import InputError, is_concrete

Data = Num[Array, "_ visible"] | Num[np.ndarray, "_ visible"]
"""One row a sample, zeros and ones of any type."""

CHUNK = 1000
"""Samples that are looked at together, so that memory does not grow with their number."""


def check_data(data: Any, visible: int) -> None:
    """Refuse data that are not zeros and ones in (sample, visible)."""
    if not isinstance(data, jax.Array | np.ndarray) or data.ndim != 2 or data.shape[1] != visible:
        raise InputError(
            f"data has shape {np.shape(data)}, but must be (sample, {visible}) for this machine's visible units."
        )
    if not len(data):
        raise InputError("data has no sample.")
    if is_concrete(data):
        values = np.asarray(data)
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            place = np.argwhere(wrong)[0]
            raise InputError(
                f"data[{place[0]}, {place[1]}] is {values[tuple(place)]}, but every value must be 0 or 1 ({int(wrong.sum())} are "
                "not): binarise first, for example data > data.mean()."
            )


def in_chunks(data: Data) -> Iterator[Array]:
    """Data in pieces of at most `CHUNK` samples."""
    for at in range(0, len(data), CHUNK):
        yield jnp.asarray(data[at : at + CHUNK])
