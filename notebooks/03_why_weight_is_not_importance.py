# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why weight is not importance
#
# **Is a strong synapse an important one?** Not always: between two neurons that are never active together it does nothing.
# Weight and activity together tell what a removal changes.
#
# In a small network of binary neurons, a Boltzmann machine, this can be computed exactly: the network is a probability
# distribution, and what a removal changes is how far the distribution moves, in nats. Here every candidate for "importance" is
# held against that.

# %%
import os

import jax

jax.config.update("jax_enable_x64", True)

import itertools

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats

from jaxprune import boltzmann, plot
from jaxprune.boltzmann import Learning, Sessions
from jaxprune.data import binarise, digits

plt.rcParams.update(plot.figure_settings())
fast = bool(os.environ.get("JAXPRUNE_FAST"))  # a short training when only checking that the notebook runs
epochs, hidden, sessions = (20, 20, 2) if fast else (300, 100, 5)
temperatures, samples, burn_in = (50, 1000, 20) if fast else (500, 10_000, 200)
small_key, learn_key, choose_key, large_key, session_key, partition_key = jax.random.split(jax.random.key(0), 6)

# %% [markdown]
# ## A network small enough to know everything about
#
# Twelve visible neurons see digits at 4 x 3 pixels; six hidden neurons learn what goes with what. All 262,144 states can be
# listed.

# %%
images = np.concatenate([part.images for part in digits()]).astype(float)
pooled = images[:, :, 1:7].reshape(len(images), 4, 2, 3, 2).mean(axis=(2, 4))
pixels = binarise(pooled)
start = boltzmann.rbm(small_key, visible=12, hidden=6, hidden_bias=0.0, dtype=float)
model = boltzmann.learn(learn_key, start, pixels, Learning(epochs, (0.1, 0.005), chains=200)).model
exact = boltzmann.enumerate_machine(model, visible=True)
W = model.weights[0]


def lost(machine):
    """Nats between the distribution of the visible neurons before and after."""
    return float(
        boltzmann.divergence(exact.log_visible, boltzmann.enumerate_machine(machine, visible=True).log_visible)
    )


single = np.array(
    [lost(boltzmann.remove(model, [jnp.ones_like(W).at[place].set(0)])) for place in np.ndindex(*W.shape)]
)

# %% [markdown]
# ## Three candidates
#
# - The **weight** $|w|$.
# - The **Fisher information** $F$ of the weight: how precisely the activity tells its value. It is the variance of "both active",
#   which the two neurons can measure.
# - The **information lost**, $\tfrac12 w^2 F$: what a removal changes, to second order.

