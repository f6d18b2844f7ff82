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
# # Your own network
#
# **How do I prune a network of my own, and how do I know what is left of it?** In four steps, whatever it is stored as: read,
# prune, check, write.
#
# Four networks follow: a NumPy matrix, a connectome, the state dict of a PyTorch network, and a cell of Equinox. Each begins as
# a file or an object that you may have, and ends as a pruned one of the same kind.

# %%
import os
import tempfile
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)  # spectra want double precision

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import jaxprune
from jaxprune import deep, files, linalg, networks, plot, rnn

plt.rcParams.update(plot.figure_settings())
fast = bool(os.environ.get("JAXPRUNE_FAST"))  # a short training when only checking that the notebook runs
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)  # put yours here
keys = jax.random.split(jax.random.key(0), 9)

# %% [markdown]
# ## A NumPy matrix
#
# `W[post, pre]`: rows receive. Here neurons on a ring, which excite their neighbours with weights of log-normal size.

# %%
n = 120
place = np.arange(n)
apart = np.abs(place[:, None] - place)
apart = np.minimum(apart, n - apart)
rng = np.random.default_rng(0)
W = np.exp(-((apart / 12) ** 2)) * rng.lognormal(0, 0.5, (n, n)) * (rng.random((n, n)) < 0.5)
np.fill_diagonal(W, 0)
np.save(folder / "W.npy", W)

# %% [markdown]
# **Read.** A network needs leaks, on the diagonal of $A$. If your matrix has them, leave the second line out. `dominant_leak`
# gives each neuron a leak a little larger than its input, `stable_leak` gives all the same.

# %%
W = networks.read_matrix(folder / "W.npy").matrix
A = networks.dominant_leak(W, 0.5)
print(f"{len(A)} neurons, {int((W != 0).sum())} synapses, slowest mode {float(linalg.spectral_abscissa(A)):.2f}")

# %% [markdown]
# **Prune**, by a few rules, and **check** them all beside two controls: `weight+keep` is the mask alone, and the last row has no
# synapse at all. A rule that is no better than a control does nothing for this network.


# %%
def tried(key, A, rules, keep):
    """The network pruned by each rule, with what was measured; lower is better."""
    found, original = {}, linalg.reference(A)
    print(f"{'rule':20s} stable  response to noise  slow modes  epsilon")
    for rule in (*rules, "no synapse"):
        own = jnp.diag(jnp.diagonal(A))
        S = own if rule == "no synapse" else jaxprune.prune(key, A, rule, keep=keep, warn=False).matrix
        seen = linalg.measure(original, S)
        stable = "yes" if float(seen.certificate.abscissa) < 0 else "no"
        epsilon = float(seen.certificate.epsilon)
        print(f"{rule:20s} {stable:6s} {float(seen.h2):14.3f} {float(seen.slow_modes):14.3f} {epsilon:10.3f}")
        found[rule] = S, seen
    return found


def look(key, A, S, title):
    """The two networks beside each other."""
    view = plot.network_view(key, A, S)
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.5), layout="constrained")
    limit = plot.weight_limit(*view.weights.values())
    for ax, (label, weights) in zip(axes, view.weights.items(), strict=False):
        plot.plot_weights(weights, ax, limit=limit).set_title(label)
    plot.plot_spectrum(view.spectra, axes[2]).set_title("eigenvalues")
    plot.plot_mode_errors(view.errors, axes[3]).set_title("errors by mode")
    figure.suptitle(title)
    plt.show()


found = tried(keys[0], A, ("noise", "noise+compensation", "weight+compensation", "weight+keep"), keep=0.2)

# %% [markdown]
# `noise` is closest in both here. What follows about it for sure:

# %%
pruned, seen = found["noise"]
print(linalg.Guarantee(int(seen.certificate.guarantee)).words)
look(keys[1], A, pruned, "A ring, and what `noise` leaves of it")

# %% [markdown]
# **Write.** `.npy`, `.npz` (sparse), `.mtx` or `.csv`, by the suffix.

# %%
networks.write_matrix(folder / "A_pruned.npz", pruned)
print("written:", (folder / "A_pruned.npz").name)

# %% [markdown]
# On the command line all of this is
#
# ```bash
# jaxprune prune W.npy --keep 0.2 --out A_pruned.npz --figure
# jaxprune certify A.npy A_pruned.npz
# ```

