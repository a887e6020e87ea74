#!/usr/bin/env python3
"""W7 with diffrax: 10,000 Lotka-Volterra systems under vmap (every system its own steps) and as one batch with one step
size, double precision, dopri5 at 1e-6 to t = 10, jitted."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, diffrax, jax, jnp  # noqa: E402

jax.config.update("jax_enable_x64", True)
arrays = common.load(chosen.inputs, "w7")
y0, rates = jnp.asarray(arrays["y0"]), jnp.asarray(arrays["rates"])


def field(t, y, rates):
    a, b, c, d = (rates[..., i] for i in range(4))
    prey, predators = y[..., 0], y[..., 1]
    meetings = prey * predators
    return jnp.stack((a * prey - b * meetings, d * meetings - c * predators), -1)


def solve(y0, rates):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Dopri5(), 0.0, 10.0, None, y0, args=rates,
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6), max_steps=100_000,
        adjoint=diffrax.ForwardMode() if hasattr(diffrax, "ForwardMode") else diffrax.DirectAdjoint())
    return solution.ys[0], solution.stats["num_steps"]


for variant, run in (("own-steps", jax.jit(jax.vmap(solve))), ("shared-steps", jax.jit(solve))):
    common.measure(
        chosen, "w7", variant, "diffrax", VERSION, lambda: jax.block_until_ready(run(y0, rates)),
        check=lambda: run(y0, rates)[0].mean(), steps=lambda: int(run(y0, rates)[1].sum()))
