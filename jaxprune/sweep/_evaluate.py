"""One chunk of a sweep: prune every network of the chunk by every rule at every fraction, and measure."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float

from jaxprune._checks import InputError
from jaxprune._types import Matrix, PRNGKey, Scalar
from jaxprune.linalg import Certificate, Modes, dominance_slack, modes, stationary_covariance
from jaxprune.linalg._certificate import assemble, realised_epsilon, relative_deviation, whitening, whitening_of_modes
from jaxprune.linalg._errors import directional_errors, eigenvalue_errors
from jaxprune.linalg._products import symmetric_product
from jaxprune.pruning import NoisePrune, apply_rule, synapse_count, theory
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._spectra import ensemble_eigenvalues


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
    measured = [
        _measure(stages, members, stages.trial(members, jnp.asarray(keep)), symmetric=config.symmetric)
        for keep in config.keep
    ]
    results = {name: np.stack([point[name] for point in measured], axis=2) for name in measured[0]}
    original = np.asarray(members.modes.eigenvalues)
    results |= {"eigenvalue_real": np.real(original), "eigenvalue_imag": np.imag(original)}
    present = min(config.chunk, config.networks - chunk * config.chunk)
    return {name: values[:present] for name, values in results.items()}


class Stages(NamedTuple):
    """The compiled programs of a sweep, each over the networks of a chunk."""

    member: Callable[[Array], Member]
    trial: Callable[[Member, Array], tuple[Trial, ...]]
    errors: Callable[[Array, Array], Array | np.ndarray]
    certificate: Callable[[Member, Array, Array, Array], Certificate]


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
        original = modes(A, symmetric=symmetric)
        if symmetric:
            # From the same eigenvectors: F F^T = M^-1, and the covariance is half of it.
            F = whitening_of_modes(-original.eigenvalues, original.vectors)
            return Member(mask_key, A, symmetric_product(F, F.T) / 2, original, F)
        return Member(mask_key, A, stationary_covariance(A, structure="general"), original, whitening(A))

    def trial(member, keep):
        return tuple(_trial(member, rule, keep, symmetric=symmetric) for rule in rules)

    # A program apart: fused with the pruning, these reductions would draw every mask again.
    def certificate(member, B, deviations, abscissa):
        epsilon = realised_epsilon(member.F, deviations)
        return assemble(member.A, B, epsilon=epsilon, abscissa=abscissa, symmetric=symmetric)

    chunk = config.chunk
    return Stages(
        member=_over_members(member, chunk, (0,)),
        trial=_over_members(trial, chunk, (0, None)),
        errors=_over_members(eigenvalue_errors, chunk, (0, 0)) if symmetric else _pair_on_host,
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
        difference = jnp.diag(member.modes.eigenvalues) - symmetric_product(member.modes.vectors.T, image)
        deviation = scale[:, None] * difference * scale[None, :]
        deviation = jnp.where(jnp.all(jnp.isfinite(member.F)), deviation, 0)
    else:
        deviation = relative_deviation(member.F, A, pruned.matrix)
    bound = jnp.full((), jnp.nan, A.dtype)
    if symmetric and isinstance(rule, NoisePrune) and (rule.method, rule.adjust, rule.diagonal) == _THEOREM:
        rounding = len(A) * jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(jnp.diagonal(A)))
        promised = theory.implied_epsilon(pruned.importance, pruned.probabilities)
        bound = jnp.where(dominance_slack(A) >= -rounding, promised, bound)
    return Trial(pruned.matrix, deviation, quadratic, angle, bound)


_THEOREM = ("bernoulli", "strengthen", "matched")


def _measure(stages, members, trials, *, symmetric):
    matrices, deviations = [trial.matrix for trial in trials], [trial.deviation for trial in trials]
    if symmetric:
        values = ensemble_eigenvalues(*matrices, *deviations, symmetric=True)
        pruned, deviations = values[: len(trials)], values[len(trials) :]
    else:
        pruned = ensemble_eigenvalues(*matrices, symmetric=False)
        deviations = ensemble_eigenvalues(*deviations, symmetric=True)
    measured = [
        {
            "eigenvalue_error": stages.errors(members.modes.eigenvalues, values),
            "quadratic_error": trial.quadratic,
            "angle": trial.angle,
            "epsilon_bound": trial.epsilon_bound,
            **stages.certificate(members, trial.matrix, deviation, np.real(values[:, 0]))._asdict(),
        }
        for trial, values, deviation in zip(trials, pruned, deviations, strict=True)
    ]
    return {name: np.stack([rule[name] for rule in measured], axis=1) for name in measured[0]}


def _pair_on_host(original, pruned):
    """Errors of complex spectra: the assignment problem is faster solved outside compiled code, one pair after the other."""
    return np.stack([eigenvalue_errors(a, jnp.asarray(b)) for a, b in zip(original, pruned, strict=True)])


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
