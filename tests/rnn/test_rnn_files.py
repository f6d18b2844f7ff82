"""Networks and trials to files and back; what is wrong with a file is said."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import untyped

import jaxprune
from jaxprune import rnn

MODEL = rnn.ctrnn(jax.random.key(0), inputs=3, neurons=7, outputs=2, alpha=0.3)
WEIGHTS = ("W_in", "b_in", "W_rec", "b_rec", "W_out", "b_out")
MODCOG = Path(os.environ.get("JAXPRUNE_DATA", Path(__file__).parents[2] / "data")) / "modcog"
ACCURACIES = {
    "ctxdlydm1intseq": 0.7067, "ctxdlydm2intseq": 0.6956, "dlydm1intseq": 0.6196, "dlydm2intseq": 0.7458, "dm1seqr": 0.6339,
    "dm2seql": 0.6269, "dmsintseq": 1.0, "multidlydmintseq": 0.5842,
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    rnn.save_rnn(path, MODEL)
    again = rnn.load_rnn(path)
    for name in (*WEIGHTS, "alpha"):
        np.testing.assert_array_equal(getattr(again, name), getattr(MODEL, name))
    rnn.save_rnn(path, rnn.ctrnn(jax.random.key(0), inputs=3, neurons=7, outputs=2, activation="relu"))
    assert rnn.load_rnn(path).activation == "relu"
    assert rnn.load_rnn(path, activation="linear").activation == "linear"


def test_dale_network_is_saved_as_it_acts(tmp_path):
    model = rnn.ctrnn(jax.random.key(0), inputs=1, neurons=8, outputs=1, excitatory=0.75)
    rnn.save_rnn(tmp_path / "dale.npz", model)
    np.testing.assert_array_equal(rnn.load_rnn(tmp_path / "dale.npz").recurrent, model.recurrent)


def test_names_of_a_state_dict(tmp_path):
    names = {"W_in": "rnn.weight_ih_l0", "b_in": "rnn.bias_ih_l0", "W_rec": "rnn.weight_hh_l0", "b_rec": "", "W_out": "fc.weight",
             "b_out": "fc.bias"}  # fmt: skip
    np.savez(
        tmp_path / "torch.npz", **{place: np.asarray(getattr(MODEL, name)) for name, place in names.items() if place}
    )
    again = rnn.load_rnn(tmp_path / "torch.npz", names=names, activation="relu")
    np.testing.assert_array_equal(again.W_rec, MODEL.W_rec)
    np.testing.assert_array_equal(again.b_rec, np.zeros(7))
    assert again.activation == "relu"
    assert float(again.alpha) == 1


@pytest.mark.parametrize(("task", "accuracy"), ACCURACIES.items())
def test_published_networks_reach_their_accuracy(task, accuracy):
    path = MODCOG / f"{task}.npz"
    if not path.exists():
        pytest.skip("needs the Mod-Cog networks")
    model, trials = rnn.load_rnn(path), rnn.load_trials(path)
    assert round(float(rnn.accuracy(model, trials.inputs, trials.labels)), 4) == accuracy


def test_bad_files(tmp_path):
    arrays = {name: np.asarray(getattr(MODEL, name)) for name in WEIGHTS}

    def stored(name, **changes):
        np.savez(tmp_path / name, **{key: value for key, value in (arrays | changes).items() if value is not None})
        return tmp_path / name

    (tmp_path / "broken.npz").write_bytes(b"not a zip")
    (tmp_path / "model.pt").write_bytes(b"")
    nan = arrays["W_rec"].copy()
    nan[1, 2] = np.nan
    trials = {"inputs": np.zeros((5, 4, 3), np.float32), "labels": np.full((5, 4), -1, np.int8)}
    for call, words in (
        (lambda: rnn.load_rnn(tmp_path / "none.npz"), "does not exist"),
        (lambda: rnn.load_rnn(tmp_path / "broken.npz"), "cannot be read"),
        (lambda: rnn.load_rnn(tmp_path / "model.pt"), "save it as safetensors"),
        (lambda: rnn.load_rnn(stored("a.npz", W_rec=None)), "has no W_rec; it has W_in, W_out, b_in"),
        (lambda: rnn.load_rnn(stored("b.npz", b_rec=np.zeros(3))), r"b_rec has shape \(3,\)"),
        (lambda: rnn.load_rnn(stored("c.npz", W_rec=nan)), "W_rec in .* not finite"),
        (lambda: rnn.load_rnn(stored("d.npz", b_in=np.zeros(7, int))), "b_in in .* dtype int64"),
        (lambda: rnn.load_rnn(stored("e.npz", alpha=np.ones(2))), "alpha in .* shape"),
        (lambda: rnn.load_rnn(stored("f.npz"), names={"W": "W_rec"}), "names has 'W'"),
        (lambda: rnn.load_rnn(stored("g.npz"), names={"W_rec": ""}), "only biases"),
        (lambda: rnn.load_rnn(stored("g.npz"), names={"alpha": "a"}), "has no a, which alpha is mapped to"),
        (lambda: rnn.load_trials(stored("n.npz", **(trials | {"inputs": np.full((5, 4, 3), np.nan)}))), "not finite"),
        (lambda: rnn.load_trials(stored("o.npz", **(trials | {"labels": np.full((5, 4), 0.5)}))), "whole numbers"),
        (lambda: rnn.save_rnn(tmp_path / "model.txt", MODEL), "suffix '.txt'"),
        (lambda: rnn.load_trials(stored("h.npz")), "has no inputs"),
        (lambda: rnn.load_trials(stored("i.npz", **trials)), "no scored step"),
        (lambda: rnn.load_trials(stored("j.npz", **trials), prefix="calibration_"), "has no calibration_inputs"),
        (lambda: rnn.load_trials(stored("k.npz", **(trials | {"labels": np.zeros((5, 3), int)}))), "labels has shape"),
        (
            lambda: rnn.load_trials(stored("l.npz", **(trials | {"labels": np.full((5, 4), 2)})), outputs=2),
            "labels holds 2",
        ),
        (lambda: rnn.load_trials(stored("m.npz", **(trials | {"inputs": np.zeros((5, 4))}))), "inputs in .* shape"),
        (lambda: rnn.accuracy(MODEL, jnp.zeros((5, 4, 3)), jnp.full((5, 4), -2)), "labels holds -2"),
    ):
        with untyped(), pytest.raises(jaxprune.InputError, match=words):
            call()
