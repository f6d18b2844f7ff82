"""Adjust the remaining weights of a large network so that each neuron keeps its input, from samples of the activity.

A neuron fits the weights sᵢ of its survivors, its leak included, to what its whole row did,
`minₛ (aᵢ − sᵢ) C̃⁽ⁱ⁾ (aᵢ − sᵢ)ᵀ`. The covariance that it sees is sampled, and only what is not known is
sampled. Of a symmetric network the known part is what every neuron does alone and what its own synapses add,
`C̃⁽ⁱ⁾ = (1/n) Z Zᵀ + ½ (D⁻¹ + D⁻¹ (wᵢ eᵢᵀ + eᵢ wᵢᵀ) D⁻¹)` without the synapses between its
inputs, which few neurons have. It is the same in the fit and in what is fitted, so that a network of which everything stays
is not changed by how few samples there are.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxprune.linalg.sparse import SampledCovariance, SparseMatrix, rows_of, to_scipy, with_data

WIDTHS = 8
"""Rows are solved at a number of inputs rounded up to a multiple of this, so that few sizes are compiled."""
NUMBERS = 1 << 22
"""Numbers that are gathered together."""
CHUNK = 1 << 17
"""Synapses whose products with samples are taken together."""
HOLD = 1e-6
"""How firmly weights are held where samples say nothing, beside the inputs' own variance."""
MOST = 200
"""Most steps of a fit of pairs."""
TOLERANCE = 1e-5
"""Of a fit of pairs: the residual beside that of no fit."""


