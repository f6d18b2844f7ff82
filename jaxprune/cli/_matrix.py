"""Commands for one network from a file: `prune` and `certify`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxprune import linalg, networks, pruning
from jaxprune._checks import InputError, check_positive, check_seed, quoted
from jaxprune._memory import check_memory
from jaxprune.cli import _choice
from jaxprune.cli._common import check_outputs, refuse_unused, report_bytes, rule_facts, write_together
from jaxprune.cli._comparison import LARGE, compare, prepare
from jaxprune.cli._figure import Figure, figure_path, network_picture, said
from jaxprune.cli._large import check_room, compare_large
from jaxprune.cli._packaged import is_packaged, recorded_source
from jaxprune.dynamics import activity_of
from jaxprune.linalg.sparse import as_sparse, is_sparse, to_scipy
from jaxprune.networks.parts import WithLeak, choose_leak, count_synapses, with_leak
from jaxprune.pruning import Strengthen
from jaxprune.pruning.parts import Tried, stable_ones
from jaxprune.pruning.sparse import samples_for_fit

Leak = Literal["auto", "none", "scaled", "dominant", "stable"]
MATRICES = 24
"""Arrays of the size of the network's matrix that `prune` and `certify` hold at once."""
LEAKS = {"none": (), "scaled": ("--gain",), "dominant": ("--margin",), "stable": ("--margin",)}
"""Options that have an effect with each leak."""
WORM = "celegans"
"""The network that comes with the package."""
UNSTABLE = 3
"""Exit status where the pruned network is not stable."""


def prune(
    matrix: tyro.conf.Positional[Path],
    keep: float,
    out: Path,
    rule: str = "auto",
    method: Literal["bernoulli", "systematic", "top"] | None = None,
    diagonal: Literal["matched", "original"] | None = None,
    cap: float | None = None,
    leak: Leak = "auto",
    gain: float | None = None,
    margin: float | None = None,
    neurons: Path | None = None,
    seed: int = 0,
    allow_unstable: bool = False,
    figure: Figure = None,
    overwrite: bool = False,
) -> None:
    """Prune one network from a file, measure what is left of its dynamics, and certify the result.

    Writes OUT and, beside it, the certificate OUT.certificate.json; with --figure a picture of both networks, too. A pruned
    network that is not stable is not written, and the exit status is 3.

    Args:
      matrix: .npy, .npz, .mtx, or a .csv edge list `pre,post[,type],count`; entries are [post, pre]. Or celegans, the connectome
        of the worm, which comes with jaxprune.
      keep: fraction of synapses to keep, in (0, 1].
      out: the pruned matrix; its suffix chooses the format. Edge lists and .npz keep the neurons' names.
      rule: auto tries a few (noise, also with the original leak, +keep and +compensation, and weight+compensation) and takes the
        stable one with the least H2 error. Or noise (the theorem's rule), weight, uniform, activity, surgeon or greedy, alone or
        with +keep, +radius, +abscissa, +compensation, +form, +regrow, +once or +swaps (directed networks only); noise^1.5 in
        place of noise, with any exponent that is not negative; empty, the control without synapses; or module:Name for your own.
      method: how survivors are drawn, instead of the rule's own way.
      diagonal: what the leak does where survivors are strengthened by 1/p: matched (to the weights) or original.
      cap: largest factor by which a synapse may grow where survivors are strengthened by 1/p.
      leak: what to do about the diagonal: none takes the matrix as it is; scaled scales all weights by one number and gives every
        neuron a leak of 1; dominant gives each neuron a leak above its total input; stable gives all neurons one leak. auto is
        none if the diagonal is not zero, else scaled for edge lists and dominant for matrices.
      gain: with scaled, how much of its leak a neuron gets back at most; 0.9 by default.
      margin: dominance slack (dominant) or minus the spectral abscissa (stable), as a fraction of the mean total input; 0.1 by
        default.
      neurons: neuron table of an edge list, for signs.
      seed: seed of the draw.
      allow_unstable: write the pruned network also if it is not stable.
      figure: draw weights and spectrum before and after, the error of each mode, and the activity of both networks under the same
        noise; into OUT with the suffix .png, or into PATH.
      overwrite: replace existing files.
    """
    report = out.with_name(out.name + ".certificate.json")
    picture = None if figure is None else figure_path(figure, out)
    beside = [report] if picture is None else [report, picture]
    check_outputs(out, *beside, suffixes=networks.MATRIX_SUFFIXES, overwrite=overwrite)
    check_seed("seed", seed)
    chosen = _rule(rule, method, diagonal, cap)
    original = _dynamics(matrix, neurons, leak, gain, margin)
    A, key = original.given.matrix, jax.random.key(seed)
    large = is_sparse(A)
    symmetric = None if large else linalg.is_symmetric(A)
    before = linalg.stability(A)
    if not before.known:
        raise InputError(
            f"{matrix} may be unstable: the search for its slowest mode did not converge (so far {before.abscissa:.4g}). Pass "
            "--leak scaled or dominant, which prove that it is stable."
        )
    if not before.stable:
        raise InputError(
            f"{matrix} is singular or unstable (spectral abscissa {before.abscissa:.4g}): its activity never comes to rest, and "
            "says nothing. Pass --leak scaled, dominant or stable."
        )
    activity = _activity(A, keep)
    tried: list[Tried] = []
    probes = None if large else prepare(A)
    if chosen is None:
        tried = _choice.try_rules(key, A, activity, keep, probes)
        chosen, pruned, name = tried[0].rule, tried[0].pruned, _choice.options(tried[0].name)["--rule"]
    else:
        pruned, name = (
            pruning.prune(key, A, chosen, keep=keep, symmetric=symmetric, activity=activity, warn=False),
            rule,
        )
    pruning.warn_of_fragments(A, pruned.mask)
    stability = linalg.stability(pruned.matrix)
    if not stability.stable and not allow_unstable:
        tried = tried or _choice.try_rules(key, A, activity, keep, probes)
        print(_unstable(stability, before, tried), file=sys.stderr)
        sys.exit(UNSTABLE)
    compared = _compared(A, pruned.matrix, activity, probes, (before, stability))
    facts = {
        "matrix": original.source,
        "neurons": A.shape[0],
        "synapses": count_synapses(A),
        "self_synapses_left_out": original.given.left_out,
        "components": networks.count_components(pruned.mask),
        "rule": rule_facts(name, chosen),
        "tried": [_choice.facts(one) for one in tried],
        "keep": keep,
        "leak": original.leak_facts(),
        "seed": seed,
        **compared.facts(),
    }
    content = networks.matrix_bytes(out, pruned.matrix, names=original.names)
    drawn = {} if picture is None else {picture: network_picture(A, pruned.matrix, original.names)}
    write_together({out: content, report: report_bytes(facts)} | drawn)
    original.show()
    if tried:
        _choice.show(tried)
    compared.show()
    if not stability.stable:
        print(f"\n{stability.words.upper()}: nothing above says what the pruned network will do.")
    print(f"\npruned {out}   certificate {report}{said(picture)}")


