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
# # A million neurons
#
# **Can a network of a million neurons be pruned on an ordinary computer?** Yes, in minutes on two cores.
#
# Such a network has $10^{12}$ possible synapses. Nothing of that size is ever made here: the network is a list of its synapses,
# its activity is sampled, and everything that is said of the pruned network comes with an error.
#
# With a million neurons it takes some minutes and 6 GB of memory. Take fewer to look around. How long each step takes is in the
# table of the study `scaling`: about a minute from the network to the certificate, on two idle cores.

# %%
import os

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jaxprune import linalg, networks, plot, prune, pruning

plt.rcParams.update(plot.figure_settings())
neurons = 6_000 if os.environ.get("JAXPRUNE_FAST") else 1_000_000


# %% [markdown]
# ## The network
#
# Clusters whose sizes follow a power law. A neuron has about 60 partners, most of them in its cluster. Weights have both signs.
# The leak of each neuron is a thousandth more than what comes in.

# %%
sizes = networks.power_law_sizes(jax.random.key(0), neurons, neurons // 1000 + 300, neurons // 10)
W = networks.sparse_clustered(jax.random.key(1), sizes, degree=59, bridges=neurons)
A = networks.dominant_leak(W, 1e-3 * float(jnp.abs(W.data).sum()) / neurons)
del W
print(f"{A.shape[0]:,} neurons in {len(sizes)} clusters, {A.data.size - A.shape[0]:,} synapses")

# %% [markdown]
# ## Activity, without a time step
#
# A symmetric network with dominant leaks is a sum over its synapses, $M = -A = \sum |w_{ij}| b_{ij} b_{ij}^T + \delta$. Noise
# on every synapse has exactly the covariance $M$, and one solve of $M x = y$ gives activity of covariance $M^{-1}$. What a
# neuron does alone is known, and taken out of the samples. So few samples say much.

# %%
samples = linalg.sampled_covariance(jax.random.key(2), A)
print(samples.words)
importance = pruning.noise_importance(A, samples)

# %% [markdown]
# The error is not a guess: here are the same synapses from four times as many samples.

# %%
again = pruning.noise_importance(A, linalg.sampled_covariance(jax.random.key(3), A, probes=4 * samples.probes))
some = np.random.default_rng(0).choice(np.flatnonzero(np.asarray(importance.data) > 0), 4000)
first, second = np.asarray(importance.data)[some], np.asarray(again.data)[some]

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
left.loglog(second, first, ".", markersize=2, color=plot.PALETTE["blue"])
left.set(xlabel="importance, four times as many samples", ylabel="importance", title="Few samples are enough")
difference = 100 * (first / second - 1)
right.hist(difference, bins=60, color=plot.PALETTE["blue"])
right.set(
    xlabel="difference, %",
    ylabel="synapses",
    title=f"Half of them differ by less than {np.median(np.abs(difference)):.1f} %",
)
plt.show()

# %% [markdown]
# ## Prune

# %%
pruned = prune(jax.random.key(4), A, "noise", keep=0.1, activity=samples, importance=importance, warn=False)
kept = pruned.matrix.data.size - neurons
print(f"{kept:,} synapses stay, {networks.count_components(pruned.mask):,} connected components")

# %% [markdown]
# ## What is true of it
#
# Epsilon bounds how far any quadratic form has moved. In a large network it is found by iteration: it is *at least* what is
# printed, and the residual says that an eigenvalue is near. Only two factorisations prove that no other is beyond, and they do
# not fit. The leak follows the weights, so that stability is proven all the same.

# %%
certificate = linalg.certify(A, pruned.matrix)
print(certificate.words)
print(linalg.Guarantee(certificate.guarantee).words)

# %% [markdown]
# The distribution of eigenvalues before and after, by stochastic Lanczos quadrature. The curves are smoothed; all eigenvalues are
# negative.

# %%
before, after = (linalg.sparse.spectral_density(jax.random.key(5), X) for X in (A, pruned.matrix))
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for density, name, label in ((before, "original", "original"), (after, "pruned", "a tenth of its synapses")):
    ax.plot(density.points, density.density, color=plot.colour(name), label=label)
ax.set(xlim=(None, 0), xlabel="eigenvalue", ylabel="density", title="Pruning with 1/p widens the bulk")
ax.legend()
plt.show()

# %% [markdown]
# ## The same from a file
#
# ```bash
# jaxprune prune network.npz --rule noise --keep 0.1 --out pruned.npz
# ```
#
# reads a SciPy sparse matrix, Matrix Market or an edge list of any length, and chooses this way by itself above a few thousand
# neurons. Networks that are not symmetric are simulated.
