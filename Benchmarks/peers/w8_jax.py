#!/usr/bin/env python3
"""W8 with JAX: products of matrices, float32, jitted."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, jax, jnp  # noqa: E402

arrays = common.load(chosen.inputs, "w8")
product = jax.jit(jnp.matmul)
for variant, (left, right) in (("sgemm-1024", ("square", "square")), ("batched", ("left", "right"))):
    a, b = jnp.asarray(arrays[left]), jnp.asarray(arrays[right])
    common.measure(
        chosen, "w8", variant, "JAX", VERSION, lambda: jax.block_until_ready(product(a, b)),
        check=lambda: product(a, b).sum())
