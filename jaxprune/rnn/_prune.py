"""Pruning a whole recurrent network, ours or any of Equinox, with a report."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxprune._checks import InputError, check_fraction, check_key, check_square, is_concrete
from jaxprune._types import Matrix, PRNGKey, Real
from jaxprune.dynamics import Activity, Source, check_activity, need_activity, wide_dtype
from jaxprune.linalg import Certificate, certify, eigenvalues
from jaxprune.pruning import Pruned, Rule, apply_rule, drive_error, named_rule, synapse_count
from jaxprune.rnn._ctrnn import CTRNN
from jaxprune.rnn._dale import apply_dale
from jaxprune.rnn._evaluate import accuracy, chance_level, check_axes
from jaxprune.rnn._files import TrialSet
from jaxprune.rnn._loop import check_loops, close_loop

Where = Callable[[Any], Array]


class Report(NamedTuple):
    """What pruning did to a recurrent network; lists have one entry for each square block (gate).

    Attributes:
      kept: synapses that stay, diagonal not counted; under Dale's law a fit may leave fewer than asked for.
      kept_fraction: as a fraction of those that were.
      drive_error: share of the recurrent drive lost under the whole network's activity, `pruning.drive_error` (which is not all
        that a closed loop keeps small); None without activity.
      shift: leak shift behind the activity (`Linearised`).
      radius, pruned_radius: spectral radius before and after.
      abscissa, pruned_abscissa: largest real part of an eigenvalue of W before and after; a network at rest is stable below 1
        (times the inverse of the largest slope).
      certificate: of W - I after pruning, where there is one block; its epsilon is NaN unless the network at rest contracts
        (symmetric part of W below 1), which trained networks rarely do.
      accuracy, pruned_accuracy, retention: on the trials given, and their ratio; None without.
      chance: accuracy of one constant answer on these trials, `chance_level`, which a network that has lost its task falls to:
        retention is then chance over accuracy, not zero.
    """

    kept: list[int]
    kept_fraction: list[float]
    drive_error: list[float] | None
    shift: float
    radius: list[float]
    pruned_radius: list[float]
    abscissa: list[float]
    pruned_abscissa: list[float]
    certificate: Certificate | None
    accuracy: float | None
    pruned_accuracy: float | None
    retention: float | None
    chance: float | None


class PrunedRNN(NamedTuple):
    """A pruned network of the same kind, and what pruning did."""

    model: Any
    report: Report


def prune_rnn(
    key: PRNGKey,
    model: Any,
    rule: Rule | str,
    *,
    keep: Real,
    source: Source | None = None,
    activity: Activity | None = None,
    loops: int = 0,
    where: Where | None = None,
    trials: TrialSet | None = None,
) -> PrunedRNN:
    r"""Prune the recurrent weights of a trained network, and report what that did.

    Works on a `CTRNN`, on `equinox.nn.GRUCell` and `LSTMCell` (whose gates are square blocks that share their inputs, each pruned
    to the same fraction), and on any other Equinox network whose recurrent matrix `where` points to. Self-synapses are not pruned
    and not counted; fits refit them.

    Args:
      key: random key.
      model: the network.
      rule: a `pruning.Rule`, or the name of one, such as "activity+regrow".
      keep: fraction of the synapses to keep, in (0, 1].
      source: where the activity comes from that the rule looks at: `InputNoise()`, `TaskInputs(inputs)`, `CellInputs(inputs)`
        for cells of Equinox, or `dynamics.FromStates` for a network of your own.
      activity: instead, moments of what the recurrent matrix is applied to, if they are known already.
      loops: number of times that the pruned network is watched, by the source, and adjusted again (closed loop).
      where: which array holds the recurrent weights, (blocks x neurons, neurons); by default known for the networks above.
      trials: to measure retention on (CTRNN only).

    Raises:
      InputError: a network of unknown kind without `where`; an array that is not whole square blocks; a rule that looks at
        activity given none; loops without a source, or of a rule that they have no effect on; what `prune`, `accuracy` and
        `check_axes` refuse.

    Example:
      >>> from jaxprune import rnn
      >>> cell = eqx.nn.GRUCell(3, 20, key=jax.random.key(0))
      >>> inputs = rnn.CellInputs(jax.random.normal(jax.random.key(1), (50, 8, 3)))
      >>> pruned, report = rnn.prune_rnn(jax.random.key(2), cell, "activity+compensation", keep=0.2, source=inputs)
      >>> report.kept, max(report.drive_error) < 0.2
      ([76, 76, 76], True)
    """
    where = _where(model) if where is None else where
    if trials is not None:
        _check_trials(model, trials)
    thinned, parts, activity = prune_recurrent(
        key, model, rule, keep=keep, source=source, activity=activity, loops=loops, where=where
    )
    blocks = recurrent_blocks(model, where)
    return PrunedRNN(thinned, _report(model, thinned, blocks, [part.matrix for part in parts], activity, trials))


class PrunedBlocks(NamedTuple):
    """A pruned network of the same kind, its pruned blocks, and the activity that the rule looked at (None if at none)."""

    model: Any
    blocks: list[Pruned]
    activity: Activity | None


def prune_recurrent(
    key: PRNGKey,
    model: Any,
    rule: Rule | str,
    *,
    keep: Real,
    source: Source | None = None,
    activity: Activity | None = None,
    loops: int = 0,
    where: Where | None = None,
    importances: Sequence[Matrix] | None = None,
) -> PrunedBlocks:
    """`prune_rnn` without its report, for studies that measure in their own way.

    Args:
      key, model, rule, keep, source, activity, loops, where: as in `prune_rnn`.
      importances: one for each block, if computed before (for many fractions), instead of the rule's own.

    Raises:
      InputError: as `prune_rnn`.
    """
    check_key("key", key)
    rule = named_rule(rule)
    check_loops(rule, loops, source)
    where = _where(model) if where is None else where
    blocks = recurrent_blocks(model, where)
    # Apart from the keys of the blocks, which are the key's first children.
    source_key = jax.random.fold_in(key, 2**32 - 1)
    if source is not None and not isinstance(source, Source):
        raise InputError(
            f"source is a {type(source).__name__}, but must be a dynamics.Source, such as rnn.InputNoise(), or "
            "dynamics.FromStates(lambda key, model: ...) for a function of your own."
        )
    if activity is None and source is not None and (rule.needs_activity or loops):
        activity = source.activity(source_key, model)
    if activity is not None:
        check_activity(activity, blocks[0].shape[1])
    elif rule.needs_activity:
        need_activity(None)
    sign = model.sign if _is_ctrnn_weight(model, where) else None

    def put(matrices):
        old = where(model)
        return eqx.tree_at(where, model, jnp.concatenate(matrices).astype(old.dtype))

    pruned = []
    for number, (block_key, block) in enumerate(zip(jax.random.split(key, len(blocks)), blocks, strict=True)):
        importance = None if importances is None else importances[number]
        part = prune_block(block_key, block, rule, keep=keep, activity=activity, importance=importance)
        pruned.append(apply_dale(block, part, activity, sign))
    again = rule.adjust.again()
    if loops and source is not None and activity is not None and again is not None:
        pruned = close_loop(
            source_key,
            blocks,
            pruned,
            again,
            activity=activity,
            watch=lambda loop_key, matrices: source.activity(loop_key, put(matrices)),
            loops=loops,
            sign=sign,
        )
    return PrunedBlocks(put([part.matrix for part in pruned]), pruned, activity)


def prune_block(key, W, rule, *, keep, activity, importance=None):
    """One square block of recurrent weights."""
    check_square("the recurrent weights", W)
    check_fraction("keep", keep)
    count = synapse_count(W, keep, symmetric=False, kind="recurrent")
    if is_concrete(count) and int(count) == 0:
        raise InputError(f"keep is {float(keep):g}, which keeps no synapse at all: raise it.")
    return apply_rule(key, W, activity, rule, count=count, symmetric=False, kind="recurrent", importance=importance)


def recurrent_blocks(model: Any, where: Where | None = None) -> list[Matrix]:
    """The recurrent weights of a network as square blocks, in double precision where there is one: fits are ill-conditioned.

    Args:
      model: the network.
      where: which of its weights are recurrent, as in `prune_recurrent`.
    """
    where = _where(model) if where is None else where
    weights = model.recurrent if _is_ctrnn_weight(model, where) else where(model)
    return _blocks(weights.astype(wide_dtype(weights.dtype)))


def _where(model):
    if isinstance(model, CTRNN):
        return _ctrnn_weights
    if isinstance(model, eqx.nn.GRUCell | eqx.nn.LSTMCell):
        return lambda cell: cell.weight_hh
    raise InputError(
        f"model is a {type(model).__name__}, whose recurrent weights are not known: say with where=lambda m: ... which they are."
    )


def _ctrnn_weights(model):
    return model.W_rec


def _is_ctrnn_weight(model, where):
    """Whether `where` points to the recurrent weights of a CTRNN, which Dale's law is about, and not to others of it."""
    return isinstance(model, CTRNN) and where(model) is model.W_rec


