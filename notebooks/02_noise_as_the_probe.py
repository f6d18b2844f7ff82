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
# # Noise as the probe
#
# **Can a synapse find out for itself whether it matters?** Yes: it watches its two neurons while noise drives the network, for
# some ten of the network's slowest time constants.
#
# Notebook 01 took the covariance of the activity from an equation. A synapse cannot solve equations. Here the network *runs*,
# noise drives it, and every synapse measures, learns and disappears by what it sees while that happens. Then the neurons get a
# threshold, and inputs that switch them on and off.

# %%
import os

import jax

jax.config.update("jax_enable_x64", True)  # spectra want double precision

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats

import jaxprune
from jaxprune import dynamics, linalg, networks, plot, pruning

plt.rcParams.update(plot.figure_settings())
fast = bool(os.environ.get("JAXPRUNE_FAST"))  # a small network when only checking that the notebook runs
scale = 1 if fast else 4

network_key, noise_key, mask_key, online_key, input_key = jax.random.split(jax.random.key(0), 5)
sizes = (25 * scale, 5 * scale, 20 * scale)
A = networks.dominant_leak(networks.clustered(network_key, sizes, bridges=125 * scale))
n = len(A)
C = linalg.stationary_covariance(A)  # the exact answer, to compare with: nothing below uses it to decide
exact = pruning.noise_importance(A, C)
slowest = -1 / float(linalg.spectral_abscissa(A, symmetric=True))
print(f"{n} neurons, slowest time constant {slowest:.0f}")

# %% [markdown]
# ## A network under noise
#
# $\dot x = A x + \sigma \xi(t)$. One neuron of each cluster. The neurons of a cluster go up and down together; what a synapse
# measures is how far its own two neurons drift apart.

# %%
dt = 0.1
ran = dynamics.simulate(
    noise_key, dynamics.Linear(A), jnp.zeros(n), dt=dt, steps=round(5 * slowest / dt), method="exact", record_every=5
)
times = dt * 5 * np.arange(1, len(ran.trajectory) + 1)
starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
figure, axes = plt.subplots(3, 1, figsize=(10, 4.5), sharex=True, layout="constrained")
for ax, first, size in zip(axes, starts, sizes, strict=True):
    ax.plot(times, ran.trajectory[:, first], color=plot.PALETTE["blue"], linewidth=0.8)
    ax.plot(times, ran.trajectory[:, first + 1], color=plot.PALETTE["vermilion"], linewidth=0.8)
    ax.set_title(f"two neurons of the cluster of {size}", fontsize=9)
axes[-1].set_xlabel("time")
plt.show()

# %% [markdown]
# ## How long must a synapse watch?
#
# `Differences` keeps one number for each synapse, $\operatorname{Var}(x_i - s_{ij} x_j)$, updated with every step. `BatchMeans`
# puts an error bar on it, from batches five slowest time constants long. Each dot below is a synapse: what it measured against
# the truth.

# %%
multiples = (10, 100) if fast else (10, 100, 1000)
figure, axes = plt.subplots(1, len(multiples), figsize=(11, 3.6), layout="constrained")
watch = dynamics.BatchMeans(dynamics.Differences(A))
i, j = np.nonzero(np.triu(np.asarray(A), 1))
truth = np.asarray(exact)[i, j]
for ax, multiple in zip(axes, multiples, strict=True):
    seen = dynamics.simulate(
        noise_key,
        dynamics.Linear(A),
        ran.state,
        dt=5 * slowest / dynamics.SPAN,  # the exact step may be of any size
        steps=multiple // 5 * dynamics.SPAN,
        method="exact",
        observe=watch,
    ).observed
    measured = pruning.measured_importance(
        A,
        watch.observer.matrix(seen.value, n),
        watch.observer.matrix(seen.error, n),
        batches=seen.batches,
        confidence=0.9,
    )
    value, low, high = (np.asarray(part)[i, j] for part in measured)
    rank = scipy.stats.spearmanr(truth, value).statistic
    inside = float(np.mean((low <= truth) & (truth <= high)))
    ax.plot(truth, value, ".", markersize=2, alpha=0.4, color=plot.PALETTE["blue"])
    ax.plot([truth.min(), truth.max()], [truth.min(), truth.max()], color="black", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="exact importance")
    ax.set_title(
        f"{multiple} slowest time constants\nrank correlation {rank:.3f}, {inside:.0%} in their intervals", fontsize=9
    )
    print(f"{multiple:4d} time constants: rank correlation {rank:.3f}, {inside:.1%} of the truth in 90 % intervals")
axes[0].set_ylabel("measured importance")
plt.show()

# %% [markdown]
# After ten time constants the order is nearly right already, and the order is all that a decision needs. (Two batches say little
# about errors; from twenty on, nine in ten intervals hold the truth, as they should. Synapses share the same noise, so the share
# wanders from run to run.)
#
# ## Measure, remove, learn, again
#
# `OnlinePrune` does all of it on the running network, in rounds: measure importance, remove the least important synapses, let
# the survivors learn by a delta rule to give each neuron the drive that it had. A pair of pure functions, `init` and `step`.

