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
from jaxprune.rnn import _files

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
    again = rnn.load_rnn(tmp_path / "torch.npz", names=names, activation="relu", alpha=1.0)
    np.testing.assert_array_equal(again.W_rec, MODEL.W_rec)
    np.testing.assert_array_equal(again.b_rec, np.zeros(7))
    assert again.activation == "relu"
    assert float(again.alpha) == 1


def test_alpha_is_never_made_up(tmp_path):
    arrays = {name: np.asarray(getattr(MODEL, name)) for name in WEIGHTS}
    np.savez(tmp_path / "without.npz", **arrays)
    np.savez(tmp_path / "with.npz", alpha=np.float32(0.3), **arrays)
    with pytest.raises(jaxprune.InputError, match=r"has no alpha, the step over the time constant: .*--alpha"):
        rnn.load_rnn(tmp_path / "without.npz")
    assert float(rnn.load_rnn(tmp_path / "without.npz", alpha=0.2).alpha) == 0.2
    assert float(rnn.load_rnn(tmp_path / "with.npz", alpha=0.3).alpha) == np.float32(0.3)
    with pytest.raises(jaxprune.InputError, match=r"alpha is given as 0.2, but .* says 0.3"):
        rnn.load_rnn(tmp_path / "with.npz", alpha=0.2)


def test_inputs_of_whole_numbers_and_names_as_strings(tmp_path):
    np.savez(tmp_path / "trials.npz", inputs=np.ones((5, 4, 3), np.uint8), labels=np.zeros((5, 4), np.uint64))
    trials = rnn.load_trials(tmp_path / "trials.npz", inputs=3)
    assert (trials.inputs.dtype, trials.labels.dtype) == (np.float32, np.int32)
    arrays = {name: np.asarray(getattr(MODEL, name)) for name in WEIGHTS}
    np.savez(tmp_path / "named.npz", alpha=1, activation=np.array("relu"), **arrays)
    assert rnn.load_rnn(tmp_path / "named.npz").activation == "relu"


def test_what_pretends_to_name_a_nonlinearity_is_never_unpacked(tmp_path, monkeypatch):
    """A file of some kilobytes can hold an array of gigabytes, and a number turned into bytes is as many."""
    arrays = {name: np.asarray(getattr(MODEL, name)) for name in (*WEIGHTS, "alpha")}
    np.savez_compressed(tmp_path / "long.npz", activation=np.zeros(2_000_000, np.uint8), **arrays)
    np.savez(tmp_path / "number.npz", activation=np.array(10**9), **arrays)
    with pytest.raises(jaxprune.InputError, match="is no name of a nonlinearity"):
        rnn.load_rnn(tmp_path / "number.npz")
    monkeypatch.setattr(_files, "read_arrays", lambda path: pytest.fail("it was unpacked"))
    with pytest.raises(jaxprune.InputError, match="is no name of a nonlinearity"):
        rnn.load_rnn(tmp_path / "long.npz")


@pytest.mark.parametrize(("task", "accuracy"), ACCURACIES.items())
def test_published_networks_reach_their_accuracy(task, accuracy):
    path = MODCOG / f"{task}.npz"
    if not path.exists():
        pytest.skip("needs the Mod-Cog networks")
    model, trials = rnn.load_rnn(path), rnn.load_trials(path)
    assert round(float(rnn.accuracy(model, trials.inputs, trials.labels)), 4) == accuracy


def test_bad_files(tmp_path):
    arrays = {name: np.asarray(getattr(MODEL, name)) for name in (*WEIGHTS, "alpha")}

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
        (lambda: rnn.load_rnn(stored("a.npz", W_rec=None)), "has no W_rec; it has W_in, W_out, alpha, b_in"),
        (lambda: rnn.load_rnn(stored("b.npz", b_rec=np.zeros(3))), r"b_rec has shape \(3,\)"),
        (lambda: rnn.load_rnn(stored("c.npz", W_rec=nan)), "W_rec in .* not finite"),
        (lambda: rnn.load_rnn(stored("d.npz", b_in=np.zeros(7, int))), "b_in in .* dtype int64"),
        (lambda: rnn.load_rnn(stored("e.npz", alpha=np.ones(2))), "alpha in .* shape"),
        (lambda: rnn.load_rnn(stored("f.npz"), names={"W": "W_rec"}), "names has 'W'"),
        (lambda: rnn.load_rnn(stored("g.npz"), names={"W_rec": ""}), "only biases"),
        (lambda: rnn.load_rnn(stored("g.npz"), names={"alpha": "a"}), "has no a, which alpha is mapped to"),
        (lambda: rnn.load_trials(stored("n.npz", **(trials | {"inputs": np.full((5, 4, 3), np.nan)}))), "not finite"),
        (lambda: rnn.load_trials(stored("o.npz", **(trials | {"labels": np.full((5, 4), 0.5)}))), "whole numbers"),
        (
            lambda: rnn.load_rnn(stored("p.npz", W_in=np.float64(1))),
            r"W_in in .* shape \(\), but must be \(neuron, input\)",
        ),
        (lambda: rnn.load_rnn(stored("q.npz", b_in=np.zeros((7, 1)))), r"b_in in .* shape \(7, 1\)"),
        (lambda: rnn.load_rnn(stored("r.npz", W_rec=np.zeros((0, 0)))), r"W_rec in .* shape \(0, 0\)"),
        (lambda: rnn.load_rnn(stored("s.npz", alpha="slow")), "alpha in .* dtype <U4, but must be one real number"),
        (
            lambda: rnn.load_rnn(stored("t.npz", activation=np.full(4, 255, np.uint8))),
            "activation in .* must be one of 'tanh'",
        ),
        (lambda: rnn.load_rnn(stored("u.npz", activation=np.zeros((2, 2)))), "no name of a nonlinearity"),
        (
            lambda: rnn.load_trials(stored("v.npz", **(trials | {"inputs": np.zeros((5, 4, 3), complex)}))),
            "dtype complex128",
        ),
        (lambda: rnn.load_trials(stored("w.npz", **(trials | {"inputs": np.full((5, 4, 3), "1")}))), "dtype <U1"),
        (
            lambda: rnn.load_trials(stored("x.npz", **trials), inputs=5),
            r"\(time, trial, 5\): its axes seem to be in another",
        ),
        (lambda: rnn.load_trials(stored("y.npz", **trials), inputs=6), r"must be \(time, trial, 6\)\.$"),
        (
            lambda: rnn.load_trials(stored("z.npz", **(trials | {"labels": np.zeros((4, 5), int)}))),
            "swap the axes of whichever",
        ),
        (
            lambda: rnn.load_trials(stored("0.npz", **(trials | {"labels": np.full((5, 4), 2**60)}))),
            "labels holds 1152921504",
        ),
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
