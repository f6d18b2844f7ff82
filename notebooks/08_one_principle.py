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
# # One principle
#
# **Noise prunes recurrent networks, Fisher information prunes Boltzmann machines, use prunes networks that learn: what do the
# three have in common?** Each rule estimates the same thing: how much information about the activity is lost when a synapse
# goes.
#
# To second order this is $D \approx \tfrac12 w^2 F$. Here $w$ is the weight, and $F$ is the Fisher information about it in
# whatever is observed. The three systems differ in what is observed:
#
# | observed | lost with one synapse, in nats | known as |
# |---|---|---|
# | activity at one moment, symmetric network | $\tfrac12(-l - \ln(1 - l))$, $l$ the leverage | noise pruning |
# | trajectories, any network with noise | $w^2\, E[f_j^2] / (2\sigma^2)$ per time | activity, Wanda; nearly "use" |
# | states of a Boltzmann machine | $\tfrac12 w^2\, \mathrm{Var}(v_i h_j)$ | Fisher information, times $w^2$ |
#
# In each row a synapse can see what it needs: its weight, and what its two neurons do.
#
# This is an observation of this project, not of the three papers. The first part below computes it again on a small network. The
# others draw results that the studies in `experiments/` have stored.

# %%
import os
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)  # spectra want double precision

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from jaxprune import linalg, networks, plot
from jaxprune.pruning import theory

plt.rcParams.update(plot.figure_settings())
fast = bool(os.environ.get("JAXPRUNE_FAST"))  # a small network when only checking that the notebook runs
results = Path("..") / "experiments" / "results"

# %% [markdown]
# ## One synapse at a time, exactly
#
# A small network of three clusters. Each pair of synapses is removed alone, and the two leaks follow. We compute exactly how
# far the distribution of the activity moves, and compare that with what the pair itself can see.

# %%
sizes = (6, 2, 4) if fast else (12, 4, 8)
W = networks.clustered(jax.random.key(0), sizes, bridges=4 * len(sizes) * sizes[1])
A = networks.dominant_leak(W, 0.05)
n = len(A)
C = linalg.stationary_covariance(A)
post, pre = np.nonzero(np.triu(np.asarray(A), 1))


def without(i, j):
    """The network without one pair of synapses; the two leaks follow."""
    size = jnp.abs(A[i, j])
    return A.at[i, j].set(0).at[j, i].set(0).at[i, i].add(size).at[j, j].add(size)


original = linalg.reference(A)
lost = jax.vmap(lambda i, j: linalg.information_lost(original, without(i, j), symmetric=True))(post, pre)
at_one_moment, along_the_path = np.asarray(lost.stationary) * n, np.asarray(lost.path) * n
weight = np.abs(np.asarray(A))[post, pre]
leverage = np.asarray(theory.leverage(A, C))[post, pre]
v = np.asarray(theory.synapse_cost(original, "path"))[post, pre]
print(f"{n} neurons, {len(weight)} pairs")
pairs = {
    "activity at one moment": (-leverage / 2 - np.log1p(-leverage) / 2, at_one_moment),
    "trajectories": (weight**2 * v, along_the_path),
}
for name, (formula, computed) in pairs.items():
    print(f"{name:24s} formula and computation differ by {np.abs(formula - computed).max():.0e} nats at most")

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
axes[0].loglog(weight, at_one_moment, ".", color=plot.colour("weight"))
axes[0].set(xlabel="weight", ylabel="nats lost about activity", title="By weight: up to ten times apart")
line = np.sort(leverage)
axes[1].loglog(line, (-line - np.log1p(-line)) / 2, color="black", linewidth=1, label="formula")
axes[1].loglog(leverage, at_one_moment, ".", color=plot.colour("noise"), label="computed")
axes[1].set(xlabel="leverage: 2 x noise importance", ylabel="nats lost about activity", title="By leverage: exact")
axes[1].legend()
axes[2].loglog(weight**2 * v, along_the_path, ".", color=plot.colour("activity"))
axes[2].loglog(*2 * [np.sort(along_the_path)], color="black", linewidth=1)
axes[2].set(
    xlabel="weight² x variance of the difference", ylabel="nats lost per time", title="Trajectories: exact, too"
)
plt.show()