def certify(
    a: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")],
    b: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="B")],
    leak: Leak = "auto",
    gain: float | None = None,
    margin: float | None = None,
    neurons: Path | None = None,
    out: Path | None = None,
    figure: Figure = None,
    overwrite: bool = False,
) -> None:
    """Certify a pruned matrix B against its original A, both from files.

    Neurons are matched by name where both files have names, else by their order.

    Args:
      a: the original, as for `prune`; celegans, too.
      b: the pruned matrix.
      leak: what to do about A's diagonal, as for `prune`; B is taken as it is.
      gain: as for `prune`.
      margin: as for `prune`.
      neurons: neuron table of an edge list, for signs.
      out: write the certificate here as JSON, too.
      figure: draw both networks, as `prune` does; into OUT, or without one into B, with the suffix .png, or into PATH.
      overwrite: replace existing files.
    """
    picture = None if figure is None else figure_path(figure, b if out is None else out)
    if out is not None:
        check_outputs(out, suffixes=(".json",), overwrite=overwrite)
    if picture is not None:
        check_outputs(picture, suffixes=(".png",), overwrite=overwrite)
    original = _dynamics(a, neurons, leak, gain, margin)
    A = original.given.matrix
    pruned = networks.read_matrix(b, sparse=is_sparse(A))
    B = _in_order(original.names, pruned, a, b)
    compared = _compared(A, B, _activity(A), None if is_sparse(B) else prepare(A))
    facts = {"original": original.source, "pruned": str(b), "leak": original.leak_facts(), **compared.facts()}
    content = {} if out is None else {out: report_bytes(facts)}
    if picture is not None:
        content[picture] = network_picture(A, B, original.names)
    write_together(content)
    original.show()
    compared.show()
    if not compared.pruned.stable:
        print(f"\n{compared.pruned.words.upper()}: spectral abscissa {compared.pruned.abscissa:.4g}.")
    if picture is not None:
        print(f"\nfigure {picture}")


COMMANDS = {"prune": prune, "certify": certify}


