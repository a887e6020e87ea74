#!/usr/bin/env python3
"""W5 with PyTorch and torchdiffeq: one training step of the MNIST ODE-Net and of the 6-block ResNet.

The networks are those of torchdiffeq's examples/odenet_mnist.py (64 channels, 6x6 maps, GroupNorm(32), dopri5 at
1e-3), batch 128, float32, SGD with momentum 0.9; channels last, which is the faster layout here.
"""
import common

chosen = common.options(__doc__)
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch_common import VERSION, setup  # noqa: E402
from torchdiffeq import odeint, odeint_adjoint  # noqa: E402

setup(chosen)


class ConcatConv2d(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin + 1, cout, 3, padding=1)

    def forward(self, t, x):
        return self.conv(torch.cat([torch.ones_like(x[:, :1]) * t, x], 1))


class ODEField(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.GroupNorm(32, c) for _ in range(3))
        self.conv1, self.conv2 = ConcatConv2d(c, c), ConcatConv2d(c, c)
        self.evaluations = 0

    def forward(self, t, x):
        self.evaluations += 1
        x = self.conv1(t, torch.relu(self.norm1(x)))
        return self.norm3(self.conv2(t, torch.relu(self.norm2(x))))


class ODEBlock(nn.Module):
    def __init__(self, c, adjoint):
        super().__init__()
        self.field = ODEField(c)
        self.solve = odeint_adjoint if adjoint else odeint

    def forward(self, x):
        return self.solve(self.field, x, torch.tensor([0.0, 1.0]), rtol=1e-3, atol=1e-3, method="dopri5")[1]


class ResBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, c), nn.GroupNorm(32, c)
        self.conv1, self.conv2 = (nn.Conv2d(c, c, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x):
        return x + self.conv2(torch.relu(self.norm2(self.conv1(torch.relu(self.norm1(x))))))


class Classifier(nn.Module):
    def __init__(self, variant, c=64):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, c, 3), nn.GroupNorm(32, c), nn.ReLU(), nn.Conv2d(c, c, 4, 2, 1), nn.GroupNorm(32, c),
            nn.ReLU(), nn.Conv2d(c, c, 4, 2, 1))
        blocks = [ResBlock(c) for _ in range(6)] if variant == "resnet6" else [ODEBlock(c, variant == "adjoint")]
        self.middle = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.GroupNorm(32, c), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))

    def forward(self, x):
        return self.head(self.middle(self.stem(x)))


def copy_weights(model, arrays, prefix):
    """From our names and layouts: filters [kh, kw, in, out], weights [in, out], norms' scale."""
    def put(layer, name):
        for target, names in ((layer.weight, ("weight", "scale")), (layer.bias, ("bias",))):
            found = [n for n in names if f"{prefix}{name}.{n}" in arrays]
            if target is None or not found:
                assert target is None, f"no {names} of {name}"
                continue
            array = torch.tensor(arrays[f"{prefix}{name}.{found[0]}"])
            target.data.copy_(array.permute(3, 2, 0, 1) if array.ndim == 4 else array.T if array.ndim == 2 else array)

    for index, name in ((0, "conv1"), (1, "norm1"), (3, "conv2"), (4, "norm2"), (6, "conv3")):
        put(model.stem[index], f"stem.{name}")
    put(model.head[0], "norm")
    put(model.head[4], "output")
    if prefix == "resnet6.":
        for i, block in enumerate(model.middle):
            for name in ("norm1", "conv1", "norm2", "conv2"):
                put(getattr(block, name), f"blocks.{i}.{name}")
    else:
        field = model.middle[0].field
        for name in ("norm1", "norm2", "norm3"):
            put(getattr(field, name), f"ode.field.{name}")
        for name in ("conv1", "conv2"):
            put(getattr(field, name).conv, f"ode.field.{name}")


arrays = common.load(chosen.inputs, "w5")
images = torch.tensor(arrays["images"]).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
labels = torch.tensor(arrays["labels"]).long()
for variant in ("resnet6", "exact", "adjoint"):
    peers = [("", False)] + ([(" compiled", True)] if variant == "resnet6" and not chosen.no_compile else [])
    for suffix, compiled in peers:
        model = Classifier(variant).to(memory_format=torch.channels_last)
        copy_weights(model, arrays, "resnet6." if variant == "resnet6" else "odenet.")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        run_model = torch.compile(model) if compiled else model
        field = next((m for m in model.modules() if isinstance(m, ODEField)), None)
        last = {}

        def step():
            if field:
                field.evaluations = 0
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(run_model(images), labels)
            last["evaluations"] = field.evaluations if field else None
            loss.backward()
            optimizer.step()
            last["loss"] = loss.item()

        common.measure(
            chosen, "w5", variant, ("PyTorch" if variant == "resnet6" else "torchdiffeq") + suffix, VERSION, step,
            check=lambda: last["loss"], evaluations=lambda: last["evaluations"])
