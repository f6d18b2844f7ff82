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
# # Noise tells a network which synapses it can lose
#
# **Which synapses can a recurrent network lose without changing what it does?** Those between neurons that move together anyway;
# noise shows which these are.
#
# Ten minutes, for a neuroscientist. A recurrent network is full of synapses that do the same work twice. Moore and Chaudhuri
# (NeurIPS 2020) *let the network run on noise and watch pairs of neurons*. If two neurons already move together without help,
# the synapse between them is not what holds them together. Every synapse can see that for itself, from the activity of its two
# neurons.
#
# We build such a network, look at what the noise says, prune it, and look at the spectrum (the time scales of the network)
# before and after.

# %%
import os

import jax

jax.config.update("jax_enable_x64", True)  # spectra want double precision

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxprune
from jaxprune import dynamics, linalg, networks, plot, pruning

plt.rcParams.update(plot.figure_settings())
scale = 1 if os.environ.get("JAXPRUNE_FAST") else 4  # a small network when only checking that the notebook runs

# %% [markdown]
# ## A network of clusters
#
# Three clusters of densely connected neurons, and a few weak long-range synapses. The dynamics are
# $\dot x = A x + \sigma \xi(t)$, with $A = W - \mathrm{leak}$; each neuron's leak just outweighs its incoming synapses.

# %%
network_key, prune_key, noise_key = jax.random.split(jax.random.key(0), 3)
sizes = (50 * scale, 10 * scale, 40 * scale)
W = networks.clustered(network_key, sizes, bridges=250 * scale)
A = networks.dominant_leak(W)
n = len(A)
print(
    f"{n} neurons, {int((W != 0).sum())} synapses, slowest mode {float(linalg.spectral_abscissa(A, symmetric=True)):.4f}"
)

# %% [markdown]
# ## What the noise says
#
# Noise drives the network; $C$ is the covariance of its activity. From it, the *difference covariance*
# $C_{ii} + C_{jj} - 2 s_{ij} C_{ij}$: how far apart two neurons drift (for an inhibitory synapse, $s = -1$, how far their sum
# does). Importance is that times the weight. In a large cluster every neuron has many inputs that all say the same; its synapses
# are individually redundant. In the small cluster, and between clusters, few synapses hold neurons together that would drift
# apart without them: each one matters.

# %%
keep = 0.2
C = linalg.stationary_covariance(A)
variance = jnp.diagonal(C)
difference = variance[:, None] + variance[None, :] - 2 * jnp.sign(A) * C
importance = pruning.noise_importance(A, C)
probability = pruning.keep_probabilities(importance, keep=keep)

