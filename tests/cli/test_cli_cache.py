"""Compiled programs that one command leaves for the next."""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import dominant

from jaxprune.cli import _cache

SETTINGS = {"JAX_ENABLE_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_DIR", _cache.SETTING, "TF_CPP_MIN_LOG_LEVEL"}


def python(*arguments, **settings):
    """A process outside of the settings of these tests."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, check=True
    )


def test_a_second_command_reads_what_the_first_compiled_and_finds_the_same_bits(run, tmp_path):
    np.save(tmp_path / "A.npy", dominant("clustered"))
    options = ("prune", tmp_path / "A.npy", "--rule", "noise", "--keep", "0.5", "--out")
    # On a fast machine no program of so small a network takes long enough to be kept without being asked for.
    settings = {"XDG_CACHE_HOME": str(tmp_path / "cache"), _cache.SETTING: "0"}
    kept = []
    for name in ("first", "second"):
        done = python("-m", "jaxprune.cli", *options, tmp_path / f"{name}.npy", **settings)
        assert "error" not in done.stderr.lower()
        kept.append({path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*-cache")})
    assert kept[0]
    assert kept[1].items() >= kept[0].items()
    assert run(*options, tmp_path / "without.npy")[0] == 0
    assert len({(tmp_path / f"{name}.npy").read_bytes() for name in ("first", "second", "without")}) == 1


SHOW = "from jaxprune.cli._cache import keep_programs; keep_programs(); import jax; print(jax.config.jax_compilation_cache_dir)"


@pytest.mark.parametrize("change", [{"JAX_ENABLE_COMPILATION_CACHE": "0"}, {"XDG_CACHE_HOME": __file__}])
def test_turned_off_or_without_a_folder_nothing_is_kept_or_said(change, tmp_path):
    done = python("-c", SHOW, **{"XDG_CACHE_HOME": str(tmp_path)} | change)
    assert (done.stdout, done.stderr) == ("None\n", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("change", "seconds"), [({}, _cache.LEAST), ({_cache.SETTING: "7"}, 7.0)])
def test_programs_are_kept_from_a_tenth_of_a_second_or_what_the_user_says(change, seconds, tmp_path):
    show = SHOW.replace("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    assert float(python("-c", show, XDG_CACHE_HOME=str(tmp_path), **change).stdout) == seconds


def test_who_has_imported_jax_decides():
    _cache.keep_programs()
    assert jax.config.jax_compilation_cache_dir is None


def test_each_kind_of_processor_has_its_folder(tmp_path, monkeypatch):
    places = []
    for model in ("model name: one\nflags: sse", "model name: one\nflags: sse avx", "CPU part: 0xd0c", None):
        monkeypatch.setattr(_cache, "PROCESSORS", tmp_path / "cpuinfo")
        (tmp_path / "cpuinfo").write_text(f"{model}\nmodel: unlike\n{model}") if model else (
            tmp_path / "cpuinfo"
        ).unlink()
        places.append(_cache.folder())
    assert len(set(places)) == 4
    monkeypatch.setenv("XDG_CACHE_HOME", "/here")
    assert _cache.folder().parent == Path("/here/jaxprune/xla")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/there")
    assert _cache.folder().parent == Path("/there")


def test_old_programs_are_dropped(tmp_path):
    for name, age in (("old", _cache.DAYS + 1), ("new", 1)):
        (tmp_path / name).touch()
        then = time.time() - age * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    _cache._drop_old(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
