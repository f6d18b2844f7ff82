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
keys = iter(jax.random.split(jax.random.key(0), 9))
model_key, train_key, test_key, noise_key, input_key, task_key, stream_key, prune_key, cell_key = keys

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
    "noise at the inputs": rnn.InputNoise(1.0).activity(input_key, model),
    "task": rnn.task_activity(model, rnn.batch(task_key, task, 200).inputs),
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
# ## In a closed loop
#
# A pruned network strays a little from the states of the whole one, and then meets states that nobody asked it to keep. So watch
# the pruned network as well, refit and exchange a few synapses, and watch it again: `loops` of the rule. Below, the distance of
# its rates from those of the whole network over a trial, and what it keeps of the task.


# %%
def watch(S):
    return rnn.task_activity(dataclasses.replace(model, W_rec=S), rnn.batch(task_key, task, 200).inputs)


def rates(S):
    """Rates along all trials, (time, trial, neuron)."""
    network, v, seen = dataclasses.replace(model, W_rec=S), jnp.zeros((test.inputs.shape[1], neurons)), []
    for u in test.inputs:
        v = network.step(v, u)
        seen.append(network.rates(v))
    return jnp.stack(seen)


rule = rnn.RECURRENT_RULES["activity+regrow"]
whole_rates = rates(W)
figure, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
for loops, colour in zip((0, 1, 4, 16), ("#999999", "#e69f00", "#0072b2", "black"), strict=True):
    S = rnn.prune_weights(prune_key, W, dataclasses.replace(rule, loops=loops), keep=0.1, observe=watch).matrix
    distance = jnp.linalg.norm(rates(S) - whole_rates, axis=(1, 2)) / jnp.linalg.norm(whole_rates, axis=(1, 2))
    ax.plot(distance, color=colour, label=f"{loops} loops: retention {retention(S):.3f}")
    print(f"{loops:3d} loops: retention {retention(S):.3f}, mean distance {float(distance.mean()):.3f}")
ax.set(xlabel="time step", ylabel="distance, relative", title="rates of the pruned network, 10 % kept")
ax.legend()
plt.show()

# %% [markdown]
# This network hardly strays, and gains little: its rates come closer, its accuracy by a percent or two. One network of
# `experiments.trained_rnn` keeps .17 of its task at 90 % pruned without loops, and .99 with eight.
#
# ## Learnt by the synapses themselves
#
# All this was solved for; a synapse has to learn it. With the delta rule it needs its presynaptic rate and what its neuron's
# drive lacks, while the pruned network runs on its own weights and noise at the inputs drives it. The drive that is lost falls
# towards what the exact fit loses.

# %%
H = sources["noise at the inputs"].second_moment
rule = rnn.RECURRENT_RULES["activity+regrow"]
fitted, mask = rnn.prune_weights(prune_key, W, rule, keep=0.3, activity=sources["noise at the inputs"])
thinned = W * mask
print(f"nothing learnt: drive lost {float(pruning.drive_error(W, thinned, H)):.4f}, retention {retention(thinned):.3f}")
for length in (30, 100) if fast else (100, 1000, 10000):
    noise = rnn.InputNoise(1.0, steps=length, burn_in=0).inputs(stream_key, task.inputs)
    S = rnn.learn_online(model, dataclasses.replace(model, W_rec=thinned), noise).W_rec
    print(f"{length:7d} steps: drive lost {float(pruning.drive_error(W, S, H)):.4f}, retention {retention(S):.3f}")
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
