"""One chunk of a sweep: prune every network of the chunk by every rule at every fraction, and measure."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import Matrix, PRNGKey, Scalar
from jaxprune.linalg import Certificate, Modes, modes, stationary_covariance
from jaxprune.linalg._certificate import assemble, realised_epsilon, relative_deviation, whitening, whitening_of_modes
from jaxprune.linalg._errors import directional_errors, eigenvalue_errors
from jaxprune.linalg._spectrum import ensemble_eigenvalues
from jaxprune.pruning import NoisePrune, apply_rule, synapse_count, theory
from jaxprune.sweep._config import SweepConfig


class Member(NamedTuple):
    """One network and what its pruned versions are compared with; computed once for all rules and fractions."""

    key: PRNGKey
    A: Matrix
    C: Matrix
    modes: Modes
    F: Matrix


class Trial(NamedTuple):
    """One pruned network, before its eigenvalues."""

    matrix: Matrix
    deviation: Matrix
    quadratic: Float[Array, " mode"]
    angle: Float[Array, " mode"]
    epsilon_bound: Scalar


def evaluate(config: SweepConfig, chunk: int, dtype: str) -> dict[str, np.ndarray]:
    """Compute one chunk of a sweep.

    Networks are made, pruned and multiplied in compiled code, vmapped over the chunk and split over the local devices; one
    program serves all rules and fractions. Eigenvalues come from `ensemble_eigenvalues`, between two such programs.

    Args:
      config: the sweep.
      chunk: which chunk.
      dtype: the precision that the sweep was started in.

    Returns:
      Arrays by variable name: (network, rule, keep[, mode]) and, for the original networks, (network, mode).

    Raises:
      InputError: this process computes in another precision.
    """
    here = str(jnp.zeros(()).dtype)
    if here != dtype:
        raise InputError(
            f"this process computes in {here}, but the sweep in {dtype}: "
            f"start every worker with JAX_ENABLE_X64={int(dtype == 'float64')}."
        )
    stages = stages_of(config)
    members = stages.member(config.keys(chunk))
    measured = []
    ahead = stages.trial(members, jnp.asarray(config.keep[0]))
    for following in (*config.keep[1:], None):
        trials = ahead
        if following is not None:
            # Dispatched before the eigenvalues of this fraction, which leave cores idle.
            ahead = stages.trial(members, jnp.asarray(following))
        measured.append(_measure(stages, members, trials, symmetric=config.symmetric))
    results = {name: np.stack([point[name] for point in measured], axis=2) for name in measured[0]}
    original = np.asarray(members.modes.eigenvalues)
    results |= {"eigenvalue_real": np.real(original), "eigenvalue_imag": np.imag(original)}
    present = min(config.chunk, config.networks - chunk * config.chunk)
    return {name: values[:present] for name, values in results.items()}


class Stages(NamedTuple):
    """The compiled programs of a sweep, each over the networks of a chunk."""

    member: Callable[[Array], Member]
    trial: Callable[[Member, Array], Trial]
    errors: Callable[[Array, Array], Array | np.ndarray]
    certificate: Callable[[Member, Trial, Array, Array], Certificate]


def stages_of(config: SweepConfig) -> Stages:
    """The programs of a sweep; sweeps that differ only in seed, fractions or number of networks share them."""
    return _stages(dataclasses.replace(config, seed=0, keep=(1.0,), networks=1))


@lru_cache(maxsize=8)
def _stages(config):
    symmetric, rules = config.symmetric, config.pruning_rules

    def member(key):
        # Split, not folded in: the network splits its own key, and fold_in(key, i) equals split(key)[i].
        network_key, mask_key = jax.random.split(key)
        A = config.network(network_key)
        C = stationary_covariance(A, structure="symmetric" if symmetric else "general")
        original = modes(A, symmetric=symmetric)
        F = whitening_of_modes(-original.eigenvalues, original.vectors) if symmetric else whitening(A)
        return Member(mask_key, A, C, original, F)

    def trial(member, keep):
        trials = [_trial(member, rule, keep, symmetric=symmetric) for rule in rules]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trials)

    def certificate(member, trials, deviations, abscissae):
        def one(trial, deviation, abscissa):
            epsilon = realised_epsilon(member.F, deviation)
            return assemble(member.A, trial.matrix, epsilon=epsilon, abscissa=abscissa, symmetric=symmetric)

        return jax.vmap(one)(trials, deviations, abscissae)

    def errors(original, pruned):
        return jax.vmap(partial(eigenvalue_errors, original))(pruned)

    chunk = config.chunk
    return Stages(
        member=_over_members(member, chunk, (0,)),
        trial=_over_members(trial, chunk, (0, None)),
        errors=_over_members(errors, chunk, (0, 0)) if symmetric else _pair_on_host,
        certificate=_over_members(certificate, chunk, (0, 0, 0, 0)),
    )


def _trial(member, rule, keep, *, symmetric):
    A = member.A
    count = synapse_count(A, keep, symmetric=symmetric)
    pruned = apply_rule(member.key, A, member.C, rule, count=count, symmetric=symmetric)
    image = pruned.matrix @ member.modes.vectors
    quadratic, angle = directional_errors(member.modes, image)
    if symmetric:
        # The whitening is made of the same eigenvectors: one product less than relative_deviation.
        scale = (-member.modes.eigenvalues) ** -0.5
        difference = jnp.diag(member.modes.eigenvalues) - member.modes.vectors.T @ image
        deviation = scale[:, None] * (difference + difference.T) / 2 * scale[None, :]
        deviation = jnp.where(jnp.all(jnp.isfinite(member.F)), deviation, 0)
    else:
        deviation = relative_deviation(member.F, A, pruned.matrix)
    covered = symmetric and isinstance(rule, NoisePrune) and (rule.method, rule.adjust, rule.diagonal) == _THEOREM
    bound = (
        theory.implied_epsilon(pruned.importance, pruned.probabilities) if covered else jnp.full((), jnp.nan, A.dtype)
    )
    return Trial(pruned.matrix, deviation, quadratic, angle, bound)


_THEOREM = ("bernoulli", "strengthen", "matched")


def _measure(stages, members, trials, *, symmetric):
    networks, rules, n, _ = trials.matrix.shape

    def spectra(matrices, symmetric):
        flat = ensemble_eigenvalues(matrices.reshape(networks * rules, n, n), symmetric=symmetric)
        return flat.reshape(networks, rules, n)

    pruned = spectra(trials.matrix, symmetric)
    certificate = stages.certificate(members, trials, spectra(trials.deviation, True), pruned[:, :, 0].real)
    measured = {
        "eigenvalue_error": stages.errors(members.modes.eigenvalues, pruned),
        "quadratic_error": trials.quadratic,
        "angle": trials.angle,
        "epsilon_bound": trials.epsilon_bound,
        **certificate._asdict(),
    }
    return {name: np.asarray(values) for name, values in measured.items()}


def _pair_on_host(original, pruned):
    """Errors of complex spectra: the assignment problem is faster solved outside compiled code, one pair after the other."""
    return np.stack([np.stack([eigenvalue_errors(a, b) for b in row]) for a, row in zip(original, pruned, strict=True)])


def _over_members(function, chunk, in_axes):
    """Vmap over the networks of a chunk, split evenly over as many local devices as divide it, and compile."""
    devices = jax.local_devices()
    while chunk % len(devices):
        devices = devices[:-1]
    mesh = Mesh(np.array(devices), ("members",))
    in_specs = tuple(PartitionSpec() if axis is None else PartitionSpec("members") for axis in in_axes)
    mapped = jax.vmap(function, in_axes=in_axes)
    return jax.jit(
        jax.shard_map(mapped, mesh=mesh, in_specs=in_specs, out_specs=PartitionSpec("members"), check_vma=False)
    )
