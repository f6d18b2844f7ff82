"""The summary of a sweep against statistics done by hand."""

import csv

import numpy as np
import pytest

from jaxprune import networks, sweep


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    config = sweep.SweepConfig(networks.Ensemble(sizes=(12, 8), bridges=12), keep=(0.8, 0.3), networks=4, chunk=4)
    return sweep.run(config, tmp_path_factory.mktemp("sweep") / "small.zarr").load()


def test_statistics(results):
    summary = sweep.summarise(results, slow=3)
    errors = results.eigenvalue_error.sel(rule="weight", keep=0.3).values
    at = summary.sel(rule="weight", keep=0.3)
    np.testing.assert_allclose(at["median"].sel(statistic="mean"), np.median(errors, axis=1).mean())
    np.testing.assert_allclose(at["slow"].sel(statistic="se"), errors[:, :3].mean(axis=1).std(ddof=1) / 2)
    np.testing.assert_allclose(at["worst_slow"].sel(statistic="mean"), errors[:, :3].max(axis=1).mean())
    assert float(at.stable) == (results.abscissa.sel(rule="weight", keep=0.3) < 0).mean()


def test_unfinished_networks_do_not_count(results):
    partial = results.copy(deep=True)
    partial.finished[3] = False
    partial.eigenvalue_error[3] = 1e9
    assert sweep.summarise(partial).attrs["networks"] == 3
    assert float(sweep.summarise(partial)["median"].max()) < 1e3


def test_rows_are_written_in_order(results, tmp_path):
    rows = sweep.rows(sweep.summarise(results))
    assert [row["keep"] for row in rows[:2]] == [0.3, 0.8]
    sweep.write_table(rows, tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["rule"] for row in read] == [row["rule"] for row in rows]
    np.testing.assert_allclose([float(row["median"]) for row in read], [row["median"] for row in rows], rtol=1e-5)