# %%
candidates = {
    "weight": ("weight", boltzmann.weight_size(model)),
    "Fisher information": ("variance", boltzmann.variance_information(model, exact.moments)),
    "information lost": ("information", boltzmann.information(model, exact.moments)),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
for ax, (name, (criterion, score)) in zip(axes, candidates.items(), strict=True):
    rank = scipy.stats.spearmanr(np.ravel(score[0]), single)[0]
    ax.loglog(np.ravel(score[0]), single, "o", ms=4, color=plot.colour(criterion))
    ax.set(xlabel=name, title=f"rank correlation {rank:.2f}")
    if name == "Fisher information":
        ax.set_xticks([0.05, 0.1, 0.2], ["0.05", "0.1", "0.2"], minor=False)
        ax.tick_params(axis="x", which="minor", labelbottom=False)
axes[0].set_ylabel("exact loss of a removal, nats")
plt.show()

# %% [markdown]
# Fisher information alone does not rank the synapses: a synapse can be well determined and weak. Weight alone does better,
# and weight and activity together best. Two synapses of about the same weight differ by what their neurons do:

# %%
size = np.ravel(np.abs(W))
order = np.argsort(size)
middle = order[len(order) // 2 :]
near = [(a, b) for a, b in itertools.pairwise(middle) if size[b] < 1.15 * size[a]]
a, b = max(near, key=lambda pair: abs(np.log(single[pair[0]] / single[pair[1]])))
for place in (a, b):
    post, pre = np.unravel_index(place, W.shape)
    together = float(exact.moments.pairs[0][post, pre])
    print(
        f"weight {float(W[post, pre]):+.2f}, both active {together:.1%} of the time: its removal costs {single[place]:.4f} nats"
    )

# %% [markdown]
# ## Many at once, and what a neuron can do about it
#
# When half of the synapses go, each neuron misses the mean of what it used to receive. It can add this to its own bias: a
# step that needs nothing but its own synapses.

# %%
criteria = {
    "weight": "weight",
    "information": "information lost",
    "residual-information": "residual information",
    "variance": "Fisher information",
    "uniform": "random",
}
plain, stepped = [], []
for name in criteria:
    masks = boltzmann.choose(choose_key, model, boltzmann.CRITERIA[name](choose_key, model, exact.moments), remove=0.5)
    plain.append(lost(boltzmann.remove(model, masks)))
    stepped.append(lost(boltzmann.remove(model, masks, exact.moments)))

figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
place = np.arange(len(criteria))
ax.hlines(place, stepped, plain, color=plot.PALETTE["grey"], linewidth=0.8)
ax.plot(plain, place, "o", color=plot.PALETTE["grey"], label="as they are")
ax.plot(stepped, place, "o", color=plot.PALETTE["blue"], label="biases take over the mean")
ax.set(xscale="log", xlabel="divergence with half of the synapses, nats (lower is better)")
ax.set_title("The step of the biases matters most")
ax.set_yticks(place, list(criteria.values()))
ax.invert_yaxis()
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# The step of the biases matters more than the choice between weight and information. With it, residual information loses
# least: it does not count what the biases can take over. It also tops the list over ten such networks
# (`experiments/README.md`, `boltzmann_exact`).
#
# ## Which neurons are needed?
#
# Pruning by Fisher information does something that pruning by weight does not: it leaves whole neurons without synapses,
# which then disappear. A larger network, on 8 x 8 digits, is pruned by both, retrained a little after each session.

# %%
found = digits()
train, test = binarise(found.train.images), binarise(found.test.images, float(found.train.images.mean()))
start = boltzmann.rbm(
    large_key, visible=64, hidden=hidden, sd=0.05, hidden_bias=-1.0,
    visible_bias=boltzmann.visible_bias(jnp.asarray(train, jnp.float32)),
)  # fmt: skip
large = boltzmann.learn(learn_key, start, train, Learning(epochs // 3, (0.1, 0.002), batch=20)).model


def likelihood(machine):
    """Log likelihood of digits it has not seen, in nats."""
    means = tuple(x.mean(axis=0) for x in boltzmann.mean_field(machine, jnp.asarray(train)).states)
    log_partition = boltzmann.log_partition(partition_key, machine, means=means, temperatures=temperatures).value
    return float(boltzmann.log_likelihood(machine, test, log_partition).mean())


names = {"weight": "weight", "variance": "Fisher information"}
curves, left = {}, {"before": large}
for criterion in names:
    settings = Sessions(criterion, 0.5, retrain=Learning(5, (0.02, 0.02), batch=20), samples=samples, burn_in=burn_in)
    state = boltzmann.init_sessions(session_key, large, settings)
    rows = [(int(large.masks[0].sum()), hidden, likelihood(large))]
    for _ in range(sessions):
        state, info = boltzmann.prune_session(session_key, state, train, settings)
        rows.append((info.weights[0], info.units[1], likelihood(state.model)))
    curves[criterion], left[names[criterion]] = np.array(rows), state.model

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for criterion, rows in curves.items():
    axes[0].semilogx(rows[:, 0], rows[:, 1], "o-", color=plot.colour(criterion), label=names[criterion])
    axes[1].semilogx(rows[:, 0], rows[:, 2], "o-", color=plot.colour(criterion), label=names[criterion])
axes[0].set(xlabel="synapses left", ylabel="hidden neurons left")
axes[1].set(xlabel="synapses left", ylabel="log likelihood of new digits, nats")
for ax in axes:
    ax.set_xticks(curves["weight"][:, 0], [f"{number:.0f}" for number in curves["weight"][:, 0]])
    ax.minorticks_off()
    ax.invert_xaxis()
axes[0].legend(title="criterion")
plt.show()

# %% [markdown]
# The hidden neurons with most synapses, before and after: what each of them sees of the 8 x 8 pixels. Red excites, blue inhibits,
# white is no synapse.

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
for ax, (name, machine) in zip(axes, left.items(), strict=True):
    order = np.argsort(-np.asarray(machine.masks[0]).sum(axis=1), kind="stable")[:24]
    fields = boltzmann.tile(np.asarray(machine.weights[0])[order], (8, 8), columns=8)
    limit = np.nanpercentile(np.abs(fields), 99)
    ax.imshow(fields, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set_title(f"{name}: {int(machine.masks[0].sum())} synapses, {machine.sizes[1]} neurons")
    ax.axis("off")
plt.show()

# %% [markdown]
# Fisher information finds few neurons; weight keeps the distribution. Which is better depends on what costs more, a synapse
# or a neuron: `experiments/README.md` holds both against networks that are trained small from the start.
