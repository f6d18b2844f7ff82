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
# # Use it or lose it
#
# **Can a network find out while it learns which synapses it does not need?** Yes: a synapse that is hardly used several epochs
# in a row is lost, and the network ends with a fraction of them and the same accuracy.
#
# That is the biological rule. Beside it, a rule that ends with the fraction you ask for. Then a network that has learnt already
# is pruned in one call. Nothing has to be changed in a model of Equinox: every linear and convolutional layer is found,
# wherever it is.

# %%
import os
import tempfile
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from jaxprune import deep, plot
from jaxprune.data import digits, inputs

plt.rcParams.update(plot.figure_settings())
fast = bool(os.environ.get("JAXPRUNE_FAST"))  # a short training when only checking that the notebook runs
epochs = 6 if fast else 60

train, test = digits()
x, test_x = (jnp.asarray(inputs(part.images, 16)).reshape(len(part.images), -1) for part in (train, test))
y, test_y = jnp.asarray(train.labels), jnp.asarray(test.labels)
model_key, fit_key, prune_key = jax.random.split(jax.random.key(0), 3)
model = eqx.nn.MLP(64, 10, 100, 2, key=model_key, dtype=jnp.float32)  # 64 pixels, two layers of 100 units, 10 digits

# %% [markdown]
# ## While it learns
#
# `Counter` is the rule of use. Use of a synapse is its weight times the mean activity of its input. Below a threshold, which is
# the mean use of its layer, it counts an epoch; after three such epochs in a row the synapse is lost. It finds its own density.
#
# `exchange` ends with a twentieth of the synapses: the smallest go step by step, and some come back where the gradient asks for
# them. Any Optax optimiser will do.

# %%
steps = epochs * (len(x) // 20)
optimiser = optax.chain(
    optax.add_decayed_weights(5e-4), optax.sgd(optax.cosine_decay_schedule(0.1, steps), momentum=0.9)
)
rules = {
    "dense": None,
    "exchange": deep.named_method("exchange", 0.05),
    "counter": deep.Counter(alpha=1.0),
}
networks, curves, densities, layers, masks = {}, {}, {}, {}, {}
for name, rule in rules.items():
    curves[name], densities[name], layers[name], masks[name] = [], [], [], []

    def each(state, info, name=name):
        curves[name].append(deep.accuracy(state.model, None, test_x, test_y))
        densities[name].append(float(info.density))
        layers[name].append(np.asarray(info.layers).tolist())
        masks[name].append(np.asarray(state.model.layers[0].weight != 0))

    networks[name] = deep.fit(fit_key, model, x, y, deep.Training(epochs, optimiser, 20, rule), each=each)
    print(f"{name:9s} {densities[name][-1]:6.1%} of the synapses, accuracy {curves[name][-1]:.1%}")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.3), layout="constrained")
plot.plot_accuracy(curves, axes[0])
axes[0].set(ylim=(90, 100), title="accuracy on new digits")
for name, density in densities.items():
    axes[1].plot(range(1, epochs + 1), 100 * np.array(density), color=plot.colour(name), label=name)
axes[1].set(xlabel="epoch", ylabel="synapses kept, %", ylim=(0, 105))
plot.label_lines(axes[1])
axes[1].set_title("synapses of the whole network")
plot.plot_density(
    dict(zip(("64 pixels to 100", "100 to 100", "100 to 10"), zip(*layers["counter"], strict=True), strict=True)),
    axes[2],
)
axes[2].set(yscale="linear", ylim=(0, 105), title="counter, layer by layer")
plt.show()

# %% [markdown]
# ## Pixels go dark
#
# Nobody told the network where digits are. A pixel that is always dark drives nothing, its synapses are not used, and go. Left:
# the mean image. Then: how many of its 100 synapses each pixel has, as the network learns.

# %%
when = (1, max(3, epochs // 10), epochs)
figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
axes[0].imshow(np.asarray(x).mean(axis=0).reshape(8, 8), cmap="gray")
axes[0].set(title="mean image", xticks=[], yticks=[])
axes[0].grid(False)
for ax, epoch in zip(axes[1:], when, strict=True):
    plot.plot_inputs(masks["counter"][epoch - 1], (8, 8), ax).images[0].set_clim(0, 100)
    ax.grid(False)
    ax.set_title(f"epoch {epoch}: {ax.get_title()}", fontsize=9)
plt.show()

# %% [markdown]
# What is zero stays zero, under any optimiser. To save time and memory the zeros have to be left out: a smaller dense model
# without units that died, or sparse matrices.

# %%
sparse = networks["counter"].model
for layer in deep.cost(sparse, test_x):
    print(f"{layer.name}: {layer.kept:,} of {layer.synapses:,} synapses, {layer.kept_operations:,} operations an image")
small = deep.compact(sparse, test_x)
print(
    "units left in the hidden layers:",
    *(len(layer.weight) for layer in small.layers[:-1]),
    "of 100 each; the outputs are the same",
)

# %% [markdown]
# ## After it has learnt
#
# A trained network is pruned with one call, from a few images and without any training: each layer, from the first to the last,
# loses its synapses, and the survivors make up for it, as a least-squares fit to what the layer said before. In the closed loop
# each layer also makes up for what the layers below got wrong.

# %%
trained = networks["dense"].model
ways = {
    "magnitude": ("weight+keep", False, "weight"),
    "weight and activity (Wanda)": ("activity+keep", False, "orange"),
    "... and survivors are fitted": ("activity+compensation", False, "sky"),
    "... in the closed loop": ("activity+compensation", True, "blue"),
    "... and synapses are exchanged": ("activity+regrow", True, "green"),
}
fractions = (0.2, 0.1) if fast else (0.5, 0.3, 0.2, 0.1, 0.05)
figure, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
for name, (rule, loop, shade) in ways.items():
    found = [
        deep.accuracy(
            deep.prune_layers(prune_key, trained, rule, keep=keep, groups="row", data=x[:1000], closed_loop=loop).model,
            None,
            test_x,
            test_y,
        )
        for keep in fractions
    ]
    ax.plot(
        100 * np.array(fractions),
        100 * np.array(found),
        "o-",
        color=plot.PALETTE.get(shade) or plot.colour(shade),
        label=name,
    )
ax.axhline(100 * curves["dense"][-1], color="black", ls=":", label="before")
ax.set(
    xscale="log",
    xlabel="synapses kept in every row, %",
    ylabel="accuracy, %",
    title="Fits keep more than the choice of synapses",
)
ax.set_xticks([100 * f for f in fractions], [f"{100 * f:g}" for f in fractions])
ax.minorticks_off()
ax.invert_xaxis()
ax.legend()
plt.show()

# %% [markdown]
# Which synapses go matters less than what the survivors do. The result is a model like the one that went in; `deep.save_model`
# writes it with its masks for other programs, in the names that PyTorch uses.

# %%
found = deep.prune_layers(prune_key, trained, "activity+regrow", keep=0.1, data=x[:1000])
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "pruned.npz"
    deep.save_model(path, found.model, found.masks)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
for layer in found.layers:
    print(f"{layer.name}: {layer.kept} of {layer.synapses} synapses, {layer.error:.1%} of its output's variance is off")

# %% [markdown]
# `jaxprune train-sparse` does the first part on MNIST. The studies `use_it_or_lose_it`, `counter_ablations` and `prune_layers`
# hold it against published methods, with errors.
