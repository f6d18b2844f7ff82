"""What the README says can be done, can be done."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxprune
from jaxprune import rnn
from tests.helpers import dominant

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_runs():
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert isinstance(names["certificate"], jaxprune.linalg.Certificate)


def test_commands_on_a_file_run(tmp_path):
    commands = [
        line.split("#")[0] for block in blocks("bash") for line in block.splitlines() if line.startswith("jaxprune")
    ]
    assert len(commands) == 3
    np.save(tmp_path / "A.npy", np.asarray(dominant("clustered")))
    rnn.save_rnn(tmp_path / "model.npz", rnn.ctrnn(jax.random.key(0), inputs=2, neurons=16, outputs=2))
    trials = {"inputs": np.zeros((5, 4, 2)), "labels": np.zeros((5, 4), int)}
    np.savez(tmp_path / "trials.npz", **trials)  # type: ignore[arg-type]
    for command in commands:
        arguments = shlex.split(command.replace("--keep 0.1", "--keep 0.9"))[1:]
        subprocess.run(
            [sys.executable, "-m", "jaxprune.cli", *arguments], cwd=tmp_path, check=True, capture_output=True
        )


def test_continuous_integration_runs_the_test_command_word_for_word():
    command = next(line for block in blocks("bash") for line in block.splitlines() if "pytest" in line)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"python -m experiments\.(\w+)", README))))
def test_studies_that_are_named_exist_with_their_results(name):
    assert (ROOT / "experiments" / f"{name}.py").exists()
    assert f"experiments.{name}" in (ROOT / "experiments" / "results" / f"{name}.json").read_text()


def test_files_that_are_named_exist():
    for name in re.findall(r"`((?:jaxprune|experiments|notebooks)/[\w./]+)`", README):
        assert (ROOT / name).exists(), name
