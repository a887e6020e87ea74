#!/usr/bin/env python3
"""W3 with diffrax: the field of W2 with dopri5 at rtol = atol = 1e-5, jitted."""
from w2_jax import diffrax, measure_all, with_diffrax

measure_all("w3", "diffrax", *with_diffrax(diffrax.Dopri5(), diffrax.PIDController(rtol=1e-5, atol=1e-5), None, 64, 16))
