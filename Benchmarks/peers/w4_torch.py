#!/usr/bin/env python3
"""W4 with PyTorch and torchdiffeq: a continuous normalizing flow's training step. One JSON line a variant."""
import math

import common

chosen = common.options(__doc__)
import torch  # noqa: E402
from torch_common import VERSION, Field, mlp, setup  # noqa: E402
from torchdiffeq import odeint, odeint_adjoint  # noqa: E402

setup(chosen)


class Flow(Field):
    """y and log-determinant with the trace of the Jacobian: exact for two columns, else by one probe."""

    def __init__(self, arrays):
        super().__init__(mlp(arrays))
        self.probe = torch.tensor(arrays["probe"])

    def forward(self, t, state):
        self.evaluations += 1
        y = state[0]
        with torch.enable_grad():
            y = y.requires_grad_(True)
            f = self.net(torch.cat([t.expand(len(y), 1), y], dim=1))
            if y.shape[1] == 2:
                trace = sum(
                    torch.autograd.grad(f[:, i].sum(), y, create_graph=True)[0][:, i] for i in range(y.shape[1]))
            else:
                trace = (torch.autograd.grad(f, y, self.probe, create_graph=True)[0] * self.probe).sum(dim=1)
        return f, trace


for width in (2, 64):
    arrays = common.load(chosen.inputs, f"w4d{width}")
    data = torch.tensor(arrays["data"])
    for variant, solve in (("exact", odeint), ("adjoint", odeint_adjoint)):
        field = Flow(arrays)
        optimizer = torch.optim.Adam(field.parameters(), lr=1e-6)
        last = {}

        def step():
            field.evaluations = 0
            optimizer.zero_grad()
            z, logarithm = solve(
                field, (data.clone(), torch.zeros(len(data))), torch.tensor([0.0, 1.0]), rtol=1e-5, atol=1e-5,
                method="dopri5")
            last["evaluations"] = field.evaluations
            density = -0.5 * (z[1] ** 2).sum(dim=1) - 0.5 * width * math.log(2 * math.pi)
            loss = -(density + logarithm[1]).mean()
            loss.backward()
            optimizer.step()
            last["loss"] = loss.item()

        common.measure(
            chosen, "w4", f"d{width}-{variant}", "torchdiffeq", VERSION, step, check=lambda: last["loss"],
            evaluations=lambda: last["evaluations"])
