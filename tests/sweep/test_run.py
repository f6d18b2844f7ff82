"""Sweeps: right numbers, one compilation, resumed to the same bits, nothing overwritten."""

import dataclasses
import functools
import hashlib
import json
import os
import re
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
from jaxprune import linalg, networks, pruning, sweep
from jaxprune.sweep import _evaluate
from jaxprune.sweep._evaluate import Task, evaluate
from jaxprune.sweep._store import opened

ENSEMBLE_FIELDS = {field.name for field in dataclasses.fields(networks.Ensemble)}


def changed(config, **changes):
    """A config with other settings, of the sweep or of its ensemble."""
    of_ensemble = {name: changes.pop(name) for name in ENSEMBLE_FIELDS & set(changes)}
    return dataclasses.replace(config, ensemble=dataclasses.replace(config.ensemble, **of_ensemble), **changes)


def computed(config, chunk=0):
    """All measures of a chunk, over network, rule and keep, not stored."""
    points = tuple((rule, keep) for rule in config.rules for keep in config.keep)
    measured = evaluate(config, Task(chunk, points), "float64").measured
    names = measured[points[0]]
    return {
        name: np.stack(
            [np.stack([measured[rule, keep][name] for keep in config.keep], 1) for rule in config.rules], axis=1
        )
        for name in names
    }


SMALL = sweep.SweepConfig(networks.Ensemble(sizes=(12, 8), bridges=12), keep=(0.3, 0.8), networks=5, chunk=2)
FAMILY = changed(SMALL, rules=("noise", "noise+compensation"), margin=0.1, networks=2)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return sweep.run(SMALL, tmp_path_factory.mktemp("sweep") / "small.zarr").load()


def test_dimensions_and_provenance(results):
    assert dict(results.epsilon.sizes) == {"network": 5, "rule": 7, "keep": 2}
    assert results.eigenvalue_error.dims == ("network", "rule", "keep", "mode")
    assert bool(results.finished.all())
    assert results.attrs["seed"] == 0
    assert '"jax"' in results.attrs["versions"]
    assert all(variable.attrs["description"] for variable in results.data_vars.values())


