"""`--figure` as a person uses it: a picture where it was asked for, none elsewhere, and nothing replaced unasked."""

import sys

import jax
import numpy as np
import pytest

from jaxprune import rnn
from tests.helpers import dominant

PNG = b"\x89PNG"


@pytest.fixture
def matrix(tmp_path):
    np.save(tmp_path / "A.npy", np.asarray(dominant("clustered")))
    return tmp_path / "A.npy"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_prune_and_certify_draw_where_they_are_asked_to(run, matrix, tmp_path):
    command = ("prune", "A.npy", "--rule", "noise", "--keep", "0.9")
    assert run(*command, "--out", "plain.npz")[0] == 0
    status, out, err = run(*command, "--figure", "--out", "B.npz")
    assert (status, err) == (0, "")
    assert out.endswith("certificate B.npz.certificate.json   figure B.png\n")
    assert (tmp_path / "B.png").read_bytes()[:4] == PNG
    before = (tmp_path / "B.png").read_bytes()
    status, _, err = run(*command, "--out", "C.npz", "--figure", "B.png")
    assert (status, err.count("\n")) == (2, 1)
    assert "B.png exists: choose another name, or pass --overwrite" in err
    assert (tmp_path / "B.png").read_bytes() == before
    status, out, err = run("certify", "A.npy", "B.npz", "--figure", "D.png", "--out", "B.json")
    assert (status, err) == (0, "")
    assert out.endswith("figure D.png\n")
    assert (tmp_path / "D.png").read_bytes()[:4] == PNG
    status, _, err = run("certify", "A.npy", "B.npz", "--figure")
    assert (status, err.count("\n")) == (2, 1)
    assert "B.png exists" in err
    assert names(tmp_path) == sorted(
        [
            "A.npy",
            "plain.npz",
            "plain.npz.certificate.json",
            "B.npz",
            "B.npz.certificate.json",
            "B.png",
            "B.json",
            "D.png",
        ]
    )


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        (("a.pdf",), "--figure is a.pdf, but its suffix must be .png"),
        (("a.png", "b.png"), "--figure takes one path, but 2 were given"),
        (("nowhere/a.png",), "there is no directory nowhere"),
        ((".",), "must name a file"),
        (("/proc/a.png",), "error: /proc/a.png cannot be written (No such file or directory): choose another place.\n"),
    ],
)
def test_places_that_cannot_be(run, matrix, tmp_path, figure, message):
    status, out, err = run("prune", matrix, "--keep", "0.5", "--out", "B.npz", "--figure", *figure)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert names(tmp_path) == ["A.npy"]


def test_without_matplotlib_it_says_so_before_anything_is_computed(run, matrix, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, err = run("prune", matrix, "--keep", "0.5", "--out", "B.npz", "--figure")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "--figure needs the package matplotlib: pip install 'jaxprune[experiments]'" in err
    assert run("prune", matrix, "--keep", "0.5", "--rule", "noise", "--out", "B.npz")[0] == 0


def test_names_are_not_mathematics(run, tmp_path):
    (tmp_path / "A.csv").write_text("pre,post,weight\n" + "$\\bad{$,b,1\nb,$\\bad{$,0.5\nb,c,1\nc,b,1\n")
    command = ("prune", "A.csv", "--leak", "scaled", "--rule", "noise", "--keep", "0.9", "--out", "B.npz", "--figure")
    status, _, err = run(*command)
    assert (status, err) == (0, "")
    assert (tmp_path / "B.png").read_bytes()[:4] == PNG


def test_recurrent_networks(run, tmp_path):
    model = rnn.ctrnn(jax.random.key(0), inputs=2, neurons=12, outputs=3)
    rnn.save_rnn(tmp_path / "model.npz", model)
    inputs = np.ones((5, 4, 2))
    np.savez(
        tmp_path / "trials.npz", inputs=inputs, labels=np.argmax(rnn.run(model, jax.numpy.asarray(inputs)), axis=-1)
    )
    command = ("prune-rnn", "model.npz", "--keep", "0.5", "--rule", "weight+keep", "--out", "B.npz", "--figure")
    for more in ((), ("--trials", "trials.npz")):
        status, out, err = run(*command, "--overwrite", *more)
        assert (status, err) == (0, "")
        assert out.endswith("figure B.png\n")
        assert (tmp_path / "B.png").read_bytes()[:4] == PNG
    assert run(*command)[0] == 2
