# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Pruning a network that has learnt something
#
# Random networks have no task to lose. Here a recurrent network learns one, and then loses most of its synapses, without any
# training afterwards: by published rules, and by local ones that watch its task, or only noise that enters *where signals enter*.

# %%
import os

import jax

jax.config.update("jax_enable_x64", True)

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jaxprune import pruning, rnn
from jaxprune.sweep import figure_settings

plt.rcParams.update(figure_settings())
fast = bool(os.environ.get("JAXPRUNE_FAST"))  # a small network when only checking that the notebook runs
neurons, steps = (32, 150) if fast else (128, 1500)
model_key, train_key, test_key, noise_key, stream_key, prune_key, cell_key = jax.random.split(jax.random.key(0), 7)

# %% [markdown]
# ## A network learns to remember a place on a ring
#
# A bump of input shows a place; after a delay the network must name it, and then walk on round the ring.

# %%
task = rnn.ring_sequence()
model = rnn.ctrnn(model_key, inputs=task.inputs, neurons=neurons, outputs=task.outputs)
model, losses = rnn.train(train_key, model, task, steps=steps, rate=2e-3)
test = rnn.batch(test_key, task, 400)
whole = float(rnn.accuracy(model, *test))
W = model.recurrent
synapses = int((W != 0).sum())
print(f"{neurons} neurons, {synapses} recurrent synapses, accuracy {whole:.3f}")

figure, (learning, trial) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
learning.plot(losses)
learning.set(xlabel="update", ylabel="cross-entropy", yscale="log", title="learning")
outputs = jax.nn.softmax(rnn.run(model, test.inputs[:, :1])[:, 0])
trial.imshow(np.asarray(outputs).T, aspect="auto", cmap="viridis", interpolation="nearest")
scored = np.flatnonzero(np.asarray(test.labels[:, 0]) >= 0)
trial.plot(scored, np.asarray(test.labels)[scored, 0], "r.", markersize=4, label="right answer")
trial.set(xlabel="time step", ylabel="output", title="one trial")
trial.grid(False)
trial.legend(labelcolor="white")
plt.show()

# %% [markdown]
# ## Two kinds of noise
#
# Noise in every neuron moves the network in all directions alike. Noise at the inputs moves it in those directions that inputs
# can reach, which are the ones the task uses. We compare both with the task's own activity, by the second moment $H = E[f f^T]$
# of the rates.

# %%
sources = {
    "noise in every neuron": rnn.NeuronNoise(1.0).activity(noise_key, model),
    "noise at the inputs": rnn.InputNoise(1.0).activity(noise_key, model),
    "task": rnn.task_activity(model, rnn.batch(noise_key, task, 200).inputs),
}
colours = {"noise in every neuron": "#d55e00", "noise at the inputs": "#0072b2", "task": "black"}
wanted = sources["task"].second_moment
figure, (spectra, missed) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for name, activity in sources.items():
    values, vectors = np.linalg.eigh(np.asarray(activity.second_moment))
    along = np.einsum("ik,ij,jk->k", vectors, wanted, vectors)[::-1] / np.trace(wanted)
    spectra.plot(np.arange(1, neurons + 1), values[::-1] / values.sum(), color=colours[name], label=name)
    missed.plot(np.arange(1, neurons), 1 - np.cumsum(along)[:-1], color=colours[name])
spectra.set(
    xscale="log",
    yscale="log",
    xlabel="direction",
    ylabel="share of the variance",
    title="spectrum of H",
    ylim=(1e-8, 1),
)
missed.set(
    xscale="log", yscale="log", xlabel="leading directions of the source", ylabel="share of the task outside them"
)
missed.set(title="what a source does not see of the task", ylim=(1e-6, 1))
spectra.legend()
plt.show()

# %% [markdown]
# ## Prune
#
# - `magnitude, radius`: the largest weights, all scaled up until the spectral radius is what it was.
# - `weight, 1/p` and `noise, 1/p`: coins, survivors strengthened by one over their chance.
# - `activity+fit`: synapses that pass on most stay, and every neuron refits them so that its drive stays the same.
# - `activity+regrow`: the same in rounds, in which the least useful synapses go and others grow where a neuron's error and an
#   input agree. All of it is local.

