#!/usr/bin/env python3
"""W6 with PyTorch: a Hamiltonian network's training step (the field kept differentiable) and its rollout, as they are and
with the field compiled. One JSON line a variant."""
import common

chosen = common.options(__doc__)
import torch  # noqa: E402
from torch_common import VERSION, mlp, setup  # noqa: E402

setup(chosen)
STEPS, END = 1000, 20.0


def field(net):
    slope_of = torch.func.grad(lambda x: net(x).sum())

    def slope(x):
        q, p = slope_of(x).chunk(2, dim=1)
        return torch.cat([p, -q], dim=1)
    return slope


def rollout(f, y):
    h = END / STEPS
    for _ in range(STEPS):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def measure_all(suffix, prepare):
    for name in ("spring", "two-body"):
        arrays = common.load(chosen.inputs, f"w6{name}")
        net, x, dx = mlp(arrays), torch.tensor(arrays["x"]), torch.tensor(arrays["dx"])
        f = prepare(field(net))
        # The last bias has no gradient: the field does not depend on it.
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        last = {}

        def step():
            optimizer.zero_grad()
            loss = ((f(x) - dx) ** 2).mean()
            loss.backward()
            optimizer.step()
            last["loss"] = loss.item()

        common.measure(chosen, "w6", name, "PyTorch" + suffix, VERSION, step, check=lambda: last["loss"])
    arrays = common.load(chosen.inputs, "w6spring")
    net = mlp(arrays).requires_grad_(False)
    for batch in (1, 100):
        f = prepare(field(net))
        y0 = torch.tensor(arrays["x"][:batch])
        last = {}

        def run():
            with torch.no_grad():
                last["y"] = rollout(f, y0)

        common.measure(
            chosen, "w6", f"rollout-{batch}", "PyTorch" + suffix, VERSION, run,
            check=lambda: (last["y"] ** 2).mean())


measure_all("", lambda f: f)
if not chosen.no_compile:
    measure_all(" compiled", lambda f: torch.compile(f, dynamic=False))