# %%
rounds, keep = 4, 0.1
online = pruning.OnlinePrune(dt=0.25, observe=25, adapt=50, symmetric=True)
step, state = jax.jit(online.step), online.init(A)
original = linalg.reference(A)
counts = online.schedule(A, keep, rounds)
exact_activity = dynamics.activity_of(C)
one_shot = {
    name: [
        pruning.apply_rule(mask_key, A, exact_activity, pruning.RULES[name], count=count, symmetric=True).matrix
        for count in counts
    ]
    for name in ("noise", "noise+compensation", "noise+abscissa", "noise+keep")
}
measures = {name: [linalg.measure(original, S) for S in matrices] for name, matrices in one_shot.items()}
measures["online"] = []
for key, count in zip(jax.random.split(online_key, rounds), counts, strict=True):
    state, info = step(key, state, count)
    measures["online"].append(linalg.measure(original, state.matrix))
    print(
        f"{int(count):6d} synapses: drive lost by the removal {float(info.lost):.2e}, after learning {float(info.left):.2e}"
    )
empty = linalg.measure(original, jnp.diag(jnp.diagonal(A)))

# %%
fractions = np.asarray(counts) / float((A != 0).sum() - n)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (measure, title) in zip(
    axes, {"h2": "response to noise (H2 error)", "slow_modes": "ten slowest modes"}.items(), strict=True
):
    for name, found in measures.items():
        style = {"color": "black", "marker": "o", "linewidth": 2} if name == "online" else plot.rule_style(name)
        label = "online, from noise alone" if name == "online" else f"{name}, exact covariance"
        ax.plot(fractions, [float(getattr(one, measure)) for one in found], label=label, **style)
    ax.axhline(float(getattr(empty, measure)), color="black", linestyle=":", label="no synapse")
    ax.set(xscale="log", yscale="log", xlabel="fraction of synapses kept", title=title)
    ax.set_xticks(fractions, [f"{value:.2g}" for value in fractions])
    ax.minorticks_off()
axes[0].set_ylabel("relative error (lower is better)")
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# With nothing but its own noise, the network prunes itself. It ends between compensation with the exact covariance and the same
# masks without any refit, and the fewer synapses stay, the nearer to the latter: learning gives back little of the drive that
# was lost, most of which is each neuron's private noise. At one synapse in ten nothing is left to gain over one factor. Coins
# (`noise`) keep the slow modes far better and respond to noise worse; where they have no point, the network no longer returns
# to rest.
#
# ## Neurons with a threshold
#
# $\dot x = -D x + [W x + b(t)]_+ + \sigma \xi$. Which neurons are above threshold, the *active set*, changes with the input:
# every ten units of time, another half of the neurons is inhibited. While an active set S lasts, the network is linear with the
# matrix $A_{SS}$, and a certificate for the whole holds for every $A_{SS}$ at once.

# %%
epochs, epoch = 6, 10.0
levels = 0.2 - 2 * jnp.maximum(jax.random.uniform(input_key, (epochs, n), minval=-1), 0)


def switching(t):
    return levels[jnp.minimum((t / epoch).astype(int), epochs - 1)]


def run(matrix):
    return dynamics.simulate(
        noise_key,  # the same noise for every network
        dynamics.Rectified(matrix, switching),
        jnp.zeros(n),
        dt=0.05,
        steps=round(epochs * epoch / 0.05),
        sigma=0.05,
        record_every=4,
    ).trajectory


whole = run(A)
times = 0.2 * np.arange(1, len(whole) + 1)
active = jax.vmap(dynamics.Rectified(A, switching).active_set)(jnp.asarray(times), whole)
pruned = {
    name: jaxprune.prune(mask_key, A, name, keep=0.3).matrix for name in ("noise", "weight", "noise+compensation")
}
figure, (sets, strayed) = plt.subplots(2, 1, figsize=(10, 5.5), sharex=True, layout="constrained")
sets.imshow(
    np.asarray(active).T, aspect="auto", cmap="Greys", extent=(0, epochs * epoch, n, 0), interpolation="nearest"
)
sets.set(ylabel="neuron", title="active set (black: above threshold)")
sets.grid(False)
for name, S in pruned.items():
    distance = jnp.linalg.norm(run(S) - whole, axis=1) / jnp.linalg.norm(whole, axis=1)
    strayed.plot(times, distance, label=name, **{**plot.rule_style(name), "marker": ""})
strayed.set(
    xlabel="time",
    yscale="log",
    ylabel="distance / size of the state\n(lower is better)",
    title="30 % kept, same input and noise",
)
strayed.legend()
plt.show()

# %%
chosen = active[:: max(1, len(active) // 100)]
on_active_sets = jax.jit(lambda S: jax.lax.map(lambda active_set: linalg.principal_epsilon(A, S, active_set), chosen))
for name, S in pruned.items():
    parts = on_active_sets(S)
    print(
        f"{name:20s} epsilon {float(linalg.certify(original, S).epsilon):.3f}; on {len(chosen)} visited active sets: "
        f"median {float(jnp.median(parts)):.3f}, largest {float(parts.max()):.3f}"
    )

# %% [markdown]
# No active set is worse than the certificate of the whole, whichever the network visits. `python -m experiments.rectified`,
# `observation_time`, `online_pruning` and `nonnormal` repeat this over ensembles, with errors.
