#!/usr/bin/env python3
"""W2 with PyTorch: an MLP field on 256 lanes, RK4 with 100 steps, as a plain loop (as it is, and with the network
compiled) and through torchdiffeq. Forward, and the gradient of mean(y1^2) for the weights."""
import common

chosen = common.options(__doc__)
import torch  # noqa: E402
import torch._functorch.config as functorch  # noqa: E402
from torch_common import VERSION, Field, mlp, setup  # noqa: E402
from torchdiffeq import odeint, odeint_adjoint  # noqa: E402

setup(chosen)
TIMES = torch.tensor([0.0, 1.0])


def loop(net, y, h=0.01):
    for _ in range(100):
        k1 = net(y)
        k2 = net(y + h / 2 * k1)
        k3 = net(y + h / 2 * k2)
        k4 = net(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


class Case:
    """Measures solve(field, y0) -> y1 forward and with its gradient."""

    def __init__(self, workload, net, y0):
        self.workload, self.y0 = workload, y0
        self.field = Field(net)
        self.result = self.evaluations = None

    def solve(self, solver):
        self.field.evaluations = 0
        y1 = solver(self.field, self.y0)
        self.evaluations = self.field.evaluations
        self.result = (y1 ** 2).mean()

    def forward(self, peer, solver):
        def run():
            with torch.no_grad():
                self.solve(solver)
        self.measure("forward", peer, run)

    def gradient(self, variant, peer, solver):
        def run():
            self.field.zero_grad()
            self.solve(solver)
            self.result.backward()
        self.measure(variant, peer, run)

    def measure(self, variant, peer, run):
        common.measure(
            chosen, self.workload, variant, peer, VERSION, run, check=lambda: self.result.detach(),
            evaluations=lambda: self.evaluations)


def workload(name, loops, **settings):
    arrays = common.load(chosen.inputs, name)
    y0 = torch.tensor(arrays["y0"])
    # The continuous adjoint asks for the product with its graph kept, which donated buffers do not allow.
    functorch.donated_buffer = False
    networks = [("", mlp(arrays))] + ([] if chosen.no_compile else [(" compiled", torch.compile(mlp(arrays)))])
    for suffix, net in networks:
        case = Case(name, net, y0)
        if loops:
            plain = lambda field, y0: loop(lambda y: field(None, y), y0)  # noqa: E731
            case.forward("PyTorch" + suffix, plain)
            case.gradient("exact", "PyTorch" + suffix, plain)
        case.forward("torchdiffeq" + suffix, lambda field, y0: odeint(field, y0, TIMES, **settings)[1])
        case.gradient("exact", "torchdiffeq" + suffix, lambda field, y0: odeint(field, y0, TIMES, **settings)[1])
        case.gradient("adjoint", "torchdiffeq" + suffix, lambda f, y0: odeint_adjoint(f, y0, TIMES, **settings)[1])


if __name__ == "__main__":
    workload("w2", loops=True, method="rk4", options=dict(step_size=0.01))
