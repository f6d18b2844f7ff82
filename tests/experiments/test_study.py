"""What all studies share: nothing is computed twice, nothing is lost, and what is stored can be drawn again."""

import ast
import dataclasses
import importlib
import itertools
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import jaxprune
from experiments import _study
from jaxprune import InputError, pruning

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py"))
TRAINED = ("trained_rnn", "small_rnn", "bench_rnn")
DIMS = ("way", "point")
EVALUATED: list[int] = []
SHOWN: list[xr.Dataset] = []


@dataclasses.dataclass(frozen=True)
class Config:
    """Configuration.

    Attributes:
      number: number of points.
      scale: what values are multiplied with.
      refused: a point that is refused.
      workers: points at a time.
    """

    number: int = 3
    scale: float = 1.0
    refused: int = -1
    workers: int = 1


def points(config):
    if config.number < 1:
        raise InputError(f"--number is {config.number},\n  but must be at least 1.")
    return [{"point": point} for point in range(config.number)]


def evaluate(config, point):
    if point == config.refused:
        raise InputError("this point\nis refused.")
    EVALUATED.append(point)
    for way in ("plain", "with, a comma"):
        yield {"way": way, "value": config.scale * point / 3, "seldom": 1.5 if point == 1 else None}


def draw(results):
    figure = Figure()
    figure.subplots().plot(results.point, results.value.sel(way="plain"))
    return figure


@pytest.fixture(autouse=True)
def _forget():
    EVALUATED.clear()
    SHOWN.clear()


def compute(config, journal):
    """What `main` does first, and which points it evaluated."""
    EVALUATED.clear()
    return _study.compute(config, points(config), evaluate, journal), sorted(EVALUATED)


def run(monkeypatch, out, *arguments):
    monkeypatch.setattr(sys, "argv", ["tiny", *arguments, "--out", str(out)])
    _study.main(Config, points, evaluate, DIMS, SHOWN.append, draw, attributes=("scale",))


def test_points_in_the_journal_are_not_computed_again(tmp_path):
    journal = tmp_path / "journal"
    rows, evaluated = compute(Config(), journal)
    assert evaluated == [0, 1, 2]
    assert rows[3] == {"point": 1, "way": "with, a comma", "value": 1 / 3, "seldom": 1.5}
    assert compute(Config(workers=2), journal) == (rows, [])
    longer, evaluated = compute(Config(number=4), journal)
    assert evaluated == [0, 1, 2, 3]
    assert longer[:6] == rows


def test_another_version_or_config_starts_anew_and_throws_nothing_away(tmp_path, monkeypatch, capsys):
    journal = tmp_path / "journal"
    compute(Config(), journal)
    first = journal.read_text()
    monkeypatch.setattr(_study, "provenance", lambda: {"versions": {"jaxprune": "0"}})
    assert compute(Config(), journal)[1] == [0, 1, 2]
    assert "3 points of another configuration" in capsys.readouterr().err
    second = journal.read_text()
    compute(Config(number=4), journal)
    assert (tmp_path / "journal.1").read_text() == first
    assert (tmp_path / "journal.2").read_text() == second


def test_compiled_code_is_dropped_before_there_is_too_much(tmp_path, monkeypatch):
    dropped = []
    monkeypatch.setattr(_study.jax, "clear_caches", lambda: dropped.append(1))
    compute(Config(), tmp_path / "few")
    assert not dropped
    monkeypatch.setattr(_study, "MANY_MAPS", 0)
    compute(Config(), tmp_path / "many")
    assert len(dropped) == 3 * _study.MAPS.exists()


def test_what_a_kill_leaves_of_the_last_line_is_dropped(tmp_path):
    journal = tmp_path / "journal"
    rows, _ = compute(Config(), journal)
    journal.write_bytes(journal.read_bytes()[:-20])
    assert compute(Config(), journal) == (rows, [2])
    assert compute(Config(), journal) == (rows, [])
    journal.write_bytes(journal.read_bytes()[:10])
    assert compute(Config(), journal) == (rows, [0, 1, 2])


