#!/usr/bin/env python3
"""W4 with JAX and diffrax: a continuous normalizing flow's training step, jitted. One JSON line a variant."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, diffrax, jax, jnp, mlp, parameters, training  # noqa: E402
import optax  # noqa: E402

optimizer = optax.adam(1e-6)


def training_step(arrays, adjoint):
    data, probe = jnp.asarray(arrays["data"]), jnp.asarray(arrays["probe"])
    rows, width = data.shape

    def field(t, y, layers):
        def slope(y):
            return mlp(layers, jnp.concatenate([jnp.full((rows, 1), t), y], axis=1))

        y = y[0]
        if width == 2:  # exact: a Jacobian-vector product for each column
            trace, f = 0, None
            for column in range(width):
                unit = jnp.zeros_like(y).at[:, column].set(1)
                f, product = jax.jvp(slope, (y,), (unit,))
                trace = trace + product[:, column]
        else:
            f, back = jax.vjp(slope, y)
            trace = (back(probe)[0] * probe).sum(axis=1)
        return f, trace

    def loss(layers):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri5(), 0.0, 1.0, None, (data, jnp.zeros(rows)), args=layers,
            stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-5), adjoint=adjoint, max_steps=64)
        z, logarithm = solution.ys[0][0], solution.ys[1][0]
        density = -0.5 * (z ** 2).sum(axis=1) - 0.5 * width * jnp.log(2 * jnp.pi)
        return -(density + logarithm).mean()

    @jax.jit
    def step(state):
        layers, optimizer_state = state
        value, gradient = jax.value_and_grad(loss)(layers)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, layers)
        return (optax.apply_updates(layers, updates), optimizer_state), value
    return step


for width in (2, 64):
    arrays = common.load(chosen.inputs, f"w4d{width}")
    for variant, adjoint in (
            ("exact", diffrax.RecursiveCheckpointAdjoint(checkpoints=16)), ("adjoint", diffrax.BacksolveAdjoint())):
        layers = parameters(arrays)
        run = training(training_step(arrays, adjoint), (layers, optimizer.init(layers)))
        common.measure(chosen, "w4", f"d{width}-{variant}", "diffrax", VERSION, run, check=lambda: run.loss)