# %% [markdown]
# ## A connectome
#
# The worm *C. elegans* comes with the package: 279 neurons with their names. An edge list `pre,post,count` of yours is read by
# `networks.read_edges`. A connectome does not say how strong a leak is; here it is a tenth of the mean input more than what
# comes in.

# %%
worm = networks.celegans()
W = worm.matrix
A = networks.dominant_leak(W, 0.1 * float(jnp.abs(W).sum(axis=1).mean()))
print(f"{len(A)} neurons, {int((W != 0).sum())} synapses")
found = tried(keys[2], A, ("noise", "noise+compensation", "weight+compensation", "weight+keep"), keep=0.3)

# %% [markdown]
# Wiring that is far from symmetric has no epsilon, as a neuron may send much more than it gets. Then less can be promised. We
# take `noise+compensation`, for the response to noise.

# %%
pruned, seen = found["noise+compensation"]
print(linalg.Guarantee(int(seen.certificate.guarantee)).words)
look(keys[1], A, pruned, "The worm, and what `noise+compensation` leaves of it")

# %% [markdown]
# The edge list that is written has the neurons' names, and the leaks as lines of a neuron to itself.

# %%
networks.write_matrix(folder / "worm_pruned.csv", pruned, names=worm.names)
print(*(folder / "worm_pruned.csv").read_text().splitlines()[:4], sep="\n")

# %% [markdown]
# ## The state dict of a PyTorch network
#
# A plain recurrent network of PyTorch, `torch.nn.RNN` with a linear readout, saved by
# `safetensors.torch.save_file(module.state_dict(), "rnn.safetensors")`. PyTorch is not needed to read it. For this page we make
# such a file: a network that has learnt which of two noisy streams is stronger.

# %%
task = rnn.perceptual_decision()
start = rnn.ctrnn(keys[3], inputs=task.inputs, neurons=64, outputs=task.outputs, alpha=1.0)
trained = rnn.train(keys[4], start, task, steps=60 if fast else 600, rate=2e-3).model
names = {
    "W_in": "rnn.weight_ih_l0",
    "b_in": "rnn.bias_ih_l0",
    "W_rec": "rnn.weight_hh_l0",
    "b_rec": "rnn.bias_hh_l0",
    "W_out": "readout.weight",
    "b_out": "readout.bias",
}
state = {theirs: np.asarray(getattr(trained, ours), np.float32) for ours, theirs in names.items()}
files.write_arrays(folder / "rnn.safetensors", state)

# %% [markdown]
# **Read**, saying which array is which. PyTorch's networks have no leak, so that `alpha` is 1. **Prune**: the rule watches the
# network while noise enters at its inputs, and `trials` tell what it keeps of its task.

# %%
network = rnn.load_rnn(folder / "rnn.safetensors", names=names, activation="tanh", alpha=1.0)
trials = rnn.batch(keys[5], task, 500)
fractions = (0.5,) if fast else (0.5, 0.2, 0.1, 0.05)
ways = {
    "uniform+keep": ("uniform+keep", None),
    "weight+keep": ("weight+keep", None),
    "activity+regrow": ("activity+regrow", rnn.InputNoise()),
}
reports = {}
for label, (rule, source) in ways.items():
    for keep in fractions:
        thinned, reports[label, keep] = rnn.prune_rnn(keys[6], network, rule, keep=keep, source=source, trials=trials)
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for label in ways:
    accuracy = [reports[label, keep].pruned_accuracy for keep in fractions]
    ax.plot(fractions, accuracy, label=label, **plot.rule_style(label))
report = reports["weight+keep", 0.5]
ax.plot(fractions, [report.accuracy] * len(fractions), color="black", linewidth=0.8, label="before")
ax.plot(fractions, [report.chance] * len(fractions), ":", color="black", linewidth=0.8, label="one constant answer")
ax.set(xscale="log", xlabel="fraction of recurrent synapses kept", ylabel="accuracy")
ax.set_xticks(fractions, [f"{keep:g}" for keep in fractions])
ax.minorticks_off()
ax.invert_xaxis()
ax.set_title("Accuracy is kept where survivors refit")
plot.label_lines(ax)
plt.show()

# %% [markdown]
# **Check.** What the last one, with 5 % kept, is known to be. A trained network rarely has a certificate; its report says what
# was measured.

