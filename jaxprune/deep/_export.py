"""Trained networks as named arrays, in the names and shapes of PyTorch."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jaxprune._checks import InputError
from jaxprune.deep._layers import Tree, check_masks, is_layer, masked
from jaxprune.files import write_arrays


def state_dict(model: Any, masks: Tree | None = None, *, extra: Any = None) -> dict[str, np.ndarray]:
    """Arrays of a model by the names that a PyTorch module of the same structure has: `layers.0.weight`, `layers.0.bias`, ...

    Weights are [post, pre] and [post channel, pre channel, ...] there, too. Biases of convolutions lose the axes of length one
    that they have in Equinox, and batch normalisation takes its running means from `extra`.

    Args:
      model: any Equinox model.
      masks: added beside each weight as `weight_mask`, the name of `torch.nn.utils.prune`; weights are masked first.
      extra: the model's `eqx.nn.State`, where it has batch normalisation.

    Raises:
      InputError: masks that do not fit; batch normalisation without extra.

    Example:
      >>> from jaxprune.deep import ones
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> {name: values.shape for name, values in state_dict(model, ones(model)).items() if "layers.1" in name}
      {'layers.1.weight': (2, 8), 'layers.1.bias': (2,), 'layers.1.weight_mask': (2, 8)}
    """
    of_layers = iter([])
    if masks is not None:
        check_masks(model, masks)
        model, of_layers = masked(model, masks), iter(jax.tree.leaves(masks))
    found: dict[str, np.ndarray] = {}
    for path, node in jax.tree_util.tree_flatten_with_path(model, is_leaf=_is_whole)[0]:
        name = _dotted(path)
        if is_layer(node):
            found[_join(name, "weight")] = np.asarray(node.weight)
            if node.bias is not None:
                found[_join(name, "bias")] = np.asarray(node.bias).reshape(-1)
            if masks is not None:
                found[_join(name, "weight_mask")] = np.asarray(next(of_layers))
        elif isinstance(node, eqx.nn.BatchNorm):
            found |= {_join(name, part): values for part, values in _norm(node, extra, name).items()}
        elif eqx.is_array(node):
            found[name] = np.asarray(node)
    return found


def save_model(
    path: str | Path, model: Any, masks: Tree | None = None, *, extra: Any = None, overwrite: bool = False
) -> None:
    """Write `state_dict` to a .safetensors or .npz file, neither of which can hold code.

    In PyTorch: `module.load_state_dict(safetensors.torch.load_file(path), strict=False)`; without masks also strictly.

    Args:
      path: .safetensors (needs the package safetensors) or .npz.
      model, masks, extra: as in `state_dict`.
      overwrite: replace a file that is there.

    Raises:
      InputError: a file that is there, an unknown suffix, and what `state_dict` refuses.

    Example:
      >>> import tempfile
      >>> from jaxprune.files import read_arrays
      >>> with tempfile.TemporaryDirectory() as place:
      ...     save_model(f"{place}/model.npz", eqx.nn.Linear(4, 2, key=jax.random.key(0)))
      ...     sorted(read_arrays(Path(place, "model.npz")))
      ['bias', 'weight']
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists: choose another name, or pass overwrite=True. Nothing was changed.")
    write_arrays(path, state_dict(model, masks, extra=extra))


def _is_whole(node):
    return is_layer(node) or isinstance(node, eqx.nn.BatchNorm)


def _norm(norm, extra, name):
    if extra is None:
        raise InputError(f"{name} is a batch normalisation, whose running means are in the model's state: pass extra.")
    if norm.mode == "ema":
        mean, variance = extra.get(norm.ema_state_index)
    else:
        count = float(extra.get(norm.batch_counter))
        scale = 1 - norm.momentum**count if count else 1.0
        mean, variance = (np.asarray(part) / scale for part in extra.get(norm.batch_state_index))
    parts = {"weight": norm.weight, "bias": norm.bias, "running_mean": mean, "running_var": variance}
    return {part: np.asarray(values) for part, values in parts.items() if values is not None}


def _dotted(path):
    return ".".join(str(getattr(key, "name", getattr(key, "idx", getattr(key, "key", "")))) for key in path)


def _join(name, part):
    return f"{name}.{part}" if name else part
