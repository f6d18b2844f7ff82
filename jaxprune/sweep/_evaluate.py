"""One chunk of a sweep: prune every network of the chunk by every rule at every fraction, and measure."""

import dataclasses
import socket
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
from jaxprune.dynamics import Activity, activity_of
from jaxprune.linalg import (
    Certificate,
    Reference,
    dominance_slack,
    eigenvalue_errors,
    project,
    reference,
    stationary_covariance,
)
from jaxprune.linalg.parts import (
    certificate_from,
    covariances_of_pair,
    h2_of_pair,
    information_of_pair,
    path_divergence,
    realised_divergence,
)
from jaxprune.pruning import NoisePrune, Strengthen, apply_rule, rule_source, synapse_count, theory
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._spectra import ensemble_eigenvalues, ensemble_responses


class Member(NamedTuple):
    """One network and what its pruned versions are compared with; computed once for all rules and fractions."""

    key: PRNGKey
    original: Reference
    C: Matrix


class PrunedMember(NamedTuple):
    """One pruned network, before its eigenvalues; fields as in `linalg.Projection`, the residual for symmetric networks only."""

    matrix: Matrix
    mode_error: Float[Array, " mode"]
    angle: Float[Array, " mode"]
    deviation: Matrix
    residual: Matrix | None
    epsilon_bound: Scalar
    path: Scalar


class Responses(NamedTuple):
    """What noise tells of one pruned network that is not symmetric."""

    h2_error: Scalar
    stationary: Scalar
    path: Scalar


def evaluate(
    config: SweepConfig, chunk: int, dtype: str, sources: dict[str, dict[str, str]] | None = None
) -> dict[str, np.ndarray]:
    """Compute one chunk of a sweep.

    Networks are made, pruned and multiplied in compiled code, vmapped over the chunk and split over the local devices; one
    program serves all rules and fractions. Eigenvalues come from `ensemble_eigenvalues`, between two such programs.

    Args:
      config: the sweep.
      chunk: which chunk.
      dtype: the precision that the sweep was started in.
      sources: where the rules from users' own modules came from when the sweep was started (`rule_sources`).

    Returns:
      Arrays by variable name: (network, rule, keep[, mode]) and, for the original networks, (network, mode).

    Raises:
      InputError: this process computes in another precision, cannot import a rule, or has another version of it.
    """
    here = str(jnp.zeros(()).dtype)
    if here != dtype:
        raise InputError(
            f"this process computes in {here}, but the sweep in {dtype}: "
            f"start every worker with JAX_ENABLE_X64={int(dtype == 'float64')}."
        )
    here_sources = rule_sources(config)
    for name, source in (sources or {}).items():
        if here_sources[name] != source:
            raise InputError(
                f"rule {name!r} on {socket.gethostname()} is another than the one that the sweep was started with: its file "
                "differs. Give every worker the same file."
            )
    stages = stages_of(config)
    members = stages.member(config.keys(chunk))
    measured = [
        _measure(stages, members, stages.trial(members, jnp.asarray(keep)), symmetric=config.ensemble.symmetric)
        for keep in config.keep
    ]
    results = {name: np.stack([point[name] for point in measured], axis=2) for name in measured[0]}
    original = np.asarray(members.original.modes.eigenvalues)
    results |= {"eigenvalue_real": np.real(original), "eigenvalue_imag": np.imag(original)}
    present = min(config.chunk, config.networks - chunk * config.chunk)
    return {name: values[:present] for name, values in results.items()}


def rule_sources(config: SweepConfig) -> dict[str, dict[str, str]]:
    """Where the rules of a sweep that are not this package's come from: module, name, and SHA-256 of the file."""
    found = {name: rule_source(name) for name in config.rules}
    return {name: source for name, source in found.items() if source is not None}


def try_rules(config: SweepConfig) -> None:
    """Try every rule from outside on the first network, so that what is wrong with it is said before anything is stored.

    Raises:
      InputError: a rule that fails, or whose importance cannot be used.
    """
    outside = [(name, rule) for name, rule in zip(config.rules, config.pruning_rules, strict=True) if ":" in name]
    if not outside:
        return
    network_key, mask_key = jax.random.split(config.keys(0)[0])
    A, symmetric = config.ensemble.network(network_key), config.ensemble.symmetric
    activity = activity_of(stationary_covariance(A, structure="symmetric" if symmetric else "general"))
    count = synapse_count(A, config.keep[0], symmetric=symmetric)
    for name, rule in outside:
        try:
            apply_rule(mask_key, A, activity, rule, count=count, symmetric=symmetric)
        except InputError as error:
            raise InputError(f"rule {name!r}: {error}") from error
        except Exception as error:  # a user's rule can fail in any way
            raise InputError(
                f"rule {name!r} fails on the first network of this sweep ({type(error).__name__}: {error})."
            ) from error


