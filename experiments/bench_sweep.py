"""Speed of a whole symmetric sweep, as a ratio against NumPy in the same run.

From the making of the networks to the stored measures, once against NumPy as one would first write it, and once against NumPy as
well as we know how. Times are medians after a warm-up of ours, ours and the peer's in turn; the plain peer runs once. A share is
the time that plain matrix products of as many operations would take.
"""

import dataclasses
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import rich.console
import rich.table
import scipy.linalg
import threadpoolctl
import xarray as xr

from experiments import _ceilings, _study
from jaxprune import networks, sweep
from jaxprune.linalg.parts import proven_epsilon

DIMS = ("peer",)


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      neurons: neurons of a network.
      keep: fractions kept.
      networks: number of networks.
      repeats: timed runs, after one that is not counted.
    """

    neurons: int = 1000
    keep: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
    networks: int = 4
    repeats: int = 3

    @property
    def device(self) -> str:
        """Where it runs."""
        return _ceilings.device()


def points(config: Config) -> list[_study.Row]:
    """The two peers."""
    return [{"peer": name} for name in ("plain", "best")]


def evaluate(config: Config, peer: str) -> list[_study.Row]:
    """Seconds of ours and of the peer, their ratio, and our share of the rate of a product."""
    return [_sweep(config, peer)]


def _sweep(config, name):
    n = config.neurons
    ensemble = networks.Ensemble(sizes=(n // 2, n // 10, 2 * n // 5), bridges=5 * n // 2)
    settings = sweep.SweepConfig(
        ensemble, rules=("noise", "weight", "uniform"), keep=config.keep, networks=config.networks, chunk=1
    )
    peer = {"plain": _plain_numpy, "best": _best_numpy}[name]

    def ours():
        with tempfile.TemporaryDirectory() as place:
            sweep.run(settings, f"{place}/sweep.zarr")

    def theirs(seed):
        return peer(_numpy_network(ensemble, seed), config.keep)

    def all_of_theirs():
        if name == "plain":
            return [theirs(seed) for seed in range(config.networks)]
        # A network to a core: the threads of BLAS mostly wait for each other.
        with threadpoolctl.threadpool_limits(1), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(theirs, range(config.networks)))

    measured = _study.compare(ours, all_of_theirs, 1 if name == "plain" else config.repeats)
    points = config.networks * len(config.keep) * len(settings.rules)
    # Tridiagonal form, product with its orthogonal matrix, two factorisations; of a network eigenvectors, twice, and covariance.
    operations = n**3 * (points * (4 / 3 + 2 + 2 / 3) + config.networks * (2 * 9 + 1.5))
    return measured | {"share": _ceilings.share(n, operations, measured["ours_s"])}


def _numpy_network(ensemble, seed):
    rng, n = np.random.default_rng(seed), ensemble.neurons
    cluster = np.repeat(np.arange(len(ensemble.sizes)), ensemble.sizes)
    joined = (cluster[:, None] == cluster[None, :]) & (rng.random((n, n)) < ensemble.density)
    upper = np.triu(np.where(joined, rng.normal(1, 1, (n, n)), 0), 1)
    first = rng.integers(0, n, ensemble.bridges // 2)
    second = (first + rng.integers(1, n, ensemble.bridges // 2)) % n
    np.add.at(upper, (np.minimum(first, second), np.maximum(first, second)), rng.random(ensemble.bridges // 2))
    W = upper + upper.T
    W /= 1.1 * np.linalg.eigvalsh(W)[-1]
    return W - np.diag(np.abs(W).sum(1) + ensemble.margin)


def _importances(A, C):
    variance = np.diag(C)
    weight = np.abs(A - np.diag(np.diag(A)))
    return {
        "noise": weight * (variance[:, None] + variance[None, :] - 2 * np.sign(A) * C),
        "weight": weight,
        "uniform": 1.0 * (weight > 0),
    }


def _plain_numpy(A, keep):
    """Point by point: covariance, probabilities, sample, eigenvalues of the pruned matrix, errors along modes, H2 error and
    information lost, all from the equations as they stand in the documentation."""
    rng = np.random.default_rng(0)
    out = []
    for fraction in keep:
        for rule in ("noise", "weight", "uniform"):
            values, vectors = np.linalg.eigh(A)
            C = -np.linalg.inv(A) / 2
            r = _importances(A, C)[rule]
            count = fraction * np.count_nonzero(r)
            scale = count / r.sum()
            for _ in range(50):
                full = scale * r >= 1
                refilled = (count - full.sum()) / max(r[~full].sum(), 1e-300)
                if refilled <= scale:
                    break
                scale = refilled
            p = np.minimum(1, scale * r)
            mask = np.triu(rng.random(A.shape) < p, 1)
            mask = mask | mask.T
            S = np.where(mask, A / np.where(p > 0, p, 1), 0)
            np.fill_diagonal(S, np.diag(A) + np.abs(A - np.diag(np.diag(A))).sum(1) - np.abs(S).sum(1))
            pruned = np.sort(np.linalg.eigvals(S).real)
            image = S @ vectors
            form = (vectors * image).sum(0)
            pruned_C = -np.linalg.inv(S) / 2
            rates, pruned_vectors = np.linalg.eigh(S)
            between = np.sum((vectors.T @ pruned_vectors) ** 2 / -(values[:, None] + rates[None, :]))
            h2 = np.sqrt((np.trace(C) + np.trace(pruned_C) - 2 * between) / np.trace(C))
            logarithms = np.linalg.slogdet(pruned_C)[1] - np.linalg.slogdet(C)[1]
            stationary = (np.trace(np.linalg.solve(pruned_C, C)) - len(A) + logarithms) / 2 / len(A)
            path = np.trace((A - S) @ C @ (A - S).T) / 2 / len(A)
            out.append(
                (
                    np.abs(pruned / values - 1),
                    np.abs(form / values - 1),
                    np.abs(form) / np.linalg.norm(image, axis=0),
                    h2,
                    stationary,
                    path,
                )
            )
    return out


def _best_numpy(A, keep):
    """The same measures and the certificate's epsilon, as well as we know how: everything of one network computed once, only the
    upper triangle sampled, all of a pruned network but epsilon from one tridiagonal form (`linalg.parts.reduce_symmetric`),
    epsilon by SciPy's Lanczos steps and two factorisations (`linalg.parts.proven_epsilon`), no temporary that can be spared."""
    rng = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(A)
    C = -(vectors / values) @ vectors.T / 2
    upper = np.triu_indices(len(A), 1)
    present = np.flatnonzero(A[upper])
    rows, columns = upper[0][present], upper[1][present]
    weights = A[rows, columns]
    importances = {name: r[rows, columns] for name, r in _importances(A, C).items()}
    total = np.abs(A).sum(1) + np.diag(A)
    columns_first = np.asfortranarray(vectors)
    out = []
    for r in importances.values():
        coins = rng.random(len(r))
        for fraction in keep:
            count = fraction * len(r)
            scale = count / r.sum()
            while True:
                full = scale * r >= 1
                refilled = (count - np.count_nonzero(full)) / max(r[~full].sum(), 1e-300)
                if refilled <= scale:
                    break
                scale = refilled
            p = np.minimum(1, scale * r)
            kept = np.flatnonzero(coins < p)
            S = np.zeros_like(A)
            S[rows[kept], columns[kept]] = S[columns[kept], rows[kept]] = weights[kept] / p[kept]
            np.fill_diagonal(S, np.diag(A) + total - np.abs(S).sum(1))
            pruned, along, image, residual, h2 = _numpy_reduced(S, -values, columns_first)
            out.append(
                (
                    np.abs(pruned / values[::-1] - 1),
                    np.abs(along / values),
                    np.abs(values + along) / np.sqrt(image),
                    proven_epsilon(A, S, C, stable=bool(pruned[0] < 0)),
                    h2,
                    (np.mean(along / values) - np.mean(np.log(pruned / values[::-1]))) / 2,
                    np.mean(residual / -values) / 4,
                )
            )
    return out