# %% [markdown]
# For trajectories the pair needs the variance $v$ of the difference of its neurons; for activity at one moment the leverage,
# which is $2 |w| v$ here. Both are monotone in what the synapse sees.
#
# ## Each measure has its own coin
#
# Coins decide which synapses stay, and those that stay are divided by their probability. Then the damage is
# $\sum w^2 k\,(1/p - 1)$ to first order, and $k$ depends on what is measured. It is least for $p \propto |w| \sqrt{k}$. For four
# measures that is nearly one family, $p \propto |w|\, v^\alpha$:
#
# | measure | $k$ | best $\alpha$ |
# |---|---|---|
# | entries of the matrix | 1 | 0, the weight |
# | trajectories | $v$ | 1/2 |
# | activity at one moment | $v^2$ | 1, noise pruning |
# | response to noise (H2) | $\int c(t)^2 dt$, nearly $v^3$ | about 3/2 |
#
# Below: 16 networks of 200 neurons, a fifth of the synapses kept, from `one_principle`. Lines are medians of what happened,
# dotted lines what the first order expects; dashes mark the exponent that theory names.

# %%
table = pd.read_csv(results / "one_principle.csv")
at = table[(table.network == "clustered") & (table.keep == 0.2) & (table.coin != "response, exact")]
medians = at.assign(alpha=at.coin.astype(float)).groupby("alpha").median(numeric_only=True)
panels = {
    "path": ("trajectories", 0.5),
    "stationary": ("activity at one moment", 1.0),
    "response": ("response to noise", 1.5),
    "slow": ("ten slowest modes", None),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained", sharex=True)
for ax, (measure, (title, best)) in zip(axes, panels.items(), strict=True):
    ax.plot(
        medians.index, medians[measure] / medians[measure].min(), "o-", color=plot.colour("noise"), label="happened"
    )
    if best is not None:
        expected = medians[f"expected_{measure}"]
        ax.plot(medians.index, expected / expected.min(), ":", color="black", label="first order")
        ax.axvline(best, color="black", linestyle="--", linewidth=0.8, label="best by theory")
    ax.set(title=title, xlabel="exponent α", xticks=[0, 1, 2])
axes[0].set_ylabel("damage over the least\n(lower is better)")
axes[0].legend()
plt.show()
for measure, (title, _) in panels.items():
    print(f"{title:24s} least damage at α = {medians[measure].idxmin():g}")

# %% [markdown]
# So there is no best importance as such. Whoever cares for the slow modes, the network's memory, takes a larger exponent than
# noise pruning; whoever cares for trajectories a smaller one.
#
# ## Boltzmann machines: the square of the weight belongs to it
#
# The literature prunes by the Fisher information $F$ alone. The principle says $\tfrac12 w^2 F$. Ten machines of 12 and 6 units
# are small enough to list all states, so that each removal can be judged exactly (`boltzmann_exact`).

# %%
table = pd.read_csv(results / "boltzmann_exact.csv")
table = table[(table.hidden == 6) & (table.kept == 0.5)]
names = {
    "information": "½ w² F",
    "weight": "weight",
    "residual-information": "½ w² F, less\nwhat biases can say",
    "variance": "F alone",
    "uniform": "random",
}
figure, (ranks, losses) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained", sharey=True)
place = np.arange(len(names))
plain = table[table.step == "plain"].groupby("criterion").mean(numeric_only=True).loc[list(names)]
after = table[table.step == "bias step"].groupby("criterion").mean(numeric_only=True).loc[list(names)]
ranks.barh(place, plain["rank"].fillna(0), color=[plot.colour(name) for name in names])
ranks.axvline(0, color="black", linewidth=0.8)
ranks.set(
    xlabel="rank correlation with the exact loss of a removal", title="One removal: F alone does not rank synapses"
)
ranks.set_yticks(place, list(names.values()))
ranks.invert_yaxis()
ranks.set_axisbelow(True)
losses.plot(plain.divergence, place, "o", color=plot.PALETTE["grey"], label="as they are")
losses.plot(after.divergence, place, "o", color=plot.PALETTE["blue"], label="biases take over the mean")
losses.hlines(place, after.divergence, plain.divergence, color=plot.PALETTE["grey"], linewidth=0.8)
losses.set(
    xscale="log",
    xlabel="nats lost with half of the synapses (lower is better)",
    title="Many: what survivors do matters more",
)
losses.legend()
plt.show()

# %% [markdown]
# The formula holds for one synapse. When half of them go, what the neurons do afterwards matters more than which went: a bias
# that takes over the mean of what is lost helps every criterion. And the weight alone is hard to beat.
#
# ## Survivors: compensate first, choose second
#
# The principle also says what survivors should do. The information lost about trajectories is a quadratic form in the lost
# weights, neuron by neuron. To minimise it over the survivors is a least-squares fit that each neuron can do by itself. It is
# called compensation here, and the optimal brain surgeon elsewhere. Eight trained networks of 512 neurons, four in five
# synapses pruned without any training (`trained_rnn`):

# %%
table = pd.read_csv(results / "trained_rnn.csv")
table = table[table.pruned == 0.8]
steps = {
    "largest weights, as they are": ("weight+keep", "none"),
    "largest weights, one factor": ("weight+radius", "none"),
    "by activity, survivors refit": ("activity+compensation", "input noise"),
    "... and synapses are exchanged": ("activity+regrow", "input noise"),
    "... and the task is watched": ("activity+regrow", "task"),
}
figure, ax = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
for place, (label, (rule, source)) in enumerate(steps.items()):
    kept = table[(table.rule == rule) & (table.source == source)].groupby("task").retention.mean()
    ax.plot(kept, np.full(len(kept), place), ".", color=plot.PALETTE["grey"])
    ax.plot(kept.mean(), place, "D", color=plot.colour(rule))
    print(f"{label:32s} {kept.mean():.3f} of the accuracy")
ax.set(
    xlabel="accuracy kept, relative to the whole network", title="80 % pruned: dots are networks, diamonds their mean"
)
ax.set_yticks(range(len(steps)), list(steps))
ax.invert_yaxis()
plt.show()

# %% [markdown]
# How far can a local fit go? On clustered networks the best weights on a given mask can be searched for, with everything about
# the network known (`front`). In brackets, the share of the gap between one factor and these that the local fit closes.

# %%
table = pd.read_csv(results / "front.csv")
table = table[table.ensemble == "clustered"]
ways = {
    "noise, one factor": "one factor for all",
    "noise, compensated, 0 slow": "compensated",
    "noise, compensated, 0.6 slow": "compensated, from slow noise",
    "noise, best weights": "best weights, not local",
}
h2 = table.pivot_table(index=["keep", "network"], columns="rule", values="h2")
factor, most = h2["noise, one factor"], h2["noise, best weights"]
print(f"{'H2 error (lower is better)':30s}", *(f"{keep:4.0%} kept      " for keep in (0.4, 0.2, 0.1)))
for rule, label in ways.items():
    error = h2[rule].groupby("keep").median()
    closed = ((factor - h2[rule]) / (factor - most)).groupby("keep").median()
    print(f"{label:30s}", *(f"{error[keep]:.3f} ({closed[keep]:5.2f})  " for keep in (0.4, 0.2, 0.1)))

# %% [markdown]
# ## Networks that learn
#
# "Use it or lose it" removes synapses whose use, $|w|\, E|x|$, stays small: nearly the root of the second row above. Does
# activity help there? Each variant changes one thing of the rule (`counter_ablations`, five networks on MNIST).

# %%
table = pd.read_csv(results / "counter_ablations.csv").groupby("variant").mean(numeric_only=True)
shown = {
    "use, alpha 1.5, patience 3": "use: weight and activity",
    "score weight": "weight alone",
    "score fisher": "Fisher information alone",
    "score activity": "activity alone",
    "no weight decay": "use, no weight decay",
    "dense": "nothing pruned",
}
for name, label in shown.items():
    print(f"{label:26s} {1 - table.density[name]:5.1%} pruned, accuracy {table.accuracy[name]:.2%}")

# %% [markdown]
# There the weight alone does as well. Weight decay makes small what is not used, so that weight already tells use; without it
# the rule fails first.
#
# ## What holds, and what does not
#
# - One removal: the formulas are exact (linear networks) or right to second order (Boltzmann machines).
# - Many removals: the formulas rank coins well, but what survivors do matters more.
# - Which measure one cares for decides the rule. The exponent 3/2 is a fit to these networks, not a law.
# - For directed networks and for modes of a chosen speed the best coin is not known.
#
# The studies with their limits: `experiments/README.md`, sections `one_principle`, `boltzmann_exact`, `trained_rnn`, `front`,
# `counter_ablations`.
