"""`jaxprune sweep` and `plot` as a person uses them."""

import csv

import jax
import jax.numpy as jnp
import pytest

from jaxprune import networks

SWEEP = ("sweep", "--sizes", "12", "8", "--bridges", "12", "--networks", "2", "--chunk", "2", "--keep", "0.3", "0.8")


def test_sweep_then_plot(run, tmp_path):
    status, out, _ = run(*SWEEP, "--out", "small.zarr")
    assert status == 0
    assert "noise+compensation" in out
    head, row = (next(line for line in out.splitlines() if name in line) for name in ("H2 error", "noise+compensation"))
    heads = [cell.strip() for cell in head.split("┃")[1:-1]]
    cells = dict(zip(heads, (cell.strip() for cell in row.split("│")[1:-1]), strict=True))
    stored = next(line for line in read_table(tmp_path / "small.csv") if line["rule"] == "noise+compensation")
    for shown, name in (("H2 error", "h2"), ("path", "path"), ("epsilon", "epsilon"), ("sorted", "sorted_median")):
        assert cells[shown] == f"{float(stored[name]):.3f}"
    assert cells["stable"] == f"{float(stored['stable']):.0%}"
    for control in ("empty", "noise+keep", "noise+abscissa"):
        assert f"H2 error not below that of {control} in most networks: " in out or f"{control}: all are better" in out
    assert "are not numbers" not in out
    assert {entry.name for entry in tmp_path.iterdir()} == {"small.zarr", "small.png", "small.csv"}
    (tmp_path / "small.png").unlink()
    assert run("plot", "small.zarr")[0] == 0
    assert (tmp_path / "small.png").exists()


def read_table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_controls_alone_are_not_held_against_themselves(run):
    status, out, _ = run(*SWEEP, "--rules", "empty", "weight+keep", "--out", "controls.zarr")
    assert status == 0
    assert "all are better" not in out
    assert "not below" not in out


def test_what_could_not_be_measured_is_said(run, monkeypatch):
    """All synapses excitatory and no slack: the original never comes to rest."""
    W = jax.random.uniform(jax.random.key(0), (20, 20)) * (1 - jnp.eye(20))
    monkeypatch.setattr(networks.Ensemble, "network", lambda self, key: networks.dominant_leak((W + W.T) / 2))
    status, out, _ = run(*SWEEP, "--rules", "weight", "empty", "--out", "marginal.zarr")
    assert status == 0
    assert "8 results are not numbers" in out


def test_sweep_with_another_config_is_refused(run, tmp_path):
    run(*SWEEP, "--out", "small.zarr")
    status, _, err = run(*SWEEP, "--seed", "5", "--out", "small.zarr")
    assert status == 2
    assert "error: small.zarr was written with another config (seed 0 there, 5 here)" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [("--keep", "2"), ("--rules", "magic"), ("--sizes", "0")])
def test_bad_sweeps(run, tmp_path, arguments):
    status, _, err = run("sweep", *arguments, "--out", "x.zarr")
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_refused(run, tmp_path):
    (tmp_path / "x.zarr").write_text("precious")
    status, _, err = run(*SWEEP, "--out", "x.zarr")
    assert status == 2
    assert "not the store of a sweep" in err
    assert (tmp_path / "x.zarr").read_text() == "precious"


def test_unwritable_directory_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run(*SWEEP, "--out", "file/x.zarr")
    assert status == 2
    assert err.splitlines()[-1].startswith("error: ")
