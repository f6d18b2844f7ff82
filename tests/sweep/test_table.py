"""The summary of a sweep against statistics done by hand."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxprune import InputError, networks, sweep
from jaxprune.sweep._table import _median_and_interval


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    rules = ("noise", "weight", "noise+abscissa", "empty")
    config = sweep.SweepConfig(
        networks.Ensemble(sizes=(12, 8), bridges=12), rules, keep=(0.8, 0.3), networks=4, chunk=4
    )
    return sweep.run(config, tmp_path_factory.mktemp("sweep") / "small.zarr").load()


def test_statistics(results):
    summary = sweep.summarise(results, slow=3)
    at, stored = summary.sel(rule="weight", keep=0.3), results.sel(rule="weight", keep=0.3)
    errors = stored.mode_error.values[:, :3]
    np.testing.assert_allclose(at.slow_modes.sel(statistic="median"), np.median(errors.mean(axis=1)))
    np.testing.assert_allclose(at.worst_mode.sel(statistic="median"), np.median(errors.max(axis=1)))
    np.testing.assert_allclose(at.h2.sel(statistic="low"), np.sort(stored.h2_error)[0])
    sorted_median = np.median(np.median(stored.eigenvalue_error, axis=1))
    np.testing.assert_allclose(at.sorted_median.sel(statistic="median"), sorted_median)
    assert float(at.stable) == (stored.abscissa < 0).mean()
    assert float(at.finite) == np.isfinite(stored.h2_error).mean()
    assert int(at.failed) == 0


def test_the_empty_network_is_the_same_at_every_fraction_and_keeps_nothing(results):
    at = sweep.summarise(results).sel(rule="empty")
    assert float(at.kept_fraction.max()) == 0
    np.testing.assert_array_equal(at.h2.sel(keep=0.3), at.h2.sel(keep=0.8))


def test_infinity_is_a_value_and_nan_is_left_out_and_counted(results):
    spoilt = results.copy(deep=True)
    values = spoilt.h2_error.sel(rule="weight", keep=0.3)
    values[:] = [0.1, np.inf, 0.3, np.inf]
    at = sweep.summarise(spoilt).sel(rule="weight", keep=0.3)
    assert float(at.h2.sel(statistic="median")) == np.inf
    assert float(at.h2.sel(statistic="low")) == 0.1
    assert float(at.finite) == 0.5
    spoilt.abscissa.sel(rule="weight", keep=0.3)[1] = np.nan
    at = sweep.summarise(spoilt).sel(rule="weight", keep=0.3)
    assert float(at.h2.sel(statistic="median")) == 0.3
    assert int(at.failed) == 1
    np.testing.assert_allclose(at.finite, 2 / 3)


@pytest.mark.parametrize(("count", "expected"), [(2, (0, 1)), (7, (1, 5)), (32, (12, 19))])
def test_the_interval_of_the_median(count, expected):
    """Between these order statistics the median lies with at least 68 %, from the binomial distribution."""
    _, low, high = _median_and_interval(np.random.default_rng(0).permutation(float(count) * np.arange(count)))
    assert (low / count, high / count) == expected
    drawn = np.sort(np.random.default_rng(1).normal(size=(20_000, count)), axis=1)
    covered = np.mean((drawn[:, expected[0]] <= 0) & (drawn[:, expected[1]] >= 0))
    narrower = np.mean((drawn[:, expected[0] + 1] <= 0) & (drawn[:, expected[1] - 1] >= 0))
    assert covered > 0.67 or count == 2
    assert narrower < 0.70


def test_what_is_not_a_number_is_left_out_everywhere_and_counted(results):
    """Of which measure, and of which mode, does not matter; a missing certificate is counted by itself."""
    spoilt = results.copy(deep=True)
    spoilt.mode_error.sel(rule="weight", keep=0.3)[0, 2] = np.nan
    spoilt.stationary.sel(rule="weight", keep=0.3)[1] = np.nan
    spoilt.epsilon.sel(rule="weight", keep=0.3)[2] = np.nan
    spoilt.epsilon_bound.sel(rule="weight", keep=0.3)[:] = [7, 7, 1, 2]
    at = sweep.summarise(spoilt, slow=3).sel(rule="weight", keep=0.3)
    assert int(at.failed) == 1
    assert float(at.certified) == float(at.followed) == pytest.approx(2 / 3)
    assert float(at.epsilon_bound) == 2
    left = results.sel(rule="weight", keep=0.3).isel(network=[0, 2, 3])
    np.testing.assert_allclose(at.h2.sel(statistic="median"), left.h2_error.median())
    np.testing.assert_allclose(at.epsilon.sel(statistic="median"), left.epsilon.isel(network=[0, 2]).mean())
    slow = left.mode_error.isel(mode=slice(0, 3), network=[1, 2]).mean("mode")
    np.testing.assert_allclose(at.slow_modes.sel(statistic="median"), slow.mean())
    with pytest.raises(InputError, match="slow is 0"):
        sweep.summarise(results, slow=0)


def test_of_one_network_there_is_no_interval():
    median, low, high = _median_and_interval(np.array([2.0, np.nan]))
    assert median == 2
    assert np.isnan([low, high]).all()


def test_who_does_not_beat_the_controls(results):
    spoilt = results.copy(deep=True)
    spoilt.h2_error.sel(rule="noise", keep=0.3)[:] = [np.inf, np.inf, 0.0, 0.0]  # half of them are not most
    spoilt.h2_error.sel(rule="noise", keep=0.8)[:] = [np.inf, 0.0, 0.0, np.nan]
    spoilt.h2_error.sel(rule="weight", keep=0.8)[:] = np.nan  # of none it is known that it is better
    found = sweep.beaten(spoilt)
    assert set(found) == {"empty", "noise+abscissa"}
    for control, losers in found.items():
        assert ("noise", 0.3) in losers
        assert ("noise", 0.8) not in losers
        assert ("weight", 0.8) in losers
        assert not any(name in found for name, _ in losers), control


def test_a_network_that_cannot_be_measured_is_not_perfect(tmp_path):
    """All synapses excitatory and no slack: the original never comes to rest, and nothing can be said of its pruned copies."""
    marginal = networks.Ensemble("gaussian-symmetric", sizes=(6,), density=1.0, margin=0.0)
    config = sweep.SweepConfig(marginal, ("weight", "empty"), keep=(0.5,), networks=2, chunk=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks.Ensemble, "network", _excitatory)
        results = sweep.run(config, tmp_path / "marginal.zarr").load()
    assert np.isnan(results.h2_error).all()
    assert np.isnan(results.stationary).all()
    assert np.isnan(results.path).all()
    summary = sweep.summarise(results)
    assert (summary.failed == 2).all()
    assert np.isnan(summary.stationary.sel(statistic="median")).all()


def _excitatory(self, key):
    W = jax.random.uniform(key, (6, 6)) * (1 - jnp.eye(6))
    return networks.dominant_leak((W + W.T) / 2)


def test_a_network_that_fails_is_left_out_of_every_column(results):
    """Its kept fraction, its stability and its bound, too, whichever measure is not a number."""
    spoilt = results.copy(deep=True)
    for name, bad in (("kept_fraction", 1.203), ("abscissa", -1.0), ("epsilon", 7.0), ("epsilon_bound", 7.0)):
        spoilt[name].sel(rule="weight", keep=0.3)[1] = bad
    spoilt.path.sel(rule="weight", keep=0.3)[1] = np.nan
    summary = sweep.summarise(spoilt)
    at, left = (
        each.sel(rule="weight", keep=0.3) for each in (summary, sweep.summarise(results.isel(network=[0, 2, 3])))
    )
    assert int(at.networks) == 3
    assert int(at.failed) == 1
    for name in left.data_vars:
        if name != "failed":
            np.testing.assert_allclose(at[name], left[name], err_msg=name)
    assert float(summary.kept_fraction.max()) <= 1
    row = next(row for row in sweep.rows(summary) if (row["rule"], row["keep"]) == ("weight", 0.3))
    assert (row["networks"], row["failed"]) == (3, 1)


def test_a_result_of_rounding_is_marginal(results):
    largest = float(np.abs(results.eigenvalue_real.sel(network=0)).max())
    rounding = 20 * np.finfo(float).eps * largest
    spoilt = results.copy(deep=True)
    spoilt.eigenvalue_real[:] = results.eigenvalue_real[0].values
    spoilt.abscissa.sel(rule="weight", keep=0.3)[:] = [0.9 * rounding, -0.9 * rounding, 1.1 * rounding, -1.1 * rounding]
    at = sweep.summarise(spoilt).sel(rule="weight", keep=0.3)
    assert (float(at.stable), float(at.marginal)) == (0.25, 0.5)
    summary = sweep.summarise(results)
    assert bool((summary.stable + summary.marginal <= 1).all())


def test_points_that_are_not_finished_do_not_count(results):
    """A store that is being extended has some networks at some points."""
    partial = results.copy(deep=True)
    partial.finished.loc[{"network": [1, 3], "rule": "weight", "keep": 0.3}] = False
    for name in ("h2_error", "kept_fraction", "abscissa"):
        partial[name].loc[{"network": [1, 3], "rule": "weight", "keep": 0.3}] = np.nan
    summary = sweep.summarise(partial)
    assert summary.attrs["networks"] == 4
    at = summary.sel(rule="weight", keep=0.3)
    assert (int(at.networks), int(at.failed)) == (2, 0)
    left = results.sel(rule="weight", keep=0.3).isel(network=[0, 2])
    np.testing.assert_allclose(at.h2.sel(statistic="median"), left.h2_error.median())
    assert int(summary.networks.sel(rule="weight", keep=0.8)) == 4


def test_unfinished_networks_do_not_count(results):
    partial = results.copy(deep=True)
    partial.finished[3] = False
    partial.eigenvalue_error[3] = 1e9
    assert sweep.summarise(partial).attrs["networks"] == 3
    assert float(sweep.summarise(partial).sorted_median.max()) < 1e3
    partial.h2_error[3] = 0
    assert sweep.beaten(partial) == sweep.beaten(results.isel(network=slice(3)))


def test_rows_are_written_in_order(results, tmp_path):
    rows = sweep.rows(sweep.summarise(results))
    assert [row["keep"] for row in rows[:2]] == [0.3, 0.8]
    sweep.write_table(rows, tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["rule"] for row in read] == [row["rule"] for row in rows]
    np.testing.assert_allclose([float(row["h2"]) for row in read], [row["h2"] for row in rows], rtol=1e-5)
