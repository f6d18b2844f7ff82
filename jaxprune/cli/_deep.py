"""Command for deep networks: `train-sparse`."""

import json
from pathlib import Path
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import rich.console
import rich.progress
import rich.table

from jaxprune import deep, plot
from jaxprune._checks import InputError, check_choice, check_fraction, check_positive, check_seed, check_whole
from jaxprune.cli._common import check_outputs, write_report
from jaxprune.cli._figure import Place, figure_path
from jaxprune.cli._notes import beside, read_notes
from jaxprune.cli._stop import goes_on, kept
from jaxprune.data import digits, inputs, load_images
from jaxprune.deep import Counter, Survival, Training
from jaxprune.files import ARRAYS, check_suffix, write_whole

RULES = ("counter", "survival")
"""Methods that find their own density."""


def train_sparse(
    out: Path,
    data: str = "digits",
    network: Literal["dense", "lenet5", "vgg", "resnet"] = "dense",
    hidden: tuple[int, ...] = (100, 50),
    method: str = "exchange",
    keep: float = 0.1,
    alpha: float = 1.0,
    patience: int = 3,
    epochs: int = 60,
    batch: int = 20,
    rate: float = 0.1,
    momentum: float = 0.9,
    decay: float = 5e-4,
    compare: bool = True,
    seed: int = 0,
    figure: Place = (),
    overwrite: bool = False,
) -> None:
    """Train a network on images while most of its synapses go, and report what it keeps.

    Writes OUT and, beside it, OUT.report.json and a figure, OUT with the suffix .png. An interrupted run goes on after its last
    epoch, from OUT.checkpoint.

    Args:
      out: the network with its masks, in PyTorch's names; .safetensors or .npz.
      data: "digits", 8 x 8 pixels, which come with scikit-learn; or a folder of IDX files (MNIST) or of CIFAR-10's, a folder or
        .zip of images, an .npz.
      network: dense layers, LeNet-5, a small VGG or ResNet-20.
      hidden: units of the hidden layers of a dense network; 300 100 for LeNet-300-100.
      method: counter or survival, which remove what is hardly used and find their own density; or one that ends with the
        fraction KEEP: exchange, magnitude, information, use, bcm, fisher, information-exchange, use-exchange, random-exchange,
        set, rigl, static-uniform, static-erdos-renyi.
      keep: fraction of all synapses at the end; not for counter and survival.
      alpha: threshold of the counter, in units of the mean use of synapses: more removes more.
      patience: epochs in a row below it after which the counter removes a synapse.
      epochs: passes over the data.
      batch: images to an update; 100 for large data sets.
      rate: learning rate at first; it falls to zero as a cosine.
      momentum: of the optimiser.
      decay: of the weights.
      compare: also train the same network without removal, from the same start.
      seed: seed of everything.
      figure: where the figure goes instead: accuracy, density of each layer and, of dense networks, which inputs go dark.
      overwrite: replace existing files.
    """
    report, checkpoint = (out.with_name(out.name + end) for end in (".report.json", ".checkpoint"))
    picture = figure_path(figure, out)
    check_outputs(out, report, picture, suffixes=ARRAYS, overwrite=overwrite)
    check_choice("method", method, (*RULES, *deep.METHODS))
    check_suffix(out)
    check_seed("seed", seed)
    check_fraction("keep", keep)
    for name, value in (("epochs", epochs), ("batch", batch), *(("hidden", size) for size in hidden)):
        check_whole(name, value, least=1)
    for name, value, zero in (("rate", rate, False), ("momentum", momentum, True), ("decay", decay, True)):
        check_positive(name, value, zero=zero)
    if momentum >= 1:
        raise InputError(f"momentum is {momentum:g}, but must be below 1: at 1 no step is ever forgotten.")
    rule = {"counter": lambda: Counter(alpha, patience), "survival": Survival}.get(
        method, lambda: deep.named_method(method, keep)
    )()
    found = digits() if data == "digits" else load_images(data)
    shape = found.train.images.shape[1:]
    brightest = float(found.train.images.max())
    x, test = (jnp.asarray(inputs(part.images, brightest)) for part in found)
    y, test_y = (jnp.asarray(part.labels) for part in found)
    steps = epochs * (len(x) // batch)
    optimiser = optax.chain(
        optax.add_decayed_weights(decay),
        optax.sgd(optax.cosine_decay_schedule(rate, max(steps, 1)), momentum=momentum),
    )
    model_key, fit_key = jax.random.split(jax.random.key(seed))
    model, extra = _network(model_key, network, hidden, x.shape[1:], int(y.max()) + 1)
    places = {"sparse": checkpoint, "dense": checkpoint.with_name(f"{checkpoint.name}.dense")}
    results = {}
    for label, chosen in (("sparse", rule), *((("dense", None),) if compare else ())):
        training = Training(epochs, optimiser, batch, chosen)
        results[label] = _trained(fit_key, model, extra, (x, y, test, test_y), training, places[label], label)
    state, rows = results["sparse"]
    layers = deep.cost(state.model, test, forward=lambda m, x: deep.predict(m, state.extra, x)[0])
    facts = {
        "method": method, "keep": keep if method not in RULES else None,
        "alpha": alpha if method == "counter" else None, "patience": patience if method == "counter" else None,
        "data": data, "network": network, "hidden": hidden if network == "dense" else None, "epochs": epochs,
        "batch": batch, "rate": rate, "momentum": momentum, "decay": decay, "seed": seed,
        "synapses": sum(layer.synapses for layer in layers), "kept": sum(layer.kept for layer in layers),
        "accuracy": rows[-1]["accuracy"], "dense_accuracy": results["dense"][1][-1]["accuracy"] if compare else None,
        "largest_class": float(jnp.bincount(test_y).max() / len(test_y)),
        "layers": [layer._asdict() for layer in layers], "epochs_seen": rows,
    }  # fmt: skip
    drawn = _draw(results, state, network, shape, _finding(facts))
    deep.save_model(out, state.model, state.rule.masks, extra=state.extra, overwrite=True)
    plot.save_figure(drawn, picture)
    write_report(report, facts)
    for path in places.values():
        path.unlink(missing_ok=True)
        beside(path).unlink(missing_ok=True)
    _show(facts)
    print(f"\nnetwork {out}   report {report}   figure {picture}")


COMMANDS = {"train-sparse": train_sparse}


def _network(key, network, hidden, shape, classes):
    """The network at the start, and its state, in single precision."""
    channels, rows, columns = shape
    if network == "dense":
        made = deep.Dense(key, (channels * rows * columns, *hidden, classes)), None
    elif network == "lenet5":
        if rows != columns or rows < 16:
            raise InputError(
                f"images have {rows} x {columns} pixels, but lenet5 needs square ones of at least 16 x 16."
            )
        made = deep.LeNet5(key, channels=channels, side=rows, classes=classes), None
    else:
        kind = {"vgg": deep.VGG, "resnet": deep.ResNet}[network]
        made = eqx.nn.make_with_state(kind)(key, channels=channels, classes=classes)
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, made)


