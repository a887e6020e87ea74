"""JAX for the peers' scripts. Import it after `common.options`, which binds the threads."""
import os

threads = len(os.sched_getaffinity(0))
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + f" --xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}")
os.environ["NPROC"] = str(threads)

import diffrax  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

VERSION = f"jax {jax.__version__}, diffrax {diffrax.__version__}"


def parameters(arrays):
    """[(weight [inputs, outputs], bias)] of an MLP."""
    count = sum(name.endswith("weight") for name in arrays if name.startswith("layers."))
    return [(jnp.asarray(arrays[f"layers.{i}.weight"]), jnp.asarray(arrays[f"layers.{i}.bias"])) for i in range(count)]


def mlp(layers, x):
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if i + 1 < len(layers):
            x = jnp.tanh(x)
    return x


def training(step, state):
    """Calls of a jitted step, each waited for, that go on from each other: step(state) -> (state, loss)."""
    def run():
        run.state, run.loss = jax.block_until_ready(step(run.state))
    run.state = state
    return run
