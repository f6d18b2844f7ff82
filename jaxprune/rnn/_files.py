"""Networks and trials from files, and back: .npz and .safetensors, no pickles."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np

from jaxprune._checks import FLOATS, InputError, check_choice, quoted
from jaxprune._types import Real
from jaxprune.files import check_suffix, read_arrays, write_arrays
from jaxprune.rnn._ctrnn import ACTIVATIONS, CTRNN, Activation, Trials, check_channels
from jaxprune.rnn._evaluate import Labels, check_labels

MATRICES = {"W_in": "(neuron, input)", "W_rec": "(neuron, neuron)", "W_out": "(output, neuron)"}
BIASES = {"b_in": "W_in", "b_rec": "W_rec", "b_out": "W_out"}
"""Biases, and the weights whose rows they belong to."""
WEIGHTS = ("W_in", "b_in", "W_rec", "b_rec", "W_out", "b_out")
LONGEST = 1024
"""Bytes that the name of a nonlinearity may take in a file, with its header."""


class TrialSet(NamedTuple):
    """Trials: inputs (time, trial, input) and labels (time, trial), -1 where nothing is scored."""

    inputs: Trials
    labels: Labels


def load_rnn(
    path: str | Path,
    *,
    names: Mapping[str, str] | None = None,
    activation: str | None = None,
    alpha: Real | None = None,
) -> CTRNN:
    """Read a network from a file of named arrays.

    Args:
      path: .npz, or .safetensors (needs the package safetensors).
      names: our names to those in the file, where they differ; for the state dict of a PyTorch network saved as safetensors for
        example `{"W_rec": "rnn.weight_hh_l0", "b_rec": "rnn.bias_hh_l0", ...}`. Missing biases may be mapped to nothing ("").
      activation: the nonlinearity; by default what the file says, and tanh where it says nothing.
      alpha: the step over the time constant, for a file that does not say it; 1 for a network without a leak, as PyTorch's are.

    Raises:
      InputError: a file that cannot be read, an unknown suffix, missing names (which), arrays of another type or shape (which),
        no alpha, or two that differ.
    """
    path, names = Path(path), dict(names or {})
    unknown = [name for name in names if name not in (*WEIGHTS, "alpha")]
    if unknown:
        raise InputError(f"names has {quoted(unknown[0])}, but must map from {', '.join(WEIGHTS)} and alpha.")
    arrays = _read(path)
    where = {name: names.get(name, name) for name in WEIGHTS}
    missing = [place for place in where.values() if place and place not in arrays]
    if missing:
        raise InputError(
            f"{path} has no {quoted(', '.join(missing))[1:-1]}; {_holds(arrays)}: say with names which is which."
        )
    found = {name: _weight(path, name, arrays[place]) for name, place in where.items() if place}
    absent = [name for name in WEIGHTS if name not in found]
    if any(name in MATRICES for name in absent):
        raise InputError(f"{absent[0]} is mapped to nothing, but only biases may be absent.")
    for name in absent:
        found[name] = np.zeros(len(found[BIASES[name]]), found["W_rec"].dtype)
    if "alpha" in names and names["alpha"] not in arrays:
        raise InputError(f"{path} has no {quoted(names['alpha'])[1:-1]}, which alpha is mapped to.")
    step = _alpha(path, arrays.get(names.get("alpha", "alpha")), alpha)
    if activation is None:
        activation = _activation(path, arrays["activation"]) if "activation" in arrays else "tanh"
    W_in, b_in, W_rec, b_rec, W_out, b_out = (jnp.asarray(found[name]) for name in WEIGHTS)
    step = jnp.asarray(step, W_rec.dtype)
    return CTRNN(W_in, b_in, W_rec, b_rec, W_out, b_out, step, cast(Activation, activation))


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


def load_trials(
    path: str | Path, *, prefix: str = "", inputs: int | None = None, outputs: int | None = None
) -> TrialSet:
    """Read trials from a file with the arrays `inputs` and `labels`, or `<prefix>inputs` and `<prefix>labels`.

    Shapes are compared; whether time and trials are swapped in both arrays, which shapes do not tell, `check_axes` looks at.

    Args:
      path: .npz or .safetensors.
      prefix: what the names begin with.
      inputs: number of the network's inputs, if the trials are for one.
      outputs: number of its outputs.

    Raises:
      InputError: a file that cannot be read, missing arrays, arrays of another type or shape, or labels out of range or
        none scored.
    """
    path = Path(path)
    arrays = _read(path)
    names = [prefix + name for name in ("inputs", "labels")]
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"{path} has no {missing[0]}; {_holds(arrays)}.")
    shown, labels = (arrays[name] for name in names)
    if shown.dtype.kind not in "fiub":
        raise InputError(f"{names[0]} in {path} has dtype {quoted(shown.dtype)}, but must be real numbers: convert it.")
    if shown.ndim != 3 or not shown.size:
        raise InputError(
            f"{names[0]} in {path} has shape {quoted(shown.shape)}, but must be (time, trial, input), some of each."
        )
    if inputs is not None:
        check_channels(f"{names[0]} in {path}", shown, inputs)
    if not np.isfinite(shown).all():
        raise InputError(f"{names[0]} in {path} has entries that are not finite: repair or remove them.")
    if not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise InputError(
            f"{names[1]} in {path} is {quoted(labels.dtype)} of shape {quoted(labels.shape)}, but must be whole numbers, some."
        )
    most = min(int(max(labels.max(), 0)) + 1, np.iinfo(np.int32).max)
    check_labels(labels, outputs=outputs or most, shape=shown.shape[:2])
    if str(shown.dtype) not in FLOATS:
        shown = shown.astype(np.float32)
    return TrialSet(jnp.asarray(shown), jnp.asarray(labels.astype(np.int32)))


def _read(path):
    """All arrays of a file, but for a name of a nonlinearity that is far too long to be one: that is not unpacked."""
    check_suffix(path)
    if path.suffix == ".npz" and _stored_size(path, "activation") > LONGEST:
        raise InputError(_no_activation(path))
    return {name: np.asarray(values) for name, values in read_arrays(path).items()}


def _stored_size(path, name):
    """Bytes, unpacked, of one array of an .npz file with its header; 0 where there is none, or no such file to look into."""
    try:
        with zipfile.ZipFile(path) as stored:
            return stored.getinfo(f"{name}.npy").file_size
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return 0


def _holds(arrays):
    """What a file holds, in a message."""
    return f"it has {quoted(', '.join(sorted(arrays)), 100)[1:-1] or 'nothing'}"


def _weight(path, name, values):
    """Weights or a bias from a file, looked at."""
    if str(values.dtype) not in FLOATS:
        raise InputError(
            f"{name} in {path} has dtype {quoted(values.dtype)}, but must be real floating point, float32 or float64: convert it."
        )
    wanted = MATRICES.get(name, f"({BIASES.get(name)}'s rows,)")
    if values.ndim != (2 if name in MATRICES else 1) or not values.size:
        raise InputError(f"{name} in {path} has shape {quoted(values.shape)}, but must be {wanted}, some of each.")
    if not np.isfinite(values).all():
        raise InputError(f"{name} in {path} has entries that are not finite: repair or remove them.")
    return values


def _alpha(path, stored, given):
    """Step over time constant, from the file or the caller."""
    if stored is None and given is None:
        raise InputError(f"{path} has no alpha, the step over the time constant: say it with alpha (--alpha).")
    if stored is None:
        return given
    if stored.ndim or stored.dtype.kind not in "fiu":
        raise InputError(
            f"alpha in {path} has shape {quoted(stored.shape)} and dtype {quoted(stored.dtype)}, but must be one real number."
        )
    if given is not None and not np.isclose(float(given), float(stored), rtol=1e-6, atol=0):
        raise InputError(f"alpha is given as {float(given):g}, but {path} says {float(stored):g}: leave it out.")
    return stored


def _activation(path, stored):
    """The nonlinearity's name, from bytes or a string, by type and size: `bytes` of a number is as many zeros."""
    if stored.nbytes > LONGEST:
        raise InputError(_no_activation(path))
    if stored.dtype == np.uint8 and stored.ndim == 1:
        name = stored.tobytes().decode(errors="replace")
    elif stored.dtype.kind == "U" and stored.size == 1:
        name = str(stored.item())
    else:
        raise InputError(_no_activation(path))
    check_choice(f"activation in {path}", name, ACTIVATIONS)
    return name


def _no_activation(path):
    names = ", ".join(ACTIVATIONS)
    return (
        f"activation in {path} is no name of a nonlinearity: it must be one of {names}, as bytes (uint8) or one string."
    )
