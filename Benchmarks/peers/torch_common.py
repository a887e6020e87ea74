"""PyTorch for the peers' scripts: threads, and networks with the weights that our side exported."""
import torch
import torchdiffeq
from torch import nn

VERSION = f"torch {torch.__version__}, torchdiffeq {torchdiffeq.__version__}"


def setup(chosen):
    torch.set_num_threads(chosen.threads)
    torch.set_num_interop_threads(1)


def mlp(arrays, activation=nn.Tanh):
    """layers.i.weight [inputs, outputs] and layers.i.bias; torch keeps weights transposed."""
    count = sum(name.endswith("weight") for name in arrays if name.startswith("layers."))
    parts = []
    for i in range(count):
        weight, bias = arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"]
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weight).T)
            linear.bias.copy_(torch.tensor(bias))
        parts += [linear, activation()]
    return nn.Sequential(*parts[:-1])


class Field(nn.Module):
    """f(t, y) that counts its evaluations."""

    def __init__(self, net, of_state=lambda y: y):
        super().__init__()
        self.net = net
        self.of_state = of_state
        self.evaluations = 0

    def forward(self, t, y):
        self.evaluations += 1
        return self.net(self.of_state(y))
