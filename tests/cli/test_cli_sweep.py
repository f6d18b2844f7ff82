"""`jaxprune sweep` and `plot` as a person uses them."""

import pytest

SWEEP = ("sweep", "--sizes", "12", "8", "--bridges", "12", "--networks", "2", "--chunk", "2", "--keep", "0.3", "0.8")


def test_sweep_then_plot(run, tmp_path):
    status, out, _ = run(*SWEEP, "--out", "small.zarr")
    assert status == 0
    assert "noise+compensation" in out
    assert {entry.name for entry in tmp_path.iterdir()} == {"small.zarr", "small.png", "small.csv"}
    (tmp_path / "small.png").unlink()
    assert run("plot", "small.zarr")[0] == 0
    assert (tmp_path / "small.png").exists()


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
