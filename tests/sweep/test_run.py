"""Sweeps: right numbers, one compilation, resumed to the same bits, nothing overwritten."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxprune
from jaxprune import linalg, pruning, sweep
from jaxprune.sweep import _evaluate
from jaxprune.sweep._evaluate import evaluate
from jaxprune.sweep._store import missing_chunks

SMALL = sweep.SweepConfig(sizes=(12, 8), bridges=12, keep=(0.3, 0.8), networks=5, chunk=2)
FAMILY = dataclasses.replace(SMALL, rules=("noise", "noise+compensation"), margin=0.1, networks=2)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return sweep.run(SMALL, tmp_path_factory.mktemp("sweep") / "small.zarr").load()


def test_dimensions_and_provenance(results):
    assert dict(results.epsilon.sizes) == {"network": 5, "rule": 4, "keep": 2}
    assert results.eigenvalue_error.dims == ("network", "rule", "keep", "mode")
    assert bool(results.finished.all())
    assert results.attrs["seed"] == 0
    assert '"jax"' in results.attrs["versions"]
    assert all(variable.attrs["description"] for variable in results.data_vars.values())


@pytest.mark.parametrize("family", ["clustered", "clustered-directed", "dale"])
def test_agrees_with_pruning_one_network_at_a_time(family, tmp_path):
    config = dataclasses.replace(FAMILY, family=family, density=0.5)
    results = sweep.run(config, tmp_path / "one.zarr")
    network_key, mask_key = jax.random.split(config.keys(0)[1])
    A = config.network(network_key)
    for rule in config.rules:
        for keep in config.keep:
            at = results.sel(network=1, rule=rule, keep=keep)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("jaxprune.pruning._prune._warn_of_fragments", lambda *_: None)
                S = pruning.prune(mask_key, A, pruning.named_rule(rule), keep=keep, symmetric=config.symmetric).matrix
            errors = linalg.spectral_errors(A, S)
            certificate = linalg.certify(A, S)
            # Sorted: the two of a conjugate pair may swap partners at equal cost.
            np.testing.assert_allclose(np.sort(at.eigenvalue_error), np.sort(errors.eigenvalue), rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(at.quadratic_error, errors.quadratic, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(at.abscissa, certificate.abscissa, rtol=1e-8)
            np.testing.assert_allclose(at.epsilon, certificate.epsilon, rtol=1e-8)
            assert int(at.guarantee) == int(certificate.guarantee)
            assert int(at.kept) == int(certificate.kept)


def test_no_bound_without_diagonal_dominance():
    """The theorem assumes it; a leak that only makes the network stable does not give it."""
    small = dict(family="gaussian-symmetric", sizes=(16,), rules=("noise",), keep=(0.9,), networks=2, chunk=2)
    promised = evaluate(sweep.SweepConfig(**small, leak="dominant"), 0, "float64")["epsilon_bound"]
    assert bool(np.isfinite(promised).all())
    unpromised = evaluate(sweep.SweepConfig(**small, leak="stable", margin=0.05), 0, "float64")["epsilon_bound"]
    assert bool(np.isnan(unpromised).all())


def test_chunks_do_not_matter(results, tmp_path):
    for chunk in (1, 4):
        other = sweep.run(dataclasses.replace(SMALL, chunk=chunk), tmp_path / f"{chunk}.zarr")
        np.testing.assert_array_equal(other.kept, results.kept)
        np.testing.assert_allclose(other.eigenvalue_error, results.eigenvalue_error, rtol=1e-9, atol=1e-12)


def test_common_coins_nest_masks_and_fractions(results):
    kept = results.kept.sel(rule=["noise", "weight", "uniform"])
    assert bool((kept.sel(keep=0.3) <= kept.sel(keep=0.8)).all())


def test_mask_and_network_are_independent():
    """The coins must not be the numbers that the weights were made of: kept counts would then miss their expectation."""
    config = dataclasses.replace(SMALL, sizes=(60, 40), rules=("weight",), keep=(0.3,), networks=16, chunk=16)
    results = evaluate(config, 0, "float64")
    synapses = results["kept"] / results["kept_fraction"]
    error = (results["kept"] - np.round(0.3 * synapses / 2) * 2).mean()
    # The count is a sum of doubled coins, variance at most 4 * pairs / 4.
    assert abs(error) < 5 * np.sqrt(synapses.mean() / 2 / 16)


def test_compiles_once_for_all_points_seeds_and_fractions(tmp_path, monkeypatch):
    """Compiled code calls these while it is traced, and only then."""
    traced = []

    def counting(name, function):
        return lambda *args, **kwargs: (traced.append(name), function(*args, **kwargs))[1]

    for name in ("apply_rule", "whitening_of_modes", "assemble", "eigenvalue_errors"):
        monkeypatch.setattr(_evaluate, name, counting(name, getattr(_evaluate, name)))
    config = dataclasses.replace(SMALL, sizes=(11, 6), keep=(0.2, 0.4, 0.6))
    sweep.run(config, tmp_path / "a.zarr")
    sweep.run(dataclasses.replace(config, seed=7, keep=(0.5,), networks=3), tmp_path / "b.zarr")
    once = {"apply_rule": len(config.rules), "whitening_of_modes": 1, "assemble": 1, "eigenvalue_errors": 1}
    assert {name: traced.count(name) for name in once} == once


def test_finished_sweep_is_not_computed_again(results, tmp_path, monkeypatch):
    sweep.run(SMALL, tmp_path / "x.zarr")
    monkeypatch.setattr("jaxprune.sweep._run.evaluate", lambda *_, **__: pytest.fail("computed again"))
    xr.testing.assert_identical(sweep.run(SMALL, tmp_path / "x.zarr").load(), results)


def test_interrupted_sweep_goes_on_to_the_same_bits(results, tmp_path):
    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.run(SMALL, tmp_path / "x.zarr", progress=stop)
    assert missing_chunks(tmp_path / "x.zarr", SMALL) == [1, 2]
    calls = []
    resumed = sweep.run(SMALL, tmp_path / "x.zarr", progress=lambda *state: calls.append(state))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    xr.testing.assert_identical(resumed.load(), results)


def test_killed_process_loses_at_most_its_chunk(tmp_path):
    command = [
        sys.executable,
        "-m",
        "jaxprune.cli",
        "sweep",
        "--sizes",
        "12",
        "8",
        "--bridges",
        "12",
        "--networks",
        "60",
    ]
    command += ["--chunk", "1", "--keep", "0.3", "0.8", "--out"]
    environment = {**os.environ, "XLA_FLAGS": ""}
    with subprocess.Popen(
        [*command, str(tmp_path / "killed.zarr")], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        finished = 0
        while finished < 2 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
            if (tmp_path / "killed.zarr").exists():
                finished = int(sweep.load(tmp_path / "killed.zarr").finished.sum())
        process.send_signal(signal.SIGKILL)
    assert finished >= 2
    assert not bool(sweep.load(tmp_path / "killed.zarr").finished.all())
    for name in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / f"{name}.zarr")], env=environment, check=True, capture_output=True)
    killed, whole = (xr.open_zarr(tmp_path / f"{name}.zarr").load() for name in ("killed", "whole"))
    xr.testing.assert_identical(killed, whole)


def test_another_config_is_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "x.zarr"
    before = sweep.run(SMALL, path).load()
    with pytest.raises(jaxprune.InputError, match=r"another config \(seed 0 there, 3 here\).*Nothing was changed"):
        sweep.run(dataclasses.replace(SMALL, seed=3), path)
    xr.testing.assert_identical(sweep.load(path).load(), before)


def test_a_place_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "precious.txt").write_text("keep me")
    with pytest.raises(jaxprune.InputError, match="not the store of a sweep"):
        sweep.run(SMALL, tmp_path / "notes")
    assert [entry.name for entry in (tmp_path / "notes").iterdir()] == ["precious.txt"]


def test_another_precision_is_refused():
    with pytest.raises(jaxprune.InputError, match="computes in float64, but the sweep in float32"):
        evaluate(SMALL, 0, "float32")


def test_a_member_that_fails_is_nan_and_alone(monkeypatch, tmp_path):
    config = dataclasses.replace(SMALL, sizes=(9, 5), rules=("noise",))
    network = sweep.SweepConfig.network

    def sometimes_unstable(self, key):
        A = network(self, key)
        bad = jnp.array_equal(jax.random.key_data(key), jax.random.key_data(jax.random.split(config.keys(0)[1])[0]))
        return jnp.where(bad, A + 50 * jnp.eye(len(A)), A)

    monkeypatch.setattr(sweep.SweepConfig, "network", sometimes_unstable)
    results = sweep.run(config, tmp_path / "x.zarr")
    failed = np.isnan(results.eigenvalue_error.sel(rule="noise")).any(("mode", "keep"))
    assert failed.values.tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": (0.0,)}, "keep is 0, but must be in"),
        ({"keep": (0.5, 0.5)}, "none of them twice"),
        ({"rules": ("nois",)}, "rule is 'nois', but must be one of noise"),
        ({"sizes": ()}, "sizes is ()"),
        ({"family": "dale", "rules": ("noise+refit",)}, "not symmetric"),
        ({"family": "feedforward", "sizes": (3, 4)}, "layers of equal size"),
        ({"networks": 0}, "networks is 0"),
        ({"bridges": -2}, "bridges is -2"),
        ({"leak": "stable"}, "margin is 0, but must be finite and positive"),
    ],
)
def test_configs_that_cannot_be_computed_are_refused(change, message, tmp_path):
    import re

    with pytest.raises(jaxprune.InputError, match=re.escape(message)):
        sweep.run(dataclasses.replace(SMALL, **change), tmp_path / "x.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("family", ["gaussian", "gaussian-symmetric", "feedforward", "low-rank"])
def test_every_family_runs(family, tmp_path):
    config = dataclasses.replace(FAMILY, family=family, sizes=(8, 8))
    results = sweep.run(config, tmp_path / "x.zarr")
    assert bool(np.isfinite(results.eigenvalue_error).all())
