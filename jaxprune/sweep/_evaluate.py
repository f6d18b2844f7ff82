"""One task of a sweep: prune every network of a chunk by rules at fractions, and measure."""

import socket
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float

from jaxprune._checks import InputError, on_host
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
)
from jaxprune.pruning import (
    Keep,
    NoisePrune,
    Pruned,
    Rule,
    Strengthen,
    apply_rule,
    named_rule,
    readjust,
    rule_source,
    synapse_count,
    theory,
)
from jaxprune.sweep._config import SweepConfig
from jaxprune.sweep._spectra import Response, cores, ensemble_eigenvalues, response, responses


class Member(NamedTuple):
    """One network and what its pruned versions are compared with; computed once for all rules and fractions."""

    key: PRNGKey
    original: Reference
    C: Matrix


class Drawn(NamedTuple):
    """The survivors of one network before their weights are adjusted; no more matrices than adjusting needs.

    Attributes:
      mask, probabilities: as in `pruning.Pruned`.
      known: whether the importance was.
      bound: the epsilon that the theorem promises, where its assumption holds.
    """

    mask: Matrix
    probabilities: Matrix
    known: Array
    bound: Scalar


class Comparison(NamedTuple):
    """One pruned network that is not symmetric before its eigenvalues; fields as in `linalg.Projection`."""

    mode_error: Float[Array, " mode"]
    angle: Float[Array, " mode"]
    deviation: Matrix


class Responses(NamedTuple):
    """What noise tells of one pruned network that is not symmetric."""

    h2_error: Scalar
    stationary: Scalar
    path: Scalar


class Task(NamedTuple):
    """What is computed, and stored, together: points (rule, fraction) of the networks of one chunk."""

    chunk: int
    points: tuple[tuple[str, float], ...]


class Results(NamedTuple):
    """What a task computed: arrays over networks (and modes), for each point, and of the original networks."""

    measured: dict[tuple[str, float], dict[str, np.ndarray]]
    original: dict[str, np.ndarray]


def evaluate(config: SweepConfig, task: Task, dtype: str, sources: dict[str, dict[str, str]] | None = None) -> Results:
    """Compute one task of a sweep.

    Networks are made, pruned and multiplied in compiled code, vmapped over the chunk and split over the local devices. There is a
    program for each way to draw and each way to adjust, for all fractions: a result does not depend on what else is swept.
    Of symmetric networks on a CPU all that needs eigenvalues comes from `responses`, of others eigenvalues from
    `ensemble_eigenvalues`, between two such programs.

    Args:
      config: the sweep.
      task: the chunk and the points.
      dtype: the precision that the sweep was started in; this process computes in it, whatever it does otherwise.
      sources: where the rules from users' own modules came from when the sweep was started (`rule_sources`).

    Raises:
      InputError: this process cannot import a rule, or has another version of it.
    """
    here_sources = rule_sources(config)
    for name, source in (sources or {}).items():
        if name in here_sources and here_sources[name] != source:
            raise InputError(
                f"rule {name!r} on {socket.gethostname()} is another than the one that the sweep was started with: its file "
                "differs. Give every worker the same file."
            )
    present = min(config.chunk, config.networks - task.chunk * config.chunk)
    with jax.enable_x64(dtype == "float64"), cores() as pool:
        members = stages_of(config).member(config.keys(task.chunk))
        measured, begun = {}, []
        for keep in dict.fromkeys(keep for _, keep in task.points):
            names = [rule for rule, fraction in task.points if fraction == keep]
            begun.append(partial(_finish, keep, names, _begin(config, pool, members, names, keep), present))
            # Networks are pruned at one fraction while those at the one before are measured.
            if len(begun) > 1:
                measured |= begun.pop(0)()
        for finish in begun:
            measured |= finish()
        original = np.asarray(members.original.modes.eigenvalues)[:present]
    return Results(measured, {"eigenvalue_real": np.real(original), "eigenvalue_imag": np.imag(original)})


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
    """The compiled programs that the rules of a sweep share, each over the networks of a chunk."""

    member: Callable[[Array], Member]
    respond: Callable[[Member, Array], Response]
    compare: Callable[[Member, Array], Comparison]
    errors: Callable[[Array, Array], Array | np.ndarray]
    responses: Callable[[Member, Array], Responses]
    certificate: Callable[[Member, Array, np.ndarray, np.ndarray], Certificate]