def _trained(key, model, extra, images, training, checkpoint, label):
    """The state after the last epoch, and what every epoch gave, those before an interruption included."""
    x, y, test, test_y = images
    notes, rows = beside(checkpoint), read_notes(checkpoint, ("loss", "accuracy", "density", "layers"))

    def each(state, info):
        del rows[int(state.epoch) - 1 :]
        accuracy = deep.accuracy(state.model, state.extra, test, test_y)
        layers = [float(part) for part in info.layers]
        rows.append({"loss": float(info.loss), "accuracy": accuracy, "density": float(info.density), "layers": layers})
        write_whole(notes, json.dumps(rows).encode())
        bar.update(task, completed=int(state.epoch))

    console = rich.console.Console(stderr=True)
    # Nothing is left of the bar: what is refused is one line.
    bar = rich.progress.Progress(
        "[progress.description]{task.description}", rich.progress.BarColumn(), rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    task = bar.add_task(f"epochs of the {label} network", total=training.epochs)
    with kept(lambda: goes_on(checkpoint)), bar:
        return deep.fit(key, model, x, y, training, extra=extra, checkpoint=checkpoint, each=each), rows


def _draw(results, state, network, shape, title):
    """Accuracy, density of each layer, and the synapses of each pixel where the first layer sees pixels one by one."""
    parts = np.array([row["layers"] for row in results["sparse"][1]]).T.tolist()
    curves = {label: [row["accuracy"] for row in rows] for label, (_, rows) in results.items()}
    layers = dict(zip(deep.names(state.model), parts, strict=True))
    if network != "dense":
        return plot.training_figure(curves, layers, title=title)
    # The network takes channels first.
    channels_first = (shape[2], *shape[:2]) if len(shape) == 3 else (1, *shape)
    mask = np.asarray(state.rule.masks.layers[0].weight).reshape(-1, *channels_first)
    return plot.training_figure(curves, layers, (mask.sum(axis=1).reshape(len(mask), -1), shape[:2]), title=title)


def _finding(facts):
    """The title of the figure."""
    beside = "" if facts["dense_accuracy"] is None else f", and {facts['dense_accuracy']:.1%} of those without removal"
    kept = facts["kept"] / facts["synapses"]
    return f"{kept:.1%} of the synapses are left; the network is right on {facts['accuracy']:.1%} of the test images{beside}"


def _show(facts):
    table = rich.table.Table("layer", "synapses", "kept", "operations", "of kept synapses")
    for layer in facts["layers"]:
        table.add_row(
            layer["name"], f"{layer['synapses']:,}", f"{layer['kept'] / layer['synapses']:.1%}",
            f"{layer['operations']:,}", f"{layer['kept_operations']:,}",
        )  # fmt: skip
    rich.console.Console(width=100).print(table)
    print(f"{facts['kept']:,} of {facts['synapses']:,} synapses are left ({facts['kept'] / facts['synapses']:.1%})")
    dense = facts["dense_accuracy"]
    beside = "" if dense is None else f"   without removal {dense:.2%}"
    print(
        f"accuracy on test images {facts['accuracy']:.2%}{beside}   always the largest class {facts['largest_class']:.2%}"
    )
