#!/usr/bin/env python3
"""W8 with PyTorch and numpy: products of matrices, float32."""
import common

chosen = common.options(__doc__)
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch_common import VERSION, setup  # noqa: E402

setup(chosen)
arrays = common.load(chosen.inputs, "w8")
for variant, (left, right) in (("sgemm-1024", ("square", "square")), ("batched", ("left", "right"))):
    for peer, version, (a, b) in (
            ("PyTorch", VERSION, (torch.tensor(arrays[left]), torch.tensor(arrays[right]))),
            ("numpy", f"numpy {np.__version__}", (arrays[left], arrays[right]))):
        common.measure(chosen, "w8", variant, peer, version, lambda: a @ b, check=lambda: (a @ b).sum())