def _blocks(weights):
    shape = jnp.shape(weights)
    if len(shape) != 2 or shape[1] == 0 or shape[0] % shape[1]:
        raise InputError(
            f"the recurrent weights have shape {shape}, but must be whole square blocks (blocks x neurons, neurons)."
        )
    return list(jnp.reshape(weights, (shape[0] // shape[1], shape[1], shape[1])))


def _check_trials(model, trials):
    """Refuse trials that nothing can be measured on, before anything is pruned."""
    if not isinstance(model, CTRNN):
        raise InputError(
            f"trials measure a CTRNN, but model is a {type(model).__name__}: measure it with your own readout."
        )
    check_axes(model, trials.inputs, trials.labels)


def _report(model, thinned, blocks, matrices, activity, trials):
    before = [np.asarray(eigenvalues(block, symmetric=False)) for block in blocks]
    after = [np.asarray(eigenvalues(matrix, symmetric=False)) for matrix in matrices]
    certificate = None
    if len(blocks) == 1:
        identity = jnp.eye(len(blocks[0]), dtype=blocks[0].dtype)
        certificate = certify(blocks[0] - identity, matrices[0] - identity)
    before_accuracy = after_accuracy = retention = chance = None
    if trials is not None:
        before_accuracy = float(accuracy(model, trials.inputs, trials.labels))
        after_accuracy = float(accuracy(thinned, trials.inputs, trials.labels))
        retention = after_accuracy / before_accuracy if before_accuracy else None
        chance = float(chance_level(trials.labels))
    kept = [int((matrix != 0).sum() - (jnp.diagonal(matrix) != 0).sum()) for matrix in matrices]
    there = [int((block != 0).sum() - (jnp.diagonal(block) != 0).sum()) for block in blocks]
    lost = None
    if activity is not None:
        H = activity.second_moment
        lost = [
            float(drive_error(block, matrix, H.astype(block.dtype)))
            for block, matrix in zip(blocks, matrices, strict=True)
        ]
    return Report(
        kept=kept,
        kept_fraction=[k / t for k, t in zip(kept, there, strict=True)],
        drive_error=lost,
        shift=0.0 if activity is None else float(activity.shift),
        radius=[float(np.abs(values).max()) for values in before],
        pruned_radius=[float(np.abs(values).max()) for values in after],
        abscissa=[float(values[0].real) for values in before],
        pruned_abscissa=[float(values[0].real) for values in after],
        certificate=certificate,
        accuracy=before_accuracy,
        pruned_accuracy=after_accuracy,
        retention=retention,
        chance=chance,
    )
