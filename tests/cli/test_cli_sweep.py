"""`jaxprune sweep` and `plot` as a person uses them."""

import csv
import shlex

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


def test_check_says_what_is_wrong_and_its_command_mends_it(run, tmp_path):
    arguments = (*SWEEP, "--networks", "4", "--rules", "weight", "empty", "--seed", "-3", "--out", "a b.zarr")
    assert run(*arguments)[0] == 0
    assert run("check", "a b.zarr")[:2] == (
        0,
        "a b.zarr is whole: 16 results of 4 networks, and every checksum is right.\n",
    )
    store = tmp_path / "a b.zarr"
    (store / "h2_error" / "0.1.0").write_bytes(b"x")
    for name in ("checksum/1.0.0", "checksum/1.0.1", "checksum/1.1.0", "checksum/1.1.1", "checksum_original/1"):
        (store / name).unlink()
    (store / "keep" / "0").unlink()
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    status, out, err = run("check", "a b.zarr")
    lines = out.splitlines()
    assert (status, err, len(lines)) == (1, "", 4)
    assert lines[0] == "a b.zarr is unfinished: 8 of 16 results are missing: all of networks 2 to 3."
    assert lines[1].startswith("a b.zarr is damaged: 2 results are not what was written (network 0, empty at 0.3;")
    assert lines[2] == "a b.zarr is damaged: 1 of the files that describe it ('keep/0')."
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
    command = shlex.split(lines[3].removeprefix("To mend it: jaxprune "))
    assert run(*command)[0] == 0
    assert run("check", "a b.zarr")[0] == 0
    (store / "checksum" / "0.0.1").unlink()
    assert "2 of 16 results are missing: of networks 0 to 1, at weight at 0.8." in run("check", "a b.zarr")[1]


@pytest.mark.parametrize("store", ["nowhere.zarr", "", "nosuch://bucket/x.zarr", "memory://nothing.zarr", "here"])
def test_what_cannot_be_checked_is_one_line(run, tmp_path, store):
    (tmp_path / "here").mkdir()
    status, out, err = run("check", store)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")


def test_a_sweep_at_a_url(run, tmp_path):
    """The figure and the table are here; a URL that cannot be written is refused before anything is computed."""
    url = f"memory://{tmp_path.name}/x.zarr"
    arguments = (*SWEEP, "--rules", "empty", "--out")
    assert run(*arguments, url)[0] == 0
    assert {entry.name for entry in tmp_path.iterdir()} == {"x.png", "x.csv"}
    assert run(*arguments, url)[0] == 0
    assert run("plot", url)[0] == 0
    assert run("check", url)[0] == 0
    (tmp_path / "x.csv").write_text("mine")
    status, _, err = run(*arguments, url)
    assert (status, err.count("\n")) == (2, 1)
    for wrong, words in (
        ("nosuch://a/y.zarr", "no URL of a kind that is known"),
        ("http://127.0.0.1:9/y.zarr", "cannot"),
    ):
        status, _, err = run(*arguments, wrong)
        assert (status, err.count("\n")) == (2, 1)
        assert words in err
    assert {entry.name for entry in tmp_path.iterdir()} == {"x.png", "x.csv"}


def test_workers_and_scheduler(run, tmp_path):
    for options, words in (
        (("--workers", "0"), "--workers is 0"),
        (("--workers", "1", "--scheduler", "tcp://127.0.0.1:1"), "give one of them"),
    ):
        status, _, err = run(*SWEEP, *options, "--out", "s.zarr")
        assert (status, err.count("\n")) == (2, 1)
        assert words in err
        assert not list(tmp_path.iterdir())
