"""`jaxprune sweep` and `plot` as a person uses them."""

import csv

import jax
import jax.numpy as jnp
import pytest

from jaxprune import networks
from jaxprune.sweep import _store

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
    assert cells["n"] == stored["networks"] == "2"
    words = " ".join(out.split())
    assert "epsilon: of the certificate" in words
    assert "finite, stable: share of networks" in words
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


def test_what_could_not_be_measured_is_said(run, monkeypatch, tmp_path):
    """All synapses excitatory and no slack: the original never comes to rest."""
    W = jax.random.uniform(jax.random.key(0), (20, 20)) * (1 - jnp.eye(20))
    monkeypatch.setattr(networks.Ensemble, "network", lambda self, key: networks.dominant_leak((W + W.T) / 2))
    status, out, _ = run(*SWEEP, "--density", "0.61", "--rules", "weight", "empty", "--out", "marginal.zarr")
    assert status == 0
    assert "8 results are not numbers" in out
    rows = read_table(tmp_path / "marginal.csv")
    assert [row["networks"] for row in rows] == ["0"] * 4
    assert {row[name] for row in rows for name in ("h2", "kept_fraction", "stable", "epsilon")} == {"nan"}


def test_sweep_with_another_config_is_refused(run, tmp_path):
    run(*SWEEP, "--out", "small.zarr")
    status, _, err = run(*SWEEP, "--seed", "5", "--out", "small.zarr")
    assert (status, err.count("\n")) == (2, 1)
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


def test_a_sweep_goes_on_and_grows_without_touching_what_is_not_its_own(run, tmp_path):
    assert run(*SWEEP, "--rules", "weight", "empty", "--out", "s.zarr")[0] == 0
    first = (tmp_path / "s.csv").read_bytes()
    assert run(*SWEEP, "--rules", "weight", "empty", "--out", "s.zarr")[0] == 0
    assert (tmp_path / "s.csv").read_bytes() == first
    status, out, _ = run(*SWEEP, "--rules", "weight", "empty", "noise", "--networks", "3", "--out", "s.zarr")
    assert status == 0
    assert "3 networks of 20 neurons" in out
    assert {row["rule"] for row in read_table(tmp_path / "s.csv")} == {"weight", "empty", "noise"}
    # What a person changed is not replaced.
    (tmp_path / "s.csv").write_text("mine")
    status, _, err = run(*SWEEP, "--rules", "weight", "empty", "--out", "s.zarr")
    assert (status, err.count("\n")) == (2, 1)
    assert "s.csv exists, and is not what this sweep wrote" in err
    assert (tmp_path / "s.csv").read_text() == "mine"
    assert run(*SWEEP, "--rules", "weight", "empty", "--out", "s.zarr", "--overwrite")[0] == 0
    assert (tmp_path / "s.csv").read_bytes() == first


@pytest.mark.parametrize("suffix", [".png", ".csv"])
def test_files_beside_a_new_store_are_not_overwritten(run, tmp_path, suffix):
    (tmp_path / f"s{suffix}").write_text("mine")
    status, _, err = run(*SWEEP, "--out", "s.zarr")
    assert (status, err.count("\n")) == (2, 1)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"s{suffix}"]
    assert (tmp_path / f"s{suffix}").read_text() == "mine"


def test_plot_overwrites_nothing_unasked(run, tmp_path):
    assert run(*SWEEP, "--rules", "empty", "--out", "s.zarr")[0] == 0
    (tmp_path / "mine.png").write_text("mine")
    status, _, err = run("plot", "s.zarr", "--out", "mine.png")
    assert (status, err.count("\n")) == (2, 1)
    assert run("plot", "s.zarr", "--out", "other.png")[0] == 0
    assert run("plot", "s.zarr", "--out", "other.png")[0] == 0
    assert run("plot", "s.zarr", "--out", "mine.png", "--overwrite")[0] == 0
    for wrong, words in (("fig.pdf", "must be .png"), ("nowhere/fig.png", "no directory")):
        status, _, err = run("plot", "s.zarr", "--out", wrong)
        assert (status, err.count("\n")) == (2, 1)
        assert words in err


def test_stopped_by_hand_says_what_is_kept(run, tmp_path, monkeypatch):
    write = _store.Store.write

    def once(self, task, results):
        if task.chunk:
            raise KeyboardInterrupt
        write(self, task, results)

    arguments = (*SWEEP, "--networks", "4", "--rules", "empty", "--out", "s.zarr")
    with monkeypatch.context() as patch:
        patch.setattr(_store.Store, "write", once)
        status, _, err = run(*arguments)
    assert status == 130
    assert err.splitlines()[-1] == "stopped: 1 of 2 chunks are kept in s.zarr; the same command goes on from there."
    status, out, err = run("plot", "s.zarr")
    assert status == 0
    assert "4 of 8 results are not computed yet" in out
    assert run(*arguments)[0] == 0
    assert [row["networks"] for row in read_table(tmp_path / "s.csv")] == ["4", "4"]


def test_damage_is_said_in_one_line_and_mended(run, tmp_path):
    arguments = (*SWEEP, "--rules", "weight", "empty", "--out", "s.zarr")
    assert run(*arguments)[0] == 0
    table = (tmp_path / "s.csv").read_bytes()
    (chunk,) = (tmp_path / "s.zarr" / "h2_error").glob("0.0.0")
    chunk.write_bytes(b"x")
    status, _, err = run("plot", "s.zarr")
    assert status == 0
    assert err.startswith("warning: s.zarr is damaged: 2 results are not what was written")
    assert err.count("\n") == 1
    status, _, err = run(*arguments)
    assert status == 0
    assert "warning: s.zarr is damaged: 2 results are not what was written" in err
    assert "computed again" in err
    assert (tmp_path / "s.csv").read_bytes() == table


def test_workers_and_scheduler(run, tmp_path):
    for options, words in (
        (("--workers", "0"), "--workers is 0"),
        (("--workers", "1", "--scheduler", "tcp://127.0.0.1:1"), "give one of them"),
    ):
        status, _, err = run(*SWEEP, *options, "--out", "s.zarr")
        assert (status, err.count("\n")) == (2, 1)
        assert words in err
        assert not list(tmp_path.iterdir())