@pytest.mark.parametrize("family", ["clustered", "clustered-directed", "dale"])
def test_agrees_with_pruning_one_network_at_a_time(family, tmp_path):
    config = changed(FAMILY, family=family, density=0.5)
    results = sweep.run(config, tmp_path / "one.zarr")
    network_key, mask_key = jax.random.split(config.keys(0)[1])
    A = config.ensemble.network(network_key)
    for rule in config.rules:
        for keep in config.keep:
            at = results.sel(network=1, rule=rule, keep=keep)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("jaxprune.pruning._prune.warn_of_fragments", lambda *_: None)
                S = pruning.prune(
                    mask_key, A, pruning.named_rule(rule), keep=keep, symmetric=config.ensemble.symmetric
                ).matrix
            errors = linalg.spectral_errors(A, S)
            certificate = linalg.certify(A, S)
            # Sorted: the two of a conjugate pair may swap partners at equal cost.
            np.testing.assert_allclose(np.sort(at.eigenvalue_error), np.sort(errors.eigenvalue), rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(at.mode_error, errors.quadratic, rtol=1e-6, atol=1e-8)
            lost = linalg.information_lost(A, S)
            np.testing.assert_allclose(at.h2_error, linalg.h2_error(A, S).relative, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(at.stationary, lost.stationary, rtol=1e-6)
            np.testing.assert_allclose(at.path, lost.path, rtol=1e-8)
            np.testing.assert_allclose(at.abscissa, certificate.abscissa, rtol=1e-8)
            np.testing.assert_allclose(at.epsilon, certificate.epsilon, rtol=1e-8)
            assert int(at.guarantee) == int(certificate.guarantee)
            assert int(at.kept) == int(certificate.kept)


def test_no_bound_without_diagonal_dominance():
    """The theorem assumes it; a leak that only makes the network stable does not give it."""
    small = changed(SMALL, family="gaussian-symmetric", sizes=(16,), rules=("noise",), keep=(0.9,), networks=2)
    promised = computed(changed(small, leak="dominant"), 0)["epsilon_bound"]
    assert bool(np.isfinite(promised).all())
    unpromised = computed(changed(small, leak="stable", margin=0.05), 0)["epsilon_bound"]
    assert bool(np.isnan(unpromised).all())


def test_chunks_do_not_matter(results, tmp_path):
    for chunk in (1, 4):
        other = sweep.run(changed(SMALL, chunk=chunk), tmp_path / f"{chunk}.zarr")
        np.testing.assert_array_equal(other.kept, results.kept)
        np.testing.assert_allclose(other.eigenvalue_error, results.eigenvalue_error, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", ["clustered", "dale"])
def test_the_number_of_devices_does_not_matter_to_the_last_bit(family, monkeypatch):
    config = changed(FAMILY, family=family, density=0.5, networks=4, chunk=4)
    expected = computed(config)
    one = jax.local_devices()[:1]
    monkeypatch.setattr(jax, "local_devices", lambda: one)
    for name in ("_stages", "_draw", "_adjust"):  # programs of their own, which do not stay
        monkeypatch.setattr(_evaluate, name, functools.cache(getattr(_evaluate, name).__wrapped__))
    for name, values in computed(config).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_common_coins_nest_masks_and_fractions(results):
    kept = results.kept.sel(rule=["noise", "weight", "uniform"])
    assert bool((kept.sel(keep=0.3) <= kept.sel(keep=0.8)).all())


def test_mask_and_network_are_independent():
    """The coins must not be the numbers that the weights were made of: kept counts would then miss their expectation."""
    config = changed(SMALL, sizes=(60, 40), rules=("weight",), keep=(0.3,), networks=16, chunk=16)
    results = computed(config)
    synapses = results["kept"] / results["kept_fraction"]
    error = (results["kept"] - np.round(0.3 * synapses / 2) * 2).mean()
    # The count is a sum of doubled coins, variance at most 4 * pairs / 4.
    assert abs(error) < 5 * np.sqrt(synapses.mean() / 2 / 16)


def test_compiles_once_for_all_points_seeds_and_fractions(tmp_path, monkeypatch):
    """Compiled code calls these while it is traced, and only then."""
    traced = []

    def counting(name, function):
        return lambda *args, **kwargs: (traced.append(name), function(*args, **kwargs))[1]

    for name in ("apply_rule", "readjust", "reference", "certificate_from", "eigenvalue_errors"):
        monkeypatch.setattr(_evaluate, name, counting(name, getattr(_evaluate, name)))
    config = changed(SMALL, sizes=(11, 6), keep=(0.2, 0.4, 0.6))
    sweep.run(config, tmp_path / "a.zarr")
    sweep.run(changed(config, seed=7, keep=(0.5,), networks=3), tmp_path / "b.zarr")
    # Three scores draw coins, two take the highest; four rules share an adjustment.
    once = {"apply_rule": 5, "readjust": 5, "reference": 1, "certificate_from": 1, "eigenvalue_errors": 1}
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
    with opened(tmp_path / "x.zarr", SMALL, "float64") as store:
        assert [task.chunk for task in store.missing(SMALL, store.read())] == [1, 2]
    calls = []
    resumed = sweep.run(SMALL, tmp_path / "x.zarr", progress=lambda *state: calls.append(state))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    xr.testing.assert_identical(resumed.load(), results)


def test_killed_process_loses_at_most_its_chunk(tmp_path):
    config = changed(SMALL, rules=("noise", "noise+keep"), networks=30, chunk=1)
    command = [sys.executable, "-m", "jaxprune.cli", "sweep", "--sizes", "12", "8", "--bridges", "12"]
    command += ["--rules", *config.rules, "--networks", "30", "--chunk", "1", "--keep", "0.3", "0.8", "--out"]
    one_device = os.environ["XLA_FLAGS"].replace("device_count=2", "device_count=1")
    environment = {**os.environ, "XLA_FLAGS": one_device}
    with subprocess.Popen(
        [*command, str(tmp_path / "killed.zarr")], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        finished = 0
        while finished < 2 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
            if (tmp_path / "killed.zarr").exists():
                finished = int(sweep.load(tmp_path / "killed.zarr").finished.any(("rule", "keep")).sum())
        process.send_signal(signal.SIGKILL)
    assert finished >= 2
    assert not bool(sweep.load(tmp_path / "killed.zarr").finished.all())
    subprocess.run([*command, str(tmp_path / "killed.zarr")], env=environment, check=True, capture_output=True)
    # One network to a chunk, and so one device, as in the process that was killed.
    whole = sweep.run(config, tmp_path / "whole.zarr").load()
    xr.testing.assert_identical(sweep.load(tmp_path / "killed.zarr").load(), whole)


def test_another_config_is_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "x.zarr"
    before = sweep.run(SMALL, path).load()
    with pytest.raises(jaxprune.InputError, match=r"another config \(seed 0 there, 3 here\).*Nothing was changed"):
        sweep.run(changed(SMALL, seed=3), path)
    xr.testing.assert_identical(sweep.load(path).load(), before)


def test_the_last_chunk_holds_only_what_is_left():
    """Chunks are computed whole, so that programs are compiled once; what is beyond the last network is dropped."""
    assert [len(computed(SMALL, chunk)["epsilon"]) for chunk in range(3)] == [2, 2, 1]


def test_points_come_in_any_order():
    """A sweep that grew asks for what is missing, and not for every rule at every fraction."""
    points = (("noise", 0.3), ("noise", 0.8), ("weight", 0.3))
    found = evaluate(SMALL, Task(0, points), "float64").measured
    alone = evaluate(SMALL, Task(0, points[:1]), "float64").measured["noise", 0.3]
    assert set(found) == set(points)
    for name, values in alone.items():
        np.testing.assert_array_equal(found["noise", 0.3][name], values)


def test_only_rules_of_the_theorem_have_its_bound():
    rules = ("noise", "weight", "noise+compensation")
    bound = computed(changed(SMALL, rules=rules, margin=0.1), 0)["epsilon_bound"]
    np.testing.assert_array_equal(np.isfinite(bound).all(axis=(0, 2)), [True, False, False])
    np.testing.assert_array_equal(np.isfinite(bound).any(axis=(0, 2)), [True, False, False])


def test_a_worker_computes_in_the_precision_of_the_sweep():
    """Whatever its process computes in otherwise."""
    task = Task(0, (("noise+compensation", 0.3),))
    expected = evaluate(SMALL, task, "float64").measured["noise+compensation", 0.3]
    with jax.enable_x64(False):
        found = evaluate(SMALL, task, "float64").measured["noise+compensation", 0.3]
        single = evaluate(SMALL, task, "float32").measured["noise+compensation", 0.3]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    for name, values in evaluate(SMALL, task, "float32").measured["noise+compensation", 0.3].items():
        np.testing.assert_array_equal(single[name], values)
        assert values.dtype != np.float64


def test_a_member_that_fails_is_nan_and_alone(monkeypatch, tmp_path):
    config = changed(SMALL, sizes=(9, 5), rules=("noise",))
    network = networks.Ensemble.network

    def sometimes_unstable(self, key):
        A = network(self, key)
        bad = jnp.array_equal(jax.random.key_data(key), jax.random.key_data(jax.random.split(config.keys(0)[1])[0]))
        return jnp.where(bad, A + 50 * jnp.eye(len(A)), A)

    monkeypatch.setattr(networks.Ensemble, "network", sometimes_unstable)
    results = sweep.run(config, tmp_path / "x.zarr")
    failed = np.isnan(results.eigenvalue_error.sel(rule="noise")).any(("mode", "keep"))
    assert failed.values.tolist() == [False, True, False, False, False]
    assert np.isnan(results.kept_fraction.sel(network=1)).all()
    assert (results.kept.sel(network=1) == 0).all()
    assert (results.kept_fraction.sel(network=[0, 2, 3, 4]) <= 1).all()
    assert (sweep.summarise(results).networks == 4).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": (0.0,)}, "keep is 0, but must be in"),
        ({"keep": (0.5, 0.5)}, "none of them twice"),
        ({"rules": ("nois",)}, "rule is 'nois', but the nearest names are noise"),
        ({"sizes": ()}, "sizes is ()"),
        ({"family": "dale", "rules": ("noise+form",)}, "needs symmetric networks, but family is 'dale'"),
        ({"rules": ("weight+swaps",)}, "is for directed networks, but those of 'clustered' are symmetric"),
        ({"family": "feedforward", "sizes": (3, 4)}, "layers of equal size"),
        ({"networks": 0}, "networks is 0"),
        ({"networks": 10**12}, "GiB of memory"),
        ({"seed": 2**63}, "seed is 9223372036854775808, but must be below 2^63"),
        ({"keep": (0.5, 1e-9)}, "keep is 1e-09, which of the"),
        ({"sizes": (1,), "bridges": 0}, "no synapse"),
        ({"sizes": (1, 1), "bridges": 0}, "no synapse"),
        ({"bridges": 100_000_000}, "bridges is 100000000, but 20 neurons have only 380 places"),
        ({"sizes": (1_000_000, 1_000_000)}, "GiB of memory"),
        ({"chunk": 10**9}, "GiB of memory"),
        ({"bridges": -2}, "bridges is -2"),
        ({"leak": "stable", "margin": 0.0}, "margin is 0, but must be finite and positive"),
    ],
)
def test_configs_that_cannot_be_computed_are_refused(change, message, tmp_path):
    with pytest.raises(jaxprune.InputError, match=re.escape(message)) as refused:
        sweep.run(changed(SMALL, **change), tmp_path / "x.zarr")
    assert len(str(refused.value)) < 310
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("family", ["gaussian", "gaussian-symmetric", "feedforward", "low-rank"])
def test_every_family_runs(family, tmp_path):
    config = changed(FAMILY, family=family, sizes=(8, 8))
    results = sweep.run(config, tmp_path / "x.zarr")
    assert bool(np.isfinite(results.eigenvalue_error).all())


RULE = """
import jax.numpy as jnp
from jaxprune import pruning


def spread(W, activity):
    sd = jnp.sqrt(jnp.diagonal(activity.covariance))
    return jnp.abs(W) * sd[:, None] * sd[None, :]


def skewed(W, activity):
    return jnp.abs(W) * jnp.diagonal(activity.covariance)[None, :]


Mine = pruning.Rule(spread, "top", pruning.Compensate())
Skewed = pruning.Rule(skewed)
Broken = pruning.Rule(lambda W: W.no_such_thing)
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A module of a user's own, with rules, in a folder from which Python imports."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "lab_rules.py").write_text(RULE)
    monkeypatch.syspath_prepend(tmp_path / "lab")
    yield tmp_path / "lab" / "lab_rules.py"
    sys.modules.pop("lab_rules", None)


def test_a_rule_from_outside_is_swept_and_recorded(outside, tmp_path):
    config = changed(SMALL, rules=("noise", "lab_rules:Mine"), networks=2)
    results = sweep.run(config, tmp_path / "x.zarr")
    recorded = json.loads(results.attrs["rules"])
    assert recorded == {
        "lab_rules:Mine": {
            "module": "lab_rules", "name": "Mine", "sha256": hashlib.sha256(RULE.encode()).hexdigest()
        }
    }  # fmt: skip
    network_key, mask_key = jax.random.split(config.keys(0)[1])
    A = config.ensemble.network(network_key)
    rule = pruning.named_rule("lab_rules:Mine")
    S = pruning.prune(mask_key, A, rule, keep=0.8).matrix
    at = results.sel(network=1, rule="lab_rules:Mine", keep=0.8)
    np.testing.assert_allclose(at.abscissa, linalg.spectral_abscissa(S), rtol=1e-8)
    # Another version of the file is another rule: the store is not mixed, and no worker computes with it.
    outside.write_text(RULE + "# changed\n")
    with pytest.raises(jaxprune.InputError, match=r"another version of a rule \(lab_rules:Mine.*Nothing was changed"):
        sweep.run(config, tmp_path / "x.zarr")
    with pytest.raises(jaxprune.InputError, match="another than the one that the sweep was started with"):
        evaluate(config, Task(0, ()), "float64", recorded)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lab_rules:Skewed", "rule 'lab_rules:Skewed': the rule's importance is not symmetric"),
        ("lab_rules:Broken", "fails on the first network of this sweep"),
        ("lab_rules:Nobody", "has no Nobody; its rules are Broken, Mine, Skewed"),
        ("no_such_lab:Mine", "cannot be imported on"),
    ],
)
def test_rules_from_outside_that_cannot_be_used_are_refused_before_anything_is_stored(outside, tmp_path, name, message):
    with pytest.raises(jaxprune.InputError, match=message):
        sweep.run(changed(SMALL, rules=(name,)), tmp_path / "x.zarr")
    assert [entry.name for entry in tmp_path.iterdir()] == ["lab"]
