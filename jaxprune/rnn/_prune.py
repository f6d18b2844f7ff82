"""Pruning a whole recurrent network, ours or any of Equinox, with a report."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey, Real
from jaxprune.linalg import Certificate, certify, eigenvalues
from jaxprune.pruning import drive_error
from jaxprune.rnn._activity import Activity
from jaxprune.rnn._ctrnn import CTRNN
from jaxprune.rnn._evaluate import accuracy
from jaxprune.rnn._files import TrialSet
from jaxprune.rnn._rules import RecurrentRule
from jaxprune.rnn._weights import check_loop, close_loop, obey, prune_open

Where = Callable[[Any], Array]


class Report(NamedTuple):
    """What pruning did to a recurrent network; lists have one entry for each square block (gate).

    Attributes:
      kept: synapses that stay, diagonal not counted; under Dale's law a fit may leave fewer than asked for.
      kept_fraction: as a fraction of those that were.
      drive_error: share of the recurrent drive lost under the whole network's activity, `pruning.drive_error` (which is not all
        that a closed loop keeps small); None without activity.
      shift: leak shift behind the activity (`linearised_activity`).
      radius, pruned_radius: spectral radius before and after.
      abscissa, pruned_abscissa: largest real part of an eigenvalue of W before and after; a network at rest is stable below 1
        (times the inverse of the largest slope).
      certificate: of W - I after pruning, where there is one block; its epsilon is NaN unless the network at rest contracts
        (symmetric part of W below 1), which trained networks rarely do.
      accuracy, pruned_accuracy, retention: on the trials given, and their ratio; None without.
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


class PrunedRNN(NamedTuple):
    """A pruned network of the same kind, and what pruning did."""

    model: Any
    report: Report


def prune_rnn(
    key: PRNGKey,
    model: Any,
    rule: RecurrentRule,
    *,
    keep: Real,
    activity: Activity | None = None,
    observe: Callable[[Any], Activity] | None = None,
    where: Where | None = None,
    trials: TrialSet | None = None,
) -> PrunedRNN:
    r"""Prune the recurrent weights of a network.

    Works on a `CTRNN`, on `equinox.nn.GRUCell` and `LSTMCell` (whose gates are square blocks that share their inputs, each pruned
    to the same fraction), and on any other Equinox network whose recurrent matrix `where` points to.

    Args:
      key: random key.
      model: the network.
      rule: one of `RECURRENT_RULES`, or your own.
      keep: fraction of the synapses to keep, in (0, 1].
      activity: moments of what the recurrent matrix is applied to: `InputNoise().activity(key, model)`, `task_activity`, or
        `cell_activity` for cells of Equinox. By default what `observe` sees of the network.
      observe: what a network does, as moments, for a rule that closes the loop: it is called with the pruned network again and
        again. For example `lambda network: task_activity(network, inputs)`.
      where: which array holds the recurrent weights, (blocks x neurons, neurons); by default known for the networks above.
      trials: to measure retention on (CTRNN only).

    Raises:
      InputError: a network of unknown kind without `where`; an array that is not whole square blocks; what `prune_weights` and
        `accuracy` refuse.

    Example:
      >>> from jaxprune import rnn
      >>> cell = eqx.nn.GRUCell(3, 20, key=jax.random.key(0))
      >>> seen = rnn.cell_activity(cell, jax.random.normal(jax.random.key(1), (50, 8, 3)))
      >>> pruned, report = rnn.prune_rnn(jax.random.key(2), cell, rnn.RECURRENT_RULES["activity+fit"], keep=0.2, activity=seen)
      >>> report.kept, max(report.drive_error) < 0.2
      ([76, 76, 76], True)
    """
    where = _where(model) if where is None else where
    weights = model.recurrent if isinstance(model, CTRNN) else where(model)
    # Fits are ill-conditioned: in double precision where there is one, whatever the network's own.
    blocks = _blocks(weights.astype(jnp.promote_types(weights.dtype, jnp.zeros(()).dtype)))
    check_loop(rule, observe, "lambda network: task_activity(network, inputs)")
    if activity is None and observe is not None and rule.needs_activity:
        activity = observe(model)
    sign = model.sign if isinstance(model, CTRNN) else None
    H = None if activity is None else activity.second_moment

    def put(matrices):
        return eqx.tree_at(where, model, jnp.concatenate(matrices).astype(weights.dtype))

    keys = jax.random.split(key, len(blocks))
    pruned = [
        obey(block, prune_open(block_key, block, rule, keep=keep, activity=activity), H, sign)
        for block_key, block in zip(keys, blocks, strict=True)
    ]
    if observe is not None and activity is not None:
        watch = lambda matrices: observe(put(matrices))  # noqa: E731
        pruned = close_loop(blocks, pruned, rule, activity=activity, observe=watch, sign=sign)
    matrices = [part.matrix for part in pruned]
    thinned = put(matrices)
    return PrunedRNN(thinned, _report(model, thinned, blocks, matrices, activity, trials))