def _numpy_reduced(S, rates, vectors):
    """Eigenvalues of a symmetric matrix, its errors along the modes of its original, and its relative H2 error."""
    n = len(S)
    sytrd, ormqr = scipy.linalg.get_lapack_funcs(("sytrd", "ormqr"), (S,))
    reflectors, diagonal, off, scales, _ = sytrd(S.T, lower=1, lwork=64 * n)
    turned, _, _ = ormqr("L", "T", reflectors[1:, :-1], scales, vectors[1:], 64 * n)
    U = np.concatenate([vectors[:1], np.ascontiguousarray(turned)])
    image = diagonal[:, None] * U
    image[1:] += off[:, None] * U[:-1]
    image[:-1] += off[:, None] * U[1:]
    size = np.einsum("ij,ij->j", image, image)
    image += rates * U
    along, residual = np.einsum("ij,ij->j", U, image), np.einsum("ij,ij->j", image, image)
    inverse, above, shifted_inverse = 0.0, 0.0, np.zeros(n)
    left, shifted_left, form, shifted_form, term = (np.zeros(n) for _ in range(5))
    for row in range(n):
        left *= above * inverse
        left += image[row]
        shifted_left *= shifted_inverse
        shifted_left *= above
        shifted_left += image[row]
        inverse = 1 / (-diagonal[row] - above**2 * inverse)
        shifted_inverse *= -(above**2)
        shifted_inverse += rates - diagonal[row]
        np.reciprocal(shifted_inverse, out=shifted_inverse)
        np.square(left, out=term)
        term *= inverse
        form += term
        np.square(shifted_left, out=term)
        term *= shifted_inverse
        shifted_form += term
        above = off[row] if row < n - 1 else 0.0
    squared = np.sum((form - shifted_form) / (2 * rates**2))
    pruned = scipy.linalg.eigvalsh_tridiagonal(diagonal, off, lapack_driver="sterf", check_finite=False)[::-1]
    return pruned, along, size, residual, np.sqrt(squared / np.sum(1 / (2 * rates)))


def show(results: xr.Dataset) -> None:
    """Print the table."""
    table = rich.table.Table("peer", "ours, s", "peer, s", "peer / ours", "first, s", "share")
    for name in results.peer.values:
        at = results.sel(peer=name)
        table.add_row(
            f"{name} NumPy",
            *[format(float(at[key]), ".3g") for key in ("ours_s", "peer_s", "ratio", "first_s", "share")],
        )
    rich.console.Console(width=110).print(table)
    print(f"{results.attrs['device']}; share: of the rate of the product")


if __name__ == "__main__":
    _study.main(Config, points, evaluate, DIMS, show, attributes=("device",))
