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
# **Prune**, by a few rules, and **check** them all beside two controls: `weight+keep` is the mask alone, and `empty` has no
# synapse at all. Lower is better. A rule that is no better than a control does nothing for this network.

# %%
original = linalg.reference(A)
rules = ("noise", "noise+compensation", "weight+compensation", "weight+keep", "empty")
tried = {rule: jaxprune.prune(keys[0], A, rule, keep=0.2).matrix for rule in rules}
found = {rule: linalg.measure(original, S) for rule, S in tried.items()}
print(f"{'rule':20s} stable  response to noise  slow modes  epsilon")
for rule, measured in found.items():
    stable = "yes" if float(measured.certificate.abscissa) < 0 else "no"
    print(
        f"{rule:20s} {stable:6s} {float(measured.h2):14.3f} {float(measured.slow_modes):14.3f}"
        f" {float(measured.certificate.epsilon):10.3f}"
    )
best = min(
    (rule for rule in rules if float(found[rule].certificate.abscissa) < 0), key=lambda rule: float(found[rule].h2)
)
print(f"\nclosest in the response to noise: {best}")
print(linalg.Guarantee(int(found[best].certificate.guarantee)).words)

# %%
pruned = tried[best]
plot.network_figure(plot.network_view(keys[1], A, pruned))

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
pruned = jaxprune.prune(keys[2], A, "noise", keep=0.3)
certificate = linalg.certify(A, pruned.matrix)
print(f"{len(A)} neurons, {int((W != 0).sum())} synapses, {int(certificate.kept)} stay")
print(f"epsilon {float(certificate.epsilon):.2f}, slowest mode {float(certificate.abscissa):.2f}")
print(linalg.Guarantee(int(certificate.guarantee)).words)

# %% [markdown]
# Whose synapses stay? The fraction of its inputs that each neuron keeps, against how many it had.

# %%
inputs = np.asarray((W != 0).sum(axis=1))
kept = np.asarray(pruned.mask.sum(axis=1)) / np.maximum(inputs, 1)
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(inputs, kept, ".", color=plot.colour("noise"))
for neuron in np.argsort(inputs)[-6:]:
    ax.annotate(
        worm.names[neuron], (inputs[neuron], kept[neuron]), xytext=(0, 6), textcoords="offset points", ha="center"
    )
ax.axhline(0.3, color="black", linewidth=0.8, linestyle=":")
ax.set(xlabel="inputs of a neuron", ylabel="fraction that stays", title="Neurons with few inputs keep more of them")
plt.show()

# %% [markdown]
# The edge list that is written has the neurons' names, and the leaks as lines of a neuron to itself.

# %%
networks.write_matrix(folder / "worm_pruned.csv", pruned.matrix, names=worm.names)
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
fractions = (0.5, 0.2, 0.1, 0.05)
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
ax.axhline(reports[label, 0.5].accuracy, color="black", linewidth=0.8)
ax.axhline(reports[label, 0.5].chance, color="black", linewidth=0.8, linestyle=":")
ax.annotate("before", (fractions[-1], reports[label, 0.5].accuracy), xytext=(0, 3), textcoords="offset points")
ax.annotate("chance", (fractions[-1], reports[label, 0.5].chance), xytext=(0, 3), textcoords="offset points")
ax.set(xscale="log", xlabel="fraction of recurrent synapses kept", ylabel="accuracy")
ax.set_xticks(fractions, [f"{keep:g}" for keep in fractions])
ax.minorticks_off()
ax.invert_xaxis()
ax.legend()
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
for name, values in files.read_arrays(folder / "rnn_pruned.safetensors").items():
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
cell_key, readout_key, test_key, *batch_keys = jax.random.split(keys[7], 3 + (20 if fast else 300))
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
source = rnn.CellInputs(test.inputs)
print(f"{'rule':24s} kept  accuracy  drive lost in each gate")
for rule in ("weight+keep", "activity+compensation", "activity+regrow"):
    for keep in (0.2, 0.05):
        cell, report = rnn.prune_rnn(keys[8], model.cell, rule, keep=keep, source=source)
        sparse = eqx.tree_at(lambda m: m.cell, model, cell)
        lost = (
            "known only with activity"
            if report.drive_error is None
            else ", ".join(f"{x:.3f}" for x in report.drive_error)
        )
        print(f"{rule:24s} {keep:4.0%}  {float(errors(sparse, test)[1]):8.3f}  {lost}")

# %% [markdown]
# **Write** it; `eqx.tree_serialise_leaves` would do as well. For feed-forward and convolutional models, see notebook 04.

# %%
deep.save_model(folder / "gru_pruned.npz", sparse)
for name, values in files.read_arrays(folder / "gru_pruned.npz").items():
    print(f"{name:18s} {values.shape}, {np.count_nonzero(values):,} of {values.size:,} are not zero")
temporary.cleanup()