def cell_activity(cell: Any, inputs: Float[Array, "time trial input"], *, burn_in: int = 0) -> Activity:
    """Moments of the hidden state of `equinox.nn.GRUCell` or `LSTMCell` driven by inputs: the task's, or noise.

    Raises:
      InputError: another kind of cell; inputs that do not fit; a burn-in that leaves nothing.
    """
    if not isinstance(cell, eqx.nn.GRUCell | eqx.nn.LSTMCell):
        raise InputError(f"cell is a {type(cell).__name__}, but must be an equinox.nn.GRUCell or LSTMCell.")
    if inputs.ndim != 3 or inputs.shape[2] != cell.input_size:
        raise InputError(f"inputs has shape {inputs.shape}, but must be (time, trial, {cell.input_size}).")
    if not 0 <= burn_in < len(inputs) - 1:
        raise InputError(f"burn_in is {burn_in}, but must leave some of the {len(inputs)} steps to observe.")
    return _cell_activity(cell, inputs, burn_in)


@eqx.filter_jit
def _cell_activity(cell, inputs, burn_in):
    wide = jnp.promote_types(inputs.dtype, jnp.zeros(()).dtype)
    size, lstm = cell.hidden_size, isinstance(cell, eqx.nn.LSTMCell)
    rest = jnp.zeros((inputs.shape[1], size), cell.weight_hh.dtype)

    def step(carry, arguments):
        state, moment, mean = carry
        number, u = arguments
        hidden = (state[0] if lstm else state).astype(wide)
        counts = number > burn_in
        moment = moment + jnp.where(counts, hidden.T @ hidden, 0)
        mean = mean + jnp.where(counts, jnp.sum(hidden, axis=0), 0)
        return (jax.vmap(cell)(u.astype(rest.dtype), state), moment, mean), None

    start = ((rest, rest) if lstm else rest, jnp.zeros((size, size), wide), jnp.zeros(size, wide))
    (_, moment, mean), _ = lax.scan(step, start, (jnp.arange(len(inputs)), inputs))
    count = (len(inputs) - burn_in - 1) * inputs.shape[1]
    return Activity(moment / count, mean / count, jnp.zeros((), wide))


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


def _blocks(weights):
    shape = jnp.shape(weights)
    if len(shape) != 2 or shape[1] == 0 or shape[0] % shape[1]:
        raise InputError(
            f"the recurrent weights have shape {shape}, but must be whole square blocks (blocks x neurons, neurons)."
        )
    return list(jnp.reshape(weights, (shape[0] // shape[1], shape[1], shape[1])))


def _report(model, thinned, blocks, matrices, activity, trials):
    before = [np.asarray(eigenvalues(block, symmetric=False)) for block in blocks]
    after = [np.asarray(eigenvalues(matrix, symmetric=False)) for matrix in matrices]
    certificate = None
    if len(blocks) == 1:
        identity = jnp.eye(len(blocks[0]), dtype=blocks[0].dtype)
        certificate = certify(blocks[0] - identity, matrices[0] - identity)
    before_accuracy = after_accuracy = retention = None
    if trials is not None:
        if not isinstance(model, CTRNN):
            raise InputError(
                f"trials measure a CTRNN, but model is a {type(model).__name__}: measure it with your own readout."
            )
        before_accuracy = float(accuracy(model, trials.inputs, trials.labels))
        after_accuracy = float(accuracy(thinned, trials.inputs, trials.labels))
        retention = after_accuracy / before_accuracy if before_accuracy else None
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
    )