def _activity(A, keep=None):
    """Under unit white noise; of a large network its covariance to seven digits, in half the time, or samples.

    Of samples there are as many as fits of the fraction `keep` need, whatever the rule, so that all rules that are tried see the
    same ones.
    """
    if is_sparse(A):
        symmetric = linalg.sparse.asymmetry(A) is None
        fewest = 2 if keep is None else samples_for_fit(A, keep, symmetric)
        return linalg.sampled_covariance(jax.random.key(0), A, symmetric=symmetric, fewest=fewest)
    return activity_of(linalg.stationary_covariance(A if len(A) <= LARGE else A.astype(jnp.float32)))


def _compared(A, B, activity, probes, stability=None):
    if is_sparse(A):
        return compare_large(A, B, activity, stability)
    return compare(A, B, C=activity.covariance, probes=probes, stability=stability)


def _rule(name, method, diagonal, cap):
    """The rule of that name with the options given; None for auto."""
    options = {"--method": method, "--diagonal": diagonal, "--cap": cap}
    if name == "auto":
        refuse_unused("--rule auto", options, used=())
        return None
    rule = pruning.named_rule(name)
    grows = isinstance(rule.adjust, Strengthen)
    refuse_unused(f"--rule {name}", options, used=options if grows else ("--method",))
    return _choice.with_options(rule, method=method, diagonal=diagonal, cap=cap)


class _Original(NamedTuple):
    """A network from a file with its leak, and what was done to it; its matrix is sparse if it is large."""

    source: str
    packaged: bool
    names: tuple[str, ...]
    given: WithLeak

    def leak_facts(self):
        """The leak as it is recorded."""
        return {"kind": self.given.leak} | self.given.settings | self.given.facts

    def show(self):
        """Print where the network is from, if it is from no file; what was left out; and what was added."""
        if self.packaged:
            print(f"network: the {WORM} that comes with jaxprune, {len(self.names)} neurons (Varshney et al. 2011)")
        settings = (f"--{name} {value:g}" for name, value in self.given.settings.items())
        print("\n".join(self.given.lines(" ".join((f"--leak {self.given.leak}", *settings)))))


def _dynamics(path, neurons, leak, gain, margin) -> _Original:
    """A file's network, or the packaged one, with the leak that it has or is given."""
    packaged = is_packaged(path, WORM, networks.MATRIX_SUFFIXES)
    if packaged:
        refuse_unused(f"{WORM}, whose neurons are known", {"--neurons": neurons}, used=())
        network = networks.celegans()
    else:
        network = networks.read_matrix(path, neurons=neurons)
    source = recorded_source(path, packaged)
    W: Any = network.matrix
    size = W.shape[0]
    if is_sparse(W):
        check_room(W)
    else:
        dense = MATRICES * W.dtype.itemsize * size**2
        check_memory(f"a network of {size} neurons, as a dense matrix,", dense, "prune a part of it.")
    leak = choose_leak(W, leak, counts=packaged or path.suffix == ".csv")
    refuse_unused(f"the leak {leak!r}", {"--gain": gain, "--margin": margin}, used=LEAKS[leak])
    if margin is not None:
        check_positive("--margin", margin, zero=leak == "dominant")
    remedy = "mend it, or pass --leak scaled, dominant or stable, which put a leak in its place."
    given = with_leak(network, leak, name=str(path), gain=gain, margin=margin, remedy=remedy)
    return _Original(source, packaged, network.names, given)


def _unstable(found, original, tried):
    """One line: what is wrong, and which rules were measured to be stable here."""
    stable = stable_ones(tried, _choice.said)
    remedy = f"stable here: {stable}" if stable else "of the rules of --rule auto none is stable here: keep more"
    return (
        f"{found.words.upper()}: spectral abscissa {found.abscissa:.4g} (original {original.abscissa:.4g}). Nothing was written; "
        f"{remedy}. --allow-unstable writes it all the same."
    )


def _in_order(names, pruned, a, b):
    """The pruned matrix with its neurons in the order of the original's."""
    numbers = tuple(str(i) for i in range(len(pruned.names)))
    if len(names) == len(pruned.names) and pruned.names == numbers:
        return pruned.matrix
    if sorted(names) != sorted(pruned.names):
        other = sorted(set(names) ^ set(pruned.names))
        which = f", for example {quoted(other[0])}" if other and len(names) == len(pruned.names) else ""
        raise InputError(
            f"{a} has {len(names)} neurons and {b} has {len(pruned.names)}, or other names{which}: they must be of one network."
        )
    places = {name: place for place, name in enumerate(pruned.names)}
    order = np.array([places[name] for name in names])
    if is_sparse(pruned.matrix):
        return as_sparse(str(b), to_scipy(pruned.matrix)[order][:, order])
    return pruned.matrix[np.ix_(order, order)]