# %%
shown = {
    ("magnitude, radius", None): ("#e69f00", "-"),
    ("weight, 1/p", None): ("#999999", "-"),
    ("noise, 1/p", "noise in every neuron"): ("#009e73", "-"),
    ("activity+fit", "noise in every neuron"): ("#d55e00", "--"),
    ("activity+fit", "noise at the inputs"): ("#0072b2", "--"),
    ("activity+regrow", "noise at the inputs"): ("#0072b2", "-"),
    ("activity+regrow", "task"): ("black", "-"),
}
fractions = (0.5, 0.7, 0.8, 0.9)


def retention(S):
    return float(rnn.accuracy(dataclasses.replace(model, W_rec=S), *test)) / whole


figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for (name, source), (colour, dashes) in shown.items():
    kept = [
        retention(
            rnn.prune_weights(
                prune_key, W, rnn.RECURRENT_RULES[name], keep=1 - fraction, activity=sources.get(source or "")
            ).matrix
        )
        for fraction in fractions
    ]
    label = f"{name}, {source}" if source else name
    ax.plot(fractions, kept, dashes, marker="o", color=colour, label=label)
    print(f"{label:45s}", *(f"{value:6.3f}" for value in kept))
ax.axhline(1, color="black", linewidth=0.5)
ax.set(xlabel="fraction pruned", ylabel="accuracy, relative to the whole network", ylim=(0, 1.08))
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# A network as small as this has few synapses to spare: watching its task, nine in ten can go for a fifth of the accuracy. Noise
# at the inputs, which never saw the task, is worth less here, though more than noise in every neuron and than any rule without
# a fit; in networks of 512 neurons it keeps 98 % of the task at 80 % pruned.
#
# ## Learnt by the synapses themselves
#
# The fit was solved; a synapse has to learn it. The delta rule needs its presynaptic rate and the error of its neuron's drive,
# while noise at the inputs drives the network. The drive that is lost falls towards what the exact fit loses.


# %%
def rates_under_noise(key, steps, trials=16):
    inputs = jax.random.normal(key, (steps, trials, task.inputs))
    v, seen = jnp.zeros((trials, neurons)), []
    for u in inputs:
        v = model.step(v, u)
        seen.append(model.rates(v))
    return jnp.concatenate(seen)


H = sources["noise at the inputs"].second_moment
rule = rnn.RECURRENT_RULES["activity+fit"]
fitted, mask = rnn.prune_weights(prune_key, W, rule, keep=0.3, activity=sources["noise at the inputs"])
stream = rates_under_noise(stream_key, 100 if fast else 1000)
lengths = [len(stream) // 4 * k for k in (1, 4, 16)]
learnt = [pruning.delta_rule(W, W * mask, mask, jnp.tile(stream, (4, 1))[:length], batch=4) for length in lengths]
print(
    f"nothing learnt: drive lost {float(pruning.drive_error(W, W * mask, H)):.4f}, retention {retention(W * mask):.3f}"
)
for length, S in zip(lengths, learnt, strict=True):
    print(f"{length:7d} rates: drive lost {float(pruning.drive_error(W, S, H)):.4f}, retention {retention(S):.3f}")
print(f"exact fit:      drive lost {float(pruning.drive_error(W, fitted, H)):.4f}, retention {retention(fitted):.3f}")

# %% [markdown]
# ## Any recurrent network of Equinox
#
# Two lines: watch, prune. The gates of a GRU are three square blocks that share their inputs.

# %%
cell = eqx.nn.GRUCell(task.inputs, 64, key=cell_key)
activity = rnn.cell_activity(cell, test.inputs)
pruned, report = rnn.prune_rnn(prune_key, cell, rnn.RECURRENT_RULES["activity+regrow"], keep=0.1, activity=activity)
print("kept in each gate", report.kept, "of", 64 * 63, "; drive lost", [round(lost, 5) for lost in report.drive_error])

# %% [markdown]
# `python -m experiments.trained_rnn --data ...` does this to eight public networks of 512 neurons, with every published rule
# beside; `experiments.small_rnn` to networks that it trains, with relu and Dale's law; `jaxprune prune-rnn` to yours.
