"""A user's own network: read from an uploaded file, given a leak, pruned, and offered for download."""

import math
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxprune import linalg, networks
from jaxprune._checks import InputError, quoted
from jaxprune.explore._network import Original, Outcome, look_at, outcome_of, prune
from jaxprune.linalg.sparse import is_sparse
from jaxprune.networks.parts import choose_leak, with_leak
from jaxprune.pruning.parts import Tried, stable_ones, try_rules

LIMIT = 500
"""Neurons at most: so many are pruned and measured in a few seconds."""
BYTES = 20_000_000
"""Size of the file at most."""
SUFFIXES = networks.MATRIX_SUFFIXES
LEAKS = {
    "as in the file, else added": "auto",
    "as in the file": "none",
    "scaled: all weights times one number, leak 1": "scaled",
    "dominant: above each neuron's total input": "dominant",
    "stable: one leak for all": "stable",
}
"""What is done about the diagonal, by what the page calls it."""
AUTO = "try a few, take the best stable one"


class Upload(NamedTuple):
    """A network from a file: looked at, with its neurons' names, and what was done to it, one line each."""

    original: Original
    names: tuple[str, ...]
    notes: tuple[str, ...]


class Result(NamedTuple):
    """What became of it: the rule that was taken, its outcome, and what was tried."""

    rule: str
    outcome: Outcome
    tried: tuple[Tried, ...]


def read_upload(name: str, content: bytes, leak: str) -> Upload:
    """Read an uploaded matrix or edge list.

    Args:
      name: of the file; its suffix says its format.
      content: its bytes.
      leak: one of the values of `LEAKS`.

    Raises:
      InputError: what cannot be read, is too large, has no synapse, or is unstable with this leak.
    """
    if len(content) > BYTES:
        raise InputError(
            f"{quoted(name)} has {math.ceil(len(content) / 1e5) / 10:.1f} MB, but at most {BYTES / 1e6:.0f} are taken here."
        )
    return _with_leak(quoted(name), _read(name, content), leak, counts=Path(name).suffix.lower() == ".csv")


def packaged(leak: str) -> Upload:
    """The connectome that comes with the package, `networks.celegans`, as if it had been uploaded.

    Args:
      leak: one of the values of `LEAKS`.

    Raises:
      InputError: it is unstable with this leak.
    """
    return _with_leak("the connectome of C. elegans", networks.celegans(), leak, counts=True)


def prune_upload(upload: Upload, rule: str, keep: float, seed: int) -> Result:
    """Prune an uploaded network.

    Args:
      upload: from `read_upload`.
      rule: its name, or `AUTO`.
      keep: fraction of synapses to keep.
      seed: of the draw of survivors.

    Raises:
      InputError: as `prune` of the page of random networks.
    """
    if rule != AUTO:
        found = prune(upload.original, rule, keep, seed)
        return Result(rule, found, () if found.stability.stable else _try(upload, keep, seed))
    tried = _try(upload, keep, seed)
    best: Any = tried[0].pruned
    return Result(tried[0].name, outcome_of(upload.original, best), tried)


def remedy(result: Result) -> str:
    """What to do about a pruned network that is not stable, in one line; nothing about one that is."""
    if result.outcome.stability.stable:
        return ""
    stable = stable_ones(result.tried)
    return (
        f"Stable here: {stable}."
        if stable
        else "Of the rules that are tried by themselves none is stable here: keep more."
    )


def download(upload: Upload, result: Result) -> bytes:
    """The pruned network as `jaxprune prune` writes it: an .npz with the neurons' names."""
    return networks.matrix_bytes("pruned.npz", result.outcome.pruned.matrix, names=upload.names)


def _with_leak(what, network, leak, *, counts):
    """A network with the leak that is asked for; one that counts synapses is scaled unless something else is."""
    W: Any = network.matrix
    size = W.shape[0]
    if size > LIMIT:
        raise InputError(
            f"{what} has {size:,} neurons, but at most {LIMIT} are taken here: `jaxprune prune` takes larger ones."
        )
    network = network._replace(matrix=W.todense() if is_sparse(W) else W)
    leak = choose_leak(W, leak, counts=counts)
    remedy = "mend it, or choose a leak to be put in its place."
    given = with_leak(network, leak, name=what, remedy=remedy)
    how = ", ".join((leak, *(f"{name} {value:g}" for name, value in given.settings.items())))
    return Upload(look_at(given.matrix), network.names, (f"{size} neurons", *given.lines(how)))


def _read(name, content):
    """The network of a file, read in a folder of its own, which no message names."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{quoted(name)} has the suffix {suffix!r}, but must be one of {', '.join(SUFFIXES)}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(content)
        try:
            return networks.read_matrix(path, sparse=True)
        except InputError as error:
            raise InputError(str(error).replace(str(path), quoted(name))) from None


def _try(upload, keep, seed):
    original = upload.original

    def score(B):
        return float(linalg.h2_error(original.matrix, B, symmetric=original.symmetric).relative)

    return tuple(
        try_rules(
            jax.random.key(seed),
            original.matrix,
            original.activity,
            keep,
            symmetric=original.symmetric,
            criterion="H2 error",
            score=score,
        )
    )
