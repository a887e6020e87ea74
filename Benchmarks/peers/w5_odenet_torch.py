#!/usr/bin/env python3
"""W5 with PyTorch and torchdiffeq: one training step of the MNIST ODE-Net and of the 6-block ResNet.

The networks are those of torchdiffeq's examples/odenet_mnist.py (64 channels, 6x6 maps, GroupNorm(32), dopri5 at
1e-3), batch 128, float32, SGD with momentum 0.9. Prints one JSON line per case: the median time of a step in
milliseconds, field evaluations forward, and versions. Needs: torch, torchdiffeq.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torchdiffeq import odeint, odeint_adjoint


def norm(c):
    return nn.GroupNorm(min(32, c), c)


class ConcatConv2d(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin + 1, cout, 3, padding=1)

    def forward(self, t, x):
        return self.conv(torch.cat([torch.ones_like(x[:, :1]) * t, x], 1))


class Field(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = norm(c), norm(c), norm(c)
        self.conv1, self.conv2 = ConcatConv2d(c, c), ConcatConv2d(c, c)
        self.evaluations = 0

    def forward(self, t, x):
        self.evaluations += 1
        x = self.conv1(t, torch.relu(self.norm1(x)))
        return self.norm3(self.conv2(t, torch.relu(self.norm2(x))))


class ODEBlock(nn.Module):
    def __init__(self, c, adjoint):
        super().__init__()
        self.field = Field(c)
        self.solve = odeint_adjoint if adjoint else odeint

    def forward(self, x):
        return self.solve(self.field, x, torch.tensor([0.0, 1.0]), rtol=1e-3, atol=1e-3, method="dopri5")[1]


class ResBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = norm(c), norm(c)
        self.conv1, self.conv2 = (nn.Conv2d(c, c, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x):
        return x + self.conv2(torch.relu(self.norm2(self.conv1(torch.relu(self.norm1(x))))))


def network(case):
    c = 64
    stem = [nn.Conv2d(1, c, 3, 1), norm(c), nn.ReLU(), nn.Conv2d(c, c, 4, 2, 1), norm(c), nn.ReLU(),
            nn.Conv2d(c, c, 4, 2, 1)]
    middle = [ResBlock(c) for _ in range(6)] if case == "resnet6" else [ODEBlock(c, case == "odenet-adjoint")]
    head = [norm(c), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10)]
    return nn.Sequential(*stem, *middle, *head)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", default="resnet6,odenet,odenet-adjoint")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for case in options.cases.split(","):
        torch.manual_seed(0)
        model = network(case)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        x, labels = torch.rand(128, 1, 28, 28), torch.randint(0, 10, (128,))
        times, evaluations = [], 0
        for repeat in range(options.repeats + 1):
            field = next((m for m in model.modules() if isinstance(m, Field)), None)
            if field:
                field.evaluations = 0
            start = time.perf_counter()
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), labels)
            evaluations = field.evaluations if field else 0
            loss.backward()
            optimizer.step()
            if repeat > 0:
                times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps({
            "workload": "W5", "case": case, "peer": f"torch {torch.__version__}", "threads": options.threads,
            "parameters": sum(p.numel() for p in model.parameters()), "evaluations": evaluations,
            "median_ms": round(statistics.median(times), 2), "min_ms": round(min(times), 2)}), flush=True)


if __name__ == "__main__":
    main()
