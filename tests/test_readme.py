"""What the README says can be done, can be done."""

import re
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import dominant

import jaxprune
from jaxprune import pruning, rnn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STUDIES = (ROOT / "experiments" / "README.md").read_text()


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def own_rule():
    (block,) = (block for block in blocks("python", STUDIES) if block.startswith("# mymodule.py"))
    return block


@pytest.fixture
def folder(tmp_path):
    """The files that the README's commands read."""
    np.save(tmp_path / "A.npy", np.asarray(dominant("clustered")))
    rnn.save_rnn(tmp_path / "model.npz", rnn.ctrnn(jax.random.key(0), inputs=2, neurons=16, outputs=2))
    trials = {"inputs": np.ones((5, 4, 2)), "labels": np.zeros((5, 4), int)}
    np.savez(tmp_path / "trials.npz", **trials)  # type: ignore[arg-type]
    (tmp_path / "mymodule.py").write_text(own_rule())
    return tmp_path


def test_python_runs():
    names: dict[str, object] = {}
    for block in blocks("python") + blocks("python", STUDIES):
        exec(compile(block, "README.md", "exec"), names)
    assert isinstance(names["certificate"], jaxprune.linalg.Certificate)
    assert isinstance(names["MyRule"], pruning.Rule)
    assert names["report"].kept_fraction == pytest.approx([0.1] * 3, abs=2e-3)  # type: ignore[attr-defined]


def test_commands_on_a_file_run(run, folder, short_chains):
    lines = [line.split("#")[0] for block in blocks("bash") for line in block.splitlines()]
    # The page in the browser has tests of its own.
    commands = [line for line in lines if line.startswith("jaxprune") and "explore" not in line]
    assert len(commands) == 6
    short = {
        "prune-boltzmann": "--epochs 1 --sessions 1 --retrain-epochs 0 --temperatures 20",
        "train-sparse": "--epochs 1 --hidden 8 --no-compare",
    }
    for command in commands:
        arguments = shlex.split(command.replace("--keep 0.1", "--keep 0.9"))[1:]
        status, _, err = run(*arguments, *short.get(arguments[0], "").split())
        assert status == 0
        # The bar of training goes to standard error, and the worm has neurons of few synapses.
        assert err == "" or arguments[0] == "train-sparse" or ("celegans" in command and "falls apart" in err)


def test_the_rule_of_ones_own_is_eight_lines_and_runs_everywhere(run, folder):
    lines = [line for line in own_rule().splitlines()[1:] if line.strip()]
    assert len(lines) <= 8
    mine = ("--rule", "mymodule:MyRule")
    assert run("prune", "A.npy", "--keep", "0.9", *mine, "--out", "mine.npy")[0] == 0
    assert run("prune-rnn", "model.npz", "--keep", "0.5", *mine, "--out", "mine.npz")[0] == 0
    small = ("--sizes", "8", "4", "--bridges", "6", "--networks", "2", "--chunk", "2", "--keep", "0.5")
    assert run("sweep", *small, "--rules", "noise", "mymodule:MyRule", "--out", "mine.zarr")[0] == 0


def test_rules_that_are_named_exist():
    named = set(re.findall(r"`((?:noise|weight|uniform|activity|surgeon|greedy)(?:\+\w+)?)`", README + STUDIES))
    assert named
    assert named <= set(pruning.RULES)


def test_it_is_read_in_five_minutes():
    assert len(README.split()) < 900


def test_continuous_integration_runs_the_test_command_word_for_word():
    command = next(line for block in blocks("bash") for line in block.splitlines() if "pytest" in line)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_every_study_is_told_with_its_results():
    studies = {path.stem for path in (ROOT / "experiments").glob("*.py") if not path.stem.startswith("_")}
    assert set(re.findall(r"python -m experiments\.(\w+)", STUDIES)) - {"NAME"} == studies
    for name in studies:
        assert f"experiments.{name}" in (ROOT / "experiments" / "results" / f"{name}.json").read_text()


@pytest.mark.parametrize(
    ("text", "place"), [(README, ROOT), (STUDIES, ROOT / "experiments")], ids=["README", "studies"]
)
def test_files_that_are_named_exist(text, place):
    for name in re.findall(r"`((?:jaxprune|experiments|notebooks)/[\w./]+)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (place / name).exists(), name
