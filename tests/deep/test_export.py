"""Models as named arrays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxprune
from jaxprune import deep
from jaxprune.files import read_arrays

KEY = jax.random.key(0)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_round_trip(tmp_path, suffix):
    model = deep.LeNet5(KEY)
    masks = deep.random_masks(KEY, deep.weights(model), 0.3)
    path = tmp_path / f"model{suffix}"
    deep.save_model(path, model, masks)
    found = read_arrays(path)
    assert set(found) == {
        f"{layer}.{part}"
        for layer in ("convolutions.0", "convolutions.1", "layers.0", "layers.1")
        for part in ("weight", "bias", "weight_mask")
    }
    np.testing.assert_array_equal(found["convolutions.1.bias"], np.asarray(model.convolutions[1].bias)[:, 0, 0])
    mask = np.asarray(masks.layers[0].weight)
    np.testing.assert_array_equal(found["layers.0.weight_mask"], mask)
    np.testing.assert_array_equal(found["layers.0.weight"], np.asarray(model.layers[0].weight) * mask)
    with pytest.raises(jaxprune.InputError, match="exists"):
        deep.save_model(path, model)
    np.testing.assert_array_equal(read_arrays(path)["layers.0.weight_mask"], mask)
    deep.save_model(path, model, overwrite=True)
    assert "layers.0.weight_mask" not in read_arrays(path)


def test_normalisation_has_its_running_means():
    model, state = eqx.nn.make_with_state(deep.VGG)(KEY, widths=(4, 8))
    x = 2 * jax.random.normal(KEY, (64, 3, 8, 8)) + 1
    state = deep.recalibrate(model, state, x)
    found = deep.state_dict(model, extra=state)
    seen = jax.vmap(model.blocks[0].conv)(x)
    np.testing.assert_allclose(found["blocks.0.norm.running_mean"], seen.mean(axis=(0, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(found["blocks.0.norm.running_var"], seen.var(axis=(0, 2, 3)), rtol=1e-3)
    assert found["blocks.0.norm.weight"].shape == (4,)
    with pytest.raises(jaxprune.InputError, match="pass extra"):
        deep.state_dict(model)


def test_other_arrays_and_refusals(tmp_path):
    norm = eqx.nn.LayerNorm(3)
    assert set(deep.state_dict((norm, jnp.ones(2)))) == {"0.weight", "0.bias", "1"}
    with pytest.raises(jaxprune.InputError, match="suffix"):
        deep.save_model(tmp_path / "model.pt", norm)
    assert not list(tmp_path.iterdir())
    with pytest.raises(jaxprune.InputError, match="structure"):
        deep.state_dict(deep.LeNet5(KEY), {"a": jnp.ones(3)})
