#!/usr/bin/env python3
"""W1 with JAX and diffrax: the spiral demo's training step, jitted. One JSON line a variant."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, diffrax, jax, jnp, mlp, parameters, training  # noqa: E402
import optax  # noqa: E402

arrays = common.load(chosen.inputs, "w1")
observed, times = jnp.asarray(arrays["observed"]), jnp.asarray(arrays["times"], jnp.float32)
optimizer = optax.adam(1e-3)


def training_step(adjoint):
    def loss(layers):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, layers: mlp(layers, y ** 3)), diffrax.Dopri5(), times[0], times[-1], None,
            observed[0], args=layers, saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-9), adjoint=adjoint, max_steps=64)
        return jnp.abs(solution.ys - observed).mean()

    @jax.jit
    def step(state):
        layers, optimizer_state = state
        value, gradient = jax.value_and_grad(loss)(layers)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, layers)
        return (optax.apply_updates(layers, updates), optimizer_state), value
    return step


# The default adjoint; a bound on the steps keeps its checkpoints few.
for variant, adjoint in (
        ("exact", diffrax.RecursiveCheckpointAdjoint(checkpoints=16)), ("adjoint", diffrax.BacksolveAdjoint())):
    run = training(training_step(adjoint), (parameters(arrays), optimizer.init(parameters(arrays))))
    common.measure(chosen, "w1", variant, "diffrax", VERSION, run, check=lambda: run.loss)
