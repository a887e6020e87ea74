#!/usr/bin/env python3
"""W7 with torchode (every system its own steps) and torchdiffeq (one step size for all): 10,000 Lotka-Volterra systems
in double precision, dopri5 at 1e-6 to t = 10."""
import common

chosen = common.options(__doc__)
import importlib.metadata  # noqa: E402
import sys  # noqa: E402
import torch  # noqa: E402
from torch_common import VERSION, setup  # noqa: E402
from torchdiffeq import odeint  # noqa: E402

setup(chosen)
arrays = common.load(chosen.inputs, "w7")
y0, (a, b, c, d) = torch.tensor(arrays["y0"]), torch.tensor(arrays["rates"]).unbind(1)
last = {}


def field(t, y):
    prey, predators = y[:, 0], y[:, 1]
    meetings = prey * predators
    return torch.stack((a * prey - b * meetings, d * meetings - c * predators), 1)


def counted(t, y):
    last["evaluations"] += 1
    return field(t, y)


@torch.no_grad()
def together():
    last["evaluations"] = 0
    last["y"] = odeint(counted, y0, torch.tensor([0.0, 10.0]).double(), rtol=1e-6, atol=1e-6, method="dopri5")[1]


def own_steps():
    import torchode
    term = torchode.ODETerm(field)
    solver = torchode.AutoDiffAdjoint(
        torchode.Dopri5(term=term), torchode.IntegralController(atol=1e-6, rtol=1e-6, term=term))
    count = len(y0)
    problem = torchode.InitialValueProblem(
        y0=y0, t_start=torch.zeros(count).double(), t_end=torch.full((count,), 10.0).double())
    # Compiled, as its documentation advises.
    solvers = [("", solver.solve)] + ([] if chosen.no_compile else [(" compiled", torch.compile(solver.solve))])
    for suffix, solve in solvers:
        @torch.no_grad()
        def run():
            solution = solve(problem)
            last["y"], last["steps"] = solution.ys[:, -1], int(solution.stats["n_steps"].sum())
        common.measure(
            chosen, "w7", "own-steps", "torchode" + suffix, f"torchode {torchode_version}, torch {torch.__version__}",
            run, check=lambda: last["y"].mean(), steps=lambda: last["steps"])


common.measure(
    chosen, "w7", "shared-steps", "torchdiffeq", VERSION, together, check=lambda: last["y"].mean(),
    evaluations=lambda: last["evaluations"])
try:
    torchode_version = importlib.metadata.version("torchode")
except importlib.metadata.PackageNotFoundError:
    print("w7_torch: torchode is not installed and left out", file=sys.stderr)
else:
    own_steps()