def stages_of(config: SweepConfig) -> Stages:
    """The programs of a sweep; sweeps of one ensemble and chunk share them."""
    return _stages(config.ensemble, config.chunk)


@lru_cache(maxsize=8)
def _stages(ensemble, chunk):
    symmetric = ensemble.symmetric

    def member(key):
        # Split, not folded in: the network splits its own key, and fold_in(key, i) equals split(key)[i].
        network_key, mask_key = jax.random.split(key)
        original = reference(ensemble.network(network_key), symmetric=symmetric)
        structure = "symmetric" if symmetric else "general"
        return Member(mask_key, original, stationary_covariance(original, structure=structure))

    # A program apart: fused with the pruning, these reductions would draw every mask again.
    def certificate(member, B, deviations, abscissa):
        A, F = member.original.matrix, member.original.whitening
        found = certificate_from(A, B, F, deviations=deviations, abscissa=abscissa, symmetric=symmetric)
        # Where pruning failed, all entries are NaN, and not one of them was kept; the slack tells, without another look.
        there = jnp.isfinite(found.dominance_slack)
        return found._replace(
            kept=jnp.where(there, found.kept, 0),
            kept_fraction=jnp.where(there, found.kept_fraction, jnp.nan),
            max_amplification=jnp.where(there, found.max_amplification, jnp.nan),
        )

    return Stages(
        member=_over_members(member, chunk, (0,)),
        respond=_over_members(lambda member, B: response(member.original, B), chunk, (0, 0)),
        compare=_over_members(_compare, chunk, (0, 0)),
        errors=_over_members(eigenvalue_errors, chunk, (0, 0)) if symmetric else _pair_on_host,
        responses=_over_members(_responses, chunk, (0, 0)),
        certificate=_over_members(certificate, chunk, (0, 0, 0, 0)),
    )


@lru_cache(maxsize=64)
def _draw(rule, chunk):
    """The program that chooses the survivors in the networks of a chunk."""

    def draw(member, keep):
        A, symmetric = member.original.matrix, member.original.symmetric
        count = synapse_count(A, keep, symmetric=symmetric)
        pruned = apply_rule(member.key, A, _activity(member), rule, count=count, symmetric=symmetric)
        bound = _bound(A, pruned) if symmetric and rule == _DRAW_OF_THEOREM else jnp.full((), jnp.nan, A.dtype)
        # What is not known makes the whole matrix NaN.
        return Drawn(pruned.mask, pruned.probabilities, jnp.isfinite(pruned.matrix[0, 0]), bound)

    return _over_members(draw, chunk, (0, None))


@lru_cache(maxsize=64)
def _adjust(adjust, chunk):
    """The program that adjusts the weights of survivors; a network is NaN where what is needed for that is not known."""

    def change(member, drawn):
        A, symmetric, activity = member.original.matrix, member.original.symmetric, _activity(member)
        known = drawn.known
        if adjust.needs_activity:
            known &= jnp.all(jnp.isfinite(activity.covariance))
        pruned = Pruned(A, drawn.mask, drawn.probabilities, A)  # of which the mask and the probabilities are looked at
        found = readjust(A, pruned, adjust, activity, kind="linear", symmetric=symmetric)
        return jnp.where(known, found.matrix, jnp.nan)

    return _over_members(change, chunk, (0, 0))


def _activity(member):
    A = member.original.matrix
    return Activity(jnp.zeros(len(A), A.dtype), member.C)


def _bound(A, pruned):
    """The epsilon that the theorem promises, where its assumption holds."""
    rounding = len(A) * jnp.finfo(A.dtype).eps * jnp.max(jnp.abs(jnp.diagonal(A)))
    promised = theory.implied_epsilon(pruned.importance, pruned.probabilities)
    return jnp.where(dominance_slack(A) >= -rounding, promised, jnp.nan)


def _survivors_of(rule):
    """A rule without its adjustment: rules that differ only in that have the same survivors."""
    return Rule(rule.importance, rule.method, Keep(), rule.pairs)


_THEOREM = (NoisePrune(), NoisePrune(adjust=Strengthen(diagonal="matched")))
_DRAW_OF_THEOREM = _survivors_of(NoisePrune())