@pytest.mark.parametrize("workers", [1, 3])
def test_a_point_that_fails_leaves_the_others_in_the_journal(workers, tmp_path, monkeypatch):
    def fail(config, point):
        if point == 1:
            raise RuntimeError("no")
        return evaluate(config, point)

    config, journal = Config(workers=workers), tmp_path / "journal"
    with pytest.raises(RuntimeError):
        _study.compute(config, points(config), fail, journal)
    before = set(EVALUATED)
    assert 0 in before
    rows, evaluated = compute(config, journal)
    assert set(evaluated) == {0, 1, 2} - before
    assert rows == compute(Config(), tmp_path / "fresh")[0]


def test_several_workers_give_the_same_rows(tmp_path):
    one, _ = compute(Config(number=20), tmp_path / "one")
    many, evaluated = compute(Config(number=20, workers=4), tmp_path / "many")
    assert many == one
    assert evaluated == list(range(20))


def test_rows_become_a_dataset(tmp_path):
    rows, _ = compute(Config(), tmp_path / "journal")
    results = _study.dataset(rows[:-1], DIMS, scale=1.0)
    assert dict(results.sizes) == {"way": 2, "point": 3}
    assert results.attrs == {"scale": 1.0}
    np.testing.assert_array_equal(results.value, np.array([[0, 1 / 3, 2 / 3], [0, 1 / 3, np.nan]]))
    np.testing.assert_array_equal(results.seldom.sel(way="plain"), [np.nan, 1.5, np.nan])


def test_mean_and_error_are_over_what_there_is():
    values = xr.DataArray([[1.0, 2.0, 6.0], [1.0, 3.0, np.nan]], dims=("rule", "network"))
    mean, error = _study.mean_and_error(values, "network")
    np.testing.assert_allclose(mean, [3, 2])
    np.testing.assert_allclose(error, [np.sqrt(7 / 3), 1])
    assert _study.cell(values[1], "network", 2) == "2.00 ± 1.00"
    assert _study.cell(values[1, :1], "network", 2) == f"{float(values[1, 0]):.2f}"


def test_what_is_stored_is_shown_again(tmp_path, monkeypatch):
    run(monkeypatch, tmp_path, "--scale", "3")
    figure = (tmp_path / "test_study.png").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {f"test_study.{end}" for end in ("csv", "json", "png")}
    assert (tmp_path / "test_study.csv").read_text().splitlines()[:2] == ["way,point,value,seldom", "plain,0,0,"]
    facts = json.loads((tmp_path / "test_study.json").read_text())
    assert facts["command"] == f"python -m experiments.test_study --scale 3 --out {tmp_path}"
    assert facts["config"] == dataclasses.asdict(Config(scale=3.0))
    assert facts["attributes"] == {"scale": 3.0}
    assert {key: facts[key] for key in jaxprune.provenance()} == jaxprune.provenance()
    EVALUATED.clear()
    run(monkeypatch, tmp_path, "--redraw")
    assert not EVALUATED
    xr.testing.assert_identical(SHOWN[0], SHOWN[1])
    assert (tmp_path / "test_study.png").read_bytes() == figure


