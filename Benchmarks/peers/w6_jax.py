#!/usr/bin/env python3
"""W6 with JAX: a Hamiltonian network's training step, jitted with its state donated, and its rollout as a scan. One JSON
line a variant."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, jax, jnp, mlp, parameters, training  # noqa: E402
import optax  # noqa: E402

STEPS, END = 1000, 20.0
optimizer = optax.adam(1e-3)


def field(layers, x):
    slope = jax.grad(lambda x: mlp(layers, x).sum())(x)
    q, p = jnp.split(slope, 2, axis=1)
    return jnp.concatenate([p, -q], axis=1)


def training_step(x, dx):
    def loss(layers):
        return ((field(layers, x) - dx) ** 2).mean()

    def step(state):
        layers, optimizer_state = state
        value, gradient = jax.value_and_grad(loss)(layers)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, layers)
        return (optax.apply_updates(layers, updates), optimizer_state), value
    return jax.jit(step, donate_argnums=0)


@jax.jit
def rollout(layers, y):
    h = END / STEPS

    def step(y, _):
        k1 = field(layers, y)
        k2 = field(layers, y + h / 2 * k1)
        k3 = field(layers, y + h / 2 * k2)
        k4 = field(layers, y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None
    return jax.lax.scan(step, y, None, length=STEPS)[0]


for name in ("spring", "two-body"):
    arrays = common.load(chosen.inputs, f"w6{name}")
    layers = parameters(arrays)
    run = training(
        training_step(jnp.asarray(arrays["x"]), jnp.asarray(arrays["dx"])), (layers, optimizer.init(layers)))
    common.measure(chosen, "w6", name, "JAX", VERSION, run, check=lambda: run.loss)
arrays = common.load(chosen.inputs, "w6spring")
layers = parameters(arrays)
for batch in (1, 100):
    y0 = jnp.asarray(arrays["x"][:batch])
    common.measure(
        chosen, "w6", f"rollout-{batch}", "JAX", VERSION, lambda: jax.block_until_ready(rollout(layers, y0)),
        check=lambda: (rollout(layers, y0) ** 2).mean())
