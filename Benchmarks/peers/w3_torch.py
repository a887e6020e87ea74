#!/usr/bin/env python3
"""W3 with torchdiffeq: the field of W2 with dopri5 at rtol = atol = 1e-5."""
from w2_torch import workload

workload("w3", loops=False, method="dopri5", rtol=1e-5, atol=1e-5)
