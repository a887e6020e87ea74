#!/usr/bin/env python3
"""W1 with PyTorch and torchdiffeq: the spiral demo's training step. One JSON line a variant."""
import common

chosen = common.options(__doc__)
import torch  # noqa: E402
from torch_common import VERSION, Field, mlp, setup  # noqa: E402
from torchdiffeq import odeint, odeint_adjoint  # noqa: E402

setup(chosen)
arrays = common.load(chosen.inputs, "w1")
observed, times = torch.tensor(arrays["observed"]), torch.tensor(arrays["times"]).float()

for variant, solve in (("exact", odeint), ("adjoint", odeint_adjoint)):
    field = Field(mlp(arrays), lambda y: y ** 3)
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-3)
    last = {}

    def step():
        field.evaluations = 0
        optimizer.zero_grad()
        path = solve(field, observed[0], times, rtol=1e-7, atol=1e-9, method="dopri5")
        last["evaluations"] = field.evaluations
        loss = (path - observed).abs().mean()
        loss.backward()
        optimizer.step()
        last["loss"] = loss.item()

    common.measure(
        chosen, "w1", variant, "torchdiffeq", VERSION, step, check=lambda: last["loss"],
        evaluations=lambda: last["evaluations"])
