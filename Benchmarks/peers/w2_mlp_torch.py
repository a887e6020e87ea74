#!/usr/bin/env python3
"""W2 with PyTorch: MLP field 64-256-256-64 tanh, batch 256, t in [0, 1], RK4 with 100 steps, float32.

Forward, and the gradient of mean(y1^2) for the weights by backpropagation through the steps; once as a plain loop
and once through torchdiffeq. Prints one JSON line per case. Needs: torch, torchdiffeq.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torchdiffeq import odeint, odeint_adjoint


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 64))
    y0 = torch.randn(256, 64)
    h = 0.01

    def loop(y):
        for _ in range(100):
            k1 = net(y)
            k2 = net(y + h / 2 * k1)
            k3 = net(y + h / 2 * k2)
            k4 = net(y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, t, y):
            return self.net(y)

    field, times = Field(), torch.tensor([0.0, 1.0])
    fixed = dict(method="rk4", options=dict(step_size=h))
    cases = {
        "forward": (lambda: loop(y0), False),
        "exact": (lambda: loop(y0), True),
        "torchdiffeq-exact": (lambda: odeint(field, y0, times, **fixed)[1], True),
        "torchdiffeq-adjoint": (lambda: odeint_adjoint(field, y0, times, **fixed)[1], True),
    }
    for name, (solve, gradient) in cases.items():
        measured = []
        for repeat in range(options.repeats + 1):
            start = time.perf_counter()
            if gradient:
                net.zero_grad()
                (solve() ** 2).mean().backward()
            else:
                with torch.no_grad():
                    solve()
            if repeat > 0:
                measured.append(1e3 * (time.perf_counter() - start))
        print(json.dumps({
            "workload": "W2", "case": name, "peer": f"torch {torch.__version__}", "threads": options.threads,
            "median_ms": round(statistics.median(measured), 2), "min_ms": round(min(measured), 2)}), flush=True)


if __name__ == "__main__":
    main()