def _compare(member, B):
    """Of a network that is not symmetric, along the modes of its original."""
    seen = project(member.original, B)
    return Comparison(seen.quadratic, seen.angle, seen.deviation)


def _responses(member, B):
    """Of a network that is not symmetric."""
    A = member.original.matrix
    pair = covariances_of_pair(A, B, member.C)
    stationary, path = information_of_pair(B - A, pair)
    return Responses(h2_of_pair(pair).relative, stationary, path)


def _begin(config, pool, members, names, keep):
    """Prune the networks of a chunk by each of the rules; what measures them all is returned, and begun where threads do it."""
    stages, symmetric = stages_of(config), config.ensemble.symmetric
    keep = jnp.asarray(keep)
    rules = [named_rule(name) for name in names]
    draws = [_survivors_of(rule) for rule in rules]
    drawn = {draw: _draw(draw, config.chunk)(members, keep) for draw in dict.fromkeys(draws)}
    pruned = [_adjust(rule.adjust, config.chunk)(members, drawn[draw]) for rule, draw in zip(rules, draws, strict=True)]
    nothing = np.full(config.chunk, np.nan, keep.dtype)
    bounds = [drawn[draw].bound if rule in _THEOREM else nothing for rule, draw in zip(rules, draws, strict=True)]
    finish = _begin_responses(stages, pool, members, pruned, symmetric)
    return lambda: [_measures(stages, members, *each) for each in zip(pruned, bounds, finish(), strict=True)]


def _finish(keep, names, finish, present):
    """Measures of the networks that there are, by rule at one fraction."""
    return {
        (name, keep): {key: np.asarray(values)[:present] for key, values in found.items()}
        for name, found in zip(names, finish(), strict=True)
    }


def _begin_responses(stages, pool, members, pruned, symmetric):
    """A function that returns the `Response` to each rule."""
    if not symmetric:
        return partial(_directed_responses, stages, members, pruned)
    if not on_host(members.C):
        return lambda: [stages.respond(members, B) for B in pruned]
    waiting = [responses(pool, members.original, members.C, B) for B in pruned]
    return lambda: [wait() for wait in waiting]


def _directed_responses(stages, members, pruned):
    """Of networks that are not symmetric."""
    seen = [stages.compare(members, B) for B in pruned]
    deviations = ensemble_eigenvalues(*(part.deviation for part in seen), symmetric=True)
    spectra = ensemble_eigenvalues(*pruned, symmetric=False)
    return [
        Response(
            eigenvalues=values,
            mode_error=part.mode_error,
            angle=part.angle,
            epsilon=np.abs(deviation).max(axis=1),
            **stages.responses(members, B)._asdict(),
        )
        for B, part, deviation, values in zip(pruned, seen, deviations, spectra, strict=True)
    ]


def _measures(stages, members, B, bound, found):
    """All measures of the networks of a chunk by one rule, by their names."""
    values, epsilon = found.eigenvalues, found.epsilon[:, None]
    return {
        "eigenvalue_error": stages.errors(members.original.modes.eigenvalues, values),
        "mode_error": found.mode_error,
        "angle": found.angle,
        "epsilon_bound": bound,
        "h2_error": found.h2_error,
        "stationary": found.stationary,
        "path": found.path,
        **stages.certificate(members, B, epsilon, np.real(values[:, 0]))._asdict(),
    }


def _pair_on_host(original, pruned):
    """Errors of complex spectra: the assignment problem is faster solved outside compiled code, one pair after the other."""
    return np.stack([eigenvalue_errors(a, jnp.asarray(b)) for a, b in zip(original, pruned, strict=True)])


def _over_members(function, chunk, in_axes):
    """Vmap over the networks of a chunk, split evenly over as many local devices as divide it, and compile.

    With two networks or more to a device, a result does not depend on the number of devices, to the last bit.
    """
    devices = jax.local_devices()
    while chunk % len(devices):
        devices = devices[:-1]
    mesh = Mesh(np.array(devices), ("members",))
    in_specs = tuple(PartitionSpec() if axis is None else PartitionSpec("members") for axis in in_axes)
    mapped = jax.vmap(function, in_axes=in_axes)
    return jax.jit(
        jax.shard_map(mapped, mesh=mesh, in_specs=in_specs, out_specs=PartitionSpec("members"), check_vma=False)
    )
