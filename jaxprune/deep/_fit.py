"""Training from the first epoch to the last, with progress, and checkpoints that survive an interruption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax import Array
from jaxtyping import Int, Num

from jaxprune._checks import InputError, check_key
from jaxprune._provenance import fingerprint
from jaxprune._types import PRNGKey
from jaxprune.deep._layers import has_convolutions
from jaxprune.deep._run import on_data, predict
from jaxprune.deep._train import (
    EpochInfo,
    Loss,
    TrainCode,
    Training,
    TrainState,
    cross_entropy,
    init_training,
    train_epoch,
    train_epoch_by_steps,
)
from jaxprune.files import read_head, read_tree, write_tree

KIND = "jaxprune training"


def fit(
    key: PRNGKey,
    model: Any,
    x: Num[Array, "sample ..."],
    y: Int[Array, " sample"],
    training: Training,
    *,
    extra: Any = None,
    loss: Loss = cross_entropy,
    checkpoint: str | Path | None = None,
    each: Callable[[TrainState, EpochInfo], None] | None = None,
    progress: bool = False,
) -> TrainState:
    """Train a network, and prune it meanwhile; an interrupted run goes on from its checkpoint, exactly.

    Args:
      key: random key.
      model: any Equinox model with linear or convolutional layers.
      x, y: inputs and labels.
      training: settings.
      extra: as in `cross_entropy`.
      loss: as in `train_epoch`.
      checkpoint: file that is written after every epoch; training continues from it if it exists.
      each: called with the state and what was seen after every epoch that is run here, before the checkpoint is written.
      progress: show a bar on standard error; needs the package rich.

    Returns:
      The state after the last epoch.

    Raises:
      InputError: fewer samples than a batch, or than labels; inputs that are not finite; labels that the cross entropy has no
        logit for; a model without prunable layers; a checkpoint of something else, or in a folder that does not exist; a loss
        that stopped being finite (the checkpoint is then that of the last good epoch).

    Example:
      >>> import optax
      >>> from jaxprune.deep import Counter
      >>> model = eqx.nn.MLP(4, 2, 8, 1, key=jax.random.key(0))
      >>> x, y = jnp.eye(4).repeat(5, axis=0), jnp.arange(20) % 2
      >>> training = Training(4, optax.sgd(0.1), batch=5, rule=Counter(patience=1))
      >>> state = fit(jax.random.key(1), model, x, y, training)
      >>> int(state.epoch)
      4
    """
    check_key("key", key)
    if len(x) != len(y):
        raise InputError(f"there are {len(x)} inputs but {len(y)} labels.")
    if len(x) < training.batch:
        raise InputError(f"there are {len(x)} samples, fewer than a batch of {training.batch}: lower batch.")
    if not np.isfinite(x).all():
        raise InputError("inputs hold numbers that are not finite: leave those samples out.")
    if loss is cross_entropy:
        with on_data():
            logits = eqx.filter_eval_shape(predict, model, extra, x[:1])[0].shape[-1]
        if int(np.min(y)) < 0 or int(np.max(y)) >= logits:
            raise InputError(
                f"labels are from {int(np.min(y))} to {int(np.max(y))}, but the model has {logits} outputs: they must be from 0 "
                f"to {logits - 1}."
            )
    if checkpoint is not None and not Path(checkpoint).absolute().parent.is_dir():
        raise InputError(f"{Path(checkpoint).parent} does not exist: make the folder first.")
    start_key, epoch_key = jax.random.split(key)
    state = init_training(start_key, model, training, extra=extra)
    origin = ""
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        origin = fingerprint(jax.random.key_data(key), model, jax.tree.leaves(extra), x, y, training, loss)
        if checkpoint.exists():
            if read_head(checkpoint) != {"kind": KIND, "origin": origin}:
                raise InputError(
                    f"{checkpoint} is of another network, or of other data or settings: move it away, or choose another name."
                )
            state = read_tree(checkpoint, state)
    # There, convolutions are slow inside compiled loops.
    one_epoch = train_epoch_by_steps if jax.default_backend() == "cpu" and has_convolutions(model) else train_epoch
    for number in _track(range(int(state.epoch), training.epochs), progress):
        after, info = one_epoch(epoch_key, state, x, y, training, loss)
        if int(info.code) != TrainCode.FINISHED:
            raise InputError(f"epoch {number + 1}: {TrainCode.DIVERGED.words}")
        state = after
        if each is not None:
            each(state, info)
        # Last: a run that was killed does the epoch again.
        if checkpoint is not None:
            write_tree(checkpoint, state, {"kind": KIND, "origin": origin})
    return state


def _track(epochs, progress):
    if not progress:
        return epochs
    try:
        import rich.console
        import rich.progress
    except ImportError as error:
        raise InputError("progress needs the package rich: pip install 'jaxprune[experiments]'.") from error
    return rich.progress.track(epochs, description="epochs", console=rich.console.Console(stderr=True))