class Stages(NamedTuple):
    """The compiled programs of a sweep, each over the networks of a chunk."""

    member: Callable[[Array], Member]
    trial: Callable[[Member, Array], tuple[PrunedMember, ...]]
    errors: Callable[[Array, Array], Array | np.ndarray]
    divergence: Callable[[Array, Array], Array]
    responses: Callable[[Member, Array], Responses]
    certificate: Callable[[Member, Array, Array, Array], Certificate]


def stages_of(config: SweepConfig) -> Stages:
    """The programs of a sweep; sweeps that differ only in seed, fractions or number of networks share them."""
    return _stages(dataclasses.replace(config, seed=0, keep=(1.0,), networks=1, rules=()), config.pruning_rules)


@lru_cache(maxsize=8)
def _stages(config, rules):
    ensemble, symmetric = config.ensemble, config.ensemble.symmetric

    def member(key):
        # Split, not folded in: the network splits its own key, and fold_in(key, i) equals split(key)[i].
        network_key, mask_key = jax.random.split(key)
        original = reference(ensemble.network(network_key), symmetric=symmetric)
        structure = "symmetric" if symmetric else "general"
        return Member(mask_key, original, stationary_covariance(original, structure=structure))

    def trial(member, keep):
        return tuple(_prune_member(member, rule, keep) for rule in rules)

    # A program apart: fused with the pruning, these reductions would draw every mask again.
    def certificate(member, B, deviations, abscissa):
        A, F = member.original.matrix, member.original.whitening
        return certificate_from(A, B, F, deviations=deviations, abscissa=abscissa, symmetric=symmetric)

    chunk = config.chunk
    return Stages(
        member=_over_members(member, chunk, (0,)),
        trial=_over_members(trial, chunk, (0, None)),
        errors=_over_members(eigenvalue_errors, chunk, (0, 0)) if symmetric else _pair_on_host,
        divergence=_over_members(realised_divergence, chunk, (0, 0)),
        responses=_over_members(_responses, chunk, (0, 0)),
        certificate=_over_members(certificate, chunk, (0, 0, 0, 0)),
    )


def _prune_member(member, rule, keep):
    A, symmetric = member.original.matrix, member.original.symmetric
    count = synapse_count(A, keep, symmetric=symmetric)
    activity = Activity(jnp.zeros(len(A), A.dtype), member.C)
    pruned = apply_rule(member.key, A, activity, rule, count=count, symmetric=symmetric)
    bound = jnp.full((), jnp.nan, A.dtype)
    if symmetric and rule in _THEOREM:
        rounding = len(A) * jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(jnp.diagonal(A)))
        promised = theory.implied_epsilon(pruned.importance, pruned.probabilities)
        bound = jnp.where(dominance_slack(A) >= -rounding, promised, bound)
    seen = project(member.original, pruned.matrix)
    residual, path = None, jnp.full((), jnp.nan, A.dtype)
    if symmetric:
        residual, path = seen.residual, path_divergence(member.original.modes.eigenvalues, seen.residual)
    return PrunedMember(pruned.matrix, seen.quadratic, seen.angle, seen.deviation, residual, bound, path)


_THEOREM = (NoisePrune(), NoisePrune(adjust=Strengthen(diagonal="matched")))


def _responses(member, B):
    """Of a network that is not symmetric."""
    A = member.original.matrix
    pair = covariances_of_pair(A, B, member.C)
    stationary, path = information_of_pair(B - A, pair)
    return Responses(h2_of_pair(pair).relative, stationary, path)


def _measure(stages, members, pruned, *, symmetric):
    deviations = ensemble_eigenvalues(*(part.deviation for part in pruned), symmetric=True)
    if symmetric:
        found = ensemble_responses(members.original.modes, *((part.matrix, part.residual) for part in pruned))
        spectra = [values for values, _ in found]
        responses = [
            {
                "h2_error": error,
                "stationary": stages.divergence(members.original.whitening, deviation),
                "path": part.path,
            }
            for part, deviation, (_, error) in zip(pruned, deviations, found, strict=True)
        ]
    else:
        spectra = ensemble_eigenvalues(*(part.matrix for part in pruned), symmetric=False)
        responses = [stages.responses(members, part.matrix)._asdict() for part in pruned]
    measured = [
        {
            "eigenvalue_error": stages.errors(members.original.modes.eigenvalues, values),
            "mode_error": part.mode_error,
            "angle": part.angle,
            "epsilon_bound": part.epsilon_bound,
            **response,
            **stages.certificate(members, part.matrix, deviation, np.real(values[:, 0]))._asdict(),
        }
        for part, values, deviation, response in zip(pruned, spectra, deviations, responses, strict=True)
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
