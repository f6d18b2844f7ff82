"""What the survivors of a large network do: nothing, divide by their probability, or refit."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxprune._checks import InputError
from jaxprune.linalg.sparse import SampledCovariance, SparseMatrix, diagonal_of, from_entries, input_of
from jaxprune.pruning._importance import need_samples
from jaxprune.pruning.adjust import Adjust, Compensate, Empty, Keep, Strengthen
from jaxprune.pruning.sparse._compensate import compensate_pairs, compensate_rows


class Chosen(NamedTuple):
    """The synapses that stay; of a symmetric network one of each pair.

    Attributes:
      A: the original.
      rows: postsynaptic neurons.
      columns: presynaptic ones.
      weights: of the original.
      probabilities: with which they could stay.
      symmetric: whether each stands for a pair.
      covariance: samples of the activity, if there are any.
    """

    A: SparseMatrix
    rows: Int[np.ndarray, " synapse"]
    columns: Int[np.ndarray, " synapse"]
    weights: Float[np.ndarray, " synapse"]
    probabilities: Float[np.ndarray, " synapse"]
    symmetric: bool
    covariance: SampledCovariance | None

    def matrix(self, values: Float[np.ndarray, " synapse"], diagonal: Float[np.ndarray, " neuron"]) -> SparseMatrix:
        """The network of these synapses with other weights."""
        own = np.arange(len(diagonal), dtype=self.rows.dtype)
        pairs = (
            [(self.rows, self.columns), (self.columns, self.rows)] if self.symmetric else [(self.rows, self.columns)]
        )
        rows = np.concatenate([own, *(post for post, _ in pairs)])
        columns = np.concatenate([own, *(pre for _, pre in pairs)])
        return from_entries(rows, columns, np.concatenate([diagonal, *(values for _ in pairs)]), len(diagonal))


def adjust(how: Adjust, chosen: Chosen) -> SparseMatrix:
    """The pruned network.

    Raises:
      InputError: an adjustment that asks for dense matrices.
    """
    diagonal = np.asarray(diagonal_of(chosen.A))
    if isinstance(how, Keep | Empty):
        return chosen.matrix(chosen.weights, diagonal)
    if isinstance(how, Strengthen):
        return _strengthened(how, chosen, diagonal)
    if isinstance(how, Compensate):
        if how.solver is not None or how.ridge is not None:
            raise InputError("solver and ridge are settings of dense fits: leave them out for a sparse network.")
        fit = compensate_pairs if chosen.symmetric else compensate_rows
        kept = chosen.matrix(chosen.weights, diagonal)
        return fit(chosen.A, kept, need_samples(chosen.covariance))
    raise InputError(
        f"{type(how).__name__} looks at dense matrices, and this network is sparse and large: take Keep, Strengthen or "
        "Compensate, that is a bare name, '+keep' or '+compensation'."
    )


def _strengthened(how, chosen, diagonal):
    factors = 1 / chosen.probabilities
    if how.cap_quantile is not None:
        raise InputError("cap_quantile asks for all factors of a dense network: pass cap, the largest factor.")
    if how.cap is not None:
        factors = np.minimum(factors, how.cap)
    values = chosen.weights * factors
    if how.diagonal != "original":
        # The leak follows the weights: every row keeps its slack.
        before = np.asarray(input_of(chosen.A))
        after = np.bincount(chosen.rows, np.abs(values), len(diagonal))
        if chosen.symmetric:
            after = after + np.bincount(chosen.columns, np.abs(values), len(diagonal))
        diagonal = diagonal + (before - after).astype(diagonal.dtype)
    return chosen.matrix(values.astype(diagonal.dtype), diagonal)