# %%
report = reports["activity+regrow", fractions[-1]]
print(f"{report.kept[0]} synapses stay, {report.kept_fraction[0]:.1%}")
print(f"accuracy {report.accuracy:.3f} before, {report.pruned_accuracy:.3f} after, {report.chance:.3f} by chance")
print(f"spectral radius {report.radius[0]:.2f} before, {report.pruned_radius[0]:.2f} after")
print(f"drive of the neurons that is lost: {report.drive_error[0]:.1%}")

# %% [markdown]
# **Write** it back in PyTorch's names, with the mask as `torch.nn.utils.prune` calls it. There:
# `module.load_state_dict(safetensors.torch.load_file("rnn_pruned.safetensors"), strict=False)`.

# %%
pruned_state = {theirs: np.asarray(getattr(thinned, ours), np.float32) for ours, theirs in names.items()}
pruned_state["rnn.weight_hh_l0_mask"] = (pruned_state["rnn.weight_hh_l0"] != 0).astype(np.float32)
files.write_arrays(folder / "rnn_pruned.safetensors", pruned_state)
for name, values in sorted(files.read_arrays(folder / "rnn_pruned.safetensors").items()):
    print(f"{name:24s} {values.shape}")

# %% [markdown]
# ## A cell of Equinox
#
# Any module will do: `where=` says which array is pruned, and `dynamics.FromStates` takes a function of yours that runs it. Of
# `GRUCell` and `LSTMCell` both are known. Here a GRU learns to remember which of its inputs flipped last.


# %%
class Remember(eqx.Module):
    """A GRU and a readout."""

    cell: eqx.nn.GRUCell
    readout: eqx.nn.Linear

    def __call__(self, inputs):
        def step(h, u):
            h = self.cell(u, h)
            return h, self.readout(h)

        return jax.lax.scan(step, jnp.zeros(self.cell.hidden_size), inputs)[1]


def errors(model, trials):
    """Cross-entropy of the scored steps, and accuracy."""
    logits = jax.vmap(model, in_axes=1, out_axes=1)(trials.inputs)
    scored = trials.labels >= 0
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(trials.labels, 0))
    right = logits.argmax(axis=-1) == trials.labels
    return jnp.sum(entropy * scored) / scored.sum(), jnp.sum(right & scored) / scored.sum()


flips = rnn.flip_flop()
cell_key, readout_key, test_key, watch_key, *batch_keys = jax.random.split(keys[7], 4 + (20 if fast else 300))
model = Remember(eqx.nn.GRUCell(flips.inputs, 48, key=cell_key), eqx.nn.Linear(48, flips.outputs, key=readout_key))
optimiser = optax.adam(1e-2)
memory = optimiser.init(eqx.filter(model, eqx.is_inexact_array))


@eqx.filter_jit
def learn(model, memory, key):
    _, gradient = eqx.filter_value_and_grad(errors, has_aux=True)(model, rnn.batch(key, flips, 64))
    change, memory = optimiser.update(gradient, memory)
    return eqx.apply_updates(model, change), memory


for key in batch_keys:
    model, memory = learn(model, memory, key)
test = rnn.batch(test_key, flips, 500)
print(f"accuracy {float(errors(model, test)[1]):.3f}")

# %% [markdown]
# **Prune** its recurrent weights from the states that it visits, and put the pruned cell back.

# %%
source = rnn.CellInputs(rnn.batch(watch_key, flips, 500).inputs)  # other trials than those that are scored
print(f"{'rule':24s} kept  accuracy  drive lost in each gate")
for rule in ("weight+keep", "activity+compensation", "activity+regrow"):
    for keep in (0.2,) if fast else (0.2, 0.05):
        cell, report = rnn.prune_rnn(keys[8], model.cell, rule, keep=keep, source=source)
        sparse = eqx.tree_at(lambda m: m.cell, model, cell)
        lost = ", ".join(f"{share:.3f}" for share in report.drive_error or ()) or "not looked at"
        print(f"{rule:24s} {keep:4.0%}  {float(errors(sparse, test)[1]):8.3f}  {lost}")

# %% [markdown]
# **Write** it; `eqx.tree_serialise_leaves` would do as well. For feed-forward and convolutional models, see notebook 04.

# %%
deep.save_model(folder / "gru_pruned.npz", sparse)
for name, values in files.read_arrays(folder / "gru_pruned.npz").items():
    print(f"{name:18s} {values.shape}, {np.count_nonzero(values):,} of {values.size:,} are not zero")
temporary.cleanup()
