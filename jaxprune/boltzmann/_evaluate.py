"""What a machine is good for: codes for a classifier, reconstructions, and the samples that it dreams up."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, Num

from jaxprune._checks import InputError
from jaxprune._types import PRNGKey, Scalar
from jaxprune.boltzmann._ais import log_partition
from jaxprune.boltzmann._binary import Data, check_data, in_chunks
from jaxprune.boltzmann._gibbs import run_gibbs, start_chains
from jaxprune.boltzmann._likelihood import log_likelihood, log_unnormalised
from jaxprune.boltzmann._machine import BoltzmannMachine, States
from jaxprune.boltzmann._mean_field import mean_field
from jaxprune.boltzmann._prune import units_left


def top_code(
    model: BoltzmannMachine, data: Data, *, sweeps: int = 50, tolerance: float = 1e-4
) -> Float[Array, "sample unit"]:
    """Mean-field probabilities of the top layer for each sample.

    Args:
      model: the machine.
      data: zeros and ones, (sample, visible).
      sweeps, tolerance: of the mean field.

    Raises:
      InputError: data that are not binary, or of another number of units.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> top_code(rbm(jax.random.key(0), visible=4, hidden=3), jnp.ones((5, 4))).shape
      (5, 3)

    Reference: Salakhutdinov2009.
    """
    check_data(data, model.sizes[0])
    return jnp.concatenate(
        [mean_field(model, chunk, sweeps=sweeps, tolerance=tolerance).states[-1] for chunk in in_chunks(data)]
    )


def reconstruction_error(model: BoltzmannMachine, data: Data, *, sweeps: int = 50, tolerance: float = 1e-4) -> Scalar:
    """Mean absolute difference of data and what the machine makes of their hidden probabilities, per visible unit.

        ⟨|v − s(b + W₀ᵀ μ₁(v))|⟩

    Args:
      model: the machine.
      data: zeros and ones, (sample, visible).
      sweeps, tolerance: of the mean field.

    Raises:
      InputError: data that are not binary, or of another number of units.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> bool(reconstruction_error(rbm(jax.random.key(0), visible=4, hidden=3), jnp.ones((5, 4))) < 1)
      True
    """
    check_data(data, model.sizes[0])
    return sum((_missed(model, chunk, sweeps, tolerance) for chunk in in_chunks(data)), jnp.zeros(())) / np.size(data)


@eqx.filter_jit
def _missed(model, data, sweeps, tolerance):
    return _missing(model, mean_field(model, data, sweeps=sweeps, tolerance=tolerance).states)


def _missing(model, states):
    return jnp.sum(jnp.abs(states[0] - jax.nn.sigmoid(model.field(states, 0))))


class Classifier(NamedTuple):
    """A classifier by scikit-learn, and its share of errors on the test data."""

    fitted: Any
    error: float


def fit_classifier(
    inputs: Num[Any, "sample unit"],
    labels: Int[np.ndarray, " sample"],
    test_inputs: Num[Any, "other unit"],
    test_labels: Int[np.ndarray, " other"],
    *,
    iterations: int = 200,
) -> Classifier:
    """Logistic regression from codes, or pixels, to classes, by scikit-learn.

    Args:
      inputs, labels: to learn from.
      test_inputs, test_labels: that the error is measured on.
      iterations: most iterations of L-BFGS.

    Raises:
      InputError: without scikit-learn; a single class.

    Example:
      >>> x = np.array([[0.0], [0.1], [0.9], [1.0]])
      >>> fit_classifier(x, np.array([0, 0, 1, 1]), x, np.array([0, 0, 1, 1])).error
      0.0
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise InputError(
            "the classifier needs the package scikit-learn: pip install 'jaxprune[experiments]'."
        ) from error
    import warnings

    if len(np.unique(labels)) < 2:
        raise InputError(f"labels holds the class {np.unique(labels)[0]} only, but a classifier needs two.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a few iterations fewer do not change the error
        fitted = LogisticRegression(max_iter=iterations).fit(np.asarray(inputs, np.float64), labels)
    return Classifier(fitted, float(1 - fitted.score(np.asarray(test_inputs, np.float64), test_labels)))


class Dreams(NamedTuple):
    r"""What a classifier of pixels says of a machine's samples.

    Attributes:
      confidence: mean probability of the likeliest class: quality.
      entropy: of the mean distribution of classes, in nats, at most the log of their number: diversity. A machine that makes
        one class only has little, however good its samples are.
      classes: mean probability of each class.
    """

    confidence: float
    entropy: float
    classes: Float[np.ndarray, " class"]


def judge_samples(classifier: Classifier, chains: States) -> Dreams:
    """Quality and diversity of the visible states of a machine's chains.

    Args:
      classifier: of visible states, from `fit_classifier`.
      chains: from `sample_moments` or `run_gibbs`.

    Example:
      >>> x = np.array([[0.0], [0.1], [0.9], [1.0]] * 20)
      >>> judge = fit_classifier(x, np.array([0, 0, 1, 1] * 20), x, np.array([0, 0, 1, 1] * 20))
      >>> judge_samples(judge, (jnp.array([[0.0], [1.0]]), jnp.zeros((2, 1)))).classes.round(1).tolist()
      [0.5, 0.5]

    Reference: Scholl2021 for the confidence; the entropy of classes is added, as it shows a collapse onto few classes.
    """
    found = classifier.fitted.predict_proba(np.asarray(chains[0], np.float64))
    classes = found.mean(axis=0)
    entropy = -float(np.sum(classes * np.log(np.maximum(classes, np.finfo(float).tiny))))
    return Dreams(float(found.max(axis=1).mean()), entropy, classes)


class MeanLogLikelihood(NamedTuple):
    """Mean log likelihood of data, in nats.

    Attributes:
      value: exact up to the partition function in a restricted machine, else a lower bound up to it.
      error: standard error of ln Z, by which it may be too high or too low.
      effective: effective number of annealing runs. Where it is a handful, ln Z is too low, the likelihood too high and the
        error too small: raise `temperatures`.
    """

    value: float
    error: float
    effective: float


def mean_log_likelihood(
    key: PRNGKey,
    model: BoltzmannMachine,
    data: Data,
    *,
    reference: Data | None = None,
    temperatures: int = 3000,
    runs: int = 256,
) -> MeanLogLikelihood:
    """Mean log likelihood of data, with ln Z by annealed importance sampling.

    Annealing starts from independent units with the means that they have under the data, from which far fewer runs go astray than
    from those of the biases.

    Args:
      key: random key.
      model: the machine.
      data: zeros and ones, (sample, visible).
      reference: data that those means are taken from; by default the same. Ten thousand samples are looked at.
      temperatures, runs: of `log_partition`.

    Raises:
      InputError: data that do not fit the machine; what `log_partition` refuses.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> machine = rbm(jax.random.key(0), visible=4, hidden=3, sd=0.0)
      >>> found = mean_log_likelihood(jax.random.key(1), machine, jnp.ones((5, 4)), temperatures=10, runs=10)
      >>> round(float(found.value / np.log(2)), 3)
      -4.0

    Reference: Salakhutdinov2008.
    """
    partition = _partition(key, model, data if reference is None else reference, temperatures, runs)
    value = float(jnp.mean(log_likelihood(model, data, partition.value)))
    return MeanLogLikelihood(value, float(partition.error), float(partition.effective))


def _partition(key, model, reference, temperatures, runs):
    check_data(reference, model.sizes[0])
    means = tuple(jnp.mean(x, axis=0) for x in mean_field(model, jnp.asarray(reference[:10_000])).states)
    return log_partition(key, model, means=means, temperatures=temperatures, chains=runs)


class Assessment(NamedTuple):
    """What is left of a machine, in numbers.

    Attributes:
      weights: synapses in all layers.
      units: hidden units that take part.
      log_likelihood, log_partition_error, effective_runs: `mean_log_likelihood` of the test data, its error, and the effective
        number of runs behind it.
      code_error: test error of a classifier on the top layer's code.
      reconstruction: `reconstruction_error` of the test data.
      confidence, entropy: of samples, as in `Dreams`.
    """

    weights: int
    units: int
    log_likelihood: float
    log_partition_error: float
    effective_runs: float
    code_error: float
    reconstruction: float
    confidence: float
    entropy: float


def assess(
    key: PRNGKey,
    model: BoltzmannMachine,
    data: Data,
    labels: Int[np.ndarray, " sample"],
    test_data: Data,
    test_labels: Int[np.ndarray, " other"],
    *,
    judge: Classifier,
    chains: States | None = None,
    temperatures: int = 3000,
    runs: int = 256,
) -> Assessment:
    """Likelihood, code, reconstruction and samples of a machine, all at once.

    Args:
      key: random key.
      model: the machine.
      data, labels: to fit the classifier of codes on.
      test_data, test_labels: that everything is measured on.
      judge: classifier of visible states, the same for all machines that are compared.
      chains: of the machine's free activity; by default 1,000 new ones after 1,000 sweeps.
      temperatures, runs: of `log_partition`.

    Raises:
      InputError: data that do not fit the machine.

    Example:
      >>> from jaxprune.boltzmann import rbm
      >>> rng = np.random.default_rng(0)
      >>> labels = rng.integers(0, 2, 200)
      >>> data = np.stack([labels, labels, 1 - labels], axis=1)
      >>> judge = fit_classifier(data, labels, data, labels)
      >>> machine = rbm(jax.random.key(0), visible=3, hidden=2)
      >>> found = assess(jax.random.key(1), machine, data, labels, data, labels, judge=judge, temperatures=50, runs=50)
      >>> found.weights, found.units
      (6, 2)

    Reference: Scholl2021 for the measures; the likelihood is added here.
    """
    partition_key, start_key, run_key = jax.random.split(key, 3)
    if chains is None:
        chains = run_gibbs(run_key, model, start_chains(start_key, model, 1000), 1000)
    partition = _partition(partition_key, model, data, temperatures, runs)
    check_data(test_data, model.sizes[0])
    seen = [_look(model, chunk) for chunk in in_chunks(test_data)]
    codes, logs, missing = (
        np.concatenate([np.atleast_1d(np.asarray(x)) for x in part]) for part in zip(*seen, strict=True)
    )
    dreams = judge_samples(judge, chains)
    return Assessment(
        sum(int(jnp.sum(mask)) for mask in model.masks),
        sum(int(jnp.sum(alive)) for alive in units_left(model.masks)[1:]),
        float(np.mean(logs) - partition.value),
        float(partition.error),
        float(partition.effective),
        fit_classifier(top_code(model, data), labels, codes, test_labels).error,
        float(np.sum(missing) / np.size(test_data)),
        dreams.confidence,
        dreams.entropy,
    )


@eqx.filter_jit
def _look(model, data):
    """Top code, log likelihood without the partition function, and what reconstruction misses, of one mean field."""
    states = mean_field(model, data).states
    return states[-1], log_unnormalised(model, states), _missing(model, states)
