#!/usr/bin/env python3
"""W5 with JAX and diffrax: one jitted training step of the MNIST ODE-Net and of the 6-block ResNet, as in w5_torch.py;
channels last, XLA's own layout."""
import common

chosen = common.options(__doc__)
from jax_common import VERSION, diffrax, jax, jnp, training  # noqa: E402
import optax  # noqa: E402


def conv(x, layer, stride=1, padding=0):
    y = jax.lax.conv_general_dilated(
        x, layer["weight"], (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + layer["bias"] if "bias" in layer else y


def norm(x, layer, groups=32, epsilon=1e-5):
    n, h, w, c = x.shape
    grouped = x.reshape(n, h * w, groups, c // groups)
    mean = grouped.mean((1, 3), keepdims=True)
    variance = jnp.square(grouped - mean).mean((1, 3), keepdims=True)
    return ((grouped - mean) * jax.lax.rsqrt(variance + epsilon)).reshape(x.shape) * layer["scale"] + layer["bias"]


def conv3_forward(x, weight):
    return jax.lax.conv_general_dilated(
        x, weight, (1, 1), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_vjp
def conv3(x, weight):
    """3x3, padded, with a gradient written out: XLA's own takes ten times as long once it is inside of a loop, as that
    of every adaptive solve is."""
    return conv3_forward(x, weight)


def conv3_backward(saved, dy):
    x, weight = saved
    n, h, w, c = x.shape
    dx = conv3_forward(dy, jnp.flip(weight, (0, 1)).transpose(0, 1, 3, 2))
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = dy.reshape(-1, dy.shape[-1])
    dw = [padded[:, i:i + h, j:j + w].reshape(-1, c).T @ rows for i in range(3) for j in range(3)]
    return dx, jnp.stack(dw).reshape(weight.shape)


conv3.defvjp(lambda x, weight: (conv3_forward(x, weight), (x, weight)), conv3_backward)


def concat_conv(t, x, layer):
    return conv3(jnp.concatenate([jnp.full_like(x[..., :1], t), x], -1), layer["weight"]) + layer["bias"]


def field(t, x, p):
    x = concat_conv(t, jax.nn.relu(norm(x, p["norm1"])), p["conv1"])
    return norm(concat_conv(t, jax.nn.relu(norm(x, p["norm2"])), p["conv2"]), p["norm3"])


def residual(x, p):
    y = conv(jax.nn.relu(norm(x, p["norm1"])), p["conv1"], padding=1)
    return x + conv(jax.nn.relu(norm(y, p["norm2"])), p["conv2"], padding=1)


def logits(p, x, adjoint):
    s = p["stem"]
    x = jax.nn.relu(norm(conv(x, s["conv1"]), s["norm1"]))
    x = conv(jax.nn.relu(norm(conv(x, s["conv2"], 2, 1), s["norm2"])), s["conv3"], 2, 1)
    if adjoint is None:
        for i in range(6):
            x = residual(x, p["blocks"][str(i)])
    else:
        x = diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri5(), 0.0, 1.0, None, x, args=p["ode"]["field"], adjoint=adjoint,
            stepsize_controller=diffrax.PIDController(rtol=1e-3, atol=1e-3), max_steps=64).ys[0]
    return jax.nn.relu(norm(x, p["norm"])).mean((1, 2)) @ p["output"]["weight"] + p["output"]["bias"]


def tree(arrays, prefix):
    result = {}
    for name, array in arrays.items():
        if name.startswith(prefix):
            *folders, leaf = name[len(prefix):].split(".")
            place = result
            for folder in folders:
                place = place.setdefault(folder, {})
            place[leaf] = jnp.asarray(array)
    return result


arrays = common.load(chosen.inputs, "w5")
images, labels = jnp.asarray(arrays["images"]), jnp.asarray(arrays["labels"])
optimizer = optax.sgd(0.01, momentum=0.9)


def training_step(adjoint):
    def loss(p):
        return optax.softmax_cross_entropy_with_integer_labels(logits(p, images, adjoint), labels).mean()

    @jax.jit
    def step(state):
        p, momentum = state
        value, gradient = jax.value_and_grad(loss)(p)
        updates, momentum = optimizer.update(gradient, momentum, p)
        return (optax.apply_updates(p, updates), momentum), value
    return step


for variant, peer, adjoint in (
        ("resnet6", "JAX", None), ("exact", "diffrax", diffrax.RecursiveCheckpointAdjoint(checkpoints=16)),
        ("adjoint", "diffrax", diffrax.BacksolveAdjoint())):
    p = tree(arrays, "resnet6." if adjoint is None else "odenet.")
    run = training(training_step(adjoint), (p, optimizer.init(p)))
    common.measure(chosen, "w5", variant, peer, VERSION, run, check=lambda: run.loss)