def compensate_rows(A: SparseMatrix, kept: SparseMatrix, covariance: SampledCovariance) -> SparseMatrix:
    """Refit every row by itself: least squares on the samples, and of the change that this makes the share that will hold.

    A row that regresses on m inputs in n samples gains, in those samples, its true gain g and about `R m / (n − m)` that is
    chance, where R is what is left; in other samples it loses `V = R m n / ((n − m)(n − m − 1))`. The share of the change that
    does best there is `φ = g / (g + V)`, with g and V added up over all rows. A row of more inputs than half the samples keeps
    its weights: there is nothing to judge its fit by.

    Args:
      A: the original.
      kept: the places that stay, the diagonal included; its values do not matter.
      covariance: samples of the activity, from `sampled_covariance`.

    Returns:
      The refitted network, in the places of `kept`.
    """
    Z = covariance.samples
    drive = A @ Z
    own = _at(kept, A)
    counts = np.diff(np.asarray(kept.indptr))
    widths = WIDTHS * -(-np.maximum(counts, 1) // WIDTHS)
    values, gained, chance = np.zeros(kept.data.size, kept.dtype), 0.0, 0.0
    padded = jnp.concatenate([Z, jnp.zeros((1, Z.shape[1]), Z.dtype)])
    starts = np.asarray(kept.indptr)
    columns, weights = np.asarray(kept.indices), np.asarray(own)
    for width in np.unique(widths):
        rows = np.flatnonzero(widths == width)
        size = max(1, NUMBERS // (int(width) * Z.shape[1]))
        for batch in np.array_split(rows, -(-len(rows) // size)):
            # As many rows in every batch of a width, so that one program serves all.
            full = np.concatenate([batch, np.repeat(batch[-1:], -(-len(rows) // -(-len(rows) // size)) - len(batch))])
            place = starts[full][:, None] + np.arange(width)
            inside = np.arange(width) < counts[full][:, None]
            place = np.where(inside, place, 0)
            pre = np.where(inside, columns[place], len(starts) - 1)
            weight = np.where(inside, weights[place], 0)
            found, gain, luck = (
                np.asarray(part)[: len(batch)]
                for part in _solve_rows(padded, drive[full], jnp.asarray(pre), jnp.asarray(weight))
            )
            there = inside[: len(batch)]
            values[place[: len(batch)][there]] = found[there]
            gained, chance = gained + float(gain.sum()), chance + float(luck.sum())
    share = gained / (gained + chance) if gained > 0 else 0.0
    return with_data(kept, own + share * (jnp.asarray(values) - own))


@jax.jit
def _solve_rows(padded, drives, pre, weights):
    n = padded.shape[1]

    def row(arguments):
        drive, place, weight = arguments
        seen, there = padded[place], place < len(padded) - 1
        left = drive - weight @ seen
        # Held a little, so that a row of more inputs than samples has a fit.
        hold = HOLD * jnp.sum(seen**2, axis=1) / n
        H = seen @ seen.T / n + jnp.diag(jnp.where(there, hold, 1))
        change = jnp.linalg.solve(H, seen @ left / n)
        rest = left - change @ seen
        inputs = jnp.sum(there)
        few = (2 * inputs <= n) & (n - inputs > 1)
        free = jnp.where(few, n - inputs, 2)
        residual = jnp.mean(rest**2)
        luck = residual * inputs / free
        gain = jnp.maximum(jnp.mean(left**2) - residual - luck, 0)
        return (
            weight + jnp.where(few, change, 0),
            jnp.where(few, gain, 0),
            jnp.where(few, luck * n / jnp.maximum(free - 1, 1), 0),
        )

    return jax.vmap(lambda *arguments: row(arguments))(drives, pre, weights)


def _at(kept, A):
    """A's entries in the places of another matrix, each of which A has."""
    found = to_scipy(with_data(kept, jnp.ones_like(kept.data))).multiply(to_scipy(A)).tocsr()
    found.sort_indices()
    return jnp.asarray(found.data)


def compensate_pairs(A: SparseMatrix, kept: SparseMatrix, covariance: SampledCovariance) -> SparseMatrix:
    """Refit a symmetric network, in which the two ends of a pair share one weight, by conjugate gradients on all weights at once.

    Args:
      A: the original, symmetric.
      kept: the places that stay, symmetric, the diagonal included; its values do not matter.
      covariance: samples of the activity.

    Returns:
      The refitted network, in the places of `kept`.
    """
    return with_data(kept, _fit_pairs(A, with_data(kept, _at(kept, A)), covariance, _mirror(kept)))


def _mirror(kept):
    """Place of the mirrored entry of each."""
    import scipy.sparse

    n = kept.data.size
    numbers = scipy.sparse.csr_array(
        (np.arange(1, n + 1), np.asarray(kept.indices), np.asarray(kept.indptr)), shape=kept.shape
    )
    return jnp.asarray(numbers.T.tocsr().data - 1, kept.indices.dtype)


@jax.jit
def _fit_pairs(A, own, covariance, mirror):
    Z, leak = covariance.samples, covariance.leak
    rows, columns = rows_of(own), own.indices
    diagonal = rows == columns
    n = Z.shape[1]
    # The original's weights in these places: what a neuron's own synapses add to what it sees.
    coupling = jnp.where(diagonal, 0, own.data / (2 * leak[rows] * leak[columns]))

    def products(left):
        """Of each entry (i, j), row i of the block with sample j."""
        size = own.data.size

        def some(chunk):
            place = jnp.minimum(chunk * CHUNK + jnp.arange(CHUNK), size - 1)
            return jnp.sum(left[rows[place]] * Z[columns[place]], axis=1)

        return lax.map(some, jnp.arange(-(-size // CHUNK))).reshape(-1)[:size] / n

    def mirrored(values):
        return (values + values[mirror]) / 2

    def apply(values):
        here = jnp.zeros(len(leak), values.dtype).at[rows].add(jnp.where(diagonal, values, 0), indices_are_sorted=True)
        along = jnp.zeros(len(leak), values.dtype).at[rows].add(values * coupling, indices_are_sorted=True)
        known = values / (2 * leak[columns]) + jnp.where(diagonal, along[rows], here[rows] * coupling)
        # Of a simulated network nothing is known but the samples; weights are held a little.
        known = known if covariance.symmetric else HOLD * size[columns] * values
        return mirrored(known + products(with_data(own, values) @ Z))

    size = jnp.mean(Z**2, axis=1)
    # What the whole row does: known parts cancel but for the leak's.
    squares = jnp.where(rows_of(A) == A.indices, 0, A.data**2 / (2 * leak[A.indices]))
    whole = jnp.zeros(len(leak), A.dtype).at[rows_of(A)].add(squares, indices_are_sorted=True) / leak - 0.5
    known = jnp.where(diagonal, whole[rows], 0) if covariance.symmetric else HOLD * size[columns] * own.data
    target = mirrored(known + products(A @ Z))
    alone = 1 / (2 * leak) if covariance.symmetric else 0 * leak
    scale = 2 / (alone[rows] + alone[columns] + size[rows] + size[columns])

    def step(state: Any) -> Any:
        values, residual, direction, square, count = state
        image = apply(direction)
        rate = square / jnp.sum(direction * image)
        values, residual = values + rate * direction, residual - rate * image
        scaled = scale * residual
        new = jnp.sum(residual * scaled)
        return values, residual, scaled + new / square * direction, new, count + 1

    residual = target - apply(own.data)
    scaled = scale * residual
    first = jnp.sum(residual * scaled)
    enough = TOLERANCE**2 * jnp.sum(target * scale * target)

    def unfinished(state):
        return (state[3] > enough) & (state[4] < MOST)

    # To the last bit, so that every later look finds the pairs equal.
    return mirrored(lax.while_loop(unfinished, step, (own.data, residual, scaled, first, 0))[0])
