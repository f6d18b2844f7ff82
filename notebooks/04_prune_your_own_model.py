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
# # Prune your own Equinox model
#
# Two ways to a sparse network: remove synapses while it learns, or take a trained one and prune it layer by layer. Neither asks
# for changes in the model: every linear and convolutional layer in it is found, wherever it is.

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

from jaxprune import deep
from jaxprune.data import digits, inputs
from jaxprune.plot import figure_settings, plot_accuracy, plot_density

plt.rcParams.update(figure_settings())
epochs = 5 if os.environ.get("JAXPRUNE_FAST") else 60  # a short training when only checking that the notebook runs

train, test = digits()
x, test_x = (jnp.asarray(inputs(part.images, 16)) for part in (train, test))
y, test_y = jnp.asarray(train.labels), jnp.asarray(test.labels)

# %% [markdown]
# The model is yours. Here: one convolution and two dense layers.


# %%
class Small(eqx.Module):
    conv: eqx.nn.Conv2d
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.conv = eqx.nn.Conv2d(1, 16, 3, key=keys[0], dtype=jnp.float32)
        self.hidden = eqx.nn.Linear(16 * 36, 60, key=keys[1], dtype=jnp.float32)
        self.out = eqx.nn.Linear(60, 10, key=keys[2], dtype=jnp.float32)

    def __call__(self, image):
        h = jax.nn.relu(self.conv(image)).reshape(-1)
        return self.out(jax.nn.relu(self.hidden(h)))


model_key, fit_key, prune_key = jax.random.split(jax.random.key(0), 3)
model = Small(model_key)

# %% [markdown]
# ## While it learns
#
# Any Optax optimiser will do. `exchange` ends with the fraction of synapses that you ask for: the smallest go step by step, and
# some come back where the gradient asks for them. `Counter` is the biological rule: a synapse that is hardly used several epochs
# in a row is lost. It finds its own density.

# %%
steps = epochs * (len(x) // 20)
optimiser = optax.chain(
    optax.add_decayed_weights(5e-4), optax.sgd(optax.cosine_decay_schedule(0.1, steps), momentum=0.9)
)
rules = {
    "dense": None,
    "exchange, 5 %": deep.named_method("exchange", 0.05),
    "use it or lose it": deep.Counter(alpha=1.0),
}
networks, curves, densities = {}, {}, {}
for name, rule in rules.items():
    curve, density = [], []

    def each(state, info, curve=curve, density=density):
        curve.append(deep.accuracy(state.model, None, test_x, test_y))
        density.append(float(info.density))

    networks[name] = deep.fit(fit_key, model, x, y, deep.Training(epochs, optimiser, 20, rule), each=each)
    curves[name], densities[name] = curve, density
    print(f"{name}: {density[-1]:.1%} of the synapses, accuracy {curve[-1]:.1%}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.3), layout="constrained")
plot_accuracy(curves, axes[0])
plot_density(densities, axes[1])
plt.show()

# %% [markdown]
# What is zero stays zero, under any optimiser. To save time and memory the zeros have to be left out: a smaller dense model
# without units that died, or sparse matrices.

# %%
sparse = networks["exchange, 5 %"].model
for layer in deep.cost(sparse, test_x):
    print(f"{layer.name}: {layer.kept:,} of {layer.synapses:,} synapses, {layer.kept_operations:,} operations an image")
small = deep.compact(sparse, test_x)
units = [len(part.weight) for part in (small.conv, small.hidden)]
print(f"compact: {units[0]} of 16 channels and {units[1]} of 60 units; the outputs are the same")

# %% [markdown]
# ## After it has learnt
#
# A trained network is pruned with one call, from a few images and without any training: each layer, from the first to the last,
# loses its synapses, and the survivors make up for it, as a least-squares fit to what the layer said before. In the closed loop
# each layer also makes up for what the layers below got wrong.

# %%
trained = networks["dense"].model
ways = {
    "magnitude": ("weight+keep", False),
    "weight and activity (Wanda)": ("activity+keep", False),
    "... and survivors are fitted": ("activity+compensation", False),
    "... in the closed loop": ("activity+compensation", True),
    "... and synapses are exchanged": ("activity+regrow", True),
}
fractions = (0.5, 0.3, 0.2, 0.1, 0.05)
figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for name, (rule, loop) in ways.items():
    found = [
        deep.accuracy(
            deep.prune_layers(prune_key, trained, rule, keep=keep, groups="row", data=x[:1000], closed_loop=loop).model,
            None,
            test_x,
            test_y,
        )
        for keep in fractions
    ]
    ax.plot(100 * np.array(fractions), 100 * np.array(found), "o-", label=name)
ax.axhline(100 * curves["dense"][-1], color="black", ls=":", label="before")
ax.set(xscale="log", xlabel="synapses kept in every row, %", ylabel="accuracy, %")
ax.set_xticks([100 * f for f in fractions], [f"{100 * f:g}" for f in fractions])
ax.minorticks_off()
ax.invert_xaxis()
ax.legend(frameon=False, fontsize=8)
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