panels = {
    "covariance under noise": (C * (1 - jnp.eye(n)), "viridis"),
    "difference covariance, where\nthere is a synapse": (jnp.where(W != 0, difference, jnp.nan), "viridis"),
    f"probability to stay ({keep:.0%} kept)": (jnp.where(W != 0, probability, jnp.nan), "magma"),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
plot.plot_weights(W, axes[0]).set_title("weights: red excites, blue inhibits")
for ax, (title, (matrix, colours)) in zip(axes[1:], panels.items(), strict=True):
    values = np.asarray(matrix)
    top = np.nanpercentile(values[np.isfinite(values) & (values != 0)], 98)
    image = ax.imshow(values, cmap=colours, vmin=0, vmax=top, interpolation="nearest")
    ax.set(title=title, xlabel="from neuron")
    ax.grid(False)
    figure.colorbar(image, ax=ax, shrink=0.8)
plt.show()

# %% [markdown]
# The blocks on the diagonal are the clusters, the specks outside the long-range synapses. By weight, all three clusters look
# alike. Under noise they do not: the neurons of the small one, in the middle, drift furthest apart, and its synapses stay with
# several times the probability of the others. That is where the slow modes of this network live.

# %%
cluster = np.repeat(np.arange(3), sizes)
same = cluster[:, None] == cluster[None, :]
there = np.asarray(W != 0)
groups = {"large": 0, "small": 1, "middle": 2}
where = {f"{name} cluster": there & same & (cluster[:, None] == index) for name, index in groups.items()}
where["between clusters"] = there & ~same
by_weight = pruning.keep_probabilities(pruning.weight_importance(A), keep=keep)
print(f"{'mean probability to stay':26s} by noise   by weight")
for name, place in where.items():
    print(f"  {name:24s} {float(probability[place].mean()):8.3f}    {float(by_weight[place].mean()):8.3f}")

# %% [markdown]
# ## Prune
#
# Each synapse stays with its probability, and those that stay grow by one over it. The leak follows the weights. Other rules
# keep the most important synapses and adjust them: `+compensation` until each neuron's total drive under noise is what it was,
# `+abscissa` by one factor for all, which restores the slowest decay, and `+keep` not at all. The last row is the network
# without any synapse: a measure on which it does well says little.
#
# - **H2 error**: how far the activity is from the original's under the same noise, relative to its size.
# - **slow modes**: error of the decay along the original's ten slowest modes, and the worst of them.
# - **epsilon**, the certificate: how far every quadratic form $x^T A x$, and with it every eigenvalue, can have moved.
# - **sorted median**: eigenvalues compared in order, as the literature does.

# %%
rules = ("noise", "weight", "uniform", "noise+compensation", "noise+abscissa", "noise+keep")
pruned = {name: jaxprune.prune(prune_key, A, name, keep=keep).matrix for name in rules}
pruned["empty"] = jnp.diag(jnp.diagonal(A))
original = linalg.reference(A)  # looked at once, to compare all of them with
print(f"{'rule':20s} kept   H2 error  slow modes  worst of them  epsilon  sorted median")
for name, S in pruned.items():
    found = linalg.measure(original, S)
    print(
        f"{name:20s} {float(found.certificate.kept_fraction):.3f}  {float(found.h2):7.3f}  {float(found.slow_modes):10.3f}"
        f"  {float(found.worst_mode):13.3f}  {float(found.certificate.epsilon):7.3f}  {float(found.sorted_median):13.3f}"
    )

# %% [markdown]
# ## Before and after
#
# Left: the rates at which the network's modes decay, slowest first; these are its time scales. Right: the error along the
# original's own slow modes.

# %%
figure, (spectrum, errors) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
rank, slow = np.arange(1, n + 1), 40
spectrum.plot(rank, -original.modes.eigenvalues, color="black", linewidth=3, alpha=0.3, label="original")
for name in ("noise", "weight", "noise+compensation", "empty"):
    style = {**plot.rule_style(name), "marker": ""}
    S = pruned[name]
    spectrum.plot(rank, -linalg.eigenvalues(S, symmetric=True), label=name, **style)
    errors.plot(rank[:slow], linalg.spectral_errors(original, S).quadratic[:slow], **style, label=name)
spectrum.set(xscale="log", yscale="log", xlabel="mode, slowest first", ylabel="decay rate", title="spectrum")
errors.set(
    xscale="log",
    yscale="log",
    xlabel="mode of the original, slowest first",
    ylabel=r"error $|v^T S v/\lambda - 1|$ (lower is better)",
    title=f"error along the {slow} slowest modes",
)
spectrum.legend()
plot.label_lines(errors)
plt.show()

# %% [markdown]
# The same noise, through the original and through a network with a fifth of its synapses. Two neurons of each cluster:

# %%
lasting = -10 / float(original.modes.eigenvalues[0])  # ten of the slowest time constants
steps = 2000 if scale > 1 else 500
ran = dynamics.same_noise(
    noise_key,
    [A, pruned["noise"]],
    dt=min(lasting / steps, 0.5 / float(jnp.abs(jnp.diagonal(pruned["noise"])).max())),
    steps=steps,
    record_every=4,
)
starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
figure, ax = plt.subplots(figsize=(11, 4), layout="constrained")
courses = dict(zip(("original", "pruned"), ran.states, strict=True))
plot.plot_time_course(ran.times, courses, ax, neurons=sorted([*starts.tolist(), *(starts + 1).tolist()]))
ax.set_title("With a fifth of the synapses, each neuron does nearly the same", loc="left")
plt.show()

# %% [markdown]
# What stays depends on what is asked.
#
# - **Slow modes**, the network's memory: coins by noise keep them all about equally well. With compensation most are closer
#   still, but two are lost, the collective modes of two clusters. A mean over ten shows this, a median does not.
# - **The response to noise**: compensation is closest to the original. Coins pay for the slow modes here; by weight or at random
#   they do worse than no synapse at all.
# - **The sorted median** prefers the network without any synapse to all coins. Do not judge a network by it.
#
# Compensation is local: each neuron needs nothing but its own inputs and its own error. So are the coins, but for one number,
# their scale.
#
# %% [markdown]
# ## What was needed
#
# For each synapse: its weight, and the noise-driven activity of the two neurons it joins. No task, no gradient, no knowledge of
# the rest of the network. `jaxprune sweep` repeats this over ensembles and fractions; `jaxprune prune` does it to your matrix.
