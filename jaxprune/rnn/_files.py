"""Networks and trials from files, and back: .npz and .safetensors, no pickles."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import InputError
from jaxprune.files import read_arrays, write_arrays
from jaxprune.rnn._ctrnn import CTRNN, Activation, Trials
from jaxprune.rnn._evaluate import Labels, check_labels

WEIGHTS = ("W_in", "b_in", "W_rec", "b_rec", "W_out", "b_out")


class TrialSet(NamedTuple):
    """Trials: inputs (time, trial, input) and labels (time, trial), -1 where nothing is scored."""

    inputs: Trials
    labels: Labels


def load_rnn(path: str | Path, *, names: Mapping[str, str] | None = None, activation: str | None = None) -> CTRNN:
    """Read a network from a file of named arrays.

    Args:
      path: .npz, or .safetensors (needs the package safetensors).
      names: our names to those in the file, where they differ; for the state dict of a PyTorch network saved as safetensors for
        example `{"W_rec": "rnn.weight_hh_l0", "b_rec": "rnn.bias_hh_l0", ...}`. Missing biases may be mapped to nothing ("").
      activation: the nonlinearity; by default what the file says, and tanh where it says nothing.

    Raises:
      InputError: a file that cannot be read, an unknown suffix, missing names (which), shapes that do not fit (which).
    """
    arrays = read_arrays(Path(path))
    names = dict(names or {})
    unknown = [name for name in names if name not in (*WEIGHTS, "alpha")]
    if unknown:
        raise InputError(f"names has {unknown[0]!r}, but must map from {', '.join(WEIGHTS)} and alpha.")
    where = {name: names.get(name, name) for name in WEIGHTS}
    missing = [place for place in where.values() if place and place not in arrays]
    if missing:
        raise InputError(
            f"{path} has no {', '.join(missing)}; it has {', '.join(sorted(arrays)) or 'nothing'}: say with names which is which."
        )
    found = {name: np.asarray(arrays[place]) for name, place in where.items() if place}
    absent = [name for name in WEIGHTS if name not in found]
    if any(name.startswith("W") for name in absent):
        raise InputError(f"{absent[0]} is mapped to nothing, but only biases may be absent.")
    sizes = {"b_in": "W_in", "b_rec": "W_rec", "b_out": "W_out"}
    for name in absent:
        found[name] = np.zeros(len(found[sizes[name]]), found["W_rec"].dtype)
    for name, values in found.items():
        if not np.issubdtype(values.dtype, np.floating):
            raise InputError(f"{name} in {path} has dtype {values.dtype}, but must be real floating point.")
        if not np.isfinite(values).all():
            raise InputError(f"{name} in {path} has entries that are not finite: repair or remove them.")
    if "alpha" in names and names["alpha"] not in arrays:
        raise InputError(f"{path} has no {names['alpha']}, which alpha is mapped to.")
    alpha = arrays.get(names.get("alpha", "alpha"), np.asarray(1.0))
    if np.ndim(alpha) != 0:
        raise InputError(f"alpha in {path} has shape {np.shape(alpha)}, but must be one number.")
    if activation is None:
        activation = bytes(arrays["activation"]).decode() if "activation" in arrays else "tanh"
    W_in, b_in, W_rec, b_rec, W_out, b_out = (jnp.asarray(found[name]) for name in WEIGHTS)
    alpha = jnp.asarray(alpha, W_rec.dtype)
    return CTRNN(W_in, b_in, W_rec, b_rec, W_out, b_out, alpha, cast(Activation, activation))


def save_rnn(path: str | Path, model: CTRNN) -> None:
    """Write a network to a file that `load_rnn` reads; under Dale's law the weights with their signs.

    Raises:
      InputError: an unknown suffix, or safetensors without its package.
    """
    path = Path(path)
    arrays = {name: np.asarray(getattr(model, name)) for name in WEIGHTS}
    # The name as bytes: neither format has strings that are safe to read.
    name = np.frombuffer(model.activation.encode(), np.uint8)
    arrays |= {"W_rec": np.asarray(model.recurrent), "alpha": np.asarray(model.alpha), "activation": name}
    write_arrays(path, arrays)


def load_trials(path: str | Path, *, prefix: str = "", outputs: int | None = None) -> TrialSet:
    """Read trials from an .npz file with the arrays `inputs` and `labels`, or `<prefix>inputs` and `<prefix>labels`.

    Raises:
      InputError: a file that cannot be read, missing arrays, or labels out of range or none scored.
    """
    arrays = read_arrays(Path(path))
    missing = [prefix + name for name in ("inputs", "labels") if prefix + name not in arrays]
    if missing:
        raise InputError(f"{path} has no {missing[0]}; it has {', '.join(sorted(arrays)) or 'nothing'}.")
    inputs, labels = np.asarray(arrays[prefix + "inputs"]), np.asarray(arrays[prefix + "labels"])
    if inputs.ndim != 3:
        raise InputError(f"{prefix}inputs in {path} has shape {inputs.shape}, but must be (time, trial, input).")
    if not np.isfinite(inputs).all():
        raise InputError(f"{prefix}inputs in {path} has entries that are not finite: repair or remove them.")
    if not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise InputError(
            f"{prefix}labels in {path} is {labels.dtype} of shape {labels.shape}, but must be whole numbers, some."
        )
    check_labels(labels, outputs=outputs or int(max(labels.max(), 0)) + 1, shape=inputs.shape[:2])
    return TrialSet(jnp.asarray(inputs), jnp.asarray(labels.astype(np.int32)))