def test_seconds_are_those_of_all_points(tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(_study.time, "perf_counter", lambda: float(next(clock)))  # a second for every point
    run(monkeypatch, tmp_path, "--number", "5", "--part", "1", "2")
    run(monkeypatch, tmp_path, "--number", "5")
    assert json.loads((tmp_path / "test_study.json").read_text())["seconds"] == 5.0


def test_parts_are_put_together(tmp_path, monkeypatch, capsys):
    run(monkeypatch, tmp_path / "whole", "--number", "5")
    for part in ("1", "2"):
        EVALUATED.clear()
        run(monkeypatch, tmp_path / "parts", "--number", "5", "--part", part, "2")
        assert sorted(EVALUATED) == ([0, 2, 4] if part == "1" else [1, 3])
        assert f"part {part} of 2 is done" in capsys.readouterr().out
    assert [path.suffix for path in (tmp_path / "parts").iterdir()] == [".jsonl"] * 2
    # A part of another config is not taken over, and not thrown away.
    run(monkeypatch, tmp_path / "parts", "--number", "6", "--part", "6", "6")
    EVALUATED.clear()
    run(monkeypatch, tmp_path / "parts", "--number", "5")
    assert not EVALUATED
    stored = {f"test_study.{end}" for end in ("csv", "json", "png")}
    assert {path.name for path in (tmp_path / "parts").iterdir()} == stored | {".test_study.part-6-of-6.jsonl"}
    assert (tmp_path / "parts/test_study.csv").read_text() == (tmp_path / "whole/test_study.csv").read_text()
    assert len(SHOWN) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--part", "3", "2"), "--part is 3 2"),
        (("--workers", "0"), "--workers is 0, but must be at least 1."),
        (("--number", "0"), "--number is 0, but must be at least 1."),
        (("--refused", "0"), "this point is refused."),
        (("--redraw",), "No such file"),
    ],
)
def test_errors_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path, *arguments)
    assert stopped.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("points")]
    assert len([line for line in error if line.strip()]) == 1
    assert message in error[-1]
    assert error[-1].startswith("error: ")
    assert not SHOWN


def test_what_was_computed_before_an_error_is_kept(tmp_path, monkeypatch):
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "--refused", "2")
    journal = tmp_path / ".test_study.jsonl"
    assert len(journal.read_text().splitlines()) == 3


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_is_made_of(name):
    study = importlib.import_module(f"experiments.{name}")
    assert study.__doc__
    assert dataclasses.is_dataclass(study.Config)
    assert callable(study.points)
    assert callable(study.evaluate)
    assert callable(study.show)
    assert len(study.DIMS) == len(set(study.DIMS)) > 0
    assert not hasattr(study, "run")


@pytest.mark.parametrize("name", STUDIES)
def test_studies_do_not_import_studies(name):
    tree = ast.parse((ROOT / "experiments" / f"{name}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "experiments":
            names = (
                [alias.name for alias in node.names] if node.module == "experiments" else [node.module.split(".")[1]]
            )
            assert all(other.startswith("_") for other in names)
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("experiments") for alias in node.names)


@pytest.mark.parametrize("name", STUDIES)
def test_committed_results_can_be_shown(name, capsys):
    importlib.import_module(f"experiments.{name}").show(_study.load(name, _study.RESULTS))
    assert len(capsys.readouterr().out.splitlines()) > 5


def test_rules_of_the_tables_exist():
    trained, small, bench = (importlib.import_module(f"experiments.{name}") for name in TRAINED)
    assert all(isinstance(trained._rule(label), pruning.Rule) for label in trained.SOURCES_OF)
    assert all(pruning.named_rule(label.partition(", ")[0]) for label, _ in small.RULES)
    assert all(pruning.named_rule(rule) for rule in (*bench.RULES, *bench.LOOPED))


SMALL = "--sizes 8 4 4 --bridges 20 --networks 2"


@pytest.mark.parametrize(
    ("name", "arguments", "sizes"),
    [
        ("compensation", f"{SMALL} --keep 0.5 --blends 0 1", {"rule": 16, "keep": 1, "network": 2}),
        (
            "online_pruning",
            f"{SMALL} --keep 0.5 --rounds 2 --observe 1 --adapt 1",
            {"way": 7, "round": 2, "network": 2},
        ),
        ("front", f"{SMALL} --keep 0.6", {"ensemble": 2, "rule": 35, "keep": 1, "network": 2}),
        ("observation_time", f"{SMALL} --times 1 --resolution 10", {"rule": 2, "time": 2, "network": 2}),
    ],
)
def test_a_small_study_runs_to_its_figure(name, arguments, sizes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *arguments.split(), "--out", str(tmp_path)])
    runpy.run_path(str(ROOT / "experiments" / f"{name}.py"), run_name="__main__")
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    stored = _study.load(name, tmp_path)
    assert dict(stored.sizes) == sizes
    assert stored.attrs.get("neurons", 16) == 16
    assert all(bool(stored[variable].notnull().any()) for variable in stored)
    assert f"written to {tmp_path}/{name}.*" in capsys.readouterr().out
