"""Chunks computed elsewhere are the same chunks."""

import pytest
import xarray as xr

from jaxprune import networks, sweep

CONFIG = sweep.SweepConfig(networks.Ensemble(sizes=(12, 8), bridges=12), keep=(0.3, 0.8), networks=4, chunk=2)


@pytest.mark.filterwarnings("ignore")  # a cluster that closes warns of what it leaves
def test_dask_workers_give_the_same_store(tmp_path):
    distributed = pytest.importorskip("distributed")
    here = sweep.run(CONFIG, tmp_path / "here.zarr").load()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        there = sweep.run(CONFIG, tmp_path / "there.zarr", executor=sweep.dask(cluster.scheduler_address)).load()
    xr.testing.assert_identical(here, there)
