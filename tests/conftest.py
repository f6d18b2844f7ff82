"""Strict settings for every test: double precision, no silent broadcasting between ranks, two devices, typed signatures."""

import os

# Before JAX starts: two CPU devices, so that sharding is exercised.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("jaxprune", "beartype.beartype")
