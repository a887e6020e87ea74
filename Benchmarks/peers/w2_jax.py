#!/usr/bin/env python3
"""W2 with JAX: an MLP field on 256 lanes, RK4 with 100 steps, jitted; as a scan whose steps are rematerialised (the
least memory, and no slower), and through diffrax. Forward, and the gradient of mean(y1^2) for the weights."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, diffrax, jax, jnp, mlp, parameters  # noqa: E402
import numpy as np  # noqa: E402


def rk4_step(layers, y, h):
    k1 = mlp(layers, y)
    k2 = mlp(layers, y + h / 2 * k1)
    k3 = mlp(layers, y + h / 2 * k2)
    k4 = mlp(layers, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


class RK4(diffrax.AbstractERK):
    """The classical method, which diffrax lacks, added the way its documentation says."""
    tableau = diffrax.ButcherTableau(
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]), b_error=np.zeros(4), c=np.array([0.5, 0.5, 1.0]))
    interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4


def measure_all(name, peer, forward, gradients):
    """`forward`(layers, y0) -> y1; `gradients`: (variant, the same to be differentiated)."""
    arrays = common.load(chosen.inputs, name)
    layers, y0 = parameters(arrays), jnp.asarray(arrays["y0"])
    solve = jax.jit(forward)
    common.measure(
        chosen, name, "forward", peer, VERSION, lambda: jax.block_until_ready(solve(layers, y0)),
        check=lambda: (solve(layers, y0) ** 2).mean())
    for variant, f in gradients:
        gradient = jax.jit(jax.value_and_grad(lambda layers, y0, f=f: (f(layers, y0) ** 2).mean()))
        common.measure(
            chosen, name, variant, peer, VERSION, lambda: jax.block_until_ready(gradient(layers, y0)),
            check=lambda: gradient(layers, y0)[0])


def with_diffrax(method, controller, dt0, max_steps, checkpoints):
    def solver(adjoint):
        def solve(layers, y0):
            return diffrax.diffeqsolve(
                diffrax.ODETerm(lambda t, y, layers: mlp(layers, y)), method, 0.0, 1.0, dt0, y0, args=layers,
                stepsize_controller=controller, adjoint=adjoint, max_steps=max_steps).ys[0]
        return solve
    exact = solver(diffrax.RecursiveCheckpointAdjoint(checkpoints=checkpoints))
    return exact, [("exact", exact), ("adjoint", solver(diffrax.BacksolveAdjoint()))]


if __name__ == "__main__":
    def scan(step):
        return lambda layers, y0: jax.lax.scan(lambda y, _: (step(layers, y, 0.01), None), y0, None, length=100)[0]

    measure_all("w2", "JAX", scan(rk4_step), [("exact", scan(jax.checkpoint(rk4_step, static_argnums=2)))])
    measure_all("w2", "diffrax", *with_diffrax(RK4(), diffrax.ConstantStepSize(), 0.01, 128, checkpoints=128))
